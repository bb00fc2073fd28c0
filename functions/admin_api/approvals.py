"""Approval of a plan: whether it waits for approval, and who has approved it.

If the settings require two people, the person who requested the run that made the plan may count as one of them. That
person counts only if it is certain who requested every run with this plan. Otherwise, and if no person requested a run,
two people have to approve.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from admin_api.dependencies import Services
from common.errors import Failure, Reason, suppressed
from fleet.approvals import CurrentApproval
from fleet.people import Person, person_of
from registry.fleet_records import Backup, SyncSettings
from registry.run_records import Approval, BackupResult, Run
from registry.store_rules import of_primary
from replication.model import PartStatus, Status

_LOOKED_BACK = 200
"""How many results of a backup are searched for those with a given plan."""
_BY_NOBODY = ("schedule", "change")
"""Triggers of runs that no person requests."""


def approve(backup: Backup, plan_hash: str, who: str, services: Services) -> CurrentApproval:
    """Approve the plan with this hash; if two people are required, this may be the first of two approvals.

    Raises Failure: NOTHING_TO_APPROVE if no plan waits for an approval, PLAN_NOT_CURRENT if a different plan waits,
    APPROVAL_BY_ANOTHER if this person's approval cannot count, and the failures of ``Services.approve``.
    """
    settings = services.store.settings()
    recorded = services.store.history(backup.id, limit=_LOOKED_BACK, registration=backup.registration)
    last = services.last_result(backup)
    waiting = _waiting(plan_hash, recorded, backup, last, services)
    if not settings.approval_by_another:
        run = services.store.run(waiting[0].run_id)
        return CurrentApproval.of(services.approve(backup, plan_hash, who, last, run.snapshot if run else ""), settings)
    runs = [run for result in waiting if (run := _run_of(result, services))]
    if not runs:
        message = f"no run over {backup.id} with this plan is kept any more, so nobody can tell who asked for one"
        raise Failure(Reason.NOTHING_TO_APPROVE, message)
    earlier = _given(backup, plan_hash, runs[0].snapshot, services)
    if earlier and not earlier.missing:
        return earlier
    since = recorded[-1].run_id if len(recorded) == _LOOKED_BACK else ""
    is_complete = len(runs) == len(waiting) and not services.store.unreadable_results(backup.id, since=since)
    seconds = earlier.given if earlier else None
    agreed = _agreed(who, backup, seconds, _Askers.of(runs, settings, is_complete=is_complete), settings)
    given = services.approve(backup, plan_hash, who, last, runs[0].snapshot, agreed=agreed, seconds=seconds)
    return CurrentApproval.of(given, settings)


@dataclass(frozen=True)
class _Askers:
    """The people who requested the runs that recorded a plan.

    ``people`` are the people whom the runs name, correctly or not; None stands for a principal that anybody may use.
    ``certain`` are the principals of the requesters, empty if somebody else may also have requested a run.
    """

    people: frozenset[Person | None]
    certain: tuple[str, ...]

    @classmethod
    def of(cls, runs: Iterable[Run], settings: SyncSettings, *, is_complete: bool) -> "_Askers":
        """``is_complete``: no run besides those of these results can have recorded the plan."""
        asked = [run for run in runs if run.trigger not in _BY_NOBODY]
        principals = dict.fromkeys(run.requested_by for run in asked if run.requested_by)
        people = frozenset(person_of(principal, settings.personal_roles) for principal in principals)
        is_certain = is_complete and None not in people and all(run.requester_verified for run in asked)
        return cls(people, tuple(principals) if is_certain else ())


def _agreed(
    who: str, backup: Backup, earlier: Approval | None, askers: _Askers, settings: SyncSettings
) -> tuple[str, ...]:
    """The other people who count as approvers of the plan when ``who`` approves it. Raises
    Failure(APPROVAL_BY_ANOTHER).
    """
    me = person_of(who, settings.personal_roles)
    if me is None:
        raise Failure(
            Reason.APPROVAL_BY_ANOTHER, f"{who} cannot approve for {backup.id}, because anybody may be behind that name"
        )
    before = (earlier.approved_by, *earlier.agreed) if earlier else ()
    is_first = {person_of(principal, settings.personal_roles) for principal in before} <= {me}
    if is_first and askers.certain and askers.people == {me}:
        message = f"you asked for the run over {backup.id} with this plan, and already count as one of the two people"
        raise Failure(Reason.APPROVAL_BY_ANOTHER, message)
    return before + (() if me in askers.people else askers.certain)


def _given(backup: Backup, plan_hash: str, snapshot: str, services: Services) -> CurrentApproval | None:
    """The stored approval of this plan; None also for an unreadable one, which a new approval replaces."""
    with suppressed(Reason.RECORD_UNREADABLE):
        current = services.approval(backup)
        if current and (current.given.plan_hash, current.given.snapshot) == (plan_hash, snapshot):
            return current
    return None


def _waiting(
    plan_hash: str, recorded: Iterable[BackupResult], backup: Backup, last: BackupResult | None, services: Services
) -> list[BackupResult]:
    """The results that recorded this plan, newest first. Raises the same failures as ``approve`` if the plan does not
    wait for an approval.

    Scheduled runs may come between request and approval: their results with the same plan do not hide who requested it.
    """
    primary = services.primary()
    waiting = [
        result
        for result in recorded
        if of_primary(result, primary) and result.plan_hash == plan_hash and _waits(result)
    ]
    if last and last.plan_hash == plan_hash and _waits(last):
        return waiting or [last]
    if any((run := _run_of(result, services)) and run.snapshot for result in waiting):
        return waiting
    if last is None or not _waits(last):
        what = f"its last result is {last.status}" if last else "no run has read it"
        raise Failure(Reason.NOTHING_TO_APPROVE, f"no plan of {backup.id} waits for an approval: {what}")
    raise Failure(Reason.PLAN_NOT_CURRENT, f"the plan of {backup.id} that waits has the hash {last.plan_hash}")


def _run_of(result: BackupResult, services: Services) -> Run | None:
    """The run of a result; None if its record has expired or is unreadable."""
    with suppressed(Reason.RECORD_UNREADABLE):
        return services.store.run(result.run_id)
    return None


def _waits(last: BackupResult) -> bool:
    """Whether the result has a plan to approve, even if some parts are blocked and another part has failed."""
    return bool(last.plan_hash) and (
        last.status in (Status.BLOCKED, Status.DRIFTED) or any(part.status == PartStatus.BLOCKED for part in last.parts)
    )
