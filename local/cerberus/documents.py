"""The XML documents of a server: names, reading, and paths into them.

The documents are modelled, not captured: no sample of these files is public. Two facts are known: the documents look
gSOAP-serialised (prefixed, namespace-qualified elements and attributes), and the SOAP contract names the fields of
users, groups and address entries. The rest, including all of ``settings``, is made up here.

A *path* names one place: local names joined by ``/``, a key in brackets where an element has one (``user[alice]``,
``entry[SoapPort]``), ``@name`` last for an attribute. The root's own name is not part of it.
"""

from collections.abc import Iterator
from functools import lru_cache

from lxml import etree

from local.cerberus.contract import COMMON

ROOTS = {
    "profiles": "users",
    "groups": "groups",
    "settings": "settings",
    "authentication": "authenticationSources",
    "event_rules": "eventRules",
    "ip_block_list": "ipBlockList",
    "auto_block_list": "autoBlockList",
    "requested_accounts": "requestedAccounts",
}
"""Every document and the local name of its root element."""

RUN_TIME = frozenset({"lastLoginTime", "lastLoginIP"})
"""Elements of a user that a server writes by itself."""

MACHINE_SETTINGS: dict[str, tuple[str, ...]] = {
    "license": ("general/license", "advanced/entry[LicenseKey]"),
    "soap": ("remote/soap", "advanced/entry[SoapPort]", "advanced/entry[SoapSecure]"),
    "remote_admin": ("remote/remoteAdmin",),
    "web_admin": ("remote/webAdmin", "advanced/entry[WebAdminPort]"),
    "certificate": (
        "security/serverCertificate",
        "security/tls/@certificateFile",
        "advanced/entry[ServerCertificateFile]",
    ),
    "private_key": ("security/privateKey", "security/tls/@privateKeyFile", "advanced/entry[PrivateKeyFile]"),
    "ca": (
        "security/caCertificate",
        "security/tls/@caFile",
        "protocols/http/clientVerification/authority/caFile",
        "advanced/entry[CaCertificateFile]",
    ),
    "crl": (
        "security/crl",
        "security/tls/@crlFile",
        "protocols/http/clientVerification/authority/crlFile",
        "advanced/entry[CrlFile]",
    ),
    "sync": ("syncManager", "advanced/entry[SyncIntervalMinutes]"),
}
"""The paths of machine-specific values in the modelled settings, by category (``machine.SECTIONS``)."""

_FOLDED = frozenset({"user", "group"})
_ITEMS = _FOLDED | {"root", "publicKey", "entry", "rule", "directory", "request", "server", "ipEntry"}


def q(name: str) -> str:
    """``name`` in the documents' namespace, in Clark notation."""
    return f"{{{COMMON}}}{name}"


def local_name(tag: str) -> str:
    """The name without its namespace."""
    return tag.rpartition("}")[2]


def parse(text: str) -> etree._Element:
    """The root of a document. Comments and processing instructions are dropped. Raises XMLSyntaxError.

    An encoding declaration in decoded text is ignored.
    """
    text = text.lstrip("\ufeff").lstrip()
    if text.startswith("<?xml"):
        text = text.partition("?>")[2].lstrip()
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, huge_tree=True, remove_comments=True, remove_pis=True
    )
    return etree.fromstring(text.encode(), parser)


def render(root: etree._Element) -> str:
    """A document as text, with the declaration that gSOAP writes."""
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + etree.tostring(root, encoding="unicode")


def empty(document: str) -> str:
    """The document without any content."""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<ns1:{ROOTS[document]} xmlns:ns1="{COMMON}"/>'


def key(element: etree._Element) -> str | None:
    """The identifier of an item: its name, its key, or its address range. None if it is not an item."""
    kind = local_name(element.tag)
    if kind not in _ITEMS:
        return None
    own_key = element.get(q("name")) or element.get(q("guid"))
    if own_key is None:
        own_key = _key_of_children(element, kind)
    return same_case(own_key) if own_key is not None and kind in _FOLDED else own_key


@lru_cache(maxsize=4096)
def same_case(name: str) -> str:
    """A name in the form in which Windows compares names without case: no letter becomes two letters."""
    return "".join(
        pair if len(pair := letter.upper().lower()) == len(letter.upper()) == 1 else letter for letter in name
    )


def _key_of_children(element: etree._Element, kind: str) -> str | None:
    for child in element:
        if kind == "ipEntry" and child.tag == q("entry"):
            return "-".join(part.text or "" for part in child)
        if child.tag in (q("name"), q("key")):
            return child.text
    return None


def step(element: etree._Element) -> str:
    """The step of a path to this element; names outside the documents' namespace are written in full."""
    name = local_name(element.tag) if element.tag.startswith(f"{{{COMMON}}}") else element.tag
    own = key(element)
    return name if own is None else f"{name}[{own}]"


def find(root: etree._Element, path: str) -> etree._Element | None:
    """The element at ``path``, None if it does not exist. The path must not end in an attribute."""
    element: etree._Element | None = root
    for wanted in _steps(path):
        if element is None:
            return None
        element = next((child for child in element if _leads(child, wanted)), None)
    return element


def _leads(child: etree._Element, wanted: str) -> bool:
    own = step(child)
    return own == (same_case(wanted) if local_name(child.tag) in _FOLDED else wanted)


def _steps(path: str) -> list[str]:
    """Split a path at slashes, except those inside brackets, because a key may contain slashes."""
    steps: list[str] = []
    depth = 0
    for part in path.split("/"):
        if depth:
            steps[-1] += f"/{part}"
        else:
            steps.append(part)
        depth += part.count("[") - part.count("]")
    return [part for part in steps if part]


def attribute_of(path: str) -> tuple[str, str]:
    """For the path of an element or attribute: the element's path, and the attribute's name or an empty text."""
    head, separator, name = path.rpartition("@")
    return (head.rstrip("/"), name) if separator and "/" not in name and "]" not in name else (path, "")


def get(root: etree._Element, path: str) -> str | None:
    """The text of the element or attribute at ``path``, None if it is absent."""
    where, attribute = attribute_of(path)
    element = find(root, where)
    if element is None:
        return None
    return element.get(q(attribute)) if attribute else (element.text or "")


def set_value(root: etree._Element, path: str, value: str) -> None:
    """Set the text or attribute at ``path``; missing elements without a key are created.

    For a key/value entry, its value is set.
    """
    where, attribute = attribute_of(path)
    element = root
    walked = ""
    for wanted in _steps(where):
        walked = f"{walked}/{wanted}"
        existing = find(root, walked)
        element = etree.SubElement(element, q(wanted)) if existing is None else existing
    if not attribute and element.get(q("value")) is not None:
        attribute = "value"
    if attribute:
        element.set(q(attribute), value)
    else:
        child = element.find(q("value"))
        (element if child is None else child).text = value


def remove(root: etree._Element, path: str) -> bool:
    """Remove the element or attribute at ``path``; return whether it existed."""
    where, attribute = attribute_of(path)
    element = find(root, where)
    if element is None:
        return False
    if attribute:
        present = q(attribute) in element.attrib
        if present:
            del element.attrib[q(attribute)]
        return present
    parent = element.getparent()
    if parent is None:
        return False
    parent.remove(element)
    return True


def flatten(root: etree._Element) -> dict[str, str]:
    """Every value of a document by its path.

    The result does not depend on prefixes, the order of attributes, white space between elements, or the order of items
    with a key. Items without a key are numbered in order. Every element has an entry, so that an empty element differs
    from a missing one.
    """
    return dict(_flatten(root, ""))


def items(root: etree._Element) -> dict[str, etree._Element]:
    """The children of a document by the step of their path, as in ``flatten``."""
    return dict(_numbered(root))


def _numbered(element: etree._Element) -> Iterator[tuple[str, etree._Element]]:
    """The children with their steps; a repeated step gets a number."""
    seen: dict[str, int] = {}
    for child in element:
        own = step(child)
        seen[own] = seen.get(own, 0) + 1
        yield (f"{own}#{seen[own]}" if seen[own] > 1 else own), child


def _flatten(element: etree._Element, path: str) -> Iterator[tuple[str, str]]:
    prefix = f"{path}/" if path else ""
    text = element.text or ""
    yield path, "" if len(element) and not text.strip() else text
    for name, value in element.items():
        label = str(name).removeprefix(f"{{{COMMON}}}")
        yield f"{prefix}@{label}", str(value)
    for own, child in _numbered(element):
        yield from _flatten(child, f"{prefix}{own}")
        if (child.tail or "").strip():
            yield f"{prefix}{own}/tail()", child.tail or ""
