"""The source of a restore: a snapshot of a backup, or an older state of the primary."""

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
    """The content to restore, and the policy for restoring it.

    A backup's own snapshot is restored exactly. A state of the primary is applied as a normal replication:
    machine-specific values of the backup stay.
    """

    key: str
    content: SnapshotContent
    state: PrimaryState

    @classmethod
    def load(cls, snapshots: SnapshotStore, key: str, primary: Primary | None) -> "RestoreSource":
        """Load the snapshot with this ``key``; ``primary`` is the current primary, which is never written to.

        Raises Failure(SNAPSHOT_MISSING, SNAPSHOT_ALTERED, SNAPSHOT_UNREADABLE or REGISTRY_UNAVAILABLE).
        """
        return cls.of(snapshots.load(key), primary)

    @classmethod
    def of(cls, snapshot: Snapshot, primary: Primary | None) -> "RestoreSource":
        """A restore source from a snapshot that was already read. Raises Failure(SNAPSHOT_ALTERED or
        SNAPSHOT_UNREADABLE).
        """
        address = (primary.host, primary.port) if primary else ("", 0)
        content = snapshot.content
        state = earlier_state(content.parts, content.facts, address, f"snapshot {snapshot.key}")
        check_state(snapshot.key, state)
        return cls(snapshot.key, content, state)

    @property
    def owner(self) -> str:
        """The id of the backup that the snapshot belongs to, empty for a state of the primary."""
        return backup_of(self.key)

    def check_registration(self, backup: Backup, *, same_machine: bool) -> None:
        """Raise Failure(SNAPSHOT_OF_FORMER_SERVER) if the snapshot was taken under another registration of the backup.

        ``same_machine`` is a person's confirmation that the registered server is the one that the snapshot was taken
        of.
        """
        if not same_machine and self.owner and is_of_former_server(self.key, backup):
            raise snapshot_of_former_server(self.key)

    def policy(self, backup: Backup, settings: SyncSettings) -> Policy:
        """The policy for the restore: which parts are written, and which values stay the backup's own. Only parts in
        the snapshot are written.

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
        """Raise Failure unless the snapshot may be restored to this server; return warnings."""
        if self.owner:
            return check_restored(self.content.facts, self.content.primary, self.state.address, facts, address, label)
        return check_backup(self.state.facts, self.state.address, facts, address, label)


def check_state(key: str, state: PrimaryState) -> None:
    """Raise Failure(SNAPSHOT_ALTERED) if ``key``, which contains the digest of a primary's state, does not match
    ``state``.

    A backup's own snapshot always passes, because its digest is only in the table.
    """
    if not backup_of(key) and key != primary_key(fingerprint(state)):
        raise snapshot_altered(key)


def is_of_former_server(key: str, backup: Backup) -> bool:
    """Whether a backup's snapshot was taken under another registration of its id: before the id was registered anew or
    got another host or port.
    """
    return registration_of(key) != backup.registration


def snapshot_of_former_server(key: str) -> Failure:
    """The failure for a snapshot of a former registration, which is not restored without a person's confirmation."""
    return Failure(
        Reason.SNAPSHOT_OF_FORMER_SERVER,
        f"the snapshot {key} was kept before the backup was registered anew, or at another host or port",
    )
