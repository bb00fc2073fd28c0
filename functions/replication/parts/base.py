"""The definition of a part: one piece of configuration with one way of reading, comparing and writing."""

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
"""Allows one parsed document at a time: a parsed document takes about eight times the memory of its text.

Backups are processed in parallel threads, but Python computes in only one of them at a time. So waiting for another
thread's document costs no time.
"""


@dataclass(frozen=True, init=False)
class Document:
    """A document that a server returned. Only the UTF-8 bytes are kept, and parsed when needed.

    ``what`` and ``server`` appear in the message if the document cannot be read. ``room`` is the maximum size of its
    tree in bytes.
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
        """The text, decoded at each access; it can take up to four times the memory of the bytes."""
        return as_text(self.data)

    @property
    def is_empty(self) -> bool:
        return not self.data or self.data.isspace()

    def parse(self) -> etree._Element | None:
        """Parse the document and return its root; None for an empty document.

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
            message = f"its {self.what} hold a character that XML cannot represent, in {place}"
            raise Failure(Reason.CHARACTER_FORBIDDEN, message, server=self.server)
        raise refusal

    def with_tree[T](self, take: Callable[[etree._Element], T], *, empty: T) -> T:
        """Call ``take`` with the root and return its result, or ``empty`` for an empty document; the tree is freed
        afterwards.

        Raises the failures of ``parse``.
        """
        if self.is_empty:
            return empty
        with _ONE_TREE:
            return take(self._read())

    @cached_property
    def digest(self) -> str:
        """A digest that is equal for two documents exactly if they are equal. Raises Failure(DOCUMENT_MALFORMED)."""
        return self.with_tree(lambda root: canonical.digest(canonical.canonical(root)), empty=canonical.digest(""))

    @cached_property
    def instructions(self) -> str:
        """The processing instructions, which are not a difference by themselves but are written."""
        start = behind_declaration(self.data)
        return self.with_tree(canonical.instructions, empty="") if self.data.find(b"<?", start) >= 0 else ""

    def same(self, other: "Document") -> bool:
        """Whether both documents are equal. Documents with equal bytes are not parsed."""
        return self.data == other.data or self.digest == other.digest

    @cached_property
    def values(self) -> dict[str, str]:
        """Every value by its path."""
        return self.with_tree(lambda root: dict(canonical.values(root)), empty={})


@dataclass(frozen=True, init=False)
class ListDocument(Document):
    """A document that is a list of named items. ``hint`` is the ending of the items' tag ("user")."""

    hint: str

    def __init__(self, content: Content, what: str, server: str, hint: str, room: int = budgets.ANY_SIZE) -> None:
        super().__init__(content, what, server, room)
        object.__setattr__(self, "hint", hint)

    @cached_property
    def items(self) -> named_items.Items:
        """The items of the list. Raises Failure(DOCUMENT_MALFORMED)."""
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
        """The XML of each item whose key is in ``keys``."""
        if not keys:
            return {}
        if self._pieces is not None:
            return self._pieces.excerpts(self.data, keys)
        return self.with_tree(lambda root: named_items.excerpts(root, self.hint, keys), empty={})

    @property
    def around_items(self) -> bytes | None:
        """The XML around the items; None for an empty document."""
        return self.with_tree(lambda root: named_items.around_items(root, self.hint), empty=None)


type LimitedList = tuple[str, ListDocument, ListDocument]
"""The name of a list, its current document, and its desired document."""


def sealed(fingerprint: str, *documents: Document) -> str:
    """A digest of a fingerprint and of everything else that a write of these documents sends."""
    unseen = [document.instructions for document in documents]
    return canonical.digest("\n".join((fingerprint, *unseen))) if any(unseen) else fingerprint


class Part[State](ABC):
    """One part of the configuration. ``State`` is the type of its content; a state is never modified."""

    name: ClassVar[PartName]
    needs: ClassVar[frozenset[PartName]] = frozenset()
    """Parts that must be equal before this one is written, because it refers to them."""
    shows_before_it_lasts: ClassVar[bool] = False
    """Whether a server shows a written value before that value would survive a restart.

    In such a part, equal values may still get lost: the run that wrote them may have been interrupted.
    """

    def offered(self, features: Features) -> bool:
        """Whether an edition with these features has this part."""
        return True

    @abstractmethod
    def read(self, server: ReadableServer) -> State:
        """Read the part. Raises Failure."""

    @abstractmethod
    def validate(self, state: State) -> None:
        """Raise Failure(DOCUMENT_MALFORMED) unless the state can be parsed."""

    @abstractmethod
    def blanks(self, state: State) -> frozenset[str]:
        """The pieces that the server returned without any content, which is not the same as a list without entries."""

    def desired(self, primary: State, own: State, policy: Policy) -> State:
        """The desired content of the backup, given its current content."""
        return primary

    def warnings(self, primary: State, own: State, policy: Policy) -> tuple[str, ...]:
        """Warnings that stop nothing, as sentences."""
        return ()

    def kept_differences(self, primary: State, desired: State, policy: Policy) -> tuple[str, ...]:
        """The paths of all values that a keep pattern preserves although they differ or exist on one side only."""
        return ()

    @abstractmethod
    def same(self, left: State, right: State, policy: Policy) -> bool:
        """Whether both states are equal in everything that this part replicates."""

    @abstractmethod
    def fingerprint(self, state: State, policy: Policy) -> str:
        """A digest that is equal for two states exactly if ``same`` is true for them.

        The digest shows whether a server has changed, so that its content need not be stored.
        """

    def seal(self, state: State, policy: Policy) -> str:
        """A digest of everything that a write of this state sends, including what is not a difference by itself.

        Run-time values, and meaningless order and white space, are left out, because they change with every read.
        """
        return self.fingerprint(state, policy)

    def additions(self, held: State, sent: State, before: State | None) -> int | None:
        """The number of values that the server added to what it was ``sent``; None if ``held`` differs in another way.

        Some servers add their own defaults to a document. ``before`` is the content before the write, None if unknown;
        content from ``before`` does not count as an addition.
        """
        return None

    @abstractmethod
    def items(self, own: State, desired: State) -> Iterator[Item]:
        """The changes of a push, item by item. The result is empty if no item shows the difference."""

    def emptied(self, own: State, desired: State) -> int:
        """The number of entries removed from a list that ``desired`` leaves empty, for lists that are not normally
        emptied.

        The number is 0 for any other change, and for lists that are normally emptied.
        """
        return 0

    def limited_lists(self, own: State, desired: State) -> tuple[LimitedList, ...]:
        """The lists with limits on removing and disabling entries: name, current and desired document of each."""
        return ()

    def counts(self, state: State, label: str) -> Mapping[str, int]:
        """The numbers of a primary's users, groups or settings, which must not shrink unnoticed, each with its name.

        Raises Failure(PRIMARY_EMPTY) that names the primary by its ``label``, if the primary returned no content.
        """
        return {}

    def stable(self, before: State, after: State) -> State:
        """``after`` with its automatically changing content replaced by that of ``before``, because automatic changes
        do not count as changes of the primary.
        """
        return after

    @abstractmethod
    def dump(self, state: State) -> str:
        """The state as text, from which ``load`` restores it exactly."""

    def size(self, state: State) -> int:
        """The approximate size of the state in bytes."""
        return len(self.dump(state))

    @abstractmethod
    def load(self, text: str, server: str) -> State:
        """Restore a dumped state; ``server`` is the server's name in messages."""

    @abstractmethod
    def write(self, server: WritableServer, own: State, desired: State, policy: Policy) -> None:
        """Write ``desired`` to the server. Raises Failure."""


class DocumentPart(Part[Document]):
    """A part that consists of one opaque document."""

    lists_items: ClassVar[bool] = True
    """Whether the document is a list of independent entries."""

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
        """The number of default values that the server added. Any other difference makes the result None."""
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
    """The number of removed entries if ``desired`` leaves a list empty; 0 for any other change."""
    root = own.parse()
    return 0 if root is None else emptied(root, desired.parse())
