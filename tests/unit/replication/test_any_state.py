"""For any two states and any rules: the backup becomes the primary except what rules keep, and can go back.

What is expected is computed from the generated values themselves, and what the backup holds is read with the
standard library's parser: none of the product's own reading, comparing or merging judges here.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from local.fakes.snapshots import PartSnapshots
from replication.documents.keep_patterns import Rules
from replication.guards.approval import Guard
from replication.model import PartName, PartStatus, Policy, Status
from replication.ports import Authentication, AuthenticationSource, Listener, MimeMapping
from replication.primary import read_primary
from replication.replicate import Restore, replicate
from replication.restore import earlier_state, exact_policy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from common.runtime import Runtime
    from local.fakes.servers import FakeServer
    from replication.model import Outcome
    from tests.unit.replication.conftest import ServerFactory

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


# What is generated ---------------------------------------------------------------------------------------------------


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

    return ACCOUNTS.map(lambda found: f"<{tag}s>{''.join(written(*account) for account in found)}</{tag}s>")


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
    lambda found: tuple(
        Listener(
            10 * number + offset,
            address,
            protocol,
            {"listenPort": port, "connectionLimit": limit, "passiveSettings": {"ipAddress": passive}},
        )
        for number, ((protocol, port), offset, address, limit, passive) in enumerate(found)
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


# What is expected ----------------------------------------------------------------------------------------------------


def kept(section: str, name: str, rules: list[OneRule], *, standard: bool) -> bool:
    return (standard and name in MACHINE) or any(rule.keeps(section, name) for rule in rules)


def expected_settings(primary: Sections, own: Sections, rules: list[OneRule], *, standard: bool) -> Sections:
    """The primary's values, but the backup's own, or none, where a rule keeps it."""
    found: Sections = {}
    for section in {**primary, **own}:
        if any(not rule.section and rule.name == section for rule in rules):
            values = own.get(section)
            present = section in own
        else:
            values = {
                name: value
                for name, value in primary.get(section, {}).items()
                if not kept(section, name, rules, standard=standard)
            } | {
                name: value
                for name, value in own.get(section, {}).items()
                if kept(section, name, rules, standard=standard)
            }
            present = section in primary or bool(values)
        if present:
            found[section] = values or {}
    return found


def settings_of(text: str) -> Sections:
    """The values of a document in any of the styles."""
    found: Sections = {}
    for section in ElementTree.fromstring(text.encode()):  # noqa: S314 - it was made here
        entries = [
            (each.get("name"), each.get("value")) if each.tag == "entry" else (each.tag, each.text or "")
            for each in section
        ]
        assert section.tag not in found
        assert len({name for name, _ in entries}) == len(entries)
        found[section.tag] = {str(name): str(value) for name, value in (*section.attrib.items(), *entries)}
    return found


def tree_of(text: str) -> object:
    """A document as plain values; None for one that is empty."""
    return values_of(ElementTree.fromstring(text.encode())) if text else None  # noqa: S314 - it was made here


def values_of(element: ElementTree.Element) -> object:
    return element.tag, dict(element.attrib), element.text or "", [values_of(each) for each in element]


def accounts_of(text: str) -> dict[str, object]:
    """Users or groups by name in one case, without what a log-in changes."""
    found = {}
    for item in ElementTree.fromstring(text.encode()):  # noqa: S314 - it was made here
        for run_time in item.findall("lastLogin"):
            item.remove(run_time)
        name = item.attrib.pop("name").casefold()
        assert name not in found
        found[name] = values_of(item)
    return found


def expected_listeners(primary: tuple[Listener, ...], own: tuple[Listener, ...]) -> dict[int, Listener]:
    """The options of the one with the same protocol and port; address and passive settings stay."""
    sources = {(each.protocol, each.options["listenPort"]): each.options for each in primary}
    return {
        each.id: replace(
            each,
            options={
                **each.options,
                **{
                    name: value
                    for name, value in sources.get((each.protocol, each.options["listenPort"]), {}).items()
                    if name != "passiveSettings"
                },
            },
        )
        for each in own
    }


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


# The properties ------------------------------------------------------------------------------------------------------


def approved(run: Callable[[Guard], Outcome]) -> Outcome:
    """The outcome of a run, of a second one with an approval of exactly its plan where the guards stopped it."""
    outcome = run(Guard())
    if outcome.status is Status.BLOCKED:
        event("blocked, approved")
        outcome = run(Guard(approved=outcome.plan_hash))
    return outcome


def put_back(server: FakeServer, parts: Mapping[str, str], *, auto: bool, clock: Runtime) -> Outcome:
    """Restore a snapshot of the server's own."""
    earlier = earlier_state(parts, server.server_facts, server.address, "a snapshot")
    return approved(
        lambda guard: replicate(
            earlier,
            server,
            exact_policy(earlier, auto_block_list=auto),
            snapshots=PartSnapshots(),
            runtime=clock,
            guard=guard,
            restore=Restore(lambda *_: (), lambda: None),
        )
    )


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data(), style=st.sampled_from(STYLES), standard=st.booleans(), auto=st.booleans(), rules=RULES)
def test_the_backup_becomes_the_primary_except_what_rules_keep_and_a_restore_undoes_it(
    make_primary: ServerFactory,
    make_server: ServerFactory,
    clock: Runtime,
    data: st.DataObject,
    style: Callable[[Sections], str],
    standard: bool,
    auto: bool,
    rules: list[OneRule],
) -> None:
    source_settings, wanted = data.draw(STATES[style])
    own_settings, held = data.draw(STATES[style])
    patterns = [rule.pattern for rule in rules]
    policy = Policy(frozenset(PartName), Rules.standard(patterns) if standard else Rules(patterns), auto)
    source = read_primary(make_primary(**deepcopy(wanted)), policy.parts, accept_empty=True)
    server = make_server(**deepcopy(held))
    before = plain(server.content)
    snapshots = PartSnapshots()

    def run(guard: Guard, *, write: bool = True) -> Outcome:
        return replicate(source, server, policy, snapshots=snapshots, runtime=clock, guard=guard, write=write)

    outcome = approved(run)
    assert outcome.status in (Status.UPDATED, Status.IN_SYNC), (outcome.reason, outcome.message)
    assert outcome.verified_at is not None

    now = plain(server.content)
    assert settings_of(now["settings"]) == expected_settings(source_settings, own_settings, rules, standard=standard)
    assert accounts_of(now["users"]) == accounts_of(wanted["users"])
    assert accounts_of(now["groups"]) == accounts_of(wanted["groups"])
    assert tree_of(now["authentication"][0]) == tree_of(wanted["authentication"].document)
    assert now["authentication"][1] == wanted["authentication"].sources
    for name in ("event_rules", "blocked_addresses", "account_requests"):
        assert tree_of(now[name]) == tree_of(wanted[name])
    automatic = wanted if auto else held
    assert tree_of(now["auto_blocked_addresses"]) == tree_of(automatic["auto_blocked_addresses"])
    assert set(now["mime_mappings"]) == set(wanted["mime_mappings"])
    assert {each.id: each for each in now["listeners"]} == expected_listeners(wanted["listeners"], held["listeners"])

    second = run(Guard(), write=False)
    assert second.status is Status.IN_SYNC
    assert second.plan_hash == ""
    assert {part.status for part in second.parts} == {PartStatus.UNCHANGED}

    for parts in reversed(snapshots.parts):  # two, where the guards had let through some of it at first
        restored = put_back(server, parts, auto=auto, clock=clock)
        assert restored.status is Status.RESTORED, (restored.reason, restored.message)
    assert plain(server.content) == before
