"""Reading the primary, once and completely, before any backup is touched."""

from collections.abc import Callable, Iterable, Iterator

from common.errors import UNANSWERED, Failure, Reason
from replication.documents.canonical import digest
from replication.documents.keep_patterns import Rules
from replication.guards.preflight import check_primary
from replication.model import PartName, Policy, PrimaryState
from replication.parts import PARTS
from replication.parts.accounts import Accounts
from replication.parts.base import Document
from replication.ports import ReadableServer


def read_primary(server: ReadableServer, parts: Iterable[PartName], *, accept_empty: bool = False) -> PrimaryState:
    """Read the facts and the chosen parts of the primary.

    Raises Failure when anything cannot be read or understood, when users,
    groups or settings are missing or there is not one user (PRIMARY_EMPTY,
    unless ``accept_empty`` says that having no user is meant so), and when the
    server names twice as many users or groups as its documents hold, or more
    (PRIMARY_INCOMPLETE). A failed read never means "no users". One character
    that XML has no way to write costs only the part that it is in.
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
    settings = states.get(PartName.SETTINGS)
    held = _count_settings(server, settings) if isinstance(settings, Document) else 0
    users, groups = 0, 0
    doubts: tuple[Failure, ...] = ()
    accounts = states.get(PartName.ACCOUNTS)
    if isinstance(accounts, Accounts):
        users, groups = _count(server, accounts, accept_empty=accept_empty)
        doubts = (
            *_cross_check("users", users, server.user_names, server.label),
            *_cross_check("groups", groups, server.group_names, server.label),
        )
    return PrimaryState(server.label, server.address, facts, states, users, groups, held, unread, doubts)


BY_DEFAULT = Policy(rules=Rules(()))  # the rules decide what is written, not what is read
"""What changes by itself, such as the list of automatically blocked addresses, is not a change of the primary."""


def fingerprint(primary: PrimaryState) -> str:
    """A digest of all that was read: equal to an earlier one exactly when nothing that is replicated has changed."""
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


def _count_settings(server: ReadableServer, settings: Document) -> int:
    """How many values there are. A document without any element inside is as empty as no document."""
    if not settings.with_tree(len, empty=0):
        raise Failure(Reason.PRIMARY_EMPTY, "it answered with empty settings", server=server.label)
    return len(settings.values)


def _count(server: ReadableServer, accounts: Accounts, *, accept_empty: bool) -> tuple[int, int]:
    for document in (accounts.users, accounts.groups):
        if document.is_empty:
            raise Failure(
                Reason.PRIMARY_EMPTY, f"it answered with an empty document of {document.what}", server=server.label
            )
    users, groups = len(accounts.users.items.entries), len(accounts.groups.items.entries)
    if not users and not accept_empty:
        raise Failure(Reason.PRIMARY_EMPTY, "its user list holds no user", server=server.label)
    return users, groups


def _cross_check(what: str, held: int, ask: Callable[[], tuple[str, ...]], label: str) -> Iterator[Failure]:
    """Compare two answers of the server about the same thing; why it does not give the second one, if it does not.

    Only half-size is an error: on real servers the list of names may hold
    accounts (of a directory, for example) that are not in the document.
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
