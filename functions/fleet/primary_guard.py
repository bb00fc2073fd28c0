"""Whether the primary is meant to be as it is: what looks like a mistake, and what people have accepted of it.

A primary without users, or with half of what it held at the last verified run
or less, would empty every backup. A run over it ends before any backup is
touched, unless a person says that it is meant. That is remembered by content:
later runs go on from exactly what was accepted, and stop again as soon as the
primary holds something else in that part.
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
    """Refuse a primary that looks like a mistake, unless its content was accepted. Nothing is stored.

    Raises Failure(PRIMARY_EMPTY or PRIMARY_SHRUNK), and what the store raises.
    """
    accepted = still_accepted(of_primary(store.acceptance(), registered), primary)
    _refuse(suspicions(primary, of_primary(store.baseline(), registered)), accepted)


def check_meant_in_run(
    run: Run, primary: PrimaryState, store: Store, *, accepts: bool, lease_owner: str, at: datetime
) -> None:
    """Refuse a primary that looks like a mistake, as ``check_meant``, and store what holds of acceptances from now on.

    ``accepts``: whoever asked for the run says that the primary is meant to be as it is. Then the run goes on and,
    unless it is dry, the acceptance is stored. One of a content that the primary no longer holds is removed.
    Raises Failure as ``check_meant``, and LEASE_LOST.
    """
    stored, suspected = store.acceptance(), suspicions(primary, of_primary(store.baseline(), run))
    standing = still_accepted(of_primary(stored, run), primary)
    given = _accepted(suspected, primary, run, at) if accepts else {}
    remembered = standing if run.dry_run else {**standing, **given}
    if remembered != (stored.parts if stored else {}):
        store.save_acceptance(PrimaryAcceptance(remembered, run.term, run.source), lease_owner=lease_owner)
    _refuse(suspected, {**standing, **given})


def suspicions(primary: PrimaryState, baseline: PrimaryBaseline | None) -> Mapping[PartName, Failure]:
    """What looks like a mistake, by part: no user, or half or less of what ``baseline`` says of this very primary."""
    suspected: dict[PartName, Failure] = {}
    if PartName.ACCOUNTS in primary.states and not primary.users:
        message = "its user list holds no user"
        suspected[PartName.ACCOUNTS] = Failure(Reason.PRIMARY_EMPTY, message, server=primary.label)
    if baseline is None:
        return suspected
    for part, what, now, before in (
        (PartName.ACCOUNTS, "users", primary.users, baseline.users),
        (PartName.ACCOUNTS, "groups", primary.groups, baseline.groups),
        (PartName.SETTINGS, "settings", primary.settings, baseline.settings),
    ):
        # One of two is half as well, but no reason for alarm.
        if part in primary.states and now * 2 <= before and before - now > 1:
            message = f"it holds {now} {what}; at the last verified run it held {before}"
            suspected.setdefault(part, Failure(Reason.PRIMARY_SHRUNK, message, server=primary.label))
    return suspected


def still_accepted(acceptance: PrimaryAcceptance | None, primary: PrimaryState) -> Mapping[str, AcceptedPart]:
    """What holds of an acceptance of this very primary: nothing of a part in which it holds something else by now."""
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
