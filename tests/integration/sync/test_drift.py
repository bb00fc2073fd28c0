"""Why a part differs, and what is not called a difference: told by what was held when it was last verified."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local.cerberus import drift

if TYPE_CHECKING:
    from local.cerberus.faults import Active
    from local.cerberus.soap import Message, Reply
    from tests.integration.sync.conftest import Fleet

pytestmark = pytest.mark.parametrize("registry", ["memory", "aws"], indirect=True)

MESSAGE = "general/welcomeMessage"


@pytest.mark.parametrize(
    ("edited", "cause"),
    [
        (["primary"], "primary_changed"),
        (["b1"], "backup_edited"),
        (["primary", "b1"], "both"),
    ],
)
@pytest.mark.parametrize("report_only", [True, False])
def test_who_moved_since_the_last_verification_is_told(
    fleet: Fleet, edited: list[str], cause: str, report_only: bool
) -> None:
    fleet.run()
    for server_id in edited:
        drift.set_setting(fleet.servers[server_id].state, MESSAGE, f"by {server_id}")
    fleet.run("b1", dry_run=report_only)
    assert fleet.parts("b1")["settings"].cause == cause
    assert {part.cause for name, part in fleet.parts("b1").items() if name != "settings"} == {""}
    assert fleet.statuses() == {"b1": "drifted" if report_only else "updated"}


def test_before_the_first_verification_nobody_knows(fleet: Fleet) -> None:
    drift.set_setting(fleet.servers["b1"].state, MESSAGE, "by hand")
    fleet.run()
    assert fleet.parts("b1")["settings"].cause == "unknown"


def test_a_look_does_not_make_a_difference_known(fleet: Fleet) -> None:
    """What a dry run saw and did not repair is still told as what it is by the next one."""
    fleet.run()
    drift.set_setting(fleet.servers["b1"].state, MESSAGE, "by hand")
    for _ in range(2):
        fleet.run("b1", dry_run=True)
        assert fleet.parts("b1")["settings"].cause == "backup_edited"


class TestAServerThatAddsValuesOfItsOwn:
    """After every write of settings it adds a default; neither side has moved, so nothing is to be pushed."""

    @pytest.fixture
    def fleet(self, fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> Fleet:
        server = fleet.servers["b1"]
        answer = server.service.answer

        def adds_a_default(message: Message, active: Active) -> Reply:
            reply = answer(message, active)
            if message.operation == "SaveConfiguration":
                drift.set_setting(server.state, "general/addedByTheServer", "default")
            return reply

        monkeypatch.setattr(server.service, "answer", adds_a_default)
        drift.set_setting(fleet.primary.state, MESSAGE, "New")
        fleet.run()
        assert fleet.statuses() == {"b1": "updated", "b2": "updated"}
        assert "added 1 values of its own" in fleet.parts("b1")["settings"].message
        fleet.forget()
        return fleet

    def test_it_is_not_pushed_to_again(self, fleet: Fleet) -> None:
        for _ in range(2):
            fleet.run()
            assert fleet.statuses() == {"b1": "in_sync", "b2": "in_sync"}
            assert fleet.all_writes() == []

    def test_it_is_pushed_to_again_as_soon_as_either_side_moves(self, fleet: Fleet) -> None:
        drift.set_setting(fleet.servers["b1"].state, "general/addedByTheServer", "by hand")
        fleet.run()
        assert fleet.writes("b1") == ["SaveConfiguration"]
        assert fleet.parts("b1")["settings"].cause == "backup_edited"
        fleet.forget()
        drift.set_setting(fleet.primary.state, MESSAGE, "Newer")
        fleet.run()
        assert fleet.writes("b1") == ["SaveConfiguration"]
        assert fleet.parts("b1")["settings"].cause == "primary_changed"
