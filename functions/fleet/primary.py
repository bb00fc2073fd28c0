"""The primary in use, the policy of each backup, and the identity of the primary for restores.

A restore must work while the primary is down, so it does not read the primary. But the current primary may be
registered as a backup under another name, at an address that does not show that it is the primary. So the primary is
asked for its identity, and the identity it last reported is taken from its newest stored state.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from common.deadline import Deadline
from common.errors import Failure, Reason, suppressed
from fleet.log_ins import LogIns
from fleet.servers import PRIMARY_ID, Servers
from registry.fleet_records import Backup, Credentials, Primary, SyncSettings
from registry.run_records import BackupResult, PrimaryBaseline, Run
from registry.snapshots import SnapshotStore, primary_key
from registry.store import Store, VersionConflict
from registry.store_rules import of_primary, primary_as_named
from replication.documents.keep_patterns import Rules
from replication.guards.preflight import same_server
from replication.model import DEFAULT_PARTS, PartFingerprints, PartName, Policy, PrimaryState
from replication.ports import ReadableServer, ServerFacts
from replication.primary import read_primary
from replication.settings_write import PendingAccessProof


def primary_in_use(store: Store, configured: Primary | None) -> Primary | None:
    """The registered primary, otherwise the one that the stack's parameters name. Raises Failure.

    The stack's parameters may name a different server than at the last run. Then the primary has changed, as by ``PUT
    /primary``: nothing is pushed until somebody resumes. The time of the last verified run counts as the time of the
    change.
    """
    stored = store.primary()
    if stored and not stored.of_stack:
        return stored
    if configured is None:
        return None
    named = replace(configured, of_stack=True)
    if stored and stored.source == named.source:
        return primary_as_named(named, stored, "", None)
    baseline = store.baseline()
    previous = stored or _verified_from(baseline, named)
    since = baseline.at if baseline else None
    why = f"the stack's parameters name {named.host}:{named.port} instead of {previous.host}:{previous.port}"
    return primary_as_named(named, previous, why, since)


def _verified_from(baseline: PrimaryBaseline | None, named: Primary) -> Primary:
    """The stack's primary at the last verified run; ``named`` if none is known.

    Stacks of an older version did not store the primary that their parameters named, so the address comes from the
    record of the last verified run.
    """
    host, _, port = baseline.source.rpartition("#") if baseline else ("", "", "")
    return replace(named, host=host, port=int(port), term=baseline.term) if baseline and host else named


def remember_stack_primary(store: Store, configured: Primary | None) -> Primary | None:
    """The current primary; one that the stack's parameters name is stored, so that a later change of the parameters is
    noticed.

    A run that is under way notices the change too: it does not write to backups after the primary has changed. So a run
    that starts with new parameters stores them at once, with or without the lease. Raises Failure.
    """
    stored, used = store.primary(), primary_in_use(store, configured)
    if used is None or not used.of_stack or (stored and stored.source == used.source):
        return used
    try:
        return store.save_primary(used, expected_version=stored.version if stored else 0)
    except VersionConflict:  # a primary was registered meanwhile
        return primary_in_use(store, configured)


@dataclass(frozen=True)
class Source:
    """Reads the current primary. ``configured`` is the primary of the stack's parameters, used if none is
    registered.
    """

    log_ins: LogIns
    servers: Servers
    configured: Primary | None

    @property
    def registered(self) -> Primary | None:
        """The current primary: the registered one, otherwise the one of the stack's parameters, None if there is
        none.
        """
        return primary_in_use(self.log_ins.store, self.configured)

    @property
    def primary(self) -> Primary:
        """The current primary. Raises Failure(PRIMARY_NOT_REGISTERED)."""
        primary = self.registered
        if primary is None:
            raise Failure(Reason.PRIMARY_NOT_REGISTERED, "no primary is registered")
        return primary

    def read(self, parts: Iterable[PartName], settings: SyncSettings, deadline: Deadline) -> PrimaryState:
        """Read the primary once and completely. Raises Failure, naming the primary.

        ``fleet.primary_guard`` decides whether its content may be a mistake.
        """
        return self._asked(lambda server: read_primary(server, parts, accept_empty=True), settings, deadline)

    def facts(self, settings: SyncSettings, deadline: Deadline) -> ServerFacts:
        """The facts that the primary reports about itself. Raises Failure, naming the primary."""
        return self._asked(lambda server: server.facts(), settings, deadline)

    def _asked[Answer](
        self, ask: Callable[[ReadableServer], Answer], settings: SyncSettings, deadline: Deadline
    ) -> Answer:
        registered = self.primary

        def attempt(credentials: Credentials) -> Answer:
            with self.servers.primary(registered, credentials, settings, deadline) as server:
                return ask(server)

        try:
            return self.log_ins.use(registered, attempt)
        except Failure as failure:
            raise failure.at(f"{PRIMARY_ID} ({registered.host}:{registered.port})") from None


def policy_of(backup: Backup, settings: SyncSettings) -> Policy:
    """The policy for a backup: its own parts or the fleet's, and the fleet's keep patterns with its own.

    Raises Failure(REGISTRATION_INVALID) for invalid parts or keep patterns.
    """
    is_own = backup.parts is not None
    names, who = (backup.parts, "its registration names") if is_own else (settings.parts, "the fleet's settings name")
    unknown = sorted({*(names or ())} - {*PartName})
    if unknown:
        raise Failure(Reason.REGISTRATION_INVALID, f"{who} a part that does not exist: {unknown[0]!r}")
    parts = DEFAULT_PARTS if names is None else frozenset(PartName(name) for name in names)
    if not parts:
        raise Failure(Reason.REGISTRATION_INVALID, f"{who} no part, so nothing would ever be replicated")
    return Policy(parts, Rules.standard(settings.rules, backup.rules), settings.replicate_auto_block_list)


def known_parts(registered: BackupResult | None, of: Primary | Run | None) -> dict[PartName, PartFingerprints]:
    """The fingerprints of a backup's parts from the last time they were read back.

    ``registered`` is the last result for the backup's current registration. Fingerprints recorded while another server
    than ``of`` was the primary are dropped, except for parts that were written and not read back since.
    """
    names = frozenset(PartName)
    recorded = registered.fingerprints if registered else {}
    is_void = of_primary(registered, of) is None
    return {
        PartName(name): PartFingerprints(part.desired, part.held)
        for name, part in recorded.items()
        if name in names and (part.is_unsure or not is_void)
    }


def pending_access_proof_of(last: BackupResult | None, snapshots: SnapshotStore) -> PendingAccessProof | None:
    """The facts of a backup before a settings push whose proof of access is still pending; None if there is no such
    push.

    The result is also None if the snapshot from before that push has expired, because there is nothing left to compare
    with. Raises Failure(SNAPSHOT_UNREADABLE or REGISTRY_UNAVAILABLE).
    """
    key = last.settings_before if last else None
    if not key:
        return None
    with suppressed(Reason.SNAPSHOT_MISSING):
        return PendingAccessProof(key, snapshots.load(key).content.facts)
    return None


def parts_of(backups: Iterable[Backup], settings: SyncSettings) -> set[PartName]:
    """All parts that at least one of the backups receives. Backups with an invalid registration are ignored."""
    parts: set[PartName] = set()
    for backup in backups:
        with suppress(Failure):
            parts |= policy_of(backup, settings).parts
    return parts


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
