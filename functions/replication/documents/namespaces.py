"""The meaning of values with prefixes: each prefix is replaced by the namespace that it refers to.

Separate from ``replication.documents.canonical``, because display and merging use it as well as comparison.
"""

from lxml import etree

from common.patterns import within

XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
_PREFIX = within(r"(?<![\w.-])([^\W\d][\w.-]*):")
REFERENCE = "\x0e"
"""The separator before each namespace that a value refers to."""


def meaning(element: etree._Element, key: str | None, value: str) -> str:
    """An attribute or an element's text with the namespaces that its prefixes refer to.

    For ``xsi:type`` it is the full name of the type, whatever its prefix.
    """
    if key == XSI_TYPE:
        prefix, _, local = value.strip().rpartition(":")
        return f"{{{element.nsmap.get(prefix or None, '')}}}{local}"
    if ":" not in value:  # most values have no colon, and this runs for every value of a document
        return value
    prefixes, scope = prefixes_in(value), element.nsmap
    return value + "".join(f"{REFERENCE}{prefix}={scope[prefix]}" for prefix in sorted(prefixes & scope.keys()))


def prefixes_in(value: str) -> set[str]:
    """The possible prefixes in a value: each name before a colon."""
    return set(_PREFIX.findall(value))
