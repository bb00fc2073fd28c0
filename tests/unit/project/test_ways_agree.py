"""A laptop, the deployed run and the management API: one plan, one hash, one result, for any two servers."""

from __future__ import annotations

from contextlib import nullcontext
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from admin_api import dependencies, plans
from admin_api.dependencies import Services
from admin_api.schemas.plans import PlannedPartView
from cerberus.address_policy import AddressPolicy
from common.deadline import Deadline
from fleet.servers import PRIMARY_ID
from local.fakes.aws_services import MemoryAuditLog, MemorySchedule, MemoryStarter
from local.fakes.runtime import TickingRuntime
from local.fakes.world import World
from local.trial import session
from local.trial.request import BACKUP_ID, Command, Request
from local.trial.session import Session
from registry.fleet_records import Backup, Credentials, Primary, SyncSettings
from registry.run_records import Approval
from registry.store_rules import MESSAGE_LIMIT
from replication.model import PartName, Status
from sync.events import RunRequest, Trigger
from sync.run import run
from tests.support.registrations import as_registered
from tests.support.server_states import STATES, STYLES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from admin_api.schemas.plans import PlanView
    from cerberus.endpoint import Endpoint
    from local.fakes.servers import FleetServer
    from registry.run_records import BackupResult
    from tests.support.server_states import Sections


class Ways:
    """The same two servers, once behind the deployed product and once in front of a laptop."""

    def __init__(self, held: tuple[Mapping[str, Any], Mapping[str, Any]], options: SyncSettings, folder: Path) -> None:
        self.runtime = TickingRuntime()
        self.deployed, self.local = (self._world(held, options) for _ in range(2))
        self.folder = folder

    def _world(self, held: tuple[Mapping[str, Any], Mapping[str, Any]], options: SyncSettings) -> World:
        world = World(runtime=self.runtime)
        world.store.save_settings(options)
        for server_id, content in zip((PRIMARY_ID, "b1"), held, strict=True):
            world.servers.by_id[server_id].content = deepcopy(dict(content))
        return world

    def by_api(self) -> PlanView:
        world = self.deployed
        backup = world.store.backup("b1")
        assert backup is not None
        services = Services(
            store=world.store,
            credentials=world.credentials,
            schedule=MemorySchedule(),
            starter=MemoryStarter(),
            audit=MemoryAuditLog(),
            addresses=AddressPolicy.allowing([], self.runtime),
            snapshots=world.snapshots,
            runtime=self.runtime,
        )
        return plans.plan_of(backup, services)

    def by_run(self, plan_hash: str = "", *, dry_run: bool = False) -> BackupResult:
        request = RunRequest(Trigger.ON_DEMAND, ("b1",), dry_run=dry_run, plan_hash=plan_hash)
        run(request, self.deployed.context, Deadline(600, self.runtime.monotonic))
        status = self.deployed.store.status("b1")
        assert status is not None
        return status

    def on_laptop(self, approved: str = "") -> Session:
        primary, backup = (self.local.servers.by_id[server_id].address for server_id in (PRIMARY_ID, "b1"))
        request = Request(
            Command.SYNC,
            Primary(*primary),
            Backup(BACKUP_ID, *backup),
            self.local.store.settings(),
            AddressPolicy.allowing([], self.runtime),
            None,
            600,
            snapshots=self.folder,
            approved=approved,
        )
        return Session(request, lambda _: Credentials("admin", "password"), lambda _: None, self.runtime)


def opening(ways: list[Ways], world: Callable[[Ways], World]) -> Callable[..., AbstractContextManager[FleetServer]]:
    """What stands in for a client: the server of a fake fleet that has the endpoint's port."""

    def client(endpoint: Endpoint, *_: object) -> AbstractContextManager[FleetServer]:
        (server,) = (one for one in world(ways[-1]).servers.by_id.values() if one.address[1] == endpoint.port)
        return nullcontext(server)

    return client


def is_stored_as(message: str, stored: str) -> bool:
    """Whether a result stores this message: with the backup's name, and cut at the limit of a stored message."""
    named = stored.removeprefix("b1: ")
    return named == message or (len(stored) == MESSAGE_LIMIT and message.startswith(named.removesuffix("…")))


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> list[Ways]:
    compared: list[Ways] = []
    monkeypatch.setattr(dependencies, "CerberusServers", lambda *_: compared[-1].deployed.servers)
    monkeypatch.setattr(plans, "PrimaryClient", opening(compared, lambda one: one.deployed))
    for name in ("PrimaryClient", "BackupClient"):
        monkeypatch.setattr(session, name, opening(compared, lambda one: one.local))
    return compared


@settings(max_examples=40)
@given(
    data=st.data(),
    style=st.sampled_from(STYLES),
    approve=st.booleans(),
    options=st.builds(
        SyncSettings,
        parts=st.sampled_from([tuple(PartName), ("accounts", "event_rules"), None]),
        rules=st.sampled_from([(), ("timeout",)]),
        replicate_auto_block_list=st.booleans(),
        block_widened_access=st.booleans(),
    ),
)
def test_one_plan_one_hash_and_one_result(
    ways: list[Ways],
    tmp_path: Path,
    data: st.DataObject,
    style: Callable[[Sections], str],
    approve: bool,
    options: SyncSettings,
) -> None:
    primary, backup = data.draw(STATES[style])[1], data.draw(STATES[style])[1]
    assume("<user " in primary["users"])  # a primary without users is refused
    both = Ways((primary, backup), options, tmp_path / str(len(ways)))
    ways.append(both)
    looked = both.on_laptop().look()
    seen, dry = both.by_api(), both.by_run(dry_run=True)
    assert seen.hash == looked.hash
    by_laptop = looked.preview.details.parts
    assert seen.parts == [PlannedPartView.model_validate(one, strict=False, from_attributes=True) for one in by_laptop]
    assert dry.plan_hash == (looked.hash if looked.writable or looked.approvable else "")

    if approve:
        outcome = both.on_laptop(looked.hash).push(looked)
        approval = Approval("b1", looked.hash, "a colleague", both.runtime.now())
        both.deployed.store.approve(as_registered(approval, both.deployed.store))
        result = both.by_run(looked.hash)
    else:
        outcome = both.on_laptop().push(looked)
        result = both.by_run()
    event(str(outcome.status))
    assert (result.status, result.reason) == (outcome.status, outcome.reason or "")
    assert is_stored_as(outcome.message, result.message)
    assert [(part.part, part.status, part.reason) for part in result.parts] == [
        (part.part, part.status, part.reason or "") for part in outcome.parts
    ]
    for stored, part in zip(result.parts, outcome.parts, strict=True):
        assert is_stored_as(part.message, stored.message)
    assert [(part.added, part.removed, part.changed) for part in result.parts] == [
        (len(part.changes.added), len(part.changes.removed), len(part.changes.changed)) for part in outcome.parts
    ]
    assert result.plan_hash == outcome.plan_hash
    deployed, local = (world.servers.by_id["b1"] for world in (both.deployed, both.local))
    assert (deployed.writes, deployed.content) == (local.writes, local.content)
    for world in (both.deployed, both.local):
        assert world.servers.by_id[PRIMARY_ID].writes == []
    if not approve and outcome.status is Status.UPDATED:
        assert result.plan_hash == looked.hash


@pytest.mark.parametrize("approved", ["0" * 64, ""])
def test_what_was_not_seen_is_not_written(ways: list[Ways], tmp_path: Path, approved: str) -> None:
    """Neither with an approval of another plan nor when a server moves while somebody reads the plan."""
    state = World().servers.by_id["b1"].content
    moved = {**state, "settings": state["settings"].replace("hello", "moved")}
    both = Ways(({**state}, moved), SyncSettings(), tmp_path)
    ways.append(both)
    local = both.on_laptop(approved)
    looked = local.look()
    assert looked.preview.outdated == bool(approved)
    both.local.servers.by_id["b1"].greeting = "moved again"
    outcome = local.push(looked)
    assert (outcome.status, outcome.reason) == (Status.BLOCKED, "plan_not_current")
    assert both.local.servers.by_id["b1"].writes == []
    again = replace(looked, preview=both.on_laptop().look().preview)
    assert both.on_laptop().push(again).status is Status.UPDATED
