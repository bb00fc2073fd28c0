"""The state of one server: its documents as text, its typed lists, and its machine.

Values that a real server derives from its settings are derived here too: SOAP port, key type, licence, native sync
list and administrator. So a push of another machine's settings is visible in the typed replies.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from lxml import etree

from local.cerberus import documents
from local.cerberus.machine import Machine, password_digest

EDITIONS = {"Personal": 1, "Standard": 2, "Professional": 3, "Enterprise": 4}
"""The editions and their modelled codes; the first two have neither sync nor directories."""

_LARGE = 1_000_000
"""The document size in characters above which its parsed tree is not cached."""


@dataclass(frozen=True)
class Snapshot:
    """Everything on a server that can be compared. The control endpoint returns it too, as plain data; its repr shows
    no content.
    """

    documents: Mapping[str, str] = field(repr=False)
    sources: list[dict[str, Any]] = field(repr=False)
    mime: list[dict[str, Any]] = field(repr=False)
    interfaces: list[dict[str, Any]] = field(repr=False)
    hostname: str
    version: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls(**{**data, "version": tuple(data["version"])})


class ServerState:
    """The state of one server. Threads may share it.

    ``lock`` may be held over several calls to make them atomic.
    """

    def __init__(
        self,
        *,
        machine: Machine,
        documents: Mapping[str, str],
        sources: list[dict[str, Any]],
        mime: list[dict[str, Any]],
        interfaces: list[dict[str, Any]],
        version: tuple[int, int, int, int],
        edition: str,
    ) -> None:
        self.lock = threading.RLock()
        self.machine = machine
        self.sources = sources
        self.mime = mime
        self.interfaces = interfaces
        self._committed = deepcopy(interfaces)
        self.version = version
        self.edition = edition
        self.started = True
        self._documents = dict(documents)
        self._trees: dict[str, etree._Element] = {}
        self._names: dict[str, list[str]] = {}

    def document(self, name: str) -> str:
        with self.lock:
            return self._documents[name]

    def store(self, name: str, text: str) -> bool:
        """Replace a document. False, without a change, if it is not well-formed.

        An empty text stores an empty document: a lenient server treats a missing element like that.
        """
        if not text.strip():
            text = documents.empty(name)
        try:
            tree = documents.parse(text)
        except (etree.XMLSyntaxError, UnicodeEncodeError):
            return False
        with self.lock:
            self._keep(name, text, tree)
        return True

    def tree(self, name: str) -> etree._Element:
        """The parsed document, for reading only. Hold ``lock`` while using it."""
        with self.lock:
            if name in self._trees:
                return self._trees[name]
            tree = documents.parse(self._documents[name])
            self._keep(name, self._documents[name], tree)
            return tree

    def _keep(self, name: str, text: str, tree: etree._Element) -> None:
        """Store a parsed document. The names in it are cached; a large tree is not, because it takes ten times its
        text's memory.
        """
        self._documents[name] = text
        self._names[name] = [item.get(documents.q("name")) or "" for item in tree]
        if len(text) <= _LARGE:
            self._trees[name] = tree
        else:
            self._trees.pop(name, None)

    @contextmanager
    def edit(self, name: str) -> Iterator[etree._Element]:
        """The parsed document for modification; it is stored at the end of the block, unless an exception is raised."""
        with self.lock:
            tree = documents.parse(self._documents[name])
            yield tree
            self._keep(name, documents.render(tree), tree)

    def names(self, name: str) -> list[str]:
        """The names of the users (``profiles``) or groups, in the order of the document."""
        with self.lock:
            if name not in self._names:
                self.tree(name)
            return list(self._names[name])

    def setting(self, path: str) -> str | None:
        with self.lock:
            return documents.get(self.tree("settings"), path)

    def accepts(self, user: str, password: str) -> bool:
        """Whether these are the administrator's credentials in the current settings.

        If the settings have no administrator's account, the initial credentials of the machine apply.
        """
        with self.lock:
            stored_user = self.setting("remote/remoteAdmin/account/@user")
            stored_hash = self.setting("remote/remoteAdmin/account/@passwordHash")
        if stored_hash is None:
            stored_user, stored_hash = self.machine.admin_user, self.machine.admin_hash
        return user == stored_user and password_digest(password) == stored_hash

    def licence_valid(self) -> bool:
        """Whether the licence is valid, which it is only on its own machine."""
        return "license" in self.machine.absent or self.setting("general/license/key") == self.machine.license_key

    def commit(self, interfaces: list[dict[str, Any]]) -> None:
        """Commit the options of listeners, so that they survive a restart."""
        with self.lock:
            self.interfaces = interfaces
            self._committed = deepcopy(interfaces)

    def restart(self) -> None:
        """Restart the service: listeners return to the options that were last committed.

        It is unknown whether a real server keeps uncommitted changes. This model drops them, because that is the more
        difficult case for a client that changes listeners.
        """
        with self.lock:
            self.interfaces = deepcopy(self._committed)

    def snapshot(self) -> Snapshot:
        with self.lock:
            return Snapshot(
                documents=dict(self._documents),
                sources=deepcopy(self.sources),
                mime=deepcopy(self.mime),
                interfaces=deepcopy(self.interfaces),
                hostname=self.machine.host,
                version=self.version,
            )

    def copy(self) -> "ServerState":
        """An independent copy of the current state."""
        with self.lock:
            made = ServerState(
                machine=self.machine,
                documents=self._documents,
                sources=deepcopy(self.sources),
                mime=deepcopy(self.mime),
                interfaces=deepcopy(self.interfaces),
                version=self.version,
                edition=self.edition,
            )
            made.started = self.started
            made._committed = deepcopy(self._committed)
            return made
