"""From the bytes of a reply to values.

The WSDL's types lead through a reply: what they do not know is passed over, at
every level, because newer servers send more; what they know is read strictly,
because zeep's own reading turns a bad number into None and a bad truth value
into false. A reply is well-formed as a whole before anything of it is looked
at, so one that was cut short is never read as a smaller one.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from lxml import etree
from zeep import xsd

from cerberus.large_texts import Cut, cut
from cerberus.transport import Reply
from cerberus.wsdl import Operation
from common.errors import Failure, Reason
from common.runtime import Runtime
from common.safe_xml import XmlForbidden, XmlRefused, local_name, parse

_ENVELOPES = ("http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope")
_XML_TYPES = ("application/soap+xml", "text/xml", "application/xml")
_HTML = re.compile(rb"\s*<(?:!doctype\s+)?html\b", re.IGNORECASE)
_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_LEAST, _GREATEST = -(2**63), 2**64 - 1
"""No integer of the contract is wider: its widest types are long and unsignedLong."""
_TRUTH = {"true": True, "1": True, "false": False, "0": False}
_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
_SIMPLE_CONTENT = "_value_1"  # zeep's name for the text of an element that also has attributes

_QUOTED = re.compile(r"""'[^']*'|"[^"]*\"""")
"""What a fault names by quoting it: an operation, an account. It says nothing about the kind of fault."""
_KNOWN_FAULTS = tuple(
    (re.compile(sentence, re.IGNORECASE), reason, said)
    for sentence, reason, said in (
        # gSOAP, which Cerberus' WSDL points to, says both of these in its stdsoap2.cpp.
        (
            r"not implemented|namespace not recognized",
            Reason.OPERATION_UNSUPPORTED,
            "the server does not know the operation",
        ),
        (r"validation constraint violation", Reason.SOAP_FAULT, "the server found the request not valid"),
        # Cerberus 12.11 logs "Unable to authenticate SOAP request" and "No SOAP request credentials were provided",
        # https://github.com/FuseCP/FuseCP/issues/135; the others are what no other trouble is called.
        (
            (
                r"authenticate soap request|credentials were provided|"
                r"\b(?:invalid credentials|not authorized|unauthorized|access denied)\b"
            ),
            Reason.AUTHENTICATION_FAILED,
            "the server refused the log-in",
        ),
    )
)
"""What servers are known to say, the reason it stands for, and the sentence that reports it: never their words."""
_FAULT_CODES = frozenset(
    {"Client", "Server", "Sender", "Receiver", "VersionMismatch", "MustUnderstand", "DataEncodingUnknown"}
)
"""Of SOAP 1.1 and 1.2, https://www.w3.org/TR/soap12-part1/#faultcodes."""


@dataclass(frozen=True)
class Place:
    """Where in a reply, of which server: names of the schema only, joined by dots."""

    path: str
    server: str

    def inside(self, name: str) -> "Place":
        return Place(f"{self.path}.{name}", self.server)

    def failure(self, reason: Reason, complaint: str) -> Failure:
        return Failure(reason, f"{self.path} {complaint}", server=self.server)


NOTHING_SENT: Mapping[bytes, bytes] = MappingProxyType({})


class Values(dict[str, Any]):
    """Fields of a reply by their contract names: str, int, float, bool, datetime, nested Values, or a list of these.

    A large text is bytes, in UTF-8.

    A field without a value is not among them; a repeated one always is, as a
    list. Asking for one that is not there by ``values[name]`` raises
    Failure(REPLY_INCOMPLETE); ``get`` is for those that may be left out.
    """

    def __init__(self, place: Place) -> None:
        super().__init__()
        self._place = place

    def __missing__(self, name: str) -> Any:
        raise self._place.inside(name).failure(Reason.REPLY_INCOMPLETE, "is missing")


def read_reply(
    operation: Operation,
    reply: Reply,
    runtime: Runtime,
    *,
    server: str = "",
    sent: Mapping[bytes, bytes] = NOTHING_SENT,
) -> Values:
    """What ``reply`` says. ``server`` is how failures name it. ``sent`` are large texts that may come back.

    Raises Failure with NOT_SOAP, REPLY_EMPTY, REPLY_MALFORMED,
    REPLY_FORBIDDEN_XML, REPLY_INCOMPLETE, HTTP_ERROR, or for a fault
    AUTHENTICATION_FAILED, OPERATION_UNSUPPORTED or SOAP_FAULT.
    """
    shorter = cut(reply.body, sent, runtime)
    if shorter is not None:
        with suppress(Failure):  # reading it whole says what is wrong with it
            values = _read(operation, replace(reply, body=shorter.rest), server)
            if _put_back(values, shorter):
                return values
    return _read(operation, reply, server)


def _put_back(values: Values, shorter: Cut) -> bool:
    """Put the large text where its token is, as a value of its own; False when it is not in one place."""
    holding = [name for name, value in values.items() if value == shorter.token]
    if len(holding) != 1:
        return False
    values[holding[0]] = shorter.text
    return True


def _read(operation: Operation, reply: Reply, server: str) -> Values:
    body = _body(reply)
    fault = _child(body, "Fault")
    if fault is not None:
        raise _explain(fault)
    if not _succeeded(reply):
        raise _http_error(reply)
    expected = operation.response.qname.text
    place = Place(local_name(expected), server)
    answer = body.find(expected)
    if answer is None:
        raise place.failure(Reason.REPLY_INCOMPLETE, "is not in the reply")
    values = _structure(answer, operation.response.type, place)
    _demand(values, operation.response.type)
    return values


def _succeeded(reply: Reply) -> bool:
    return 200 <= reply.status < 300


def _http_error(reply: Reply) -> Failure:
    return Failure(Reason.HTTP_ERROR, f"the server answered with HTTP {reply.status}")


def _body(reply: Reply) -> etree._Element:
    """The SOAP body. A reply that reports an error may come with any content type, if only it is SOAP."""
    if _succeeded(reply):
        _check_type(reply)
        return _envelope_body(reply.body)
    try:
        return _envelope_body(reply.body)
    except Failure:
        failure = _http_error(reply)
    raise failure


def _check_type(reply: Reply) -> None:
    if not reply.body.strip():
        raise Failure(Reason.REPLY_EMPTY, "the reply is empty")
    if reply.content_type.partition(";")[0].strip().lower() not in _XML_TYPES:
        raise Failure(Reason.NOT_SOAP, "the reply is not of an XML content type")
    if _HTML.match(reply.body):
        raise Failure(Reason.NOT_SOAP, "the reply is a web page")


def _envelope_body(raw: bytes | bytearray) -> etree._Element:
    try:
        root = parse(bytes(raw))
    except XmlForbidden as refusal:
        failure = Failure(Reason.REPLY_FORBIDDEN_XML, f"the reply is not read: {refusal}")
    except XmlRefused as refusal:
        failure = Failure(Reason.REPLY_MALFORMED, f"the reply is not read: {refusal}")
    else:
        if root.tag not in {f"{{{namespace}}}Envelope" for namespace in _ENVELOPES}:
            raise Failure(Reason.NOT_SOAP, "the reply is not a SOAP envelope")
        body = _child(root, "Body")
        if body is None:
            raise Failure(Reason.REPLY_INCOMPLETE, "the reply has no SOAP body")
        return body
    raise failure


def _child(parent: etree._Element, name: str) -> etree._Element | None:
    """The first child of this local name that belongs to SOAP: in a SOAP namespace, or in none."""
    for namespace in _ENVELOPES:
        child = parent.find(f"{{{namespace}}}{name}")
        if child is not None:
            return child
    return parent.find(name)


# Values, led by the types


def _structure(node: etree._Element, described: Any, place: Place) -> Values:
    values = Values(place)
    for name, attribute in described.attributes:
        text = node.get(attribute.qname) if attribute.name else None
        if text is not None:
            values[name] = _simple(text, attribute.type, place.inside(name))
    for name, element in described.elements:
        if not isinstance(element, xsd.Element):
            continue  # a wildcard: whatever it lets through is not known by name
        if name == _SIMPLE_CONTENT:
            values[name] = _simple(_text(node, place), element.type, place)
            continue
        items = [
            _value(child, element.type, place.inside(name))
            for child in node.findall(element.qname.text)
            if child.get(_NIL) not in ("true", "1")
        ]
        if element.accepts_multiple:
            values[name] = items
        elif len(items) > 1:
            raise place.inside(name).failure(Reason.REPLY_MALFORMED, "is there more than once")
        elif items:
            values[name] = items[0]
    return values


def _value(node: etree._Element, described: Any, place: Place) -> Any:
    if isinstance(described, xsd.ComplexType):
        return _structure(node, described, place)
    return _simple(_text(node, place), described, place)


def _text(node: etree._Element, place: Place) -> str:
    """All text of an element that holds nothing else.

    Comments and processing instructions may interrupt it. An element inside
    means that the server did not escape a document: its text would be lost.
    """
    if not len(node):
        return node.text or ""
    if next(node.iterchildren("*"), None) is not None:
        raise place.failure(Reason.REPLY_MALFORMED, "holds elements where text belongs")
    return (node.text or "") + "".join(inner.tail or "" for inner in node)


def _simple(text: str, described: Any, place: Place) -> Any:
    """``text`` as the built-in type that ``described`` is or restricts. An enumeration may grow: any value is taken."""
    try:
        if isinstance(described, xsd.Boolean):
            return _TRUTH[text.strip()]
        if isinstance(described, xsd.Integer):
            return _integer(text.strip(), described)
        return described.pythonvalue(text)
    except (ValueError, TypeError, LookupError, ArithmeticError):
        failure = place.failure(Reason.REPLY_MALFORMED, f"is not a valid {described.name}")
    raise failure


def _integer(text: str, described: Any) -> int:
    if not _INTEGER.fullmatch(text):
        raise ValueError
    number = int(text)
    least = 0 if isinstance(described, xsd.NonNegativeInteger) else _LEAST
    if not least <= number <= _GREATEST:
        raise ValueError
    return number


def _demand(values: Values, described: Any) -> None:
    """Refuse an answer that lacks what the WSDL requires of it.

    Deeper inside, whoever needs a field asks for it: a server of another
    version may leave out what nobody here reads.
    """
    required = [name for name, element in described.elements if isinstance(element, xsd.Element) and element.min_occurs]
    required += [name for name, attribute in described.attributes if attribute.name and attribute.required]
    for name in required:
        values[name]  # raises for what is missing


# Faults


def _explain(fault: etree._Element) -> Failure:
    """Both versions' faults, and the mixtures of them that servers send: read by what is there.

    A fault's text may repeat anything of the request, in any spelling, the
    log-in and the accounts' password hashes too. So none of it is passed on.
    """
    statement = _QUOTED.sub("", _first_text(fault, "faultstring", "Text"))
    code = _first_text(fault, "faultcode", "Value").strip().rpartition(":")[2].partition(".")[0]
    fault_code = f" ({code})" if code in _FAULT_CODES else ""
    for sentence, reason, said in _KNOWN_FAULTS:
        if sentence.search(statement):
            return Failure(reason, said + fault_code)
    return Failure(Reason.SOAP_FAULT, f"the server answered with a fault{fault_code}")


def _first_text(fault: etree._Element, *names: str) -> str:
    """The first text that is not blank in an element of the first of ``names`` that has any."""
    texts: dict[str, str] = {}
    for node in fault.iter("*"):
        if (node.text or "").strip():
            texts.setdefault(local_name(node), node.text or "")
    return next((texts[name] for name in names if name in texts), "")
