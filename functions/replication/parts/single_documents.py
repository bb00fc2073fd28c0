"""Parts that consist of one document, or of a document and a typed list, and in which no keep pattern applies."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from replication.documents import canonical
from replication.documents.items import Item, by_unique_key, record_items
from replication.model import PartName, Policy
from replication.parts.base import Document, DocumentPart, Part, emptied_entries, listed, sealed
from replication.ports import Authentication, AuthenticationSource, Features, ReadableServer, WritableServer

SOURCES = "sources"


class EventRules(DocumentPart):
    """The part that uses GetEventRules and SetEventRules. Event rules refer to users and groups by name."""

    name = PartName.EVENT_RULES
    needs = frozenset({PartName.ACCOUNTS})

    def offered(self, features: Features) -> bool:
        return features.events

    def read(self, server: ReadableServer) -> Document:
        return Document(server.event_rules(), "event rules", server.label)

    def emptied(self, own: Document, desired: Document) -> int:
        return emptied_entries(own, desired)

    def write(self, server: WritableServer, own: Document, desired: Document, policy: Policy) -> None:
        server.write_event_rules(desired.data)


class AccountRequests(DocumentPart):
    """The part that uses GetRequestedAccounts and SetRequestedAccounts."""

    name = PartName.ACCOUNT_REQUESTS

    def read(self, server: ReadableServer) -> Document:
        return Document(server.account_requests(), "account requests", server.label)

    def write(self, server: WritableServer, own: Document, desired: Document, policy: Policy) -> None:
        server.write_account_requests(desired.data)


@dataclass(frozen=True)
class AuthenticationState:
    """The document of authentication sources and the typed list beside it."""

    document: Document
    sources: tuple[AuthenticationSource, ...]


class AuthenticationPart(Part[AuthenticationState]):
    """The part that uses GetAuthenticationList and SetAuthenticationList. The order of sources is the order in which
    the server tries them.
    """

    name = PartName.AUTHENTICATION

    def offered(self, features: Features) -> bool:
        return features.directory_authentication

    def read(self, server: ReadableServer) -> AuthenticationState:
        answer = server.authentication()
        return AuthenticationState(Document(answer.document, "authentication sources", server.label), answer.sources)

    def validate(self, state: AuthenticationState) -> None:
        state.document.digest  # noqa: B018 - reading it is the check

    def blanks(self, state: AuthenticationState) -> frozenset[str]:
        """The empty pieces. An empty typed list is one of them if the document is empty, or if it has entries."""
        blank = {"document"} if state.document.is_empty else set()
        if not state.sources and (blank or state.document.with_tree(len, empty=0)):
            blank.add("sources")
        return frozenset(blank)

    def same(self, left: AuthenticationState, right: AuthenticationState, policy: Policy) -> bool:
        return left.sources == right.sources and left.document.same(right.document)

    def fingerprint(self, state: AuthenticationState, policy: Policy) -> str:
        return canonical.digest(f"{state.document.digest}\0{state.sources}")

    def seal(self, state: AuthenticationState, policy: Policy) -> str:
        return sealed(self.fingerprint(state, policy), state.document)

    def items(self, own: AuthenticationState, desired: AuthenticationState) -> Iterator[Item]:
        yield from listed(own.document, desired.document)
        yield from record_items(_sources(own), _sources(desired), SOURCES)

    def emptied(self, own: AuthenticationState, desired: AuthenticationState) -> int:
        return max(0 if desired.sources else len(own.sources), emptied_entries(own.document, desired.document))

    def dump(self, state: AuthenticationState) -> str:
        return json.dumps({"document": state.document.text, "sources": [asdict(source) for source in state.sources]})

    def load(self, text: str, server: str) -> AuthenticationState:
        data = json.loads(text)
        return AuthenticationState(
            Document(data["document"], "authentication sources", server),
            tuple(AuthenticationSource(**source) for source in data["sources"]),
        )

    def write(
        self,
        server: WritableServer,
        own: AuthenticationState,
        desired: AuthenticationState,
        policy: Policy,
    ) -> None:
        server.write_authentication(Authentication(desired.document.data, desired.sources))


def _sources(state: AuthenticationState) -> dict[str, dict[str, object]]:
    return by_unique_key(
        (
            source.name,
            {
                "enabled": source.enabled,
                "type": source.type,
                "description": source.description,
                "position": position,
            },
        )
        for position, source in enumerate(state.sources, 1)
    )
