"""What a part is: one piece of configuration with one way to read, compare and write it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import ClassVar

from lxml import etree

from common import budgets
from common.errors import Failure, Reason
from common.safe_xml import behind_declaration
from replication.documents import canonical, list_index, named_items
from replication.documents.emptied import emptied
from replication.documents.forbidden_place import forbidden_place
from replication.documents.items import Item, list_items
from replication.documents.server_additions import count_additions
from replication.model import PartName, Policy
from replication.ports import Content, Features, ReadableServer, WritableServer, as_bytes, as_text

_ONE_TREE = Lock()
"""A parsed document takes about eight times the room of its text, and backups are served side by side.

Python computes in one thread at a time, so that nothing is lost by waiting for another's tree to go.
"""


@dataclass(frozen=True, init=False)
class Document:
    """A document as a server gave it. Parsed when looked into, and only its bytes are kept, in UTF-8.

    ``what`` and ``server`` are for the message when it cannot be read. ``room`` is what its tree may take, in bytes.
    """

    data: bytes = field(repr=False)
    what: str = field(compare=False)
    server: str = field(compare=False)
    room: int = field(compare=False)

    def __init__(self, content: Content, what: str, server: str, room: int = budgets.TREE) -> None:
        object.__setattr__(self, "data", content if isinstance(content, bytes) else as_bytes(content))
        object.__setattr__(self, "what", what)
        object.__setattr__(self, "server", server)
        object.__setattr__(self, "room", room)

    @property
    def text(self) -> str:
        """As text, made anew: a large one takes up to four times the room of its bytes."""
        return as_text(self.data)

    @property
    def is_empty(self) -> bool:
        return not self.data or self.data.isspace()

    def parse(self) -> etree._Element | None:
        """The root, parsed anew; None of an empty document.

        Raises Failure with DOCUMENT_MALFORMED, CHARACTER_FORBIDDEN or REPLY_TOO_COMPLEX.
        """
        return None if self.is_empty else self._read()

    def _read(self) -> etree._Element:
        try:
            return canonical.read(self.data, self.what, self.server, self.room)
        except Failure as failure:
            refusal = failure
        place = forbidden_place(self.data, self.room) if refusal.reason is Reason.DOCUMENT_MALFORMED else ""
        if place:
            message = f"its {self.what} hold a character that XML has no way to write, in {place}"
            raise Failure(Reason.CHARACTER_FORBIDDEN, message, server=self.server)
        raise refusal

    def with_tree[T](self, take: Callable[[etree._Element], T], *, empty: T) -> T:
        """What ``take`` finds below the root, or ``empty`` for an empty document; the tree is gone afterwards.

        Raises what ``parse`` raises.
        """
        if self.is_empty:
            return empty
        with _ONE_TREE:
            return take(self._read())

    @cached_property
    def digest(self) -> str:
        """Equal for two documents exactly when they are the same. Raises Failure(DOCUMENT_MALFORMED)."""
        return self.with_tree(lambda root: canonical.digest(canonical.canonical(root)), empty=canonical.digest(""))

    @cached_property
    def instructions(self) -> str:
        """The processing instructions: they are no difference by themselves, but they go over."""
        start = behind_declaration(self.data)
        return self.with_tree(canonical.instructions, empty="") if self.data.find(b"<?", start) >= 0 else ""

    def same(self, other: "Document") -> bool:
        """Whether both hold the same. Equal bytes are not parsed to find out that they are equal."""
        return self.data == other.data or self.digest == other.digest

    @cached_property
    def values(self) -> dict[str, str]:
        """Every value by its path."""
        return self.with_tree(lambda root: dict(canonical.values(root)), empty={})


@dataclass(frozen=True, init=False)
class ListDocument(Document):
    """A document that lists named items. ``hint`` is what the name of their elements ends with ("user")."""

    hint: str

    def __init__(self, content: Content, what: str, server: str, hint: str, room: int = budgets.ANY_SIZE) -> None:
        super().__init__(content, what, server, room)
        object.__setattr__(self, "hint", hint)

    @cached_property
    def items(self) -> named_items.Items:
        """Raises Failure(DOCUMENT_MALFORMED)."""
        if self._pieces is not None:
            return self._pieces.items
        most = budgets.most_items(len(self.data))
        return self.with_tree(
            lambda root: named_items.items(root, self.hint, most=most), empty=named_items.Items("", {}, {})
        )

    @cached_property
    def _pieces(self) -> list_index.Pieces | None:
        return list_index.take_apart(self.data, self.hint)

    @cached_property
    def digest(self) -> str:
        return self.items.digest

    def excerpts(self, keys: Collection[str]) -> dict[str, bytes]:
        """The items with these keys, each as XML of its own."""
        if not keys:
            return {}
        if self._pieces is not None:
            return self._pieces.excerpts(self.data, keys)
        return self.with_tree(lambda root: named_items.excerpts(root, self.hint, keys), empty={})

    @property
    def around_items(self) -> bytes | None:
        """What stands around the items, as XML of its own; None for an empty document."""
        return self.with_tree(lambda root: named_items.around_items(root, self.hint), empty=None)


type LimitedList = tuple[str, ListDocument, ListDocument]
"""What a list is called, as it is, and as it should be."""


def sealed(fingerprint: str, *documents: Document) -> str:
    """A digest of what a fingerprint stands for and of what else a write of these documents sends."""
    unseen = [document.instructions for document in documents]
    return canonical.digest("\n".join((fingerprint, *unseen))) if any(unseen) else fingerprint


class Part[State](ABC):
    """One part. ``State`` is what is read of it; a state is never changed."""

    name: ClassVar[PartName]
    needs: ClassVar[frozenset[PartName]] = frozenset()
    """Parts that must be equal before this one is written, because it refers to them."""
    shows_before_it_lasts: ClassVar[bool] = False
    """Whether a server shows what was written before it would outlive a restart.

    Then equal does not mean done: whoever wrote it may have been cut off in between.
    """

    def offered(self, features: Features) -> bool:
        """Whether an edition with these features has this part."""
        return True

    @abstractmethod
    def read(self, server: ReadableServer) -> State:
        """Read the part. Raises Failure."""

    @abstractmethod
    def validate(self, state: State) -> None:
        """Raise Failure(DOCUMENT_MALFORMED) unless the state can be understood."""

    @abstractmethod
    def blanks(self, state: State) -> frozenset[str]:
        """The pieces of which the server said nothing at all, which is not the same as a list without entries."""

    def desired(self, primary: State, own: State, policy: Policy) -> State:
        """What the backup should hold, given what it holds now."""
        return primary

    def warnings(self, primary: State, own: State, policy: Policy) -> tuple[str, ...]:
        """What an administrator should know although it stops nothing, one sentence each."""
        return ()

    def kept_differences(self, primary: State, desired: State, policy: Policy) -> tuple[str, ...]:
        """The paths of all values that a keep pattern hides although they differ or are on one side only."""
        return ()

    @abstractmethod
    def same(self, left: State, right: State, policy: Policy) -> bool:
        """Whether both states are the same, as far as this part is replicated."""

    @abstractmethod
    def fingerprint(self, state: State, policy: Policy) -> str:
        """A digest that is equal for two states exactly when they are the same, as far as this part is replicated.

        Says whether a server changed since it was last looked at, without keeping what it held.
        """

    def seal(self, state: State, policy: Policy) -> str:
        """A digest of what a write of this state sends, also of what does not count as a difference by itself.

        Run-time values, order and white space that mean nothing are not in it: they move with every reading.
        """
        return self.fingerprint(state, policy)

    def additions(self, held: State, sent: State, before: State | None) -> int | None:
        """How many values the server added to what it was ``sent``; None when ``held`` is something else.

        For servers that write a document down with defaults of their own. What
        it held ``before`` is no addition; None: that is not known any more.
        """
        return None

    @abstractmethod
    def items(self, own: State, desired: State) -> Iterator[Item]:
        """What a push would do, item by item. Nothing where no item tells of what differs."""

    def emptied(self, own: State, desired: State) -> int:
        """How many entries go where ``desired`` has none and ``own`` has some, of a list nobody empties in passing.

        0 for any other change, and for lists that come and go.
        """
        return 0

    def limited_lists(self, own: State, desired: State) -> tuple[LimitedList, ...]:
        """The lists of which a push may only remove and disable so many entries: their names, before, after."""
        return ()

    def counts(self, state: State, label: str) -> Mapping[str, int]:
        """How many things a primary holds that must not get much fewer unseen, by what they are called.

        Raises Failure(PRIMARY_EMPTY), naming the primary by its ``label``, when it answered with nothing.
        """
        return {}

    def stable(self, before: State, after: State) -> State:
        """``after`` with what changes by itself as it was ``before``: that is no change of the primary."""
        return after

    @abstractmethod
    def dump(self, state: State) -> str:
        """The state as text, from which ``load`` makes it again exactly."""

    def size(self, state: State) -> int:
        """About how many bytes the state takes."""
        return len(self.dump(state))

    @abstractmethod
    def load(self, text: str, server: str) -> State:
        """A dumped state, for messages said to be of ``server``."""

    @abstractmethod
    def write(self, server: WritableServer, own: State, desired: State, policy: Policy) -> None:
        """Make the server hold ``desired``. Raises Failure."""


class DocumentPart(Part[Document]):
    """A part that is one opaque document."""

    lists_items: ClassVar[bool] = True
    """Whether the document is a list of entries, each a thing of its own."""

    def validate(self, state: Document) -> None:
        state.digest  # noqa: B018 - reading it is the check

    def blanks(self, state: Document) -> frozenset[str]:
        return frozenset({"document"} if state.is_empty else ())

    def same(self, left: Document, right: Document, policy: Policy) -> bool:
        return left.same(right)

    def fingerprint(self, state: Document, policy: Policy) -> str:
        return state.digest

    def seal(self, state: Document, policy: Policy) -> str:
        return sealed(state.digest, state)

    def additions(self, held: Document, sent: Document, before: Document | None) -> int | None:
        """A server may add values that it has defaults for. It may not keep what was to go, nor lose or change any."""
        wanted, held_root = sent.parse(), held.parse()
        if wanted is None or held_root is None:
            return None
        own = before.parse() if before is not None else None
        return count_additions(wanted, held_root, own, within_items=self.lists_items)

    def items(self, own: Document, desired: Document) -> Iterator[Item]:
        return listed(own, desired)

    def dump(self, state: Document) -> str:
        return state.text

    def size(self, state: Document) -> int:
        return len(state.data)

    def load(self, text: str, server: str) -> Document:
        return Document(text, str(self.name), server)


def listed(own: Document, desired: Document, within: str = "") -> Iterator[Item]:
    """The items of a document that is a list."""
    return iter(()) if own.data == desired.data else list_items(own.parse(), desired.parse(), within)


def emptied_entries(own: Document, desired: Document) -> int:
    """How many entries of a list go where ``desired`` has none of them, and none comes; 0 for any other change."""
    root = own.parse()
    return 0 if root is None else emptied(root, desired.parse())
