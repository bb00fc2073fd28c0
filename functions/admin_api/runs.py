"""Starting a run, and finding the snapshot for a restore."""

from collections.abc import Mapping
from dataclasses import replace

from aws_lambda_powertools.event_handler import Response

from admin_api import views
from admin_api.dependencies import Services
from admin_api.schemas.fields import DIGEST_PATTERN, RUN_ID_PATTERN
from admin_api.schemas.runs import RunView
from common.errors import Failure, Reason
from common.patterns import Whole
from registry.fleet_records import Backup
from registry.run_records import QUEUED, Notice, Run, new_run_id
from registry.snapshots import PRIMARY, backup_of, primary_key
from registry.store_rules import lease_held


def start(
    services: Services,
    *,
    requested_by: str,
    backups: tuple[str, ...] = (),
    dry_run: bool = False,
    accept_primary: bool = False,
    snapshot: str = "",
    plan_hash: str = "",
    same_machine: bool = False,
) -> Response[RunView]:
    """Queue a run and start it; the reply says where to follow it.

    With ``snapshot``, the key of a snapshot, the run is a restore. With ``plan_hash``, a backup with another plan is
    not written to. ``same_machine`` as in ``Run``. Raises Failure if the run could not be started. The record then says
    so, and if the event arrives anyway, it starts nothing. A run that has begun counts as started, even if the
    invocation's reply was lost.
    """
    now = services.runtime.now()
    run = Run(
        id=new_run_id(now, services.runtime.new_id()),
        trigger="restore" if snapshot else "on_demand",
        started_at=now,
        requested_by=requested_by,
        requested_backups=backups,
        dry_run=dry_run,
        snapshot=snapshot,
        plan_hash=plan_hash,
        same_machine=same_machine,
        accept_primary=accept_primary,
        requester_verified=True,
        status=QUEUED,
        notices=_busy(services),
    )
    services.store.queue_run(run)
    try:
        services.starter.start(_event(run))
    except Failure as failure:
        failed = replace(
            run, status="failed", reason=failure.reason, message=failure.message, finished_at=services.runtime.now()
        )
        if services.store.finish_run(failed, begun=False):
            raise
    return Response(202, "application/json", views.run_view(run), {"Location": f"/sync-runs/{run.id}"})


def refuse_unservable(wanted: tuple[str, ...], services: Services, *, put_back: bool = False) -> None:
    """Reject a request for a run that would certainly fail, so that it is not queued first. ``put_back``: the run
    restores content on the wanted backups.

    Raises Failure(UNKNOWN_BACKUP, BACKUP_DISABLED, BACKUP_REPORT_ONLY, RECORD_UNREADABLE).
    """
    registered = {backup.id: backup for backup in services.store.backups()} if wanted else {}
    unreadable = dict(services.store.unreadable_backups()) if wanted else {}
    for backup_id in wanted:
        if backup_id in unreadable:
            complaint = f"the registration of {backup_id} cannot be understood: {unreadable[backup_id]}"
            raise Failure(Reason.RECORD_UNREADABLE, complaint)
        if backup_id not in registered:
            raise Failure(Reason.UNKNOWN_BACKUP, f"no backup is registered as {backup_id}")
        if not registered[backup_id].enabled:
            raise Failure(Reason.BACKUP_DISABLED, f"the backup {backup_id} is disabled")
        if put_back and registered[backup_id].report_only:
            raise Failure(
                Reason.BACKUP_REPORT_ONLY, f"the backup {backup_id} has report_only, so nothing is written to it"
            )


def _event(run: Run) -> Mapping[str, object]:
    restored: dict[str, object] = {"snapshot": run.snapshot, "same_machine": run.same_machine}
    replicated: dict[str, object] = {"accept_primary": run.accept_primary}
    own = restored if run.snapshot else replicated
    if run.plan_hash:
        own["plan_hash"] = run.plan_hash
    if run.requested_backups:
        own["backups"] = list(run.requested_backups)
    return {
        "action": "restore" if run.snapshot else "sync",
        **own,
        "run_id": run.id,
        "dry_run": run.dry_run,
        "requested_by": run.requested_by,
    }


def _busy(services: Services) -> tuple[Notice, ...]:
    """A notice that the run will probably not be carried out, if another run holds the lease now."""
    lease = services.store.lease()
    if lease is None or lease.expires_at <= services.runtime.now():
        return ()
    held = lease_held(lease)
    otherwise = "if that run is still in progress when this one begins, this one is not carried out and not repeated"
    return (Notice(held.reason, f"{held.message}; {otherwise}"),)


_DIGEST = Whole(DIGEST_PATTERN)
_RUN_ID = Whole(RUN_ID_PATTERN)


def key_for(meant: str, backup: Backup, services: Services) -> str:
    """The key of the snapshot to restore to this backup; for a run id, the run's snapshot that contains all parts.

    Raises Failure: SNAPSHOT_UNFIT for another backup's snapshot, and for a run with several snapshots if none
    contains all parts; SNAPSHOT_MISSING if the backup has no such snapshot. Whether a state of the primary still
    exists is checked only when it is loaded.
    """
    if _DIGEST.match(meant):
        return primary_key(meant)
    if meant.startswith(f"{PRIMARY}/"):
        return meant
    owner = backup_of(meant)
    if owner and owner != backup.id:
        raise Failure(Reason.SNAPSHOT_UNFIT, f"the snapshot is of {owner}, and cannot be restored to another backup")
    kept = [entry for entry in services.snapshots.of_backup(backup.id) if meant in (entry.key, entry.run_id)]
    if not kept:
        what = f"kept by the run {meant}" if _RUN_ID.match(meant) else meant
        raise Failure(Reason.SNAPSHOT_MISSING, f"{backup.id} has no snapshot {what}")
    own = [entry for entry in kept if entry.registration == backup.registration] or kept
    for entry in own:
        if all(entry.registration == one.registration and {*one.parts} <= {*entry.parts} for one in own):
            return entry.key
    keys = ", ".join(entry.key for entry in own)
    raise Failure(
        Reason.SNAPSHOT_UNFIT, f"the run {meant} took several snapshots and none contains all parts; name one: {keys}"
    )
