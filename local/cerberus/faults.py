"""The faults that a server can be told to show: when each occurs, and how it changes a reply.

A ``Fault`` has a kind, the operation it affects, the first affected call, and how often it occurs. The plan counts
calls; ``server`` and ``soap`` ask it once per request and apply the active faults at the stage of each kind. This
module has the plan and the faults in values; ``bodies`` has the faults in bodies.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any, Self

from lxml import etree

from local.cerberus import contract, documents
from local.cerberus.values import Values


class Kind(StrEnum):
    """The kinds of faults. The text below a kind also says whether a write is stored when the fault occurs."""

    # The connection
    REFUSE = "refuse"
    """The port is closed, beginning with this call. Nothing is stored."""
    CLOSE_BEFORE_REPLY = "close_before_reply"
    """The connection is closed instead of a reply. Nothing is stored."""
    CLOSE_AFTER_STORING = "close_after_storing"
    """A write is stored, then the connection is closed without a reply."""
    CLOSE_MID_REPLY = "close_mid_reply"
    """Only half of the declared Content-Length is sent. A write is stored."""
    SLOW = "slow"
    """The reply is delayed by ``seconds``; the request is carried out after the delay."""
    DRIP = "drip"
    """The body is sent in pieces of ``size`` bytes (1), one every ``seconds``. A write is stored."""
    # HTTP: the operation is not carried out, another answer is sent
    HTML = "html"
    """An HTML page with status 200."""
    REDIRECT = "redirect"
    """Status 302 to ``text`` (another host if empty)."""
    HTTP_500 = "http_500"
    """Status 500 with a body that is not SOAP."""
    BASIC_REQUIRED = "basic_required"
    """Status 401 until the request is repeated with correct Basic credentials."""
    BASIC_NEVER = "basic_never"
    """Status 401 for every request."""
    # HTTP: the operation is carried out, but its answer is damaged
    WRONG_CONTENT_TYPE = "wrong_content_type"
    EMPTY_BODY = "empty_body"
    TRUNCATED_XML = "truncated_xml"
    """Half of the envelope with a matching Content-Length."""
    DTD = "dtd"
    """The reply declares a document type."""
    ENTITIES = "entities"
    """The reply declares entities that expand exponentially, and uses one."""
    OVERSIZE = "oversize"
    """The reply is padded to ``size`` bytes (16 MB)."""
    GZIP = "gzip"
    """The reply is compressed unasked, as gSOAP does with its own setting."""
    BOMB = "bomb"
    """The reply is padded to ``size`` bytes (256 MB) and compressed."""
    PROMISE = "promise"
    """The head declares ``size`` bytes (256 MB), but only the normal reply is sent."""
    UNENDING_HEAD = "unending_head"
    """The reply is an unterminated XML declaration of ``size`` bytes (1 MB)."""
    ELEMENTS = "elements"
    """``size`` empty elements (1,000,000) before the payload."""
    ATTRIBUTES = "attributes"
    """An element before the payload, with as many attributes as ``size`` says (100,000)."""
    LONG_NAME = "long_name"
    """An element with a name of ``size`` letters (1,000,000) and 3,000 children before the payload."""
    OTHER_NAMESPACE = "other_namespace"
    """The fields of the reply are in the wrong namespace."""
    # SOAP faults; nothing is stored. ``text`` is their text
    FAULT_12 = "fault_12"
    """SOAP 1.2, Sender, HTTP 400."""
    FAULT_12_SUBCODE = "fault_12_subcode"
    """SOAP 1.2, Sender with Subcode and Detail, HTTP 400."""
    FAULT_11 = "fault_11"
    """SOAP 1.1, faultcode and faultstring, HTTP 500."""
    FAULT_HYBRID = "fault_hybrid"
    """A fault with the structure of SOAP 1.2 in a 1.1 envelope with the 1.2 content type, HTTP 400."""
    SOAP_11_ONLY = "soap_11_only"
    """To a request in SOAP 1.2: VersionMismatch in a 1.1 envelope, HTTP 500."""
    FAULT_RECEIVER = "fault_receiver"
    """The server's own failure in the usual form for the request, HTTP 500."""
    # Values
    ANSWER_FALSE = "answer_false"
    """Result false, empty lists, nothing else. Nothing is stored."""
    DROP_WRITE = "drop_write"
    """The reply reports a successful write, but nothing is stored."""
    NORMALISE = "normalise"
    """A write is stored with attributes and items in another order, reindented and with another prefix."""
    TRUNCATED_DATA = "truncated_data"
    """The document in the reply is cut in half; the reply itself is whole."""
    HALF_LIST = "half_list"
    """Every list and every document of users or groups has only the first half of its items."""
    EMPTY_LIST = "empty_list"
    """Every list and every document of users or groups is empty."""
    CONTROL_CHARACTER = "control_character"
    """The first text of the document in the reply ends with U+0001; without a document, every text of the reply
    does.
    """
    NO_DATA = "no_data"
    """The document is missing in the reply, although result is true."""
    DTD_IN_DATA = "dtd_in_data"
    """The document in the reply declares a document type."""
    NEWER_REPLY = "newer_reply"
    """Every element of the reply has an unknown attribute, and every one with children has an unknown first child."""
    NEWER_DOCUMENTS = "newer_documents"
    """Documents have unknown attributes and elements at every level."""
    WRONG_VERSION = "wrong_version"
    """The server reports another build number."""
    LICENCE_INVALID = "licence_invalid"
    EDITION_WITHOUT_SYNC = "edition_without_sync"
    SOAP_NOT_SECURE = "soap_not_secure"


@dataclass(frozen=True)
class Fault:
    """One fault.

    ``operation`` is a name of the contract or ``*``. The fault occurs from the ``first`` matching call on
    (counted from 1), ``times`` times (None: always).
    """

    kind: Kind
    operation: str = "*"
    first: int = 1
    times: int | None = None
    seconds: float = 0.0
    size: int = 0
    text: str = ""

    def __post_init__(self) -> None:
        if self.operation != "*" and self.operation not in contract.OPERATIONS:
            raise ValueError(f"no such operation: {self.operation}")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The fault with these values. Raises ValueError for an unknown kind, TypeError for an unknown field."""
        names = {field.name for field in fields(cls)}
        if unknown := data.keys() - names:
            raise TypeError(f"unknown fields: {sorted(unknown)}")
        return cls(**{**data, "kind": Kind(data["kind"])})


class Active:
    """The faults that affect one request."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._faults = {fault.kind: fault for fault in faults}

    def __contains__(self, kind: Kind) -> bool:
        return kind in self._faults

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._faults.values())

    def get(self, kind: Kind) -> Fault | None:
        return self._faults.get(kind)

    def first_of(self, kinds: Iterable[Kind]) -> Fault | None:
        return next((self._faults[kind] for kind in kinds if kind in self._faults), None)


class FaultPlan:
    """The faults that a server has been given, with the number of matching calls of each."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._met: list[list[Any]] = []

    def add(self, *faults: Fault) -> None:
        with self._lock:
            self._met.extend([fault, 0] for fault in faults)

    def clear(self) -> None:
        with self._lock:
            self._met.clear()

    def all(self) -> list[Fault]:
        with self._lock:
            return [fault for fault, _ in self._met]

    def take(self, operation: str) -> Active:
        """Count one call of ``operation`` and return the faults that affect it."""
        active = []
        with self._lock:
            for met in self._met:
                fault: Fault = met[0]
                if fault.operation not in ("*", operation):
                    continue
                met[1] += 1
                past = met[1] - fault.first
                if past >= 0 and (fault.times is None or past < fault.times):
                    active.append(fault)
        return Active(active)


# Values of a reply


def spoil_values(values: Values, active: Active) -> Values:
    """The values of a reply, as changed by the active faults."""
    for kind, change in _VALUE_CHANGES.items():
        if kind in active:
            values = change(values)
    return values


def _on_data(change: Callable[[str], str]) -> Callable[[Values], Values]:
    def changed(values: Values) -> Values:
        return {
            name: change(value) if name in ("data", "dataXml") and value is not None else value
            for name, value in values.items()
        }

    return changed


def _shorten(keep: Callable[[int], int]) -> Callable[[Values], Values]:
    """Reduce every list and every document of users or groups to this many items."""

    def shortened(text: str) -> str:
        root = documents.parse(text)
        if documents.local_name(root.tag) not in ("users", "groups"):
            return text
        for item in list(root)[keep(len(root)) :]:
            root.remove(item)
        return documents.render(root)

    def changed(values: Values) -> Values:
        cut = {name: v[: keep(len(v))] if isinstance(v, list) else v for name, v in values.items()}
        return _on_data(shortened)(cut)

    return changed


def _without_data(values: Values) -> Values:
    return {name: value for name, value in values.items() if name not in ("data", "dataXml")}


def _declare(text: str) -> str:
    return text.replace("?>", '?>\n<!DOCTYPE x [<!ENTITY who "somebody">]>', 1)


def _newer_document(text: str) -> str:
    """Add unknown attributes and elements; content that already has them stays unchanged."""
    root = documents.parse(text)
    seen: set[str] = set()
    for element in list(root.iter()):
        place = "/".join(documents.local_name(each.tag) for each in (*reversed(list(element.iterancestors())), element))
        if place in seen or documents.local_name(element.tag).startswith(("futureOption", "lastLogin")):
            continue
        seen.add(place)
        structured = bool(len(element) or set(element.attrib) - {documents.q("futureFlag")})
        element.set(documents.q("futureFlag"), "1")
        if structured and not (element.text or "").strip() and element.find(documents.q("futureOption")) is None:
            addition = etree.SubElement(element, documents.q("futureOption"))
            addition.set(documents.q("mode"), "auto")
            addition.text = "42"
    return documents.render(root)


def _merge(field: str, **changes: Any) -> Callable[[Values], Values]:
    """Change fields inside one typed reply; other replies stay unchanged."""

    def changed(values: Values) -> Values:
        inner = values.get(field)
        if not isinstance(inner, dict) or not changes.keys() <= inner.keys():
            return values
        return {**values, field: {**inner, **changes}}

    return changed


def _other_version(values: Values) -> Values:
    result = values.get("result")
    if not isinstance(result, dict) or "version" not in result:
        return values
    version = {**result["version"], "build": result["version"]["build"] + 1}
    return {**values, "result": {**result, "version": version}}


_CONTROL = "\x01"


def _with_control(values: Values) -> Values:
    """Add U+0001 to the last text or name in the document, which belongs to one item."""
    documents_in = [name for name in ("data", "dataXml") if values.get(name)]
    if documents_in:
        name = documents_in[0]
        head, separator, tail = values[name].rpartition('"')
        return {**values, name: f"{head}{_CONTROL}{separator}{tail}"}
    return {name: _controlled(value) for name, value in values.items()}


def _controlled(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _controlled(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_controlled(inner) for inner in value]
    return value + _CONTROL if isinstance(value, str) else value


_VALUE_CHANGES: dict[Kind, Callable[[Values], Values]] = {
    Kind.WRONG_VERSION: _other_version,
    Kind.LICENCE_INVALID: _merge("LicenseInformation", isValid=False, daysValid=0, errorMessage="Expired"),
    Kind.EDITION_WITHOUT_SYNC: _merge("Features", enableServerSync=False),
    Kind.SOAP_NOT_SECURE: _merge("result", isSoapSecure=False),
    Kind.HALF_LIST: _shorten(lambda count: count // 2),
    Kind.EMPTY_LIST: _shorten(lambda _: 0),
    Kind.NEWER_DOCUMENTS: _on_data(_newer_document),
    Kind.TRUNCATED_DATA: _on_data(lambda text: text[: len(text) // 2]),
    Kind.DTD_IN_DATA: _on_data(_declare),
    Kind.NO_DATA: _without_data,
    Kind.CONTROL_CHARACTER: _with_control,
}


# Stored values of a write


def normalised(text: str) -> str:
    """The document's content in another form: other order, other prefix, indented."""
    root = _rebuilt(documents.parse(text), None)
    if documents.local_name(root.tag) in ("users", "groups"):
        root[:] = list(reversed(root))
    etree.indent(root, "\t")
    return documents.render(root)


def _rebuilt(element: etree._Element, parent: etree._Element | None) -> etree._Element:
    if parent is None:
        made = etree.Element(element.tag, nsmap={"cfg": contract.COMMON})
    else:
        made = etree.SubElement(parent, element.tag)
    for name, value in reversed(element.items()):
        made.set(name, value)
    made.text, made.tail = element.text, element.tail
    for child in element:
        _rebuilt(child, made)
    return made
