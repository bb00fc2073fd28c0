"""The name of a list's element for display in plans; it is not used for pairing.

A rule has a name, a directory source a name or key, a blocked address its address, an extension its own text. An
element with none of these is displayed by its path with a position.
"""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from lxml import etree

from common.safe_xml import local_name
from replication.documents import canonical
from replication.documents.diff import name_of_entry

_LONGEST_TEXT_KEY = 64
_KEY_NAMES = frozenset({"guid", "uuid", "address", "ip", "network", "host", "email"})


def list_key(element: etree._Element) -> str:
    """The name of an element of a list: its name, key, address, or its own text if that is all it has."""
    if (name := canonical.name_of(element)) is not None:
        return name.written
    if key := name_of_entry(element):
        return key
    for key_name, value in _own_values(element):
        if canonical.plain(key_name) in _KEY_NAMES and len(value) <= _LONGEST_TEXT_KEY:
            return value
    if addresses := [value for _, value in _leaves(element) if is_address(value)]:
        return "-".join(addresses[:2])
    text = canonical.text_of(element).strip()
    return text if len(element) == 0 and len(text) <= _LONGEST_TEXT_KEY else ""


def is_address(value: str) -> bool:
    """Whether a value is an IP address or network."""
    for kind in (ip_address, ip_network):
        try:
            kind(value.strip())
        except ValueError:
            continue
        return True
    return False


def _own_values(element: etree._Element) -> Iterator[tuple[str, str]]:
    yield from _attributes(element)
    for child in canonical.children(element):
        if not canonical.is_named(child) and (value := canonical.own_value(child)):
            yield local_name(child), value


def _leaves(element: etree._Element) -> Iterator[tuple[str, str]]:
    for one in element.iter(etree.Element):
        yield from _attributes(one)
        if len(one) == 0 and (text := canonical.text_of(one)):
            yield local_name(one), text


def _attributes(element: etree._Element) -> Iterator[tuple[str, str]]:
    for key, written in element.attrib.items():
        yield local_name(str(key)), str(written)
