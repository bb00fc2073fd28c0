"""How two states of the primary differ."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from replication.model import PartName
from replication.plan_details import details
from replication.plan_text import render_difference
from replication.primary import compared, dump, read_primary

if TYPE_CHECKING:
    from tests.unit.replication.conftest import ServerFactory


def difference_text(before: dict[str, str], after: dict[str, str]) -> str:
    return render_difference(details(compared(before, after)), "A", "B")


def accounts(users: str) -> str:
    return json.dumps({"users": users, "groups": "<groups/>"})


def test_the_whole_text() -> None:
    before = {
        "settings": "<s><welcome>hello</welcome><licenceKey>A-1</licenceKey></s>",
        "accounts": accounts("<u><user name='ann'><hash>a1</hash></user><user name='eve'/></u>"),
        "event_rules": "<rules/>",
        "account_requests": "<requests/>",
    }
    after = {
        "settings": "<s><welcome>good day</welcome><licenceKey>B-2</licenceKey></s>",
        "accounts": accounts("<u><user name='ann'><hash>b2</hash></user><user name='bob'/></u>"),
        "event_rules": "<rules/>",
        "listeners": "[]",
    }
    assert difference_text(before, after) == (
        "From A\n"
        "to   B\n"
        "\n"
        "settings:\n"
        '  ~ /s/welcome = "hello" -> "good day"\n'
        "  ~ /s/licenceKey = (hidden)\n"
        "\n"
        "accounts:\n"
        "  - users/eve\n"
        "  ~ users/ann\n"
        "      ~ hash = (hidden)\n"
        "  + users/bob\n"
        "\n"
        "settings          0 added, 2 changed, 0 removed\n"
        "accounts          1 added, 1 changed, 1 removed\n"
        "event_rules       equal\n"
        "account_requests  only the first holds this part; the other has none, or was read without it\n"
        "listeners         only the second holds this part; the other has none, or was read without it\n"
        "\n"
        "In all: 1 added, 3 changed, 1 removed.\n"
    )


def test_every_part_of_a_state_equals_itself_whatever_it_is_made_of(make_primary: ServerFactory) -> None:
    state = dump(read_primary(make_primary(), PartName))
    assert set(state) == set(PartName)
    assert "In all: 0 added, 0 changed, 0 removed." in difference_text(state, dict(state))
    assert {part.state for part in details(compared(state, state)).parts} == {"equal"}


def test_every_part_that_moved_is_told(make_primary: ServerFactory) -> None:
    moved: dict[str, Any] = {
        "settings": "<settings><other>1</other></settings>",
        "users": "<users><user name='somebody-else'/></users>",
        "event_rules": "<rules><rule name='other'/></rules>",
        "mime_mappings": (),
        "blocked_addresses": "<ips><ip>203.0.113.77</ip></ips>",
        "account_requests": "<requests><request name='other'/></requests>",
        "listeners": (),
    }
    before = dump(read_primary(make_primary(), PartName))
    after = dump(read_primary(make_primary(**moved), PartName, accept_empty=True))
    different = {part.part for part in details(compared(before, after)).parts if part.state == "different"}
    assert different == set(PartName) - {PartName.AUTHENTICATION}


def test_the_list_that_fills_by_itself_is_no_change(make_primary: ServerFactory) -> None:
    def state(manual: str, automatic: str) -> dict[str, str]:
        lists = {"blocked_addresses": manual, "auto_blocked_addresses": automatic}
        return dump(read_primary(make_primary(**lists), [PartName.IP_BLOCK_LISTS]))

    one, other = "<ips><ip>203.0.113.1</ip></ips>", "<ips><ip>203.0.113.9</ip></ips>"
    assert "In all: 0 added, 0 changed, 0 removed." in difference_text(state(one, one), state(one, other))
    assert "In all: 1 added, 0 changed, 1 removed." in difference_text(state(one, one), state(other, other))
