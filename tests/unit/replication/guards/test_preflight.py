"""What must be true before anything is written."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest

from common.errors import Failure, Reason
from common.server_types import Version
from replication.guards.approval import Guard
from replication.guards.limits import Limits
from replication.guards.preflight import check_backup, check_primary
from replication.job import ReplicationJob
from replication.model import Policy, Status
from replication.primary import read_primary
from replication.replicate import replicate

if TYPE_CHECKING:
    from common.runtime import Runtime
    from common.server_types import ServerFacts
    from tests.unit.replication.conftest import ServerFactory

OPEN = Guard(Limits(removal_floor=10**6, disabling_floor=10**6))
"""A guard that lets through what these tests need: they are about what happens after it."""
PRIMARY_ADDRESS = ("files0.example", 8443)


@pytest.fixture
def primary(make_primary: ServerFactory) -> ServerFacts:
    return make_primary().server_facts


def changed(facts: ServerFacts, **changes: Any) -> ServerFacts:
    """Facts with fields of the facts themselves, the licence, the features or the security replaced."""
    for name, value in changes.items():
        if hasattr(facts, name):
            facts = replace(facts, **{name: value})
            continue
        group = next(group for group in ("licence", "features", "security") if hasattr(getattr(facts, group), name))
        facts = replace(facts, **{group: replace(getattr(facts, group), **{name: value})})
    return facts


REFUSALS: list[tuple[dict[str, Any], Reason]] = [
    ({"version": Version(12, 11, 5, 1)}, Reason.VERSION_MISMATCH),
    ({"version": Version(12, 9, 5, 0)}, Reason.VERSION_MISMATCH),
    ({"valid": False}, Reason.LICENCE_INVALID),
    ({"server_sync": False}, Reason.EDITION_WITHOUT_SYNC),
    ({"soap_secure": False}, Reason.SOAP_NOT_SECURE),
    ({"company": "P", "issued": 1, "installed": 2}, Reason.LICENCE_SHARED),
    ({"company": "P", "issued": 1, "installed": 2, "days_left": 3}, Reason.LICENCE_SHARED),
    ({"company": "P", "issued": 1, "installed": 2, "hostname": "PRIMARY"}, Reason.SAME_AS_PRIMARY),
]


@pytest.mark.parametrize(("changes", "reason"), REFUSALS)
def test_a_backup_is_refused(changes: dict[str, Any], reason: Reason, facts: ServerFacts, primary: ServerFacts) -> None:
    with pytest.raises(Failure) as failure:
        check_backup(primary, PRIMARY_ADDRESS, changed(facts, **changes), ("files1.example", 8443), "backup b1")
    assert failure.value.reason is reason
    assert failure.value.server == "backup b1"


@pytest.mark.parametrize(("changes", "reason"), REFUSALS)
def test_a_refused_backup_is_neither_read_nor_written(
    changes: dict[str, Any],
    reason: Reason,
    facts: ServerFacts,
    make_primary: ServerFactory,
    make_server: ServerFactory,
    clock: Runtime,
) -> None:
    backup = make_server(server_facts=changed(facts, **changes), users="<users/>")
    source = read_primary(make_primary(), Policy().parts)
    outcome = replicate(ReplicationJob(source, Policy(), OPEN), backup, runtime=clock, snapshots=Mock())
    assert (outcome.status, outcome.reason) == (Status.FAILED, reason)
    assert outcome.pushed_at is outcome.verified_at is None
    assert backup.calls == ["facts"]


def test_a_fit_backup_passes_without_a_warning(facts: ServerFacts, primary: ServerFacts) -> None:
    assert check_backup(primary, PRIMARY_ADDRESS, facts, ("files1.example", 8443), "b") == ()


@pytest.mark.parametrize("address", [PRIMARY_ADDRESS, ("FILES0.Example", 8443), ("files0.example.", 8443)])
def test_the_primarys_own_address_is_refused_however_it_is_written(
    address: tuple[str, int], facts: ServerFacts, primary: ServerFacts
) -> None:
    with pytest.raises(Failure) as failure:
        check_backup(primary, PRIMARY_ADDRESS, facts, address, "b")
    assert failure.value.reason is Reason.SAME_AS_PRIMARY


def test_another_port_of_the_primarys_host_is_another_server(facts: ServerFacts, primary: ServerFacts) -> None:
    check_backup(primary, PRIMARY_ADDRESS, facts, ("files0.example", 8444), "b")


def test_the_primary_under_another_address_is_known_by_name_and_licence(primary: ServerFacts) -> None:
    with pytest.raises(Failure) as failure:
        check_backup(primary, PRIMARY_ADDRESS, primary, ("alias.example", 8443), "b")
    assert failure.value.reason is Reason.SAME_AS_PRIMARY


def test_one_host_name_with_another_licence_is_another_server(facts: ServerFacts, primary: ServerFacts) -> None:
    backup = changed(facts, hostname=primary.hostname)
    assert check_backup(primary, PRIMARY_ADDRESS, backup, ("files1.example", 8443), "b") == ()


def test_writing_to_the_primary_is_the_first_thing_refused(primary: ServerFacts) -> None:
    unfit = changed(primary, version=Version(1, 0, 0, 0), soap_secure=False)
    with pytest.raises(Failure) as failure:
        check_backup(primary, PRIMARY_ADDRESS, unfit, ("alias.example", 8443), "b")
    assert failure.value.reason is Reason.SAME_AS_PRIMARY


def test_two_licences_of_one_order_are_worth_a_warning(facts: ServerFacts, primary: ServerFacts) -> None:
    backup = changed(facts, company="P", issued=1, installed=77)
    (warning,) = check_backup(primary, PRIMARY_ADDRESS, backup, ("files1.example", 8443), "b")
    assert "licence" in warning


def test_licences_that_tell_no_dates_are_not_taken_for_one(facts: ServerFacts, primary: ServerFacts) -> None:
    untold = {"company": "P", "issued": 0, "installed": 0}
    backup = changed(facts, **untold)
    assert check_backup(changed(primary, **untold), PRIMARY_ADDRESS, backup, ("files1.example", 8443), "b") == ()


def test_other_features_are_worth_a_warning(facts: ServerFacts, primary: ServerFacts) -> None:
    (warning,) = check_backup(primary, PRIMARY_ADDRESS, changed(facts, events=False), ("files1.example", 8443), "b")
    assert "features" in warning


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"valid": False}, Reason.LICENCE_INVALID), ({"server_sync": False}, Reason.EDITION_WITHOUT_SYNC)],
)
def test_a_primary_needs_a_licence_and_an_edition_that_synchronizes(
    changes: dict[str, Any], reason: Reason, primary: ServerFacts
) -> None:
    with pytest.raises(Failure) as failure:
        check_primary(changed(primary, **changes), "primary")
    assert failure.value.reason is reason
    check_primary(primary, "primary")
