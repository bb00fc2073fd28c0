"""A defect in what only tells of a run, a warning, a text, a log line or a figure, does not change how the run ends.

The places are found in the program itself: every function of the access watch,
every warning, every metric, every line of progress. One that is added is tried
the next time.
"""

from __future__ import annotations

import inspect
import json
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools.metrics import EphemeralMetrics

from common.deadline import Deadline
from common.errors import Failure, Reason
from local.fakes.world import RecordedProgress, World
from registry.fleet_records import SyncSettings
from replication import plan, plan_details, plan_text
from replication.guards import (
    access_addresses,
    access_groups,
    access_judgement,
    access_places,
    access_rights,
    access_rules,
    access_scales,
    access_status,
    access_watch,
    access_words,
    preflight,
)
from replication.guards.approval import Guard
from replication.model import PartName, Policy
from replication.parts import PARTS
from replication.plan_details import preview
from replication.plan_text import render, render_difference
from replication.ports import Listener
from replication.primary import read_primary
from sync import context, reporting
from sync.events import RunRequest, Trigger
from sync.reporting import METRICS, emit_metrics
from sync.run import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from registry.run_records import BackupResult
    from sync.context import RunContext
    from sync.results import Report

PRODUCT = ("replication", "sync", "fleet", "common")
SECRET = "planted-secret-4711"
WATCH = (
    access_watch,
    access_groups,
    access_judgement,
    access_rules,
    access_rights,
    access_scales,
    access_status,
    access_addresses,
    access_places,
    access_words,
)


ONLY_LIMITS = "may_be_dead"
"""Asked by the limits alone: an account that cannot be judged counts as dead, which needs no notice to be safe."""


class Broken:
    """What raises, with content in the error's text; ``calls`` counts how often it did."""

    calls = 0

    def __call__(self, *_: object, **__: object) -> Any:
        Broken.calls += 1
        raise TypeError(SECRET)


broken = Broken()


@dataclass(frozen=True)
class Injection:
    """One defect: what of an owner is replaced, with what."""

    owner: Any
    name: str
    value: Any = broken
    what: str = ""

    def __str__(self) -> str:
        return f"{getattr(self.owner, '__name__', type(self.owner).__name__)}.{self.name}{self.what}"

    def into(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put it in place, also where a module has imported the name, with nothing remembered from before."""
        original = getattr(self.owner, self.name)
        for module in WATCH:
            for value in vars(module).values():
                getattr(value, "cache_clear", lambda: None)()
        monkeypatch.setattr(Broken, "calls", 0)
        monkeypatch.setattr(self.owner, self.name, self.value)
        for module in [module for name, module in sys.modules.items() if name.partition(".")[0] in PRODUCT]:
            if vars(module).get(self.name) is original:
                monkeypatch.setattr(module, self.name, self.value)


def functions_of(module: ModuleType) -> Iterator[str]:
    """The functions that a module defines, whatever wraps them."""
    for name, value in vars(module).items():
        if callable(value) and not inspect.isclass(value) and getattr(value, "__module__", "") == module.__name__:
            yield name


NOT_OF_THE_WATCH = ("access_increases", "_judged", "disables", "is_disabled", "may_be_dead")
"""The boundary itself, and what a limit asks."""


def of_the_watch() -> Iterator[Injection]:
    for module in WATCH:
        yield from (Injection(module, name) for name in functions_of(module) if name not in NOT_OF_THE_WATCH)
    for number in range(len(access_rules.RULES)):
        rule = access_rules.RULES[number]
        for what, defect in (("holds", replace(rule, holds=broken)), ("scale", replace(rule, scale=broken))):
            rules = list(access_rules.RULES)
            rules[number] = defect
            yield Injection(access_rules, "RULES", tuple(rules), f" {number} {what}")


def of_warnings() -> Iterator[Injection]:
    yield from (Injection(type(part), "warnings") for part in PARTS)
    yield from (Injection(preflight, name) for name in functions_of(preflight) if name.endswith("_warnings"))
    yield Injection(plan, "changes_of")


def of_lines() -> Iterator[Injection]:
    methods = [name for name in vars(context.Progress) if not name.startswith("_")]
    yield from (Injection(RecordedProgress, name) for name in methods)


WATCHED = list(of_the_watch())
TELLING = [*WATCHED, *of_warnings(), *of_lines()]


WIDE = """<user name='anna'>
    <rootList><root name='x'><permissions><delete>true</delete></permissions></root></rootList>
    <allowedIps><ip>10.0.0.0/8</ip><ip>10.1.0.1-9</ip><ip>11.*</ip></allowedIps><role>admin</role><status>active</status>
    <permissions>read,write</permissions><authMethod method='password'/><expiry>2030-01-01</expiry><home>D:/</home>
    <sshKeys><publicKey name='k'>b</publicKey></sshKeys><groups>a,b</groups><tlsVersion>1.0</tlsVersion>
    <require2FA value='no' priority='group'/><frobbed>true</frobbed><requirePassword>no</requirePassword>
    <restrictByIp>no</restrictByIp><deniedRights>1</deniedRights><max>1</max><allowFtp>yes</allowFtp>
    <rules><a/><b/></rules><rights>+r +w</rights><manageUsers>yes</manageUsers><password/><state>on</state>
    <acl>rwxrwxrwx</acl><noPassword>true</noPassword><email>a@example</email><hash type='plain'/>
    </user>"""
NARROW = """<user name='anna'>
    <rootList><root name='x'><permissions><delete>false</delete></permissions></root></rootList>
    <allowedIps><ip>10.0.0.1</ip></allowedIps><role>user</role><status>locked</status>
    <permissions>read</permissions><authMethod method='public_key'/><expiry>2029-01-01</expiry><home>D:/a</home>
    <sshKeys/><groups>a</groups><tlsVersion>1.0</tlsVersion>
    <require2FA value='yes' priority='group'/><frobbed>true</frobbed><requirePassword>yes</requirePassword>
    <restrictByIp>yes</restrictByIp><deniedRights>3</deniedRights><max>2</max><allowFtp>no</allowFtp>
    <rules><a/><b/></rules><rights>+r -w</rights><manageUsers>no</manageUsers><password>h</password><state>off</state>
    <acl>rw-r--r--</acl><noPassword>false</noPassword><email>b@example</email><hash type='sha256'/>
    </user>"""
UNKNOWN = (
    NARROW.replace("<tlsVersion>1.0", "<tlsVersion>1.2")
    .replace("<frobbed>true", "<frobbed>false")
    .replace("'yes' priority='group'", "'yes' priority='user'")
    .replace("<a/><b/>", "<b/><a/>")
)
NEW = "<user name='zoe'><status>active</status><isAdmin>true</isAdmin></user>"


def fleet(before: str, after: str, **settings: Any) -> World:
    """A fleet whose backups differ from the primary in accounts, settings and listeners."""
    world = World()
    for server_id, server in world.servers.by_id.items():
        source, narrow = server_id == "primary", after == NARROW
        # The other user stays: a push after which nobody could log in would wait for that reason.
        server.content["users"] = f"<users>{after if source else before}<user name='ben'/></users>"
        server.names["users"] = server.people
        group = "<group name='a'><isAdmin>true</isAdmin></group>" if source and not narrow else ""
        server.content["groups"] = f"<groups><group name='z'/>{group}</groups>"
        server.greeting = "welcome" if source else "hello"
        options = {"listenPort": 21, "requiresSecureControl": source is narrow}
        server.content["listeners"] = (Listener(1, "127.0.0.1", 1, options),)
    world.store.save_settings(SyncSettings(parts=tuple(PartName), **settings))
    return world


def ended(world: World) -> tuple[list[object], list[BackupResult]]:
    """How a run ends, apart from what it tells; and its results."""
    report = run(RunRequest(Trigger.ON_DEMAND), world.context, Deadline(600, world.runtime.monotonic))
    results = sorted(report.results, key=lambda one: one.backup_id)
    facts = [(one.backup_id, one.status, one.reason, {part.part: part.status for part in one.parts}) for one in results]
    held = [server.content["users"] for server in world.servers.by_id.values()]
    return [report.run.status, report.run.reason, facts, held], results


@pytest.fixture(scope="module")
def as_it_ends() -> list[object]:
    """How the run ends without a defect."""
    facts, results = ended(fleet(UNKNOWN, WIDE + NEW))
    assert {part.part: part.status for part in results[0].parts if part.status != "unchanged"} == {
        "settings": "pushed",
        "accounts": "pushed",
        "listeners": "pushed",
    }
    return facts


@pytest.mark.parametrize("defect", TELLING, ids=map(str, TELLING))
def test_a_defect_in_what_tells_of_a_run_changes_nothing_of_it(
    as_it_ends: list[object],
    defect: Injection,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    defect.into(monkeypatch)
    facts, results = ended(fleet(UNKNOWN, WIDE + NEW))
    blocked = {part.part: part.reason for part in results[0].parts if part.status == "blocked"}
    if blocked:  # the limits ask the same words who is disabled, and count whoever cannot be judged
        assert blocked == {"accounts": "disables_too_much"}
    else:
        assert facts == as_it_ends
    said = f"{[one.warnings for one in results]}{capsys.readouterr()}"
    assert SECRET not in said
    if Broken.calls and not blocked and defect.name != ONLY_LIMITS:
        assert "TypeError at test_defects_that_end_nothing.py" in said
        assert "[access_not_judged]" in said or "[report_incomplete]" in said
        assert "b1" in said or isinstance(defect.owner, type)


def test_each_rule_and_nearly_all_of_the_watch_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    unreached = []
    for defect in WATCHED:
        with monkeypatch.context() as patch:
            defect.into(patch)
            ended(fleet(UNKNOWN, WIDE + NEW))
            if not Broken.calls:
                unreached.append(str(defect))
    assert not [one for one in unreached if one.endswith("holds")]
    assert len(unreached) < len(WATCHED) / 3, unreached


@pytest.mark.parametrize("defect", WATCHED, ids=map(str, WATCHED))
def test_what_could_not_be_judged_waits_where_wider_access_does(
    defect: Injection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The push narrows access, so that nothing of it waits without the defect."""
    world = fleet(WIDE, NARROW, block_widened_access=True)
    before = world.servers.by_id["b1"].content["users"]
    defect.into(monkeypatch)
    _, results = ended(world)
    accounts = {part.part: part for part in results[0].parts}["accounts"]
    if accounts.status != "pushed":
        assert accounts.status == "blocked"
        assert accounts.reason in ("access_not_judged", "disables_too_much")
        assert world.servers.by_id["b1"].content["users"] == before
        assert results[0].status == "blocked"
    else:
        assert not any("could not judge accounts" in warning for warning in results[0].warnings)


# ---------------------------------------------------------------- texts
HOLD_THE_BOUNDARY = ("details", "preview", "render", "render_difference", "_undetailed", "_all_exceptions", "_state")
OF_TEXTS = [
    Injection(module, name)
    for module in (plan_details, plan_text)
    for name in functions_of(module)
    if name not in HOLD_THE_BOUNDARY
]


@pytest.mark.parametrize("defect", OF_TEXTS, ids=map(str, OF_TEXTS))
def test_a_plan_is_decided_alike_whatever_cannot_be_shown_of_it(
    defect: Injection, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers = fleet(NARROW, WIDE).servers.by_id
    policy = Policy(parts=frozenset(PartName))
    source = read_primary(servers["primary"], policy.parts)
    made = plan.make_plan(source, servers["b1"], servers["b1"].server_facts.features, policy, {})
    guard = Guard(block_widened_access=True)
    expected = preview(made, guard, ())
    defect.into(monkeypatch)
    shown = preview(made, guard, ())
    assert (shown.details.hash, shown.blocks, shown.access_increases) == (
        expected.details.hash,
        expected.blocks,
        expected.access_increases,
    )
    assert [part.part for part in shown.details.parts] == [part.part for part in expected.details.parts]
    text = render(shown.details, "b1", blocks=shown.blocks, access_increases=shown.access_increases)
    text += render_difference(shown.details, "one", "other")
    assert f"Hash: {expected.details.hash}" in text
    if Broken.calls:
        assert "[report_incomplete]" in text
    assert SECRET not in text


# ---------------------------------------------------------------- figures
def metrics_with_a_defect(number: int) -> Iterator[Injection]:
    """The metric with this number broken, in each list that holds it."""
    broken_one = replace(METRICS[number], figure=broken)
    for name, value in vars(reporting).items():
        if value is METRICS[number]:
            yield Injection(reporting, name, broken_one)
        elif isinstance(value, tuple) and METRICS[number] in value and value is not METRICS:
            yield Injection(reporting, name, tuple(broken_one if one is METRICS[number] else one for one in value))


def printed(capsys: pytest.CaptureFixture[str]) -> set[str]:
    blobs = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "CloudWatchMetrics" in line]
    return {one["Name"] for blob in blobs for part in blob["_aws"]["CloudWatchMetrics"] for one in part["Metrics"]}


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> tuple[Report, RunContext]:
    """A run that has ended, with a failure among its results."""
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "CerberusSync")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "stack")
    world = fleet(NARROW, WIDE)
    world.servers.by_id["b2"].failures = {("facts", 0): Failure(Reason.READ_TIMEOUT, "no answer")}
    return run(RunRequest(Trigger.ON_DEMAND), world.context, Deadline(600, world.runtime.monotonic)), world.context


@pytest.mark.parametrize("number", range(len(METRICS)), ids=[metric.name for metric in METRICS])
def test_a_metric_that_cannot_be_had_is_told_and_the_others_are_printed(
    done: tuple[Report, RunContext], number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    emit_metrics(*done)
    expected = printed(capsys)
    for defect in metrics_with_a_defect(number):
        defect.into(monkeypatch)
    with pytest.raises(Failure, match=f"the metric {METRICS[number].name} could not be made") as missing:
        emit_metrics(*done)
    assert missing.value.reason is Reason.REPORT_INCOMPLETE
    assert SECRET not in str(missing.value)
    assert printed(capsys) == expected - {METRICS[number].name}


OF_METRICS = [
    *(Injection(reporting, name) for name in functions_of(reporting) if name != "emit_metrics"),
    Injection(reporting, "fleet_health_of"),
    Injection(EphemeralMetrics, "flush_metrics"),
    Injection(EphemeralMetrics, "add_metric"),
]


@pytest.mark.parametrize("defect", OF_METRICS, ids=map(str, OF_METRICS))
def test_no_defect_of_the_metrics_reaches_the_run(
    done: tuple[Report, RunContext], defect: Injection, monkeypatch: pytest.MonkeyPatch
) -> None:
    defect.into(monkeypatch)
    missing = ""
    try:
        emit_metrics(*done)
    except Failure as failure:
        missing = str(failure)
    assert bool(missing) == bool(Broken.calls)
    assert SECRET not in missing
