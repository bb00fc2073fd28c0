"""Lists and settings as large as servers have them are read, and what strangers fill ends no run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from common.errors import Failure, Reason
from replication.documents.keep_patterns import Rules
from replication.model import PartName, Policy
from replication.parts.ip_block_lists import IpBlockLists
from replication.primary import read_primary

if TYPE_CHECKING:
    from tests.unit.replication.conftest import ServerFactory


def blocked(number: int) -> str:
    """A list of blocked addresses, each entry on a line of its own with three values."""
    entry = '  <ip address="2001:db8::{0}" allow="0" expires="2026-12-01T00:00:00Z"/>\n'
    return "<ips>\n" + "".join(entry.format(one) for one in range(number)) + "</ips>"


SETTINGS = "".join(f'  <setting name="option{number}" value="{number}"/>\n' for number in range(10_000))
LOGO = f"<logo>{'QUJD' * 750_000}</logo>"


@pytest.mark.parametrize(
    "content",
    [
        {"blocked_addresses": blocked(15_000)},
        {"auto_blocked_addresses": blocked(15_000)},
        {"auto_blocked_addresses": blocked(80_000)},
        {"settings": f"<settings>\n{SETTINGS}{LOGO}</settings>"},
    ],
    ids=["blocked by a person", "blocked automatically", "blocked automatically, far too many", "settings with a logo"],
)
def test_a_full_primary_is_read(make_server: ServerFactory, content: dict[str, str]) -> None:
    assert set(read_primary(make_server(**content), PartName).states) == set(PartName)


def test_an_automatic_list_that_is_too_long_stops_only_who_replicates_it(make_server: ServerFactory) -> None:
    part = IpBlockLists()
    long, short = (part.read(make_server(auto_blocked_addresses=blocked(number))) for number in (80_000, 1))
    assert part.same(long, short, Policy(frozenset({part.name}), Rules(())))
    with pytest.raises(Failure) as caught:
        part.same(long, short, Policy(frozenset({part.name}), Rules(()), replicate_auto_block_list=True))
    assert caught.value.reason is Reason.REPLY_TOO_COMPLEX
