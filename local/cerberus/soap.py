"""SOAP envelopes, dispatch and faults, as in a server built with gSOAP 2.8."""

from dataclasses import dataclass, field
from enum import Enum

from lxml import etree

from local.cerberus import contract
from local.cerberus.bodies import spoil_body
from local.cerberus.contract import SERVICE
from local.cerberus.faults import Active, Fault, Kind, normalised, spoil_values
from local.cerberus.operations import HANDLERS, WRITES, negative
from local.cerberus.state import ServerState
from local.cerberus.values import ValidationError, Values, escape, read, write

SOAP_11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP_12 = "http://www.w3.org/2003/05/soap-envelope"
_ENCODING = {
    SOAP_11: "http://schemas.xmlsoap.org/soap/encoding/",
    SOAP_12: "http://www.w3.org/2003/05/soap-encoding",
}
_CONTENT_TYPE = {SOAP_11: "text/xml; charset=utf-8", SOAP_12: "application/soap+xml; charset=utf-8"}
NO_CREDENTIALS = "No SOAP request credentials were provided"
WRONG_CREDENTIALS = "Unable to authenticate SOAP request"


class Shape(Enum):
    """The forms of a fault."""

    SOAP_12 = "Code, Reason in a 1.2 envelope"
    SOAP_11 = "faultcode, faultstring in a 1.1 envelope"
    HYBRID = "Code, Reason in a 1.1 envelope, sent as 1.2"


@dataclass(frozen=True)
class Behaviour:
    """Properties in which servers differ by build and configuration.

    ``anonymous_answers``: a call without credentials gets a normal reply with result false and empty lists, not a
    fault. ``c_style_faults``: a SOAP 1.1 request gets a proper 1.1 fault, not the hybrid. ``strict``: unknown, missing
    and duplicate elements are rejected.
    """

    anonymous_answers: bool = False
    c_style_faults: bool = False
    strict: bool = False


@dataclass(frozen=True)
class Reply:
    """One HTTP reply; the body in pieces."""

    status: int
    content_type: str
    body: tuple[bytes, ...]
    headers: dict[str, str] = field(default_factory=dict)
    close: bool = False


@dataclass(frozen=True)
class Message:
    """A request, parsed as far as possible.

    ``version`` is the namespace of its envelope. ``operation`` is a name of the contract or empty. ``fault`` is set
    instead if the request cannot be carried out.
    """

    version: str = SOAP_12
    operation: str = ""
    element: etree._Element | None = None
    fault: str = ""
    fault_code: str = "Sender"
    fault_status: int = 400


def parse(body: bytes) -> Message:
    """Read a request. Content-Type, SOAPAction and path are ignored."""
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, huge_tree=True, remove_comments=True, remove_pis=True
    )
    try:
        envelope = etree.fromstring(body, parser)
    except etree.XMLSyntaxError:
        return Message(fault="Invalid XML or no message")
    version, _, name = envelope.tag[1:].rpartition("}")
    if name != "Envelope" or version not in _ENCODING:
        return Message(fault="Invalid SOAP message or SOAP version mismatch", fault_code="VersionMismatch")
    header = envelope.find(f"{{{version}}}Header")
    if header is not None and any(each.get(f"{{{version}}}mustUnderstand") in ("1", "true") for each in header):
        text = "The data in element(s) must be understood but cannot be processed"
        return Message(version, fault=text, fault_code="MustUnderstand", fault_status=500)
    content = envelope.find(f"{{{version}}}Body")
    if content is None or not len(content):
        return Message(version, fault="End of file or no input")
    return _identify(version, content[0])


def _identify(version: str, element: etree._Element) -> Message:
    namespace, _, name = element.tag[1:].rpartition("}") if element.tag.startswith("{") else ("", "", element.tag)
    operation = contract.BY_REQUEST.get(name) if namespace == SERVICE else None
    if operation is None:
        qualified = f"{element.prefix}:{name}" if element.prefix else name
        text = f"Method '{qualified}' not implemented: method name or namespace not recognized"
        return Message(version, element=element, fault=text)
    return Message(version, operation.name, element)


class Service:
    """Answers messages from one server's state."""

    def __init__(self, state: ServerState, behaviour: Behaviour) -> None:
        self.state = state
        self.behaviour = behaviour

    def answer(self, message: Message, active: Active) -> Reply:
        """The reply, after the operation was carried out as far as the faults permit."""
        if planned := _planned_fault(message, active, self.behaviour):
            return planned
        if message.fault or message.element is None:
            return self._fault(message, message.fault, code=message.fault_code, status=message.fault_status)
        operation = contract.OPERATIONS[message.operation]
        try:
            values = read(message.element, operation.request, strict=self.behaviour.strict)
        except ValidationError as error:
            return self._fault(message, str(error))
        given: Values = values.get("credentials", {})
        if not given.get("user") and not given.get("password"):
            if not self.behaviour.anonymous_answers:
                return self._fault(message, NO_CREDENTIALS)
            answer = negative(operation.name)
        elif not self.state.accepts(given["user"], given["password"]):
            return self._fault(message, WRONG_CREDENTIALS)
        elif Kind.ANSWER_FALSE in active:
            answer = negative(operation.name)
        else:
            answer = self._carry_out(operation.name, values, active)
        answer = spoil_values(answer, active)
        body = envelope(message.version, write(f"ns1:{operation.response}", answer, operation.response))
        return Reply(200, _CONTENT_TYPE[message.version], spoil_body(body, active))

    def _carry_out(self, operation: str, values: Values, active: Active) -> Values:
        handler = HANDLERS[operation]
        if operation not in WRITES:
            with self.state.lock:
                return handler(self.state, values)
        if Kind.DROP_WRITE in active:
            return handler(self.state.copy(), values)
        with self.state.lock:
            before = self.state.snapshot().documents
            answer = handler(self.state, values)
            if Kind.NORMALISE in active:
                for name, text in self.state.snapshot().documents.items():
                    if text != before[name]:
                        self.state.store(name, normalised(text))
            return answer

    def _fault(self, message: Message, text: str, *, code: str = "Sender", status: int = 400) -> Reply:
        shape = usual_shape(message.version, self.behaviour)
        return fault_reply(shape, text, code=code, status=status)


def usual_shape(version: str, behaviour: Behaviour) -> Shape:
    """The form of the faults that this server returns for a request in this ``version`` of SOAP."""
    if version == SOAP_12:
        return Shape.SOAP_12
    return Shape.SOAP_11 if behaviour.c_style_faults else Shape.HYBRID


def envelope(version: str, content: str) -> bytes:
    """A whole envelope with all prefixes that the server declares, whether used or not."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<SOAP-ENV:Envelope xmlns:SOAP-ENV="{version}" xmlns:SOAP-ENC="{_ENCODING[version]}"'
        ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
        f' xmlns:ns2="{contract.COMMON}" xmlns:ns1="{SERVICE}">'
        f"<SOAP-ENV:Body>{content}</SOAP-ENV:Body></SOAP-ENV:Envelope>"
    ).encode()


def fault_reply(shape: Shape, text: str, *, code: str = "Sender", status: int = 400, subcode: str = "") -> Reply:
    """A fault; it always closes the connection. A proper 1.1 fault is always HTTP 500."""
    if shape is Shape.SOAP_11:
        old_code = {"Sender": "Client", "Receiver": "Server"}.get(code, code)
        content = (
            f"<SOAP-ENV:Fault><faultcode>{subcode or f'SOAP-ENV:{old_code}'}</faultcode>"
            f"<faultstring>{escape(text)}</faultstring></SOAP-ENV:Fault>"
        )
        return Reply(500, _CONTENT_TYPE[SOAP_11], (envelope(SOAP_11, content),), close=True)
    inner = f"<SOAP-ENV:Subcode><SOAP-ENV:Value>{subcode}</SOAP-ENV:Value></SOAP-ENV:Subcode>" if subcode else ""
    detail = f"<SOAP-ENV:Detail><ns1:reason>{subcode}</ns1:reason></SOAP-ENV:Detail>" if subcode else ""
    content = (
        f"<SOAP-ENV:Fault><SOAP-ENV:Code><SOAP-ENV:Value>SOAP-ENV:{code}</SOAP-ENV:Value>{inner}</SOAP-ENV:Code>"
        f'<SOAP-ENV:Reason><SOAP-ENV:Text xml:lang="en">{escape(text)}</SOAP-ENV:Text></SOAP-ENV:Reason>{detail}'
        f"</SOAP-ENV:Fault>"
    )
    version = SOAP_11 if shape is Shape.HYBRID else SOAP_12
    return Reply(status, _CONTENT_TYPE[SOAP_12], (envelope(version, content),), close=True)


def _planned_fault(message: Message, active: Active, behaviour: Behaviour) -> Reply | None:
    fault = active.first_of(
        (Kind.FAULT_12, Kind.FAULT_12_SUBCODE, Kind.FAULT_11, Kind.FAULT_HYBRID, Kind.FAULT_RECEIVER)
    )
    if Kind.SOAP_11_ONLY in active and message.version == SOAP_12:
        return fault_reply(Shape.SOAP_11, "SOAP version mismatch", code="VersionMismatch", status=500)
    if fault is None:
        return None
    return _fault_of(fault, message, behaviour)


def _fault_of(fault: Fault, message: Message, behaviour: Behaviour) -> Reply:
    text = fault.text or "The request was refused"
    if fault.kind is Kind.FAULT_RECEIVER:
        return fault_reply(usual_shape(message.version, behaviour), text, code="Receiver", status=500)
    if fault.kind is Kind.FAULT_12_SUBCODE:
        return fault_reply(Shape.SOAP_12, text, subcode="ns1:LimitExceeded")
    shapes = {Kind.FAULT_12: Shape.SOAP_12, Kind.FAULT_11: Shape.SOAP_11, Kind.FAULT_HYBRID: Shape.HYBRID}
    return fault_reply(shapes[fault.kind], text)
