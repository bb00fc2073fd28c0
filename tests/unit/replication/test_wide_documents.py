"""However many siblings a document has: the work of a plan grows with them, not with their square.

One thread serves several backups. A wide document of one of them must not take the time of all.
"""

from collections.abc import Callable

import pytest

from local.fakes.servers import FACTS
from replication.documents.keep_patterns import Rules
from replication.guards.approval import Guard, access_warnings
from replication.model import PartName, Policy
from replication.plan import make_plan
from replication.plan_details import details
from replication.primary import read_primary
from tests.support.steps import assert_linear
from tests.unit.replication.conftest import ServerFactory

SIBLINGS = 40
PATTERNS = ("pool*", "list/depth", "/doc/list/note", "!/doc/list/entry[soapNote]")

SETTINGS: dict[str, Callable[[int, str], str]] = {
    "kept elements": lambda i, side: f"<soapPort{i}>{side}</soapPort{i}>",
    "kept entries": lambda i, side: f'<entry name="soapPort{i}" value="{side}"/>',
    "kept attributes": lambda i, side: f'<a{i} soapPort="{side}"/>',
    "ordinary entries": lambda i, side: f'<entry name="depth{i}" value="{side}"/>',
    "machine-looking entries": lambda i, side: f'<entry name="host{i}" value="{side}{i}.example.com"/>',
    "sections that wait for a decision": lambda i, side: f'<section name="SOAP{i}"><level>{side}</level></section>',
    "nameless entries": lambda i, side: f"<site><a>{side}{i}</a><b>{i}</b></site>",
    "nameless entries with kept values": lambda i, side: f"<site><a>{i}</a><cert>{side}</cert></site>",
    "entries of one name": lambda i, side: f'<site name="n"><a>{i}</a><cert>{side}</cert></site>',
    "names of the parent": lambda i, side: f"<name>{i}</name><cert>{side}</cert>",
    "other names of the parent": lambda i, side: f"<id>{side}{i}</id><depth>{i}</depth>",
    "keys of the parent": lambda i, side: f"<key>{side}{i}</key>",
    "possible names": lambda i, side: f'<i n="soapPort{i}" v="{side}"/>',
    "possible names in children": lambda i, side: f"<e><k>soapPort{i}</k><v>{side}</v></e>",
    "keys before their values": lambda i, side: f"<k>soapPort{i}</k><v>{side}</v>",
    "rows below a head": lambda i, side: f"<tr><td>Host</td><td>Password{side}{i}</td></tr>",
    "cells": lambda i, side: f"<td>Password{side}{i}</td>",
    "comments": lambda i, side: f"<!-- {i} --><a{i}>{side}</a{i}>",
}
LISTS: dict[str, Callable[[int, str], str]] = {
    "named entries": lambda i, side: f'<entry name="n{i}"><to>{side}</to></entry>',
    "nameless entries": lambda i, side: f"<entry><to>{side}{i}</to><a>{i}</a></entry>",
    "entries of one name": lambda i, side: f'<entry name="n"><to>{side}{i}</to></entry>',
    "entries that only one side has": lambda i, side: f'<entry name="{side}{i}"><to>{i}</to></entry>',
    "names": lambda i, side: f"<name>{side}{i}</name>",
}


def document(entry: Callable[[int, str], str], size: int, side: str) -> str:
    return f"<doc><version>1</version><list>{''.join(entry(i, side) for i in range(size))}</list></doc>"


def one_item(entry: Callable[[int, str], str], size: int, side: str) -> str:
    return f'<doc><entry name="one">{"".join(entry(i, side) for i in range(size))}</entry></doc>'


def below_a_head(entry: Callable[[int, str], str], size: int, side: str) -> str:
    """Rows below a head that holds as much as all of them, and no label."""
    rows = "".join(f"<tr><td>{entry(i, side)}</td><td>{side}{i}</td></tr>" for i in range(size))
    return f"<doc><list><tr><td>{'<e/>' * size}</td><td><!-- -->{'<!-- -->' * size}</td></tr>{rows}</list></doc>"


CASES = [
    pytest.param(PartName.SETTINGS, below_a_head, lambda i, side: f"{side}{i}", id="settings, rows below a large head"),
    *(pytest.param(PartName.SETTINGS, document, entry, id=f"settings, {name}") for name, entry in SETTINGS.items()),
    *(pytest.param(PartName.EVENT_RULES, document, entry, id=f"rules, {name}") for name, entry in LISTS.items()),
    *(pytest.param(PartName.EVENT_RULES, one_item, entry, id=f"one rule, {name}") for name, entry in LISTS.items()),
]


@pytest.mark.parametrize(("part", "write", "entry"), CASES)
def test_the_work_of_a_plan_grows_with_the_siblings_of_a_document(
    part: PartName,
    write: Callable[[Callable[[int, str], str], int, str], str],
    entry: Callable[[int, str], str],
    make_server: ServerFactory,
    make_primary: ServerFactory,
) -> None:
    policy = Policy(frozenset({part}), Rules.standard(PATTERNS))

    def plan(size: int) -> None:
        primary = read_primary(make_primary(**{part: write(entry, size, "p")}), policy.parts)
        backup = make_server(**{part: write(entry, size, "b")})
        made = Guard().apply(make_plan(primary, backup, FACTS.features, policy, {}))
        access_warnings(made, backup.label)
        details(made)

    plan(2 * SIBLINGS)  # what was once looked up is remembered
    assert_linear(plan, SIBLINGS)
