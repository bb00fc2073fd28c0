"""What the block of a part says whose push widens access: how many changes do so, how many may, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from common.errors import Reason
from replication.guards.approval import Guard
from replication.model import PartName, Policy

if TYPE_CHECKING:
    from tests.unit.replication.conftest import PlanFactory

ACCOUNTS = Policy(frozenset({PartName.ACCOUNTS}))


@given(enabled=st.integers(0, 12), unknown=st.integers(0, 12))
def test_it_counts_what_widens_access_and_what_may_and_names_the_first(
    make_plan_between: PlanFactory, enabled: int, unknown: int
) -> None:
    def users(side: str) -> str:
        names = [f"<user name='on{n}'><isDisabled>{side}</isDisabled></user>" for n in range(enabled)]
        names += [f"<user name='odd{n}'><gatewayRealm>{side}x</gatewayRealm></user>" for n in range(unknown)]
        return f"<u>{''.join(names)}</u>"

    plan = make_plan_between({"users": users("true")}, {"users": users("false")}, ACCOUNTS)
    blocks = Guard(block_widened_access=True).blocks(plan)
    if not enabled + unknown:
        assert blocks == ()
        return
    (block,) = blocks
    counted, _, places = block.message.partition(": ")
    assert (block.reason, block.numbers) == (Reason.ACCESS_WIDENED, {"widened": enabled, "may_widen": unknown})
    changes = "1 change" if (enabled or unknown) == 1 else f"{enabled or unknown} changes"
    widens = f" {'widens' if enabled == 1 else 'widen'} access" if enabled else ""
    may = f" and {unknown} may" if enabled and unknown else "" if enabled else " may widen access"
    assert counted == f"{changes}{widens}{may}"
    all_places = [f"users/on{n}, isDisabled" for n in range(enabled)]
    all_places += [f"users/odd{n}, gatewayRealm" for n in range(unknown)]
    shown = all_places[:5]
    assert places == ", ".join(shown) + (", ..." if len(all_places) > 5 else "")


def test_a_place_is_named_once_and_in_words(make_plan_between: PlanFactory) -> None:
    own, source = ({"settings": f"<s><tls><ftpOverTls>{on}</ftpOverTls></tls></s>"} for on in ("true", "false"))
    plan = make_plan_between(own, source, Policy(frozenset({PartName.SETTINGS})))
    (block,) = Guard(block_widened_access=True).blocks(plan)
    assert block.message == "1 change widens access: /s/tls/ftpOverTls"
