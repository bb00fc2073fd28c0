"""Converts the bytes of a reply to values.

The WSDL's types guide the reading. Unknown elements are ignored at every level, because newer servers send more. Known
elements are read strictly, because zeep would turn an invalid number into None and an invalid boolean into False. A
whole reply must be well-formed before any of it is used, so a truncated reply is never read as a shorter one.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from lxml import etree
from zeep import xsd

from cerberus.faults import explain, other_version
from cerberus.large_texts import LARGE, Cut, cut
from cerberus.transport import Reply
from cerberus.wsdl import Operation
from common.budgets import Budget, too_complex, too_large
from common.errors import Failure, Reason
from common.forbidden_characters import Marked, mark_forbidden
from common.runtime import Runtime
from common.safe_xml import XmlForbidden, XmlMalformed, XmlRefused, XmlTooComplex, is_utf8, local_name, parse
from common.xml_costs import behind_space

_ENVELOPES = ("http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope")
_XML_TYPES = ("application/soap+xml", "text/xml", "application/xml")
_HTML = re.compile(rb"<(?:!doctype\s{1,8})?html\b", re.IGNORECASE)
_DOCUMENTS = ("data", "dataXml")
"""The names that the WSDL gives to the fields of a reply that contain a document."""
_DOCUMENT_PLACES = tuple(f"Response.{name}" for name in _DOCUMENTS)
_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_LEAST, _GREATEST = -(2**63), 2**64 - 1
"""The range of integers in the WSDL, whose widest types are long and unsignedLong."""
_TRUTH = {"true": True, "1": True, "false": False, "0": False}
_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
_SIMPLE_CONTENT = "_value_1"  # zeep's name for the text of an element that also has attributes


@dataclass(frozen=True)
class Place:
    """A position in a server's reply: the names of schema elements, joined by dots."""

    path: str
    server: str

    def inside(self, name: str) -> "Place":
        return Place(f"{self.path}.{name}", self.server)

    def failure(self, reason: Reason, complaint: str) -> Failure:
        return Failure(reason, f"{self.path} {complaint}", server=self.server)


NOTHING_SENT: Mapping[bytes, bytes] = MappingProxyType({})


class Values(dict[str, Any]):
    """The fields of a reply by their names in the WSDL. A value is a str, int, float, bool, datetime, nested Values or
    a list.

    A large document is given as UTF-8 bytes.

    A field without a value is absent; a repeated field is always present, as a list. Access by ``values[name]`` raises
    Failure(REPLY_INCOMPLETE) if the field is absent; ``get`` is for optional fields.
    """

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place

    def __missing__(self, name: str) -> Any:
        raise self.place.inside(name).failure(Reason.REPLY_INCOMPLETE, "is missing")


def read_reply(
    operation: Operation,
    reply: Reply,
    runtime: Runtime,
    *,
    budget: Budget,
    server: str = "",
    sent: Mapping[bytes, bytes] = NOTHING_SENT,
) -> Values:
    """Decode ``reply`` within ``budget``. ``server`` is the server's name in failures. ``sent`` has documents that the
    reply may repeat.

    Raises Failure with NOT_SOAP, REPLY_EMPTY, REPLY_MALFORMED, REPLY_FORBIDDEN_XML, REPLY_INCOMPLETE, REPLY_TOO_LARGE,
    REPLY_TOO_COMPLEX, CHARACTER_FORBIDDEN, SOAP_VERSION_UNSUPPORTED, HTTP_ERROR, or for a fault AUTHENTICATION_FAILED,
    OPERATION_UNSUPPORTED or SOAP_FAULT.
    """
    reader = _Reader(operation, runtime, budget, server)
    try:
        return reader.read(reply, sent)
    except _Unreadable as unreadable:
        failure = unreadable.failure
    marked = mark_forbidden(reply.body) if is_utf8(bytes(reply.body[:1024])) else None
    if marked is None:
        raise failure
    try:
        values = reader.read(replace(reply, body=marked.data), NOTHING_SENT)
    except _Unreadable as unreadable:
        failure = unreadable.failure
    else:
        _restore(values, marked)
        return values
    raise failure


class _Unreadable(Exception):
    """The reply is not well-formed; ``failure`` describes it."""

    def __init__(self, failure: Failure) -> None:
        super().__init__()
        self.failure = failure


@dataclass(frozen=True)
class _Reader:
    operation: Operation
    runtime: Runtime
    budget: Budget
    server: str

    def read(self, reply: Reply, sent: Mapping[bytes, bytes]) -> Values:
        """Decode ``reply``, with its large text handled separately. Raises Failure and _Unreadable."""
        shorter = cut(reply.body, sent, self.runtime, most=self.budget.document)
        if shorter is not None:
            with suppress(Failure, _Unreadable):  # the whole reply is read below, and fails there with its reason
                values = self._read(replace(reply, body=shorter.rest))
                if _put_back(values, shorter):
                    return values
        del shorter
        holds_document = any(name in _DOCUMENTS for name, _ in self.operation.response.type.elements)
        if holds_document and 2 * len(reply.body) > max(self.budget.reply, LARGE):
            raise too_complex("the reply holds a document in a form that takes too much memory to read")
        return self._read(reply)

    def _read(self, reply: Reply) -> Values:
        body = self._body(reply)
        fault = _child(body, "Fault")
        if fault is not None:
            raise explain(fault)
        if not _succeeded(reply):
            raise _http_error(reply)
        expected = self.operation.response.qname.text
        place = Place(local_name(expected), self.server)
        answer = body.find(expected)
        if answer is None:
            raise place.failure(Reason.REPLY_INCOMPLETE, "is not in the reply")
        values = _structure(answer, self.operation.response.type, place)
        for name in _DOCUMENTS:
            if len(values.get(name) or "") > self.budget.document:
                raise too_large(f"{place.path}.{name}", self.budget.document)
        _demand(values, self.operation.response.type)
        return values

    def _body(self, reply: Reply) -> etree._Element:
        """Return the SOAP body. An error reply may have any content type, as long as it is SOAP."""
        if _succeeded(reply):
            _check_type(reply)
            return self._envelope_body(reply.body)
        try:
            return self._envelope_body(reply.body)
        except (Failure, _Unreadable):
            failure = _http_error(reply)
        raise failure

    def _envelope_body(self, raw: bytes | bytearray) -> etree._Element:
        try:
            root = parse(raw, tree=self.budget.tree)
        except XmlMalformed as refusal:
            malformed = _Unreadable(Failure(Reason.REPLY_MALFORMED, f"the reply is not read: {refusal}"))
        except XmlRefused as refusal:
            malformed, failure = None, Failure(_REFUSALS[type(refusal)], f"the reply is not read: {refusal}")
        else:
            if root.tag not in {f"{{{namespace}}}Envelope" for namespace in _ENVELOPES}:
                raise Failure(Reason.NOT_SOAP, "the reply is not a SOAP envelope")
            body = _child(root, "Body")
            if body is None:
                raise Failure(Reason.REPLY_INCOMPLETE, "the reply has no SOAP body")
            return body
        raise malformed or failure


_REFUSALS = {XmlForbidden: Reason.REPLY_FORBIDDEN_XML, XmlTooComplex: Reason.REPLY_TOO_COMPLEX}


def _restore(values: Values, marked: Marked) -> None:
    """Restore the forbidden characters in documents: the code that reads a document reports where they are. For any
    other field with a forbidden character, raise a failure that names the field.
    """
    for name, value in values.items():
        if name in _DOCUMENTS and isinstance(value, str | bytes):
            values[name] = marked.restored(value.encode() if isinstance(value, str) else value)
        else:
            _refuse_mark(value, marked.mark, values.place.inside(name))


def _refuse_mark(value: Any, mark: str, place: Place) -> None:
    if isinstance(value, Values):
        for name, inner in value.items():
            _refuse_mark(inner, mark, place.inside(name))
    elif isinstance(value, list):
        for inner in value:
            _refuse_mark(inner, mark, place)
    elif isinstance(value, str) and mark in value:
        raise place.failure(Reason.CHARACTER_FORBIDDEN, "holds a character that XML cannot represent")


def _put_back(values: Values, shorter: Cut) -> bool:
    """Replace the token by the large text it stands for; False if the token is not in exactly one field."""
    holding = [name for name, value in values.items() if value == shorter.token]
    if len(holding) != 1:
        return False
    values[holding[0]] = shorter.text
    return True


def _succeeded(reply: Reply) -> bool:
    return 200 <= reply.status < 300


def _http_error(reply: Reply) -> Failure:
    if reply.status == HTTPStatus.UNSUPPORTED_MEDIA_TYPE:
        return other_version("HTTP 415")
    return Failure(Reason.HTTP_ERROR, f"the server answered with HTTP {reply.status}")


def _check_type(reply: Reply) -> None:
    first = behind_space(reply.body, 0)
    if first == len(reply.body):
        raise Failure(Reason.REPLY_EMPTY, "the reply is empty")
    if reply.content_type.partition(";")[0].strip().lower() not in _XML_TYPES:
        raise Failure(Reason.NOT_SOAP, "the reply is not of an XML content type")
    if _HTML.match(reply.body, first):
        raise Failure(Reason.NOT_SOAP, "the reply is a web page")


def _child(parent: etree._Element, name: str) -> etree._Element | None:
    """The first child with this local name in a SOAP namespace, or in no namespace."""
    for namespace in _ENVELOPES:
        child = parent.find(f"{{{namespace}}}{name}")
        if child is not None:
            return child
    return parent.find(name)


# Conversion of elements to values, by the types in the WSDL


def _structure(node: etree._Element, described: Any, place: Place) -> Values:
    values = Values(place)
    for name, attribute in described.attributes:
        text = node.get(attribute.qname) if attribute.name else None
        if text is not None:
            values[name] = _simple(text, attribute.type, place.inside(name))
    for name, element in described.elements:
        if not isinstance(element, xsd.Element):
            continue  # a wildcard has no names of fields
        if name == _SIMPLE_CONTENT:
            values[name] = _simple(_text(node, place), element.type, place)
            continue
        inner = place.inside(name)
        items = [
            _value(child, element.type, inner)
            for child in node.findall(element.qname.text)
            if child.get(_NIL) not in ("true", "1")
        ]
        if not items and next(node.iterchildren(f"{{*}}{element.name}"), None) is not None:
            _refuse_other_namespace(node, element, inner)
        if element.accepts_multiple:
            values[name] = items
        elif len(items) > 1:
            raise place.inside(name).failure(Reason.REPLY_MALFORMED, "is there more than once")
        elif items:
            values[name] = items[0]
    return values


def _refuse_other_namespace(node: etree._Element, element: Any, place: Place) -> None:
    """Reject an element that has the name of a field but another namespace. Neither reading it as the field nor
    treating the field as absent would be right.
    """
    if any(child.tag != element.qname.text for child in node.iterchildren(f"{{*}}{element.name}")):
        raise place.failure(Reason.REPLY_MALFORMED, "is in another namespace than in the WSDL")


def _value(node: etree._Element, described: Any, place: Place) -> Any:
    if isinstance(described, xsd.ComplexType):
        return _structure(node, described, place)
    if isinstance(described, xsd.String) and place.path.endswith(_DOCUMENT_PLACES):
        return _document(node, place)
    return _simple(_text(node, place), described, place)


def _document(node: etree._Element, place: Place) -> str | bytes:
    """The text of a document: a large one as UTF-8 bytes, because a Python string takes up to four times the memory."""
    _refuse_elements(node, place)
    text: bytes = etree.tostring(node, method="text", encoding="utf-8", with_tail=False)
    return text if len(text) >= LARGE else text.decode()


def _text(node: etree._Element, place: Place) -> str:
    """The text of an element without child elements.

    Comments and processing instructions inside the text are ignored. A child element means that the server did not
    escape a document, so reading only the text would lose the document's elements.
    """
    if not len(node):
        return node.text or ""
    _refuse_elements(node, place)
    return (node.text or "") + "".join(inner.tail or "" for inner in node)


def _refuse_elements(node: etree._Element, place: Place) -> None:
    if next(node.iterchildren("*"), None) is not None:
        raise place.failure(Reason.REPLY_MALFORMED, "holds elements where text belongs")


def _simple(text: str, described: Any, place: Place) -> Any:
    """``text`` converted to the built-in XML type on which the type ``described`` is based. For an enumeration any
    value is accepted, because newer servers may add values.
    """
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
    """Reject a reply that lacks a field that the WSDL requires.

    Nested fields are checked only when they are used, because a server of another version may omit fields that nobody
    reads.
    """
    required = [name for name, element in described.elements if isinstance(element, xsd.Element) and element.min_occurs]
    required += [name for name, attribute in described.attributes if attribute.name and attribute.required]
    for name in required:
        values[name]  # raises if the field is missing
