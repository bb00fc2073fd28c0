"""The plan of a run for one backup, and the difference of two states of the primary.

The plan and the difference are computed on request, by the same code as in a run.
"""

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from datetime import timedelta
from functools import partial

from admin_api.dependencies import Services
from admin_api.problems import Problem, Refused
from admin_api.schemas.plans import AccessIncreaseView, BlockView, DifferenceView, PlannedPartView, PlanView
from admin_api.timeouts import in_time
from cerberus.client import PrimaryClient
from common.deadline import Deadline
from common.errors import Failure, Reason
from common.server_types import ServerFacts
from fleet.approvals import CurrentApproval, guard_of
from fleet.primary import known_parts, pending_access_proof_of, policy_of, present_primary
from fleet.primary_guard import check_meant
from fleet.restore_source import RestoreSource
from fleet.servers import endpoint_of, refuse_primary
from registry.fleet_records import Backup, Credentials, Primary, SyncSettings, address_key
from registry.run_records import BackupResult
from registry.snapshots import primary_key
from registry.store_rules import of_registration
from replication.guards.approval import Guard
from replication.guards.preflight import ServerAddress
from replication.job import ReplicationJob, Restore
from replication.model import PartName, PrimaryState
from replication.parts.accounts import account_sizes
from replication.plan import Plan
from replication.plan_details import MAX_ITEMS, PlanDetails, details, preview
from replication.plan_text import render, render_difference
from replication.primary import compared, dump

PLAN_SECONDS = 19.0
PLANNING_CONNECT_SECONDS = 4.0
MAX_ACCESS_INCREASES = 200
"""Maximum number of access increases that are listed; the rest is counted."""
MAX_ANSWER = 2_000_000
"""Maximum number of characters of a plan's details as JSON: Lambda's limit is 6 MB, and the plan's text repeats the
details.
"""
_FEWER_ITEMS = (MAX_ITEMS, 50, 10, 0)
_LONGEST_CLAIM = timedelta(seconds=29)
"""How long a request's claim on a server lasts if the function dies: as long as API Gateway's time-out."""

_ASK_AGAIN = 5
"""Seconds after which a client may ask for a plan again; most plans that were under way are finished by then."""


def plan_of(backup: Backup, services: Services, snapshot: str = "") -> PlanView:
    """Read primary and backup and make the plan; nothing is written.

    With ``snapshot``, a key, the plan is for restoring that snapshot, and the primary is not read. Raises Failure: the
    failures of a server or its registration, and PLAN_TOO_SLOW if the plan takes longer than the API's time-out. Raises
    Refused(PLAN_UNDER_WAY) while another request reads one of the servers.
    """
    plan = partial(_plan_of_earlier, snapshot) if snapshot else _plan
    with _reading(services, backup, services.primary()):
        late = Failure(Reason.PLAN_TOO_SLOW, f"the servers were not read within {PLAN_SECONDS:.0f} seconds")
        return in_time(partial(plan, backup, services), PLAN_SECONDS, services.runtime, late=late)


def _plan(backup: Backup, services: Services, deadline: Deadline) -> PlanView:
    settings = _settings(services)
    policy = policy_of(backup, settings)
    source = services.source
    refuse_primary((source.primary.host, source.primary.port), backup, services.servers.is_same, deadline)
    primary = source.read(policy.parts, settings, deadline)
    approval, last = services.approval(backup), _last_of(backup, services)
    job = ReplicationJob(
        primary,
        policy,
        guard_of(settings, approval.in_force() if approval else None),
        known_parts(last, services.primary()),
        pending_access_proof_of(last, services.snapshots),
    )
    plan, warnings = _made(backup, job, settings, services, deadline)
    warnings += tuple(map(str, primary.doubts)) + _unmeant(primary, services) + _held(services)
    warnings += _half_approved(approval)
    return _view(_name(backup), backup, plan, job.guard, warnings, services)


def _plan_of_earlier(key: str, backup: Backup, services: Services, deadline: Deadline) -> PlanView:
    settings = _settings(services)
    restore_source = RestoreSource.load(services.snapshots, key, services.primary())
    policy = restore_source.policy(backup, settings)
    refuse_primary(restore_source.state.address, backup, services.servers.is_same, deadline)
    present = present_primary(services.source, services.snapshots, settings, deadline)

    def check(facts: ServerFacts, address: ServerAddress, label: str) -> tuple[str, ...]:
        return (*restore_source.check(facts, address, label), *present.check(facts, label))

    approval = services.approval(backup)
    job = ReplicationJob(
        restore_source.state,
        policy,
        guard_of(settings, approval.in_force(key) if approval else None),
        known_parts(_last_of(backup, services), services.primary()),
        restore=Restore(check),
    )
    plan, warnings = _made(backup, job, settings, services, deadline)
    warnings = _former(restore_source, backup) + warnings + _half_approved(approval, key)
    return _view(f"{_name(backup)} from {key}", backup, plan, job.guard, warnings, services)


def _last_of(backup: Backup, services: Services) -> BackupResult | None:
    """The last result for the backup's current registration."""
    return of_registration(services.store.status(backup.id), backup.registration)


def _half_approved(approval: CurrentApproval | None, snapshot: str = "") -> tuple[str, ...]:
    """A warning that a plan still needs the approval of a second person, if that is so."""
    if approval is None or not approval.missing or approval.given.snapshot != snapshot:
        return ()
    given = approval.given
    return (f"{given.approved_by} has approved the plan {given.plan_hash}; another person has to approve it too.",)


def _settings(services: Services) -> SyncSettings:
    """The current settings, with a shorter connect time-out."""
    stored = services.store.settings()
    return replace(stored, connect_timeout=min(stored.connect_timeout, PLANNING_CONNECT_SECONDS))


def _name(backup: Backup) -> str:
    return f"{backup.id} ({backup.host}:{backup.port})"


def _made(
    backup: Backup, job: ReplicationJob, settings: SyncSettings, services: Services, deadline: Deadline
) -> tuple[Plan, tuple[str, ...]]:
    """The plan and its warnings. The backup's replies have the same size limits as in a run."""

    def attempt(credentials: Credentials) -> tuple[Plan, tuple[str, ...]]:
        endpoint = endpoint_of(
            backup,
            credentials,
            settings,
            services.addresses,
            services.wsdl,
            beside=None if job.policy.exact else account_sizes(job.source),
            room=services.room,
            not_at=job.source.address,
        )
        with PrimaryClient(endpoint, deadline, services.runtime) as server:  # the primary's client cannot write
            return job.plan(server, server.facts())

    try:
        return services.log_ins.use(backup, attempt)
    except Failure as failure:
        raise failure.at(_name(backup)) from None


def _unmeant(primary: PrimaryState, services: Services) -> tuple[str, ...]:
    """A warning that no run would begin with this primary, if that is so."""
    try:
        check_meant(primary, services.primary(), services.store)
    except Failure as failure:
        return (f"No run would begin: {failure.message} [{failure.reason}].",)
    return ()


def _former(restore_source: RestoreSource, backup: Backup) -> tuple[str, ...]:
    """A warning that the snapshot may be of another machine, if it was taken under another registration."""
    try:
        restore_source.check_registration(backup, same_machine=False)
    except Failure as failure:
        return (f"{failure.message[:1].upper()}{failure.message[1:]} [{failure.reason}]. {failure.remedy}",)
    return ()


def _held(services: Services) -> tuple[str, ...]:
    """A warning that runs push nothing because of a hold, if there is one."""
    primary = services.primary()
    return (f"Nothing is pushed: {primary.held} [{Reason.PUSHES_HELD}].",) if primary and primary.held else ()


def _view(
    name: str, backup: Backup, plan: Plan, guard: Guard, warnings: tuple[str, ...], services: Services
) -> PlanView:
    seen = preview(plan, guard, warnings, bounded_details)
    shown, wider = seen.details, seen.access_increases
    if len(wider) > MAX_ACCESS_INCREASES:
        more = f"Access becomes wider in {len(wider)} places; the first {MAX_ACCESS_INCREASES} are listed."
        shown = replace(shown, warnings=(more, *shown.warnings))
    return PlanView(
        backup_id=backup.id,
        made_at=services.runtime.now(),
        hash=shown.hash,
        parts=[PlannedPartView.model_validate(part, strict=False, from_attributes=True) for part in shown.parts],
        warnings=list(shown.warnings),
        exceptions=list(shown.exceptions),
        blocked=[
            BlockView(
                part=block.part,
                reason=block.reason,
                message=block.message,
                remedy=Failure(block.reason, "").remedy,
                approvable=block.approvable,
                numbers=dict(block.numbers),
            )
            for block in seen.blocks
        ],
        widened=[
            AccessIncreaseView(part=one.part, kind=one.kind, item=one.item, path=one.path)
            for one in wider[:MAX_ACCESS_INCREASES]
        ],
        more_widened=max(0, len(wider) - MAX_ACCESS_INCREASES),
        text=render(shown, name, blocks=seen.blocks, access_increases=wider[:MAX_ACCESS_INCREASES]),
    )


def bounded_details(plan: Plan) -> PlanDetails:
    """The details with as many items as a reply can hold; omitted items are counted."""
    for most in _FEWER_ITEMS:
        bounded = details(plan, max_items=most)
        if len(json.dumps(asdict(bounded))) <= MAX_ANSWER:
            break
    return bounded


def difference_of(digest: str, other: str | None, services: Services) -> DifferenceView:
    """The changes from the state with this digest to the other state; ``other`` None means the primary's current
    content.

    Raises Failure: SNAPSHOT_MISSING, the failures of reading the primary, and COMPARISON_TOO_SLOW if the comparison
    takes longer than the API's time-out. Raises Refused(PLAN_UNDER_WAY) while another request reads the primary.
    """
    with _reading(services, None if other else services.primary()):
        late = Failure(Reason.COMPARISON_TOO_SLOW, f"there was no answer within {PLAN_SECONDS:.0f} seconds")
        return in_time(partial(_difference, digest, other, services), PLAN_SECONDS, services.runtime, late=late)


def _difference(digest: str, other: str | None, services: Services, deadline: Deadline) -> DifferenceView:
    before = services.snapshots.load(primary_key(digest)).content.parts
    after = (
        services.snapshots.load(primary_key(other)).content.parts if other else _primary_now(before, services, deadline)
    )
    difference = bounded_details(compared(before, after))
    return DifferenceView.model_validate(
        {
            "before": digest,
            "after": other,
            "made_at": services.runtime.now(),
            "parts": [
                PlannedPartView.model_validate(part, strict=False, from_attributes=True) for part in difference.parts
            ],
            "text": render_difference(
                difference, f"state {digest}", f"state {other}" if other else "what it holds now"
            ),
        }
    )


def _primary_now(parts: Mapping[str, str], services: Services, deadline: Deadline) -> Mapping[str, str]:
    """The primary's current content of these parts."""
    return dump(services.source.read([name for name in PartName if name in parts], _settings(services), deadline))


@contextmanager
def _reading(services: Services, *servers: Primary | Backup | None) -> Iterator[None]:
    """Reserve these servers for reading inside the block, so that clients with read permission cannot overload servers.

    Raises Refused(PLAN_UNDER_WAY) if another request is reading one of them.
    """
    by_address = {address_key(server.host, server.port): server for server in servers if server}
    with ExitStack() as claims:
        for address, server in by_address.items():
            claims.enter_context(_claimed(address, f"{server.host}:{server.port}", services))
        yield


@contextmanager
def _claimed(address: str, name: str, services: Services) -> Iterator[None]:
    claim, now = services.runtime.new_token(), services.runtime.now()
    ends_at = services.store.begin_reading(address, claim, now=now, until=now + _LONGEST_CLAIM)
    if ends_at:
        seconds = min(_ASK_AGAIN, max(1, math.ceil((ends_at - now).total_seconds())))
        why = f"{name} is being read for another plan or comparison"
        raise Refused(Problem(Reason.PLAN_UNDER_WAY, why, headers={"Retry-After": str(seconds)}))
    try:
        yield
    finally:
        services.store.end_reading(address, claim)
