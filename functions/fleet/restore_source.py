"""What is put back: a snapshot of a backup, or an older state of the primary."""

from dataclasses import dataclass, replace

from common.errors import Failure, Reason
from common.server_types import ServerFacts
from fleet.primary import policy_of
from registry.fleet_records import Backup, Primary, SyncSettings
from registry.snapshots import (
    Snapshot,
    SnapshotContent,
    SnapshotStore,
    backup_of,
    primary_key,
    registration_of,
    snapshot_altered,
)
from replication.guards.preflight import check_backup, check_restored
from replication.job import exact_policy
from replication.model import Policy, PrimaryState
from replication.primary import earlier_state, fingerprint


@dataclass(frozen=True)
class RestoreSource:
    """What was held before, and on which terms a backup gets it.

    A backup's own snapshot goes back exactly. A state of the primary goes over
    as the primary's does: what belongs to the backup's machine stays.
    """

    key: str
    content: SnapshotContent
    state: PrimaryState

    @classmethod
    def load(cls, snapshots: SnapshotStore, key: str, primary: Primary | None) -> "RestoreSource":
        """What is kept under ``key``; ``primary`` is the one in use, which is never written to.

        Raises Failure(SNAPSHOT_MISSING, SNAPSHOT_ALTERED, SNAPSHOT_UNREADABLE or REGISTRY_UNAVAILABLE).
        """
        return cls.of(snapshots.load(key), primary)

    @classmethod
    def of(cls, snapshot: Snapshot, primary: Primary | None) -> "RestoreSource":
        """The same of a snapshot that was read already. Raises Failure(SNAPSHOT_ALTERED or SNAPSHOT_UNREADABLE)."""
        address = (primary.host, primary.port) if primary else ("", 0)
        content = snapshot.content
        state = earlier_state(content.parts, content.facts, address, f"snapshot {snapshot.key}")
        check_state(snapshot.key, state)
        return cls(snapshot.key, content, state)

    @property
    def owner(self) -> str:
        """The backup whose own snapshot it is, empty for a state of the primary."""
        return backup_of(self.key)

    def check_registration(self, backup: Backup, *, same_machine: bool) -> None:
        """Raise Failure(SNAPSHOT_OF_FORMER_SERVER) when it was kept of the backup under another registration.

        ``same_machine`` is the word of a person that the server registered now is the one it was kept of.
        """
        if not same_machine and self.owner and is_of_former_server(self.key, backup):
            raise snapshot_of_former_server(self.key)

    def policy(self, backup: Backup, settings: SyncSettings) -> Policy:
        """What goes back, and what stays the backup's own. Only parts that were kept are touched.

        Raises Failure(SNAPSHOT_UNFIT), and what ``policy_of`` raises.
        """
        if self.owner:
            return exact_policy(self.state, auto_block_list=self.content.auto_block_list)
        policy = policy_of(backup, settings)
        parts = policy.parts & self.state.states.keys()
        if not parts:
            raise Failure(Reason.SNAPSHOT_UNFIT, "it holds none of the parts that are chosen for this backup")
        return replace(policy, parts=parts, whole=True)

    def check(self, facts: ServerFacts, address: tuple[str, int], label: str) -> tuple[str, ...]:
        """Raise Failure unless a server may get it back; return warnings."""
        if self.owner:
            return check_restored(self.content.facts, self.content.primary, self.state.address, facts, address, label)
        return check_backup(self.state.facts, self.state.address, facts, address, label)


def check_state(key: str, state: PrimaryState) -> None:
    """Raise Failure(SNAPSHOT_ALTERED) when ``key`` is that of another state of the primary: it is the state's digest.

    A backup's own snapshot passes: its digest is in the table alone.
    """
    if not backup_of(key) and key != primary_key(fingerprint(state)):
        raise snapshot_altered(key)


def is_of_former_server(key: str, backup: Backup) -> bool:
    """Whether a backup's own snapshot was kept when its id was registered otherwise: anew since, or elsewhere."""
    return registration_of(key) != backup.registration


def snapshot_of_former_server(key: str) -> Failure:
    """Why such a snapshot does not go back without a person's word."""
    return Failure(
        Reason.SNAPSHOT_OF_FORMER_SERVER,
        f"the snapshot {key} was kept before the backup was registered anew, or at another host or port",
    )
