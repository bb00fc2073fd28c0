"""A service without sockets, and a way to ask it."""

from collections.abc import Callable

import pytest
from lxml import etree

from local.cerberus import soap
from local.cerberus.contract import COMMON, OPERATIONS, SERVICE
from local.cerberus.faults import Active, Fault
from local.cerberus.generate import generate
from local.cerberus.soap import SOAP_12, Behaviour, Reply, Service
from local.cerberus.state import ServerState

type Ask = Callable[..., Reply]
type Body = Callable[..., bytes]


@pytest.fixture
def state() -> ServerState:
    return generate(7, users=12, groups=3)


@pytest.fixture
def body(state: ServerState) -> Body:
    """Builds a request: ``body(operation, inner, version=, password=, credentials=)``."""

    def build(
        operation: str,
        inner: str = "",
        *,
        version: str = SOAP_12,
        password: str = state.machine.admin_password,
        credentials: str | None = None,
    ) -> bytes:
        element = OPERATIONS[operation].request
        given = (
            f"<c:credentials><c:user>admin</c:user><c:password>{password}</c:password></c:credentials>"
            if credentials is None
            else credentials
        )
        return (
            f'<e:Envelope xmlns:e="{version}"><e:Body><s:{element} xmlns:s="{SERVICE}" xmlns:c="{COMMON}">'
            f"{given}{inner}</s:{element}></e:Body></e:Envelope>"
        ).encode()

    return build


@pytest.fixture
def ask(state: ServerState, body: Body) -> Ask:
    """Asks the service: ``ask(operation, inner, faults=, behaviour=, ...)``."""

    def run(
        operation: str,
        inner: str = "",
        *,
        faults: tuple[Fault, ...] = (),
        behaviour: Behaviour | None = None,
        **details: str,
    ) -> Reply:
        message = soap.parse(body(operation, inner, **details))
        return Service(state, behaviour or Behaviour()).answer(message, Active(faults))

    return run


@pytest.fixture
def text() -> Callable[[Reply, str], str | None]:
    """The text of the first element of that local name in a reply, None if there is none."""

    def find(reply: Reply, name: str) -> str | None:
        root = etree.fromstring(b"".join(reply.body))
        element = next((each for each in root.iter() if str(each.tag).endswith(f"}}{name}")), None)
        return None if element is None else (element.text or "")

    return find
