"""Generated states of a server: every part, in several styles of documents, and how they are read independently."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

from hypothesis import strategies as st

from replication.ports import Authentication, AuthenticationSource, Listener, MimeMapping

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

type Sections = dict[str, dict[str, str]]

ORDINARY = ("timeout", "welcomeMessage", "retries", "showClock")
MACHINE = ("soapPort", "licenseKey", "serverCertificate", "privateKey", "adminPassword", "crlFile", "caPath")
"""What the product's own rules keep."""
NAMEABLE = ("site", "branding", "rackNumber")
"""What only a generated rule keeps."""
SECTIONS = ("general", "limits", "network", "site")

VALUES = st.one_of(
    st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=12),
    st.sampled_from(["", " ", "true", "false", "10.0.0.1", "C:\\data", "0", "&amp;", "a  b"]),
)
NAMES = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=10).filter(
    lambda name: name.strip() != ""
)


@dataclass(frozen=True)
class OneRule:
    """A rule of a deployment: ``name`` is kept wherever it is, or only in one ``section``."""

    name: str
    section: str = ""

    @property
    def pattern(self) -> str:
        return f"{self.section}/{self.name}" if self.section else self.name

    def keeps(self, section: str, name: str) -> bool:
        if self.section:
            return (self.section, self.name) == (section, name)
        return self.name in (section, name)


SETTINGS = st.dictionaries(
    st.sampled_from(SECTIONS), st.dictionaries(st.sampled_from(ORDINARY + MACHINE + NAMEABLE), VALUES), min_size=1
)
RULES = st.lists(
    st.builds(OneRule, st.sampled_from((*NAMEABLE, "timeout")), st.sampled_from(("", "", *SECTIONS))), max_size=3
)


def as_elements(sections: Sections) -> str:
    inner = "".join(
        f"<{name}>{''.join(f'<{key}>{escape(value)}</{key}>' for key, value in held.items())}</{name}>"
        for name, held in sections.items()
    )
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<settings>{inner}</settings>'


def as_attributes(sections: Sections) -> str:
    inner = "".join(
        f"<{name} {' '.join(f'{key}={quoteattr(value)}' for key, value in held.items())}/>"
        for name, held in sections.items()
    )
    return f"<settings>{inner}</settings>"


def as_entries(sections: Sections) -> str:
    inner = "".join(
        f"<{name}>{''.join(f'<entry name="{key}" value={quoteattr(value)}/>' for key, value in held.items())}</{name}>"
        for name, held in sections.items()
    )
    return f"<c:settings xmlns:c='urn:c'>{inner}</c:settings>"


STYLES = (as_elements, as_attributes, as_entries)


# Strategies are made once: one that is made for each draw is checked for each draw, which takes longer than to draw.
ROOTS = st.lists(st.tuples(NAMES, VALUES), max_size=2, unique_by=lambda root: root[0])
DISABLED = st.sampled_from(["", ' disabled="true"', ' disabled="false"'])
LAST_LOG_IN = st.one_of(st.just(""), st.integers(0, 9).map(lambda day: f"<lastLogin>{day}</lastLogin>"))
ACCOUNTS = st.lists(
    st.tuples(NAMES, ROOTS, DISABLED, LAST_LOG_IN, VALUES), max_size=5, unique_by=lambda account: account[0].casefold()
)


def accounts(tag: str) -> st.SearchStrategy[str]:
    """A list of users or groups with odd names, each name once without regard to case."""

    def written(name: str, roots: list[tuple[str, str]], disabled: str, last_log_in: str, password: str) -> str:
        inside = "".join(f"<root name={quoteattr(each)}><path>{escape(path)}</path></root>" for each, path in roots)
        hashed = f"<password hash={quoteattr(password)}/>"
        return f"<{tag} name={quoteattr(name)}{disabled}>{hashed}<roots>{inside}</roots>{last_log_in}</{tag}>"

    return ACCOUNTS.map(lambda drawn: f"<{tag}s>{''.join(written(*account) for account in drawn)}</{tag}s>")


def listed(tag: str) -> st.SearchStrategy[str]:
    """A document that is a list in an order that counts."""
    item = st.tuples(NAMES, VALUES).map(lambda each: f"<{tag} name={quoteattr(each[0])}>{escape(each[1])}</{tag}>")
    return st.lists(item, max_size=4).map(lambda items: f"<{tag}s>{''.join(items)}</{tag}s>")


SOURCES = st.lists(st.builds(AuthenticationSource, st.booleans(), NAMES, st.sampled_from(["ldap", "ad"]), VALUES))
MIME = st.dictionaries(st.sampled_from(["txt", "pdf", "zip", "png"]), st.sampled_from(["text/plain", "a/b", "c/d"]))
LISTENERS = st.lists(
    st.tuples(
        st.tuples(st.integers(0, 3), st.sampled_from([21, 22, 443])),
        st.integers(0, 9),
        st.sampled_from(["10.0.0.1", "10.0.0.2"]),
        st.integers(0, 3),
        st.sampled_from(["192.0.2.1", "192.0.2.2"]),
    ),
    max_size=4,
    unique_by=lambda listener: listener[0],
).map(
    lambda drawn: tuple(
        Listener(
            10 * number + offset,
            address,
            protocol,
            {"listenPort": port, "connectionLimit": limit, "passiveSettings": {"ipAddress": passive}},
        )
        for number, ((protocol, port), offset, address, limit, passive) in enumerate(drawn)
    )
)


def states(style: Callable[[Sections], str]) -> st.SearchStrategy[tuple[Sections, dict[str, Any]]]:
    """What a server holds in every part, and its settings as values too."""
    parts = {
        "authentication": st.builds(Authentication, listed("source"), SOURCES.map(tuple)),
        "users": accounts("user"),
        "groups": accounts("group"),
        "event_rules": st.one_of(listed("rule"), st.just("")),
        "mime_mappings": MIME.map(lambda held: tuple(MimeMapping(*each) for each in held.items())),
        "blocked_addresses": listed("ip"),
        "auto_blocked_addresses": listed("ip"),
        "account_requests": st.one_of(listed("request"), st.just("")),
        "listeners": LISTENERS,
    }
    return st.tuples(SETTINGS, st.fixed_dictionaries(parts)).map(
        lambda held: (held[0], {"settings": style(held[0]), **held[1]})
    )


STATES: dict[Callable[[Sections], str], st.SearchStrategy[tuple[Sections, dict[str, Any]]]] = {
    style: states(style) for style in STYLES
}


# How they are read, by the standard library's parser ------------------------------------------------------------------


def settings_of(text: str) -> Sections:
    """The values of a document in any of the styles."""
    sections: Sections = {}
    for section in ElementTree.fromstring(text.encode()):  # noqa: S314 - it was made here
        entries = [
            (each.get("name"), each.get("value")) if each.tag == "entry" else (each.tag, each.text or "")
            for each in section
        ]
        assert section.tag not in sections
        assert len({name for name, _ in entries}) == len(entries)
        sections[section.tag] = {str(name): str(value) for name, value in (*section.attrib.items(), *entries)}
    return sections


def tree_of(text: str) -> object:
    """A document as plain values; None for one that is empty."""
    return values_of(ElementTree.fromstring(text.encode())) if text else None  # noqa: S314 - it was made here


def values_of(element: ElementTree.Element) -> object:
    return element.tag, dict(element.attrib), element.text or "", [values_of(each) for each in element]


def accounts_of(text: str) -> dict[str, object]:
    """Users or groups by name in one case, without what a log-in changes."""
    accounts = {}
    for item in ElementTree.fromstring(text.encode()):  # noqa: S314 - it was made here
        for run_time in item.findall("lastLogin"):
            item.remove(run_time)
        name = item.attrib.pop("name").casefold()
        assert name not in accounts
        accounts[name] = values_of(item)
    return accounts


def text_of(content: str | bytes) -> str:
    return content if isinstance(content, str) else content.decode()


def plain(content: Mapping[str, Any]) -> dict[str, Any]:
    """What a server holds, to be compared exactly."""
    held: dict[str, Any] = {
        name: text_of(value) if isinstance(value, (str, bytes)) else value for name, value in content.items()
    }
    authentication = held["authentication"]
    held["authentication"] = (text_of(authentication.document), authentication.sources)
    return held
