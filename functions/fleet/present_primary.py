"""The identity of the current primary, so that a restore never writes to it.

A restore must work while the primary is down, so it does not read the primary. But the current primary may be
registered as a backup under another name, at an address that does not show that it is the primary. So the primary is
asked for its identity, and the identity it last reported is taken from its newest stored state.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from common.deadline import Deadline
from common.errors import Failure, Reason
from common.server_types import ServerFacts
from fleet.primary import Source
from registry.fleet_records import SyncSettings
from registry.snapshots import SnapshotStore, primary_key
from replication.guards.preflight import same_server

_PATIENCE = 5.0
"""Time-out in seconds for connecting and for an answer, short because somebody waits for the restore."""


@dataclass(frozen=True)
class PresentPrimary:
    """The identities that the primary reports now and reported last; ``warnings`` are sentences about missing
    information.
    """

    facts: tuple[ServerFacts, ...] = ()
    warnings: tuple[str, ...] = ()

    def check(self, backup: ServerFacts, label: str) -> tuple[str, ...]:
        """Raise Failure(SAME_AS_PRIMARY) if the backup is the primary itself; return warnings."""
        for facts in self.facts:
            if failure := same_server(facts, backup):
                raise failure.at(label)
        return self.warnings


def present_primary(
    source: Source, snapshots: SnapshotStore, settings: SyncSettings, deadline: Deadline
) -> PresentPrimary:
    """Ask the current primary for its identity and load its newest stored state. Raises
    Failure(REGISTRY_UNAVAILABLE).
    """
    if source.registered is None:
        return PresentPrimary()
    warnings: list[str] = []
    facts = tuple(_last_known(source, snapshots, warnings))
    asked = ask_primary(lambda hasty: source.facts(hasty, deadline), settings)
    return PresentPrimary((*facts, *asked.facts), (*warnings, *asked.warnings))


def ask_primary(ask: Callable[[SyncSettings], ServerFacts], settings: SyncSettings) -> PresentPrimary:
    """Ask the primary for its identity; if it does not answer, the result has a warning.

    ``ask`` receives the settings with shorter time-outs. Raises Failure(REGISTRY_UNAVAILABLE).
    """
    hasty = replace(
        settings,
        connect_timeout=min(settings.connect_timeout, _PATIENCE),
        read_timeout=min(settings.read_timeout, _PATIENCE),
    )
    try:
        return PresentPrimary((ask(hasty),))
    except Failure as failure:
        if failure.reason is Reason.REGISTRY_UNAVAILABLE:
            raise
        asked = f"The primary could not be asked for its identity ({failure.reason})"
        return PresentPrimary((), (f"{asked}: make sure that this backup is another server.",))


def _last_known(source: Source, snapshots: SnapshotStore, warnings: list[str]) -> Iterator[ServerFacts]:
    state, primary = source.log_ins.store.newest_state(), source.registered
    if state is None or primary is None or state.server != f"{primary.host}:{primary.port}":
        return
    try:
        yield snapshots.load(primary_key(state.digest)).content.facts
    except Failure as failure:
        if failure.reason is Reason.REGISTRY_UNAVAILABLE:
            raise
        warnings.append(f"The primary's last known identity is not stored any more ({failure.reason}).")
