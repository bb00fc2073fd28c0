"""Conversion between stored records and the schemas of the API."""

from collections.abc import Iterable

from admin_api.schemas.backups import BackupSummary, BackupView, LastResult
from admin_api.schemas.plans import ApprovalView
from admin_api.schemas.primary import AcceptedPartView, PrimaryDetails, PrimaryView, StateView
from admin_api.schemas.runs import NoticeView, PartView, ResultSummary, ResultView, RunView
from admin_api.schemas.servers import CaTrust, PinnedTrust, SystemTrust, Trust
from common.errors import REMEDIES, Reason
from fleet.approvals import CurrentApproval
from registry.fleet_records import Backup, Primary, TlsTrust
from registry.run_records import BackupResult, KeptState, PrimaryAcceptance, Run
from replication.model import PartName, Status


def trust(shown: Trust) -> TlsTrust:
    """The stored form of a trust."""
    match shown:
        case CaTrust():
            return TlsTrust(ca_pem=shown.ca_pem)
        case PinnedTrust():
            return TlsTrust(pins=tuple(pin.replace(":", "").lower() for pin in shown.fingerprints))
        case _:
            return TlsTrust()


def part_names(parts: Iterable[PartName] | None) -> tuple[str, ...] | None:
    """Chosen parts as stored, each once; None for no choice."""
    return None if parts is None else tuple(dict.fromkeys(part.value for part in parts))


def trust_view(stored: TlsTrust) -> Trust:
    """The API's form of a trust. The form is not validated, so that values of the stack's parameters are shown
    unchanged.
    """
    if stored.pins:
        return PinnedTrust.model_construct(mode="pins", fingerprints=list(stored.pins))
    if stored.ca_pem:
        return CaTrust.model_construct(mode="ca", ca_pem=stored.ca_pem)
    return SystemTrust(mode="system")


def primary_view(primary: Primary, username: str | None) -> PrimaryView:
    """The API's form of the primary."""
    return PrimaryView(
        source="stack" if primary.of_stack else "registered",
        host=primary.host,
        port=primary.port,
        username=username,
        secret=primary.secret_id,
        tls=trust_view(primary.trust),
        held=primary.held,
        promoted_at=primary.promoted_at,
        version=primary.version,
    )


def primary_details(primary: Primary, username: str | None, acceptance: PrimaryAcceptance | None) -> PrimaryDetails:
    """The API's detailed form of the primary; ``acceptance`` belongs to this primary."""
    return PrimaryDetails(
        **dict(primary_view(primary, username)),
        accepted=[
            AcceptedPartView(
                part=part,
                reason=accepted.reason,
                message=accepted.message,
                accepted_by=accepted.accepted_by,
                requester_verified=accepted.requester_verified,
                at=accepted.at,
                run_id=accepted.run_id,
            )
            for part, accepted in sorted(acceptance.parts.items() if acceptance else ())
        ],
    )


def backup_summary(backup: Backup, last: BackupResult | None) -> BackupSummary:
    """The API's short form of a backup, for lists."""
    return BackupSummary(
        id=backup.id,
        host=backup.host,
        port=backup.port,
        enabled=backup.enabled,
        report_only=backup.report_only,
        paused=backup.paused,
        tls=trust_view(backup.trust),
        parts=list(backup.parts) if backup.parts is not None else None,
        rules=list(backup.rules),
        tags=dict(backup.tags),
        created_at=backup.created_at,
        updated_at=backup.updated_at,
        version=backup.version,
        last_result=_last_result(last, backup) if last else None,
    )


def backup_view(
    backup: Backup, last: BackupResult | None, username: str | None, approval: CurrentApproval | None
) -> BackupView:
    """The API's detailed form of a backup."""
    return BackupView(
        **dict(backup_summary(backup, last)),
        username=username,
        secret=backup.secret_id,
        approval=approval_view(approval) if approval else None,
    )


def approval_view(current: CurrentApproval) -> ApprovalView:
    """The API's form of a valid approval."""
    given = current.given
    return ApprovalView(
        backup_id=given.backup_id,
        hash=given.plan_hash,
        snapshot=given.snapshot,
        approved_by=given.approved_by,
        agreed=list(given.agreed),
        in_force=not current.missing,
        missing_approvals=current.missing,
        at=given.at,
        ends_at=current.ends_at,
    )


def _last_result(result: BackupResult, backup: Backup) -> LastResult:
    """The API's form of a backup's last result. The result's message mentions the pause only while the backup is
    paused.
    """
    is_kept = result.status == Status.RESTORED and backup.paused
    message = f"{result.message}; {_UNTIL_RESUMED}" if is_kept else result.message
    return LastResult(**dict(_result_summary(result, message)))


_UNTIL_RESUMED = "nothing is written to it until it is resumed"


def run_view(run: Run) -> RunView:
    """The API's short form of a run, for lists."""
    return RunView(
        id=run.id,
        trigger=run.trigger,
        status=run.status,
        reason=run.reason,
        message=run.message,
        remedy=remedy(run.reason),
        dry_run=run.dry_run,
        requested_by=run.requested_by,
        requester_verified=run.requester_verified,
        requested_backups=list(run.requested_backups),
        snapshot=run.snapshot,
        plan_hash=run.plan_hash,
        started_at=run.started_at,
        finished_at=run.finished_at,
        counts=dict(run.counts),
        notices=[
            NoticeView(reason=notice.reason, message=notice.message, remedy=remedy(notice.reason))
            for notice in run.notices
        ],
    )


def state_view(state: KeptState) -> StateView:
    """The API's form of a state of the primary, without its content."""
    return StateView(
        digest=state.digest,
        server=state.server,
        version=state.version,
        parts=list(state.parts),
        size=state.size,
        users=state.users,
        groups=state.groups,
        first_seen_at=state.first_seen_at,
        first_run_id=state.first_run_id,
        last_seen_at=state.last_seen_at,
        last_run_id=state.last_run_id,
        kept_until=state.kept_until,
    )


def result_view(result: BackupResult, registration: str | None) -> ResultView:
    """The API's form of a run's result for a backup. ``registration`` is the current registration of the backup's id,
    None if it is not registered.
    """
    return ResultView(
        **dict(_result_summary(result, result.message)),
        backup_id=result.backup_id,
        former=result.registration != registration,
        duration=result.duration,
        parts=[
            PartView(
                part=part.part,
                status=part.status,
                reason=part.reason,
                message=part.message,
                added=part.added,
                removed=part.removed,
                changed=part.changed,
                cause=part.cause,
                kept_different=part.kept_different,
                kept_different_paths=list(part.kept_different_paths),
            )
            for part in result.parts
        ],
        warnings=list(result.warnings),
        approved_by=list(result.approved_by),
    )


def _result_summary(result: BackupResult, message: str) -> ResultSummary:
    return ResultSummary(
        run_id=result.run_id,
        status=result.status,
        reason=result.reason,
        message=message,
        remedy=remedy(result.reason),
        attempted_at=result.attempted_at,
        pushed_at=result.pushed_at,
        verified_at=result.verified_at,
        plan_hash=result.plan_hash,
        snapshot=result.snapshot,
    )


def remedy(reason: str) -> str:
    """The remedy for a stored reason; empty for no reason, and for one that a newer version of the product wrote."""
    return REMEDIES[Reason(reason)] if reason in set(Reason) else ""
