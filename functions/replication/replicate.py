"""The replication to one backup: check and read the backup, plan, store the backup's content, write, read back."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from common.errors import REASONS_OF_THE_RUN, Failure, Reason
from common.runtime import Runtime
from replication.apply import Push
from replication.guards.approval import access_warnings, addition_warnings
from replication.job import ReplicationJob
from replication.model import (
    UNSURE,
    KeptDifferences,
    Outcome,
    PartFingerprints,
    PartName,
    PartOutcome,
    PartStatus,
    Status,
)
from replication.plan import PartPlan, Plan
from replication.ports import ServerFacts, Snapshots, WritableServer
from replication.settings_write import SettingsWrite

_PROVED = frozenset({PartStatus.PUSHED, PartStatus.UNCHANGED, PartStatus.ROLLED_BACK})
"""Statuses of the part ``settings`` that mean: log-in was checked after the last write of settings."""


def replicate(
    job: ReplicationJob,
    server: WritableServer,
    *,
    snapshots: Snapshots,
    runtime: Runtime,
    begin: Callable[[Outcome], None] = lambda _: None,
    check_target: Callable[[], None] = lambda: None,
) -> Outcome:
    """Make one backup equal to the primary, except for machine-specific values.

    Everything is read and decided before the first write. The backup's content of the parts to change is stored in
    ``snapshots`` first. If the backup cannot be read, understood or stored, it is not written to. ``begin`` receives
    the interim result before the first write; if it raises Failure, nothing is written. ``check_target`` is called
    between two parts; if it raises Failure, the remaining parts are not written. This function never raises Failure:
    the outcome says what happened.
    """
    facts: ServerFacts | None = None
    restore = job.restore

    def as_recorded(outcome: Outcome) -> Outcome:
        return _put_back(outcome, job.previous) if restore else outcome

    try:
        began = runtime.monotonic()
        facts = server.facts()
        pace = runtime.monotonic() - began
        plan, warnings = job.plan(server, facts)
        plan = job.guard.apply(plan)
        warnings += plan.warnings + access_warnings(plan, server.label)
        warnings += addition_warnings(plan.parts, job.policy)
        if job.write and not plan.stopped:
            if restore and all(part.settled for part in plan.parts):
                restore.pause()
            settings = SettingsWrite(server, plan.policy, facts, restore.then if restore else None, pace, runtime)
            push = Push(plan, server, settings, job.guard, runtime, check_target)
            bound = job.guard.bound_parts(plan)

            def begin_bound(so_far: Outcome) -> None:
                begin(replace(as_recorded(so_far), approved_parts=bound))

            outcome = _push(push, facts, snapshots, warnings, begin_bound)
        else:
            seen = (part.settled or PartOutcome(part.name, PartStatus.DIFFERENT, part.changes) for part in plan.parts)
            outcome = _summary(plan, seen, warnings, pushed_at=None, runtime=runtime)
    except Failure as failure:
        failure = failure.at(server.label)
        return Outcome(_status_of(failure.reason), failure.reason, failure.message, facts=facts)
    return replace(as_recorded(outcome), facts=facts)


def _put_back(outcome: Outcome, previous: Mapping[PartName, PartFingerprints]) -> Outcome:
    """The outcome of a restore, which claims neither equality with the primary nor a cause for differences.

    The ``previous`` fingerprints of the parts are kept from the last time they were equal to the primary.
    """

    def fingerprints(part: PartOutcome) -> PartFingerprints | None:
        done = part.status in (PartStatus.PUSHED, PartStatus.UNCHANGED)
        return previous.get(part.part) if done else part.fingerprints

    good = outcome.status in (Status.IN_SYNC, Status.UPDATED)
    return replace(
        outcome,
        status=Status.RESTORED if good else outcome.status,
        verified_at=None,
        parts=tuple(replace(part, fingerprints=fingerprints(part), cause=None) for part in outcome.parts),
    )


def _push(
    push: Push,
    facts: ServerFacts,
    snapshots: Snapshots,
    warnings: tuple[str, ...],
    begin: Callable[[Outcome], None],
) -> Outcome:
    plan = push.plan
    about_to_change = {str(part.name): part.part.dump(part.own) for part in plan.parts if not part.settled}
    snapshot = snapshots.keep(about_to_change, facts) if about_to_change else ""
    if about_to_change:
        begin(replace(_interrupted(plan, warnings, snapshot), facts=facts))
    push.run()
    warnings += addition_warnings(push.with_additions, plan.policy)
    outcome = _summary(plan, push.outcomes, warnings, pushed_at=push.pushed_at, runtime=push.runtime)
    return replace(outcome, snapshot=snapshot)


def _interrupted(plan: Plan, warnings: tuple[str, ...], snapshot: str) -> Outcome:
    """The interim result, which is true from the first write until the last part was read back."""

    def outcome(part: PartPlan) -> PartOutcome:
        message = "it was about to be written"
        fingerprints = UNSURE if part.part.shows_before_it_lasts else None
        settled = part.settled or PartOutcome(
            part.name, PartStatus.FAILED, part.changes, Reason.INTERRUPTED, message, fingerprints, part.cause
        )
        return replace(settled, kept=KeptDifferences.of(part.kept_differences))

    return Outcome(
        Status.INCOMPLETE,
        Reason.INTERRUPTED,
        "the run began to write to it and stored no result: the run was killed, or is still in progress",
        parts=tuple(outcome(part) for part in plan.parts),
        warnings=warnings,
        plan_hash=plan.hash,
        snapshot=snapshot,
        settings_before=snapshot
        if any(part.name is PartName.SETTINGS and not part.settled for part in plan.parts)
        else None,
    )


def _summary(
    plan: Plan,
    outcomes: Iterable[PartOutcome],
    warnings: tuple[str, ...],
    *,
    pushed_at: datetime | None,
    runtime: Runtime,
) -> Outcome:
    causes = {part.name: part.cause for part in plan.parts}
    kept = {part.name: KeptDifferences.of(part.kept_differences) for part in plan.parts}
    parts = tuple(replace(one, cause=causes[one.part], kept=kept[one.part]) for one in outcomes)
    proved = any(part.part is PartName.SETTINGS and part.status in _PROVED for part in parts)
    summary = Outcome(
        Status.UPDATED if pushed_at else Status.IN_SYNC,
        pushed_at=pushed_at,
        parts=parts,
        warnings=warnings,
        plan_hash=_hash_after(plan, parts),
        settings_before="" if proved else None,
    )
    if plan.outdated:
        message = "a server, a keep pattern or a limit has changed since the plan was made; nothing was written"
        return replace(summary, status=Status.BLOCKED, reason=Reason.PLAN_NOT_CURRENT, message=message)
    broken = [part for part in parts if part.status in (PartStatus.FAILED, PartStatus.ROLLED_BACK)]
    if broken:
        # Lost access comes first, whatever else went wrong; then the order of writing.
        first = next((part for part in broken if part.reason is Reason.ACCESS_LOST), broken[0])
        return replace(
            summary, status=_status_of(first.reason), reason=first.reason, message=f"{first.part}: {first.message}"
        )
    blocked = [part for part in parts if part.status is PartStatus.BLOCKED]
    if blocked:
        message = "; ".join(f"{part.part}: {part.message}" for part in blocked)
        return replace(summary, status=Status.BLOCKED, reason=blocked[0].reason, message=message)
    if any(part.status is PartStatus.DIFFERENT for part in parts):
        return replace(summary, status=Status.DRIFTED)
    unread = [part for part in parts if part.status is PartStatus.NOT_READ]
    if unread:
        message = "; ".join(f"{part.part}: {part.message}" for part in unread)
        return replace(summary, status=Status.INCOMPLETE, reason=Reason.PART_NOT_READ, message=message)
    return replace(summary, verified_at=runtime.now(), message=_but_for(parts))


def _but_for(parts: Iterable[PartOutcome]) -> str:
    """A message that some values differ although the backup is equal, because keep patterns preserve them."""
    count = sum(part.kept.count for part in parts)
    return (
        f"equal but for {count} {'value that is' if count == 1 else 'values that are'} kept by patterns"
        if count
        else ""
    )


def _hash_after(plan: Plan, parts: Iterable[PartOutcome]) -> str:
    """The plan's hash or, if a part waits for a person, the hash of the remaining plan; empty if nothing remains."""
    parts = tuple(parts)
    pushed = {part.part for part in parts if part.status is PartStatus.PUSHED}
    left = [part for part in plan.parts if part.may_change and part.name not in pushed]
    if not any(part.status is PartStatus.BLOCKED for part in parts):
        return plan.hash if plan.may_change else ""
    return plan.hash_without(pushed) if left else ""


def _status_of(reason: Reason | None) -> Status:
    if reason is Reason.MACHINE_VALUES_CHANGED:
        return Status.ROLLED_BACK
    return Status.INCOMPLETE if reason in REASONS_OF_THE_RUN else Status.FAILED
