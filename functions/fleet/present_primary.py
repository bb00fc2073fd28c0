"""The primary in use, as far as a restore has to tell it from the backups.

A restore works while the primary is down, so it is not read. But a server that
is the primary today may be registered as a backup under another name, at an
address that does not show it. So the primary is asked who it is, and what it
last said of itself is known from its newest kept state.
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
"""Seconds for connecting, and for an answer: a restore is waited for."""


@dataclass(frozen=True)
class PresentPrimary:
    """What the primary says of itself, and last said; ``warnings`` are sentences on what is not known of it."""

    facts: tuple[ServerFacts, ...] = ()
    warnings: tuple[str, ...] = ()

    def check(self, backup: ServerFacts, label: str) -> tuple[str, ...]:
        """Raise Failure(SAME_AS_PRIMARY) when a backup is this server; return warnings."""
        for facts in self.facts:
            if failure := same_server(facts, backup):
                raise failure.at(label)
        return self.warnings


def present_primary(
    source: Source, snapshots: SnapshotStore, settings: SyncSettings, deadline: Deadline
) -> PresentPrimary:
    """Ask the primary in use and look up its newest state. Raises Failure(REGISTRY_UNAVAILABLE)."""
    if source.registered is None:
        return PresentPrimary()
    warnings: list[str] = []
    facts = tuple(_last_known(source, snapshots, warnings))
    asked = ask_primary(lambda hasty: source.facts(hasty, deadline), settings)
    return PresentPrimary((*facts, *asked.facts), (*warnings, *asked.warnings))


def ask_primary(ask: Callable[[SyncSettings], ServerFacts], settings: SyncSettings) -> PresentPrimary:
    """Ask the primary who it is; where it does not say, a warning says so.

    ``ask`` is given the settings with shorter time-outs. Raises Failure(REGISTRY_UNAVAILABLE).
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
        asked = f"The primary could not be asked who it is ({failure.reason})"
        return PresentPrimary((), (f"{asked}: make sure that this backup is another server.",))


def _last_known(source: Source, snapshots: SnapshotStore, warnings: list[str]) -> Iterator[ServerFacts]:
    state, primary = source.store.newest_state(), source.registered
    if state is None or primary is None or state.server != f"{primary.host}:{primary.port}":
        return
    try:
        yield snapshots.load(primary_key(state.digest)).content.facts
    except Failure as failure:
        if failure.reason is Reason.REGISTRY_UNAVAILABLE:
            raise
        warnings.append(f"What the primary last said of itself is not kept any more ({failure.reason}).")
