"""The way of one backup: check, read, plan, write, read back."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

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
from replication.parts import PARTS, Part
from replication.ports import Features, WritableServer

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


@dataclass(frozen=True)
class _Plan:
    """What is to be done about one part. ``desired`` is None when there is nothing to write."""

    part: Part[Any]
    own: Any = None
    desired: Any = None
    settled: PartOutcome | None = None
    """Set when it is already known what becomes of the part."""
    changes: Changes = Changes()
    warnings: tuple[str, ...] = ()


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
        plans = [_plan(part, primary, server, facts.features, policy) for part in PARTS if part.name in policy.parts]
    except Failure as failure:
        failure = failure.at(server.label)
        status = Status.INCOMPLETE if failure.reason is Reason.DEADLINE else Status.FAILED
        return Outcome(status, failure.reason, failure.message)
    warnings += tuple(warning for plan in plans for warning in plan.warnings)
    if not write:
        return _summary([_looked_at(plan) for plan in plans], warnings, pushed_at=None, now=now)
    return _push(plans, server, policy, warnings, now)


def _plan(part: Part[Any], primary: PrimaryState, server: WritableServer, features: Features, policy: Policy) -> _Plan:
    if part.name not in primary.states:
        message = "the primary's edition does not have this part"
        return _Plan(part, settled=PartOutcome(part.name, PartStatus.SKIPPED, message=message))
    if not part.offered(features):
        message = "the backup's edition does not have this part"
        return _Plan(part, settled=_failed(part.name, Reason.FEATURE_MISSING, message))
    own = part.read(server)
    source = primary.states[part.name]
    desired = part.desired(source, own, policy)
    warnings = part.warnings(source, own)
    if part.same(own, desired, policy):
        return _Plan(part, own, settled=PartOutcome(part.name, PartStatus.UNCHANGED), warnings=warnings)
    if part.is_empty(source):
        message = "the primary answered with nothing at all for this part, the backup holds some; it was left alone"
        return _Plan(part, own, settled=_failed(part.name, Reason.PRIMARY_EMPTY, message))
    return _Plan(part, own, desired, changes=part.changes(own, desired, policy), warnings=warnings)


def _looked_at(plan: _Plan) -> PartOutcome:
    return plan.settled or PartOutcome(plan.part.name, PartStatus.DIFFERENT, plan.changes)


def _push(
    plans: list[_Plan],
    server: WritableServer,
    policy: Policy,
    warnings: tuple[str, ...],
    now: Callable[[], datetime],
) -> Outcome:
    outcomes: list[PartOutcome] = []
    pushed_at: datetime | None = None
    stopped: Failure | None = None
    for plan in plans:
        failed = {outcome.part for outcome in outcomes if outcome.status in (PartStatus.FAILED, PartStatus.SKIPPED)}
        if plan.settled:
            outcomes.append(plan.settled)
        elif stopped:
            outcomes.append(_skipped(plan, stopped.reason, "not tried after the server failed"))
        elif plan.part.needs & failed:
            outcomes.append(_skipped(plan, Reason.DEPENDENCY_FAILED, _names(plan.part.needs & failed)))
        else:
            try:
                plan.part.write(server, plan.own, plan.desired, policy)
                pushed_at = now()
                _verify(plan, server, policy)
                outcomes.append(PartOutcome(plan.part.name, PartStatus.PUSHED, plan.changes))
            except Failure as failure:
                stopped = failure if failure.reason in _STOPS_A_BACKUP else None
                outcomes.append(_failed(plan.part.name, failure.reason, failure.message, plan.changes))
    return _summary(outcomes, warnings, pushed_at=pushed_at, now=now)


def _verify(plan: _Plan, server: WritableServer, policy: Policy) -> None:
    """Read the part back; a server's "true" proves nothing."""
    if not plan.part.same(plan.part.read(server), plan.desired, policy):
        raise Failure(
            Reason.WRITE_NOT_EFFECTIVE,
            f"it acknowledged the new {plan.part.name}, but what it holds now is something else",
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


def _skipped(plan: _Plan, reason: Reason, message: str) -> PartOutcome:
    return PartOutcome(plan.part.name, PartStatus.SKIPPED, plan.changes, reason, message)


def _names(parts: frozenset[PartName] | set[PartName]) -> str:
    return "it depends on " + ", ".join(sorted(parts))
