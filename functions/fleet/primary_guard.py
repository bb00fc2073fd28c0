"""Detects a primary whose content looks like a mistake, unless a person has accepted that content.

A primary that lost its users, or at least half of its entries since the last verified run, would make every backup lose
them. A run with such a primary ends before any backup is touched, unless a person confirms that the content is
intended. The acceptance applies to exactly that content: later runs continue, and stop again once that part of the
primary changes.
"""

from collections.abc import Mapping
from datetime import datetime

from common.errors import Failure, Reason
from registry.fleet_records import Primary
from registry.run_records import AcceptedPart, PrimaryAcceptance, PrimaryBaseline, Run
from registry.store import Store
from registry.store_rules import of_primary
from replication.model import PartName, PrimaryState
from replication.primary import fingerprints


def check_meant(primary: PrimaryState, registered: Primary | None, store: Store) -> None:
    """Reject a primary that looks like a mistake, unless its content was accepted. Nothing is stored.

    Raises Failure(PRIMARY_EMPTY or PRIMARY_SHRUNK), and the failures of the store.
    """
    accepted = still_accepted(of_primary(store.acceptance(), registered), primary)
    _refuse(suspicions(primary, of_primary(store.baseline(), registered)), accepted)


def check_meant_in_run(
    run: Run, primary: PrimaryState, store: Store, *, accepts: bool, lease_owner: str, at: datetime
) -> None:
    """Reject a primary as ``check_meant`` does, and update the stored acceptances.

    ``accepts``: the requester of the run confirms that the primary's content is intended. Then the run continues and,
    unless it is a dry run, the acceptance is stored. An acceptance is removed once the primary no longer has the
    accepted content. Raises Failure as ``check_meant``, and LEASE_LOST.
    """
    stored, suspected = store.acceptance(), suspicions(primary, of_primary(store.baseline(), run))
    standing = still_accepted(of_primary(stored, run), primary)
    given = _accepted(suspected, primary, run, at) if accepts else {}
    remembered = standing if run.dry_run else {**standing, **given}
    if remembered != (stored.parts if stored else {}):
        store.save_acceptance(PrimaryAcceptance(remembered, run.term, run.source), lease_owner=lease_owner)
    _refuse(suspected, {**standing, **given})


def suspicions(primary: PrimaryState, baseline: PrimaryBaseline | None) -> Mapping[PartName, Failure]:
    """The parts that look like a mistake: no users, or at most half of the number in ``baseline`` for the same
    primary.
    """
    suspected: dict[PartName, Failure] = {}
    if PartName.ACCOUNTS in primary.states and not primary.users:
        suspected[PartName.ACCOUNTS] = Failure(
            Reason.PRIMARY_EMPTY, "its user list holds no user", server=primary.label
        )
    if baseline is None:
        return suspected
    for part, what, now, before in (
        (PartName.ACCOUNTS, "users", primary.users, baseline.users),
        (PartName.ACCOUNTS, "groups", primary.groups, baseline.groups),
        (PartName.SETTINGS, "settings", primary.settings, baseline.settings),
    ):
        # A change from two entries to one is a half too, but no reason for alarm.
        if part in primary.states and now * 2 <= before and before - now > 1:
            message = f"it holds {now} {what}; at the last verified run it held {before}"
            suspected.setdefault(part, Failure(Reason.PRIMARY_SHRUNK, message, server=primary.label))
    return suspected


def still_accepted(acceptance: PrimaryAcceptance | None, primary: PrimaryState) -> Mapping[str, AcceptedPart]:
    """The accepted parts that still apply to this primary: those whose content has not changed since."""
    held = {str(part): fingerprint for part, fingerprint in fingerprints(primary).items()}
    parts = acceptance.parts if acceptance else {}
    return {name: part for name, part in parts.items() if held.get(name, part.fingerprint) == part.fingerprint}


def _accepted(
    suspected: Mapping[PartName, Failure], primary: PrimaryState, run: Run, at: datetime
) -> Mapping[str, AcceptedPart]:
    held = fingerprints(primary)
    return {
        str(part): AcceptedPart(
            held[part], failure.reason, failure.message, run.requested_by, at, run.id, run.requester_verified
        )
        for part, failure in suspected.items()
    }


def _refuse(suspected: Mapping[PartName, Failure], accepted: Mapping[str, AcceptedPart]) -> None:
    for part, failure in suspected.items():
        if part not in accepted:
            raise failure
