"""The way of one backup: check, read, plan, write, read back."""

from collections.abc import Callable
from datetime import datetime

from common.reasons import Failure, Reason
from replication.checks import check_backup
from replication.model import (
    Changes,
    Outcome,
    PartName,
    PartOutcome,
    PartStatus,
    Policy,
    PrimaryState,
    Status,
)
from replication.plan import PartPlan, Plan, make_plan
from replication.ports import WritableServer

_STOPS_A_BACKUP = frozenset(
    {
        Reason.NAME_NOT_RESOLVED,
        Reason.ADDRESS_FORBIDDEN,
        Reason.CONNECTION_REFUSED,
        Reason.CONNECTION_FAILED,
        Reason.CONNECTION_CLOSED,
        Reason.CONNECT_TIMEOUT,
        Reason.READ_TIMEOUT,
        Reason.CERTIFICATE_UNTRUSTED,
        Reason.CERTIFICATE_PIN_MISMATCH,
        Reason.TLS_FAILED,
        Reason.AUTHENTICATION_FAILED,
        Reason.DEADLINE,
    }
)
"""Reasons that concern the server as a whole: after one of them the remaining parts are not tried."""


def replicate(
    primary: PrimaryState,
    server: WritableServer,
    policy: Policy,
    *,
    now: Callable[[], datetime],
    write: bool = True,
) -> Outcome:
    """Make one backup equal to the primary, except what belongs to its own machine.

    Everything is read and decided before the first write, so a backup that
    cannot be read or understood is not written to at all. With ``write`` False
    nothing is written and differences are only named. Never raises Failure:
    what happened is in the outcome.
    """
    try:
        facts = server.facts()
        warnings = check_backup(primary.facts, primary.address, facts, server.address, server.label)
        plan = make_plan(primary, server, facts.features, policy)
    except Failure as failure:
        failure = failure.at(server.label)
        status = Status.INCOMPLETE if failure.reason is Reason.DEADLINE else Status.FAILED
        return Outcome(status, failure.reason, failure.message)
    warnings += plan.warnings
    if not write:
        return _summary([_looked_at(part) for part in plan.parts], warnings, pushed_at=None, now=now)
    return _push(plan, server, warnings, now)


def _looked_at(plan: PartPlan) -> PartOutcome:
    return plan.settled or PartOutcome(plan.name, PartStatus.DIFFERENT, plan.changes)


def _push(
    plan: Plan,
    server: WritableServer,
    warnings: tuple[str, ...],
    now: Callable[[], datetime],
) -> Outcome:
    outcomes: list[PartOutcome] = []
    pushed_at: datetime | None = None
    stopped: Failure | None = None
    for part in plan.parts:
        failed = {outcome.part for outcome in outcomes if outcome.status in (PartStatus.FAILED, PartStatus.SKIPPED)}
        if part.settled:
            outcomes.append(part.settled)
        elif stopped:
            outcomes.append(_skipped(part, stopped.reason, "not tried after the server failed"))
        elif part.part.needs & failed:
            outcomes.append(_skipped(part, Reason.DEPENDENCY_FAILED, _names(part.part.needs & failed)))
        else:
            try:
                part.part.write(server, part.own, part.desired, plan.policy)
                pushed_at = now()
                _verify(part, server, plan.policy)
                outcomes.append(PartOutcome(part.name, PartStatus.PUSHED, part.changes))
            except Failure as failure:
                stopped = failure if failure.reason in _STOPS_A_BACKUP else None
                outcomes.append(_failed(part.name, failure.reason, failure.message, part.changes))
    return _summary(outcomes, warnings, pushed_at=pushed_at, now=now)


def _verify(plan: PartPlan, server: WritableServer, policy: Policy) -> None:
    """Read the part back; a server's "true" proves nothing."""
    if not plan.part.same(plan.part.read(server), plan.desired, policy):
        raise Failure(
            Reason.WRITE_NOT_EFFECTIVE,
            f"it acknowledged the new {plan.name}, but what it holds now is something else",
            server=server.label,
        )


def _summary(
    outcomes: list[PartOutcome],
    warnings: tuple[str, ...],
    *,
    pushed_at: datetime | None,
    now: Callable[[], datetime],
) -> Outcome:
    parts = tuple(outcomes)
    broken = [part for part in parts if part.status is PartStatus.FAILED]
    if broken:
        first = broken[0]
        status = Status.INCOMPLETE if first.reason is Reason.DEADLINE else Status.FAILED
        message = f"{first.part}: {first.message}"
        return Outcome(status, first.reason, message, pushed_at, None, parts, warnings)
    if any(part.status is PartStatus.DIFFERENT for part in parts):
        return Outcome(Status.DRIFTED, parts=parts, warnings=warnings)
    status = Status.UPDATED if pushed_at else Status.IN_SYNC
    return Outcome(status, None, "", pushed_at, now(), parts, warnings)


def _failed(part: PartName, reason: Reason, message: str, changes: Changes = Changes()) -> PartOutcome:
    return PartOutcome(part, PartStatus.FAILED, changes, reason, message)


def _skipped(plan: PartPlan, reason: Reason, message: str) -> PartOutcome:
    return PartOutcome(plan.name, PartStatus.SKIPPED, plan.changes, reason, message)


def _names(parts: frozenset[PartName] | set[PartName]) -> str:
    return "it depends on " + ", ".join(sorted(parts))
