"""A backup that cannot be reached, trusted or logged in to; and one that is not what it should be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local.cerberus import Authority, Kind, Machine, drift, self_signed
from registry.fleet_records import Backup, Credentials, TlsTrust, destination_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from registry.aws import Clients
    from tests.integration.sync.conftest import Fleet


def assert_alone_failed(fleet: Fleet, outcome: str, backup_id: str = "b1") -> None:
    """The one backup has this outcome and was not written to; the other one was served."""
    assert fleet.statuses() == {backup_id: outcome, "b2": "updated"}, fleet.result(backup_id).message
    assert fleet.result(backup_id).verified_at is None
    assert fleet.reports[-1].run.status == "partial"
    assert "b2" not in fleet.result(backup_id).message
    if backup_id in fleet.servers:
        assert fleet.writes(backup_id) == []


@pytest.fixture
def one(make_fleet: Callable[..., Fleet]) -> Fleet:
    """A primary and one drifted backup, ``b2``; a test adds ``b1``."""
    fleet = make_fleet("b2")
    drift.everywhere(fleet.servers["b2"].state)
    return fleet


def read_log_in(fleet: Fleet, backup_id: str) -> None:
    backup = fleet.store.backup(backup_id)
    assert backup is not None
    fleet.registry.credentials.get(backup.secret_id, destination_of(backup))


class TestNetwork:
    def test_a_closed_port(self, one: Fleet) -> None:
        one.add_backup("b1").refuse_connections()
        one.run()
        assert_alone_failed(one, "failed:connection_refused")

    def test_a_name_that_does_not_resolve(self, one: Fleet) -> None:
        one.add_backup("b1", host="nowhere.invalid")
        one.run()
        assert_alone_failed(one, "failed:name_not_resolved")

    def test_an_address_outside_the_allowed_networks(self, one: Fleet) -> None:
        one.add_backup("b1", host="169.254.169.254")
        one.run()
        assert_alone_failed(one, "failed:address_forbidden")

    def test_a_server_that_keeps_silent_longer_than_the_read_time_out(self, one: Fleet) -> None:
        one.lose_patience("b1", read_timeout=0.3)
        one.add_backup("b1").fault(Kind.SLOW, seconds=600)
        one.run()
        assert_alone_failed(one, "failed:read_timeout")

    def test_a_reply_that_drips_on_past_the_deadline(self, one: Fleet) -> None:
        one.add_backup("b1").fault(Kind.DRIP, "GetProfiles", seconds=0.01)
        one.run(until=lambda: one.done("b2") and one.asked("b1", "GetProfiles"))
        assert_alone_failed(one, "incomplete:deadline")


class TestTls:
    def test_a_certificate_nobody_vouches_for(self, one: Fleet) -> None:
        one.add_backup("b1", trust=TlsTrust())
        one.run()
        assert_alone_failed(one, "failed:certificate_untrusted")
        assert one.servers["b1"].requests == []

    def test_a_certificate_of_another_authority(self, one: Fleet) -> None:
        one.add_backup("b1", trust=TlsTrust(ca_pem=Authority.create().pem))
        one.run()
        assert_alone_failed(one, "failed:certificate_untrusted")
        assert one.servers["b1"].requests == []

    def test_a_pin_of_another_certificate(self, one: Fleet) -> None:
        one.add_backup("b1", trust=TlsTrust(pins=("ab" * 32,)))
        one.run()
        assert_alone_failed(one, "failed:certificate_pin_mismatch")
        assert one.servers["b1"].requests == []

    def test_an_expired_certificate(self, one: Fleet) -> None:
        identity = self_signed(days=-1)
        one.add_backup("b1", identity=identity, trust=TlsTrust(ca_pem=identity.ca_pem))
        one.run()
        assert_alone_failed(one, "failed:certificate_untrusted")
        assert "expired" in one.result("b1").message

    def test_a_certificate_for_another_name(self, one: Fleet) -> None:
        authority = Authority.create()
        one.add_backup("b1", identity=authority.issue("other.example"), trust=TlsTrust(ca_pem=authority.pem))
        one.run()
        assert_alone_failed(one, "failed:certificate_untrusted")

    def test_an_own_authority_and_the_second_of_two_pins_are_trusted(self, one: Fleet) -> None:
        authority = Authority.create()
        one.add_backup("b1", identity=authority.issue(), trust=TlsTrust(ca_pem=authority.pem))
        identity = self_signed()
        one.add_backup("b3", identity=identity, trust=TlsTrust(pins=("ab" * 32, identity.fingerprint)))
        one.run()
        assert one.statuses() == {"b1": "in_sync", "b2": "updated", "b3": "in_sync"}

    def test_both_a_ca_and_pins_are_a_registration_that_makes_no_sense(self, one: Fleet) -> None:
        identity = self_signed()
        trust = TlsTrust(ca_pem=identity.ca_pem, pins=(identity.fingerprint,))
        one.add_backup("b1", identity=identity, trust=trust)
        one.run()
        assert_alone_failed(one, "failed:registration_invalid")


class TestLogIn:
    def test_a_wrong_password_is_sent_once(self, one: Fleet) -> None:
        one.add_backup("b1")
        one.log_in("b1", "admin", "PLANTED-wrong-password")
        one.run()
        assert_alone_failed(one, "failed:authentication_failed")
        assert len(one.servers["b1"].requests) == 1

    def test_missing_credentials(self, one: Fleet) -> None:
        one.add_backup("b1")
        one.registry.credentials.delete("b1")
        one.run()
        assert_alone_failed(one, "failed:credentials_missing")
        assert one.servers["b1"].requests == []

    def test_a_challenge_is_answered_once_per_call(self, one: Fleet) -> None:
        one.add_backup("b1").fault(Kind.BASIC_REQUIRED, "ServerInformation")
        one.run()
        assert one.statuses() == {"b1": "in_sync", "b2": "updated"}
        first, second, *others = one.servers["b1"].requests
        assert [(request.operation, request.basic) for request in (first, second)] == [
            ("ServerInformation", False),
            ("ServerInformation", True),
        ]
        assert not any(request.basic for request in others)

    def test_a_challenge_that_is_never_satisfied_is_answered_once(self, one: Fleet) -> None:
        one.add_backup("b1").fault(Kind.BASIC_NEVER)
        one.run()
        assert_alone_failed(one, "failed:authentication_failed")
        assert [request.basic for request in one.servers["b1"].requests] == [False, True]

    @pytest.mark.parametrize("registry", ["aws"], indirect=True)
    def test_a_secret_that_changed_meanwhile_is_read_afresh_and_used_once(self, one: Fleet, clients: Clients) -> None:
        server = one.add_backup("b1")
        right = server.state.machine.admin_password
        one.log_in("b1", "admin", "PLANTED-old-password")
        read_log_in(one, "b1")  # from now on the cache holds the old one
        clients.secretsmanager.put_secret_value(
            SecretId="cerberus-sync/test/b1", SecretString=f'{{"username": "admin", "password": "{right}"}}'
        )
        one.run()
        assert one.statuses() == {"b1": "in_sync", "b2": "updated"}
        assert [request.operation for request in server.requests].count("ServerInformation") == 2
        server.forget_requests()
        one.run()
        assert [request.operation for request in server.requests].count("ServerInformation") == 1

    @pytest.mark.parametrize("registry", ["aws"], indirect=True)
    def test_a_secret_that_changed_to_a_wrong_one_is_used_once(self, one: Fleet, clients: Clients) -> None:
        server = one.add_backup("b1")
        one.log_in("b1", "admin", "PLANTED-old-password")
        read_log_in(one, "b1")
        clients.secretsmanager.put_secret_value(
            SecretId="cerberus-sync/test/b1", SecretString='{"username": "admin", "password": "PLANTED-new-password"}'
        )
        one.evidence.plant_log_in("b1 anew", "admin", "PLANTED-new-password")
        one.run()
        assert_alone_failed(one, "failed:authentication_failed")
        assert len(server.requests) == 2


class TestChecks:
    """What must be true before anything is written."""

    def test_another_version(self, one: Fleet) -> None:
        one.add_backup("b1", state=one.state(Machine.named("b1"), version=(12, 11, 6, 1)))
        one.run()
        assert_alone_failed(one, "failed:version_mismatch")
        assert "12.11.6.1" in one.result("b1").message

    def test_an_invalid_licence(self, one: Fleet) -> None:
        server = one.add_backup("b1")
        drift.set_setting(server.state, "general/license/key", "a key of another machine")
        one.run()
        assert_alone_failed(one, "failed:licence_invalid")

    def test_an_edition_without_synchronization(self, one: Fleet) -> None:
        one.add_backup("b1", state=one.state(Machine.named("b1"), edition="Standard"))
        one.run()
        assert_alone_failed(one, "failed:edition_without_sync")

    def test_soap_that_is_not_secure(self, one: Fleet) -> None:
        one.add_backup("b1", state=one.state(Machine.named("b1", soap_secure=False)))
        one.run()
        assert_alone_failed(one, "failed:soap_not_secure")

    def test_the_primary_itself_by_its_address(self, one: Fleet) -> None:
        machine = one.primary.state.machine
        one.store.add_backup(Backup("b1", "127.0.0.1", one.primary.port, TlsTrust(pins=(one.primary.fingerprint,))))
        one.registry.credentials.put("b1", Credentials(machine.admin_user, machine.admin_password))
        one.run()
        assert_alone_failed(one, "failed:same_as_primary")

    def test_the_primary_itself_behind_a_second_port(self, one: Fleet) -> None:
        one.add_backup("b1", state=one.primary.state)
        one.run()
        assert_alone_failed(one, "failed:same_as_primary")

    def test_the_primary_itself_by_another_name(self, one: Fleet) -> None:
        machine = one.primary.state.machine
        one.store.add_backup(Backup("b1", "localhost", one.primary.port, TlsTrust(pins=(one.primary.fingerprint,))))
        one.registry.credentials.put("b1", Credentials(machine.admin_user, machine.admin_password))
        one.run()
        assert_alone_failed(one, "failed:same_as_primary")

    def test_a_licence_that_was_cloned_with_the_machine(self, one: Fleet) -> None:
        own = one.primary.state.machine
        clone = Machine.named(
            own.name,
            host="clone.files.example",
            license_key=own.license_key,
            issued=own.issued,
            installed=own.installed,
        )
        one.add_backup("b1", state=one.state(clone))
        one.run()
        assert_alone_failed(one, "failed:licence_shared")

    def test_an_edition_with_fewer_features_gets_all_but_the_parts_it_lacks(self, one: Fleet) -> None:
        one.add_backup("b1", state=one.state(Machine.named("b1"), edition="Professional"))
        drift.add_user(one.servers["b1"].state, "made-by-hand")
        one.run()
        assert one.statuses()["b1"] == "failed:feature_missing"
        assert one.writes("b1") == ["SaveProfiles"]
        assert one.parts("b1")["event_rules"].reason == "feature_missing"
        assert any("features" in warning for warning in one.result("b1").warnings)

    def test_a_part_that_no_edition_of_the_fleet_has_is_left_out(self, make_fleet: Callable[..., Fleet]) -> None:
        fleet = make_fleet()
        fleet.primary.state.edition = "Professional"
        fleet.add_backup("b1", state=fleet.state(Machine.named("b1"), edition="Professional"))
        fleet.run()
        assert fleet.statuses() == {"b1": "in_sync"}
        assert fleet.parts("b1")["event_rules"].status == "not_offered"
