"""Conversion of typed values to XML and back, with the leniency of a gSOAP reader.

A value of a complex type is a dictionary by field name, for attributes, elements and text. An absent element is absent
from the dictionary or has the default of its type, as in gSOAP.
"""

import re
from collections.abc import Mapping
from typing import Any

from lxml import etree

from local.cerberus import contract, documents

type Values = dict[str, Any]

_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
_XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
_INTEGERS = {
    "xsd:int": (-(2**31), 2**31 - 1),
    "xsd:long": (-(2**63), 2**63 - 1),
    "xsd:unsignedShort": (0, 2**16 - 1),
    "xsd:unsignedInt": (0, 2**32 - 1),
    "xsd:unsignedLong": (0, 2**64 - 1),
}
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?")
WIRE_PREFIXES = {contract.SERVICE: "ns1", contract.COMMON: "ns2"}
DOCUMENT_PREFIXES = {contract.COMMON: "ns1"}


class ValidationError(ValueError):
    """An error that even a lenient reader reports. The message is the text of the fault."""


def escape(text: str) -> str:
    """Text for an element, as gSOAP writes it."""
    for character, reference in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\r", "&#xD;")):
        text = text.replace(character, reference)
    return text


def escape_attribute(text: str) -> str:
    """Text for an attribute: line ends and tabs are also written as references, because a reader would replace them by
    spaces.
    """
    return escape(text).replace('"', "&quot;").replace("\n", "&#xA;").replace("\t", "&#x9;")


def read(element: etree._Element, type_name: str, *, strict: bool = False) -> Values:
    """The value of ``element`` read as a complex type.

    Lenient reading: unknown elements and those in another namespace are dropped, the first of duplicates wins, and a
    missing simple element gets the default of its type. ``strict`` rejects these cases. Elements in another order are
    always accepted. Raises ValidationError.
    """
    children: dict[str, list[etree._Element]] = {}
    for child in element:
        children.setdefault(child.tag, []).append(child)
    if strict:
        _refuse_unknown(element, children, type_name)
    values: Values = {}
    for field in contract.fields(type_name):
        if field.kind == "attribute":
            _read_attribute(element, field, values)
        elif field.kind == "text":
            values[field.name] = _simple(element.text or "", field.type, field.name)
        else:
            _read_element(children.get(field.tag, []), field, values, strict=strict)
    return values


def _refuse_unknown(element: etree._Element, children: dict[str, list[etree._Element]], type_name: str) -> None:
    described = {field.tag: field for field in contract.fields(type_name)}
    for tag, occurrences in children.items():
        field = described.get(tag)
        if field is None or field.kind != "element" or (len(occurrences) > 1 and not field.repeated):
            raise _occurrence(occurrences[0])
    for key in element.attrib:
        if not str(key).startswith(_XSI) and (str(key) not in described or described[str(key)].kind != "attribute"):
            raise _occurrence(element)


def _occurrence(element: etree._Element) -> ValidationError:
    name = f"{element.prefix}:{_local(element.tag)}" if element.prefix else _local(element.tag)
    return ValidationError(f"Validation constraint violation: occurrence constraint violation in element '{name}'")


def _read_attribute(element: etree._Element, field: contract.Field, values: Values) -> None:
    text = element.get(field.tag)
    if text is not None:
        values[field.name] = _simple(text, field.type, field.name)
    elif field.required:
        values[field.name] = _default(field.type)


def _read_element(occurrences: list[etree._Element], field: contract.Field, values: Values, *, strict: bool) -> None:
    occurrences = [each for each in occurrences if each.get(_NIL) not in ("true", "1")]
    if field.repeated:
        values[field.name] = [_read_one(each, field, strict=strict) for each in occurrences]
    elif field.item:
        items = occurrences[0].iterchildren(field.item_tag) if occurrences else ()
        values[field.name] = [_read_one(each, field, strict=strict) for each in items]
    elif occurrences:
        values[field.name] = _read_one(occurrences[0], field, strict=strict)
    elif strict and field.required and contract.is_simple(field.type):
        raise ValidationError(
            f"Validation constraint violation: occurrence constraint violation in element '{field.name}'"
        )
    elif field.required and contract.is_simple(field.type):
        values[field.name] = _default(field.type)


def _read_one(element: etree._Element, field: contract.Field, *, strict: bool) -> Any:
    if contract.is_simple(field.type):
        return _simple(element.text or "", field.type, field.name)
    return read(element, field.type, strict=strict)


def _default(type_name: str) -> Any:
    if type_name == "xsd:boolean":
        return False
    if type_name in _INTEGERS:
        return 0
    if type_name == "xsd:double":
        return 0.0
    enum = contract.enumeration(type_name)
    return enum[0] if enum else ""


def _simple(text: str, type_name: str, where: str) -> Any:
    if type_name == "xsd:string":
        return text
    word = text.strip()
    value = _converted(word, type_name)
    if value is None:
        raise ValidationError(f"Validation constraint violation: data type mismatch in element '{where}'")
    return value


def _converted(word: str, type_name: str) -> Any:
    """The value of ``word``, None if ``word`` is not a value of this type."""
    if type_name == "xsd:boolean":
        return _BOOLEANS.get(word)
    if type_name in _INTEGERS:
        low, high = _INTEGERS[type_name]
        return int(word) if re.fullmatch(r"[+-]?\d+", word) and low <= int(word) <= high else None
    if type_name == "xsd:double":
        return float(word) if re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", word) else None
    if type_name == "xsd:dateTime":
        return word if _DATE_TIME.fullmatch(word) else None
    return word if word in contract.enumeration(type_name) else None


def write(name: str, values: Values, type_name: str, prefixes: Mapping[str, str] = WIRE_PREFIXES) -> str:
    """One element (``name`` with its prefix) of a complex type. Fields without a value are left out."""
    attributes: list[str] = []
    content: list[str] = []
    for field in contract.fields(type_name):
        value = values.get(field.name)
        if value is None:
            continue
        qualified = f"{prefixes[field.namespace]}:{field.name}"
        if field.kind == "attribute":
            attributes.append(f' {qualified}="{escape_attribute(_plain(value))}"')
        elif field.kind == "text":
            content.append(text_of(value))
        elif field.repeated:
            content.extend(_write_one(qualified, each, field, prefixes) for each in value)
        elif field.item:
            item = f"{prefixes[field.item_namespace]}:{field.item}"
            content.append(f"<{qualified}>")
            content.extend(_write_one(item, each, field, prefixes) for each in value)
            content.append(f"</{qualified}>")
        else:
            content.append(_write_one(qualified, value, field, prefixes))
    return f"<{name}{''.join(attributes)}>{''.join(content)}</{name}>"


def document_element(tag: str, values: Values, type_name: str) -> etree._Element:
    """``values`` of a complex type as an element of a document."""
    text = write(f"ns1:{tag}", values, type_name, DOCUMENT_PREFIXES)
    return documents.parse(text.replace(f"<ns1:{tag}", f'<ns1:{tag} xmlns:ns1="{contract.COMMON}"', 1))


def _write_one(name: str, value: Any, field: contract.Field, prefixes: Mapping[str, str]) -> str:
    if contract.is_simple(field.type):
        return f"<{name}>{text_of(value)}</{name}>"
    return write(name, value, field.type, prefixes)


def text_of(value: Any) -> str:
    """A simple value as escaped text."""
    return escape(_plain(value))


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.17G}" if isinstance(value, float) else str(value)


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
