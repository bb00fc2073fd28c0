"""A backup whose every reply is as large as ``common.budgets`` allows, and replies that are larger.

The server's replies are bytes that the product's own decoder reads, so the cost is the same as over the wire, except
for TLS.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from xml.sax.saxutils import escape

from cerberus import wsdl
from cerberus.decoder import Values, read_reply
from cerberus.endpoint import OperationBudgets
from cerberus.transport import Reply
from common import budgets
from common.budgets import ANY_SIZE, AccountSizes, Budget
from common.runtime import SystemRuntime
from common.server_types import Authentication, Content, MimeMapping
from common.xml_costs import exact_tree_size
from local.fakes.servers import FakeServer

_CONTENT_TYPE = "application/soap+xml; charset=utf-8"
_SOAP = "http://www.w3.org/2003/05/soap-envelope"
_SERVICE = "http://cerberusllc.com/service/cerberusftpservice"
_COMMON = "http://cerberusllc.com/common"


NOTHING = AccountSizes(0, 0)


def filled(before: str, pieces: Callable[[int], str], after: str, budget: Budget) -> str:
    """A document of numbered pieces, as many as ``budget`` allows."""
    room = budget.document - len(before) - len(after)
    sample = "".join(map(pieces, range(1000, 2000)))
    each, node = len(sample) / 1000, (exact_tree_size(f"<r>{sample}</r>".encode(), ANY_SIZE).size - len(sample)) / 1000
    count = int(min(room / each, budget.tree / (each + node)) * 0.98)
    return f"{before}{''.join(map(pieces, range(count)))}{after}"


def enveloped(operation: str, fields: str) -> bytearray:
    """A reply in a buffer, as the transport returns it."""
    return bytearray(
        f'<s:Envelope xmlns:s="{_SOAP}" xmlns:ns1="{_SERVICE}" xmlns:ns2="{_COMMON}"><s:Body>'
        f"<ns1:{operation}Response>{fields}<ns1:result>true</ns1:result></ns1:{operation}Response></s:Body></s:Envelope>",
        "utf-8",
    )


def read(operation: str, body: bytearray, budget: Budget) -> Values:
    """The result of the product's decoder for a reply. Raises Failure."""
    return read_reply(
        wsdl.service().operation(operation), Reply(200, _CONTENT_TYPE, body), SystemRuntime(), budget=budget
    )


@dataclass
class HostileServer(FakeServer):
    """A backup whose every document fills its budget; ``users`` and ``others`` determine the content.

    ``beside`` are the sizes of the primary's lists.
    """

    beside: AccountSizes = NOTHING
    of_users: str = "users"
    of_others: str = "values"
    budgets: OperationBudgets = field(init=False)

    def __post_init__(self) -> None:
        self.budgets = OperationBudgets(256 * budgets.MEGABYTE, self.beside)
        self.list_room = self.budgets.of("GetProfiles").tree

    def users(self) -> Any:
        return self._document("GetProfiles", "data", USERS[self.of_users], is_plain=self.of_users in PLAIN)

    def groups(self) -> Any:
        return self._document("GetGroups", "data", GROUPS, is_plain=True)

    def settings(self) -> Any:
        return self._document("GetConfiguration", "data", OTHERS[self.of_others], budgets.SETTINGS_TREE)

    def event_rules(self) -> Any:
        return self._document("GetEventRules", "dataXml", OTHERS[self.of_others])

    def blocked_addresses(self) -> Any:
        return self._document("GetIPBlockList", "data", OTHERS[self.of_others])

    def auto_blocked_addresses(self) -> Any:
        return self._document("GetAutoBlockList", "data", OTHERS[self.of_others])

    def account_requests(self) -> Any:
        return self._document("GetRequestedAccounts", "dataXml", OTHERS[self.of_others])

    def authentication(self) -> Authentication:
        return Authentication(self._document("GetAuthenticationList", "dataXml", OTHERS[self.of_others]), ())

    def mime_mappings(self) -> tuple[MimeMapping, ...]:
        self._called("mime_mappings")
        budget = self.budgets.of("GetMimeMappings")
        count = 28_000  # with more elements the paths would be too long
        type_ = "t" * (budget.reply // count - 70)
        entries = "".join(
            f"<ns2:map><ns2:ext>{n}</ns2:ext><ns2:type>{type_}</ns2:type></ns2:map>" for n in range(count)
        )
        answer = read("GetMimeMappings", enveloped("GetMimeMappings", f"<ns1:mime>{entries}</ns1:mime>"), budget)
        return tuple(MimeMapping(one["ext"], one["type"]) for one in answer["mime"]["map"])

    def _document(
        self,
        operation: str,
        name: str,
        content: "tuple[str, Callable[[int], str], str]",
        tree: int = ANY_SIZE,
        *,
        is_plain: bool = False,
    ) -> Content:
        self._called(operation)
        budget = self.budgets.of(operation)
        text = filled(*content, replace(budget, tree=ANY_SIZE if is_plain else min(budget.tree, tree)))
        body = enveloped(operation, f"<ns1:{name}>{escape(text)}</ns1:{name}>")
        del text
        answer: Content = read(operation, body, budget)[name]
        return answer


def _user(number: int) -> str:
    options = "".join(f'<option name="o{each}" value="{number}"/>' for each in range(30))
    return f'<user name="u{number}"><password>{number:064}</password>{options}</user>'


USERS: dict[str, tuple[str, Callable[[int], str], str]] = {
    "users": ("<users>", _user, "</users>"),
    "short users": ("<users>", lambda n: f'<user name="{n}">{"x" * (budgets.ITEM // 2)}</user>', "</users>"),
    "no plain list": ("<users><list>", _user, "</list></users>"),
    "elements": ("<users>", lambda _: "<a/>", "</users>"),
    "one text": ("<users><user name='a'>", lambda _: "x" * 100, "</user></users>"),
}
"""Possible contents of a large list of users."""
PLAIN = frozenset({"users", "short users"})
"""Lists that are not parsed as a whole: each user is parsed by itself."""
GROUPS: tuple[str, Callable[[int], str], str] = (
    "<groups>",
    lambda n: f'<group name="g{n}">{"x" * (budgets.GROUPS // budgets.ITEMS)}</group>',
    "</groups>",
)
OTHERS: dict[str, tuple[str, Callable[[int], str], str]] = {
    "values": ("<settings>", lambda n: f"<v{n}>{n}</v{n}>", "</settings>"),
    "entries": ("<settings>", lambda n: f'<entry name="n{n}" value="{n}"/>', "</settings>"),
    "elements": ("<settings>", lambda _: "<a/>", "</settings>"),
    "attributes": ("<settings>", lambda n: f"<a b{n % 9}='{n}' c='' d='' e='' f='' g='' h=''/>", "</settings>"),
    "one text": ("<settings><a>", lambda _: "x" * 100, "</a></settings>"),
    "sections": ("<settings>", lambda n: f'<s name="{n}"><t><u><v w="{n}"/></u></t></s>', "</settings>"),
}
"""Possible contents of any other large document."""
