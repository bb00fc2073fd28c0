"""States of the primary: reading, storing, loading and comparing them.

The content of a backup before a push is stored and loaded in the same way.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from common.errors import UNANSWERED, Failure, Reason
from replication.documents.canonical import digest
from replication.documents.keep_patterns import Rules
from replication.guards.preflight import check_primary
from replication.model import PartName, PartOutcome, PartStatus, Policy, PrimaryState
from replication.parts import PARTS, Part
from replication.parts.accounts import GROUPS, USERS
from replication.plan import PartPlan, Plan
from replication.ports import ReadableServer, ServerFacts


def read_primary(server: ReadableServer, parts: Iterable[PartName], *, accept_empty: bool = False) -> PrimaryState:
    """Read the facts and the chosen parts of the primary.

    Raises Failure if anything is unreadable. PRIMARY_EMPTY: users, groups or settings are missing, or there is no user
    and ``accept_empty`` does not permit that. PRIMARY_INCOMPLETE: the server lists at least twice as many users or
    groups as its documents contain. A failed read never means "no users". A character that XML cannot represent makes
    only the part that contains it unreadable.
    """
    wanted = set(parts)
    facts = server.facts()
    check_primary(facts, server.label)
    states: dict[PartName, object] = {}
    unread: dict[PartName, Failure] = {}
    for part in PARTS:
        if part.name in wanted and part.offered(facts.features):
            try:
                state = part.read(server)
                part.validate(state)
            except Failure as failure:
                if failure.reason is not Reason.CHARACTER_FORBIDDEN:
                    raise
                unread[part.name] = failure.at(server.label)
            else:
                states[part.name] = state
    counts: dict[str, int] = {}
    for part in PARTS:
        if part.name in states:
            counts |= part.counts(states[part.name], server.label)
    if USERS in counts and not counts[USERS] and not accept_empty:
        raise Failure(Reason.PRIMARY_EMPTY, "its user list holds no user", server=server.label)
    asked = {USERS: server.user_names, GROUPS: server.group_names}
    doubts = (
        doubt
        for what, ask in asked.items()
        if what in counts
        for doubt in _cross_check(what, counts[what], ask, server.label)
    )
    return PrimaryState(
        server.label,
        server.address,
        facts,
        states,
        users=counts.get(USERS, 0),
        groups=counts.get(GROUPS, 0),
        settings=counts.get(PartName.SETTINGS, 0),
        unread=unread,
        doubts=tuple(doubts),
    )


BY_DEFAULT = Policy(rules=Rules(()))  # no keep patterns: they only matter for writing
"""The policy for comparing states of the primary; automatically changing content, such as the list of automatically
blocked addresses, is not a change.
"""


def fingerprint(primary: PrimaryState) -> str:
    """A digest of the primary's version and all parts that were read. Two digests are equal exactly if the version and
    everything that is replicated are equal.
    """
    parts = (f"{name}={part_digest}" for name, part_digest in fingerprints(primary).items())
    return digest(f"{primary.facts.version} {' '.join(parts)}")


def fingerprints(primary: PrimaryState) -> dict[PartName, str]:
    """A digest of each part that was read, in the order of writing."""
    return {
        part.name: part.fingerprint(primary.states[part.name], BY_DEFAULT)
        for part in PARTS
        if part.name in primary.states
    }


def dump(primary: PrimaryState) -> dict[str, str]:
    """Every part that was read, as text that the part can load again."""
    return {str(part.name): part.dump(primary.states[part.name]) for part in PARTS if part.name in primary.states}


def earlier_state(dumps: Mapping[str, str], facts: ServerFacts, address: tuple[str, int], label: str) -> PrimaryState:
    """A stored state. ``dumps`` has its parts by name, as text; ``facts`` are the server's facts when they were read.

    ``label`` is the state's name in messages. Users, groups and settings are not counted, because no comparison needs
    the numbers.
    Raises Failure(SNAPSHOT_UNREADABLE) for an unknown or unreadable part.
    """
    unknown = set(dumps) - set(PartName)
    if unknown:
        raise Failure(Reason.SNAPSHOT_UNREADABLE, f"it contains an unknown part: {min(unknown)}", server=label)
    states: dict[PartName, object] = {}
    for part in PARTS:
        if part.name in dumps:
            try:
                state = part.load(dumps[part.name], label)
                part.validate(state)
            except (
                ValueError,
                KeyError,
                TypeError,
                AttributeError,
                Failure,
            ):  # the text would quote content
                raise Failure(
                    Reason.SNAPSHOT_UNREADABLE, f"its content of {part.name} cannot be read", server=label
                ) from None
            states[part.name] = state
    return PrimaryState(label, address, facts, states, users=0, groups=0)


def compared(before: Mapping[str, str], after: Mapping[str, str]) -> Plan:
    """The changes from one state to another; both are dumps by part name.

    A part that only one state has is not compared; its message says which state has it. Raises
    Failure(DOCUMENT_MALFORMED) for an unreadable document.
    """
    return Plan(tuple(_compared(before, after)), BY_DEFAULT)


def _compared(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[PartPlan]:
    for part in PARTS:
        if part.name in before and part.name in after:
            yield _part(part, part.load(before[part.name], "the first"), part.load(after[part.name], "the second"))
        elif part.name in before or part.name in after:
            which = "first" if part.name in before else "second"
            message = f"only the {which} holds this part; the other has none, or was read without it"
            yield PartPlan(part, settled=PartOutcome(part.name, PartStatus.NOT_OFFERED, message=message))


def _part(part: Part[Any], before: Any, after: Any) -> PartPlan:
    after = part.stable(before, after)
    if part.same(before, after, BY_DEFAULT):
        return PartPlan(part, before, settled=PartOutcome(part.name, PartStatus.UNCHANGED))
    return PartPlan(part, before, after)


def _cross_check(what: str, held: int, ask: Callable[[], tuple[str, ...]], label: str) -> Iterator[Failure]:
    """Compare two counts of the server's users or groups; yield the failure if the second count is unavailable.

    A document with half as many entries as the list of names, or fewer, is an error. A smaller difference is not an
    error, because the list of names may include accounts (of a directory, for example) that are not in the document.
    """
    try:
        named = len(ask())
    except Failure as failure:
        if failure.reason not in UNANSWERED:
            raise
        yield Failure(failure.reason, f"its {what} were not counted a second time: {failure.message}", server=label)
        return
    if named and held * 2 <= named:
        raise Failure(
            Reason.PRIMARY_INCOMPLETE, f"it names {named} {what}, but its document holds {held}", server=label
        )
