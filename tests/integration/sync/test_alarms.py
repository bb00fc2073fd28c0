"""Every alarm on the fleet rings for its cause, once, ends with it, and is silent on a healthy fleet.

The function's own output is read as CloudWatch reads it, by the alarms as the
template has them: name, dimensions, statistic, period, threshold and treatment
of missing data all have to fit. Only the time is not waited for.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from cerberus.client import BackupClient
from local.cerberus import Kind, drift
from local.cerberus.certificates import self_signed
from local.cloudwatch import Alarm, Datapoint, datapoints
from local.fakes.runtime import WallClockRuntime
from local.template import Stack
from registry.run_records import Approval
from sync import app
from sync.reporting import NAMESPACE
from tests.support.registrations import as_registered

if TYPE_CHECKING:
    from collections.abc import Callable

    from registry.aws import Clients
    from tests.integration.sync.conftest import Evidence, Fleet

pytestmark = pytest.mark.parametrize("registry", ["aws"], indirect=True)

SCHEDULED = {"source": "aws.events", "detail-type": "Scheduled Event"}
INTERVAL = 15
HERE = {
    "TABLE_NAME": "sync-test",
    "SECRET_PREFIX": "cerberus-sync/test",
    "SNAPSHOT_BUCKET": "snapshots",
    "ALLOWED_NETWORKS": "127.0.0.0/8",
}
"""What of the function's environment is another one in this test than in the stack."""


class Context:
    """As much of a Lambda context as the handler looks at."""

    function_name = memory_limit_in_mb = invoked_function_arn = aws_request_id = "test"

    def get_remaining_time_in_millis(self) -> int:
        return 600_000


class Watched:
    """A fleet whose stack has the alarms of the template. ``figures`` is what was emitted so far."""

    def __init__(self, fleet: Fleet, stack: Stack, read: Callable[[], str]) -> None:
        self.fleet = fleet
        self._read = read
        self.figures: list[Datapoint] = []
        alarms = stack.resources("AWS::CloudWatch::Alarm")
        self.alarms = {name: Alarm(alarm) for name, alarm in alarms.items() if alarm["Namespace"] == NAMESPACE}

    def run(self, event: object = None) -> None:
        with suppress(app.RunFailedError):  # it is the platform that counts it
            app.handler(event or SCHEDULED, Context())  # type: ignore[arg-type]  # as far as it is used
        self.figures += datapoints(self._read().splitlines(), self.fleet.clock())

    def wait(self, minutes: int) -> None:
        """Time passes; alarms are evaluated every minute."""
        for _ in range(minutes):
            self.fleet.clock.forward(minutes=1)
            for alarm in self.alarms.values():
                alarm.evaluate(self.figures, self.fleet.clock())

    def intervals(self, count: int = 1) -> None:
        """As many scheduled runs, with the time between them."""
        for _ in range(count):
            self.run()
            self.wait(INTERVAL)

    @property
    def ringing(self) -> set[str]:
        return {name for name, alarm in self.alarms.items() if alarm.state == "ALARM"}

    def changes(self, name: str) -> list[str]:
        return self.alarms[name].changes


@pytest.fixture
def watch(
    clients: Clients, evidence: Evidence, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Watched]:
    """Watches a fleet with the alarms of a stack, after an hour in which all went well."""

    def read() -> str:
        printed = capsys.readouterr().out
        evidence.add("stdout", printed)
        return printed

    def start(fleet: Fleet, *, healthy: bool = True, **parameters: str) -> Watched:
        stack = Stack("watched", {"SyncEnabled": "true", **parameters})
        function = stack.resources("AWS::Lambda::Function")["SyncFunction"]
        for name, value in {**function["Environment"]["Variables"], **HERE}.items():
            monkeypatch.setenv(name, str(value))
        app._run_context.cache_clear()
        original = app._run_context()
        monkeypatch.setattr(
            app, app._run_context.__name__, lambda: replace(original, runtime=WallClockRuntime(fleet.clock))
        )
        watched = Watched(fleet, stack, read)
        if healthy:
            watched.intervals(4)
            assert [alarm.changes for alarm in watched.alarms.values()] == [["OK"]] * len(watched.alarms)
        return watched

    return start


def test_a_backup_that_fails_three_times_in_a_row(watch: Any, fleet: Fleet) -> None:
    watched = watch(fleet)
    fleet.servers["b1"].refuse_connections()
    watched.intervals(2)
    assert watched.ringing == set()
    watched.intervals()
    assert watched.ringing == {"BackupFailing"}
    watched.run({"action": "sync", "backups": ["b2"]})  # one that succeeds with another backup changes nothing
    watched.wait(5)
    fleet.servers["b1"].accept_connections()
    watched.intervals()
    assert watched.changes("BackupFailing") == ["OK", "ALARM", "OK"]


def test_a_backup_that_is_not_verified_within_the_objective(watch: Any, fleet: Fleet) -> None:
    watched = watch(fleet, UnverifiedMinutes="40", FailuresInARow="100")
    fleet.servers["b1"].refuse_connections()
    watched.intervals(2)
    assert watched.ringing == set()  # 30 minutes after it was verified last
    watched.intervals(3)
    assert watched.ringing == {"BackupUnverified"}
    fleet.servers["b1"].accept_connections()
    watched.intervals()
    assert watched.changes("BackupUnverified") == ["OK", "ALARM", "OK"]


def test_a_backup_that_waits_for_an_approval(watch: Any, make_fleet: Callable[..., Fleet]) -> None:
    fleet = make_fleet("b1", "b2", users=20)
    watched = watch(fleet)
    for name in fleet.primary.state.names("profiles")[:5]:
        drift.remove_user(fleet.primary.state, name)
    watched.intervals(2)
    assert watched.ringing == {"BackupBlocked"}
    for backup_id in ("b1", "b2"):
        status = fleet.store.status(backup_id)
        assert status is not None
        approve(fleet, backup_id, status.plan_hash)
    watched.intervals()
    assert watched.changes("BackupBlocked") == ["OK", "ALARM", "OK"]


def approve(fleet: Fleet, backup_id: str, plan_hash: str) -> None:
    fleet.store.approve(as_registered(Approval(backup_id, plan_hash, "a colleague", fleet.clock()), fleet.store))


def test_a_push_that_was_put_back(watch: Any, fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = watch(fleet, FailuresInARow="100")
    server = fleet.servers["b1"]
    write = BackupClient.write_settings
    written = []

    def insecure_until_put_back(client: BackupClient, document: str) -> None:
        write(client, document)
        written.append(client)
        server.clear_faults()
        if len(written) == 1:
            server.fault(Kind.SOAP_NOT_SECURE)

    with monkeypatch.context() as patched:
        patched.setattr(BackupClient, "write_settings", insecure_until_put_back)
        drift.set_setting(server.state, "general/welcomeMessage", "Other")
        watched.intervals()
    assert len(written) == 2
    assert watched.ringing == {"BackupHarmed"}
    watched.intervals()
    assert watched.changes("BackupHarmed") == ["OK", "ALARM", "OK"]


def test_access_that_is_lost_rings_until_the_backup_answers_again(
    watch: Any, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = watch(fleet, FailuresInARow="100", UnverifiedMinutes="10080")
    server = fleet.servers["b1"]
    write = BackupClient.write_settings

    def locked_out(client: BackupClient, document: str) -> None:
        write(client, document)
        server.fault(Kind.BASIC_NEVER)

    with monkeypatch.context() as patched:
        patched.setattr(BackupClient, "write_settings", locked_out)
        drift.set_setting(server.state, "general/welcomeMessage", "Other")
        watched.intervals()
    assert fleet.store.history("b1", limit=1)[0].reason == "access_lost"
    watched.intervals(3)  # that nobody can log in is no sign that it is well, and is still what it was
    last = fleet.store.history("b1", limit=1)[0]
    assert (last.reason, "authentication_failed" in last.message) == ("access_lost", True)
    assert watched.ringing == {"BackupHarmed"}
    server.clear_faults()
    fleet.log_in_again("b1")
    watched.intervals()
    assert watched.changes("BackupHarmed") == ["OK", "ALARM", "OK"]


@pytest.mark.parametrize("whose", ["primary", "b1"])
def test_a_certificate_that_is_about_to_end(watch: Any, make_fleet: Callable[..., Fleet], whose: str) -> None:
    fleet = make_fleet()
    fleet.add_backup("b1", identity=self_signed(days=40 if whose == "b1" else 365))
    if whose == "primary":
        fleet.servers.pop("primary").stop()
        fleet.add_primary(identity=self_signed(days=40))
    watched = watch(fleet)
    fleet.clock.forward(days=18)  # 22 to go
    watched.intervals()
    assert "CertificateEnds" not in watched.ringing
    fleet.clock.forward(days=1)
    watched.intervals()
    assert "CertificateEnds" in watched.ringing
    assert not {name for name in watched.ringing if name.startswith("Backup")}


def test_a_certificate_that_was_renewed(watch: Any, make_fleet: Callable[..., Fleet]) -> None:
    fleet = make_fleet()
    fleet.add_backup("b1", identity=self_signed(days=20))
    watched = watch(fleet, healthy=False)
    watched.intervals(2)
    assert watched.ringing == {"CertificateEnds"}
    fleet.primary.refuse_connections()  # what is not known in a run changes nothing
    watched.intervals()
    fleet.primary.accept_connections()
    renew(fleet, "b1")
    watched.intervals()
    assert watched.changes("CertificateEnds") == ["ALARM", "OK"]


def renew(fleet: Fleet, backup_id: str) -> None:
    """The server gets a new certificate, and the registration its fingerprint."""
    old = fleet.servers.pop(backup_id)
    old.stop()
    registered = fleet.store.backup(backup_id)
    assert registered is not None
    new = fleet.start(backup_id, state=old.state)
    trust = type(registered.trust)(pins=(new.fingerprint,))
    fleet.store.update_backup(replace(registered, port=new.port, trust=trust))


@pytest.mark.parametrize("whose", ["primary", "b1"])
def test_a_licence_that_is_about_to_end(watch: Any, make_fleet: Callable[..., Fleet], whose: str) -> None:
    fleet = make_fleet("b1")
    watched = watch(fleet)
    state = fleet.servers[whose].state
    days(state, 22)
    watched.intervals()
    assert watched.ringing == set()
    days(state, 20)
    watched.intervals()
    assert watched.ringing == {"LicenceEnds"}
    days(state, 365)
    watched.intervals()
    assert watched.changes("LicenceEnds") == ["OK", "ALARM", "OK"]


def days(state: Any, left: int) -> None:
    drift.set_setting(state, "general/license/daysValid", str(left))


@pytest.mark.parametrize("whose", ["primary", "b1"])
def test_a_server_that_pushes_by_itself(watch: Any, make_fleet: Callable[..., Fleet], whose: str) -> None:
    fleet = make_fleet("b1")
    watched = watch(fleet)
    drift.set_setting(fleet.servers[whose].state, "syncManager/@enable", "true")
    watched.intervals(2)
    assert watched.ringing == {"NativeSync"}
    drift.set_setting(fleet.servers[whose].state, "syncManager/@enable", "false")
    watched.intervals()
    assert watched.changes("NativeSync") == ["OK", "ALARM", "OK"]


def test_no_run_for_three_intervals(watch: Any, fleet: Fleet) -> None:
    watched = watch(fleet)
    watched.wait(2 * INTERVAL)
    assert watched.ringing == set()
    watched.wait(3 * INTERVAL)
    assert watched.ringing == {"NoRun"}
    watched.intervals()
    assert watched.changes("NoRun") == ["OK", "ALARM", "OK"]


def test_runs_that_are_all_refused_are_no_runs(watch: Any, fleet: Fleet) -> None:
    watched = watch(fleet)
    now = fleet.clock()
    fleet.store.acquire_lease("somebody who never ends", now=now, expires_at=now + timedelta(days=1))
    watched.intervals(2)
    assert watched.ringing == set()
    watched.intervals()
    assert watched.ringing == {"NoRun"}


def test_a_new_stack_whose_function_never_runs(watch: Any, fleet: Fleet) -> None:
    watched = watch(fleet, healthy=False)
    watched.wait(3 * INTERVAL)
    assert watched.ringing == {"NoRun"}


def test_a_new_stack_without_backups_is_quiet(watch: Any, make_fleet: Callable[..., Fleet]) -> None:
    watched = watch(make_fleet(), healthy=False)
    watched.intervals(5)
    assert watched.ringing == set()


def test_runs_of_another_stack_are_not_taken_for_ones_own(
    watch: Any, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = watch(fleet)
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "another-stack")
    fleet.servers["b1"].refuse_connections()
    watched.intervals(6)
    assert watched.ringing == {"NoRun"}  # and the failures are another's


def test_what_is_paused_or_disabled_rings_for_nobody(watch: Any, fleet: Fleet) -> None:
    watched = watch(fleet)
    for backup_id, change in (("b1", {"paused": "it is being moved"}), ("b2", {"enabled": False})):
        backup = fleet.store.backup(backup_id)
        assert backup is not None
        fleet.store.update_backup(replace(backup, **change))
        fleet.servers[backup_id].refuse_connections()
    watched.intervals(6)
    assert watched.ringing == set()
