"""The history of the primary: every distinct state that a run reads is kept, and when it was in force is remembered."""

from dataclasses import replace
from datetime import datetime, timedelta

from common.errors import Failure, Reason
from registry.run_records import KeptState
from registry.snapshots import SnapshotContent
from replication.model import PrimaryState
from replication.primary import dump, fingerprint, fingerprints
from sync.result_recorder import ResultRecorder


def keep_state(primary: PrimaryState, recorder: ResultRecorder) -> Failure | None:
    """Keep what the primary holds, unless it is kept already; why it could not be, None when it is.

    Backups that are up to date are worth more than a history without a gap, so
    a failure here stops nothing. The caller tells of it.
    """
    context, run_id, now = recorder.context, recorder.run.id, recorder.context.runtime.now()
    retention = timedelta(days=context.snapshot_days)
    try:
        last = context.store.newest_state()
        if last is not None and _is_in_force(last, primary) and not _is_due(last, primary, now, retention):
            state = replace(last, last_run_id=run_id, last_seen_at=now)
        else:
            state = _kept(primary, last, recorder, now, retention)
        context.store.record_state(state, lease_owner=recorder.owner)
    except Failure as failure:
        return Failure(Reason.STATE_NOT_KEPT, f"what the primary holds was not kept: {failure.message}")
    return None


def _is_in_force(last: KeptState, primary: PrimaryState) -> bool:
    """Whether the primary holds what it held, as far as this run has read it: a run reads what its backups need."""
    return (
        (last.server, last.version) == (_server(primary), str(primary.facts.version))
        and fingerprints(primary).items() <= last.parts.items()
    )  # fmt: skip


def _is_due(last: KeptState, primary: PrimaryState, now: datetime, retention: timedelta) -> bool:
    """Whether it has to be stored again.

    The bucket expires objects by their age alone, and the state in force must
    outlive that. Half the retention leaves time for runs that fail. A run that
    read only some parts cannot store the whole again: it lets it come to the end.
    """
    is_whole = fingerprint(primary) == last.digest
    return now >= last.kept_at + (retention / 2 if is_whole else retention)


def _kept(
    primary: PrimaryState, last: KeptState | None, recorder: ResultRecorder, now: datetime, retention: timedelta
) -> KeptState:
    """Store the state; its entry, which is that of the last one where that is the same."""
    parts = dump(primary)
    digest = fingerprint(primary)
    recorder.context.snapshots.keep_primary(digest, SnapshotContent(parts, primary.facts))
    goes_on = last is not None and last.digest == digest and _is_in_force(last, primary)
    return KeptState(
        digest=digest,
        server=_server(primary),
        version=str(primary.facts.version),
        parts={str(name): part_digest for name, part_digest in fingerprints(primary).items()},
        size=sum(len(text.encode()) for text in parts.values()),
        users=primary.users,
        groups=primary.groups,
        first_run_id=last.first_run_id if last and goes_on else recorder.run.id,
        first_seen_at=last.first_seen_at if last and goes_on else now,
        last_run_id=recorder.run.id,
        last_seen_at=now,
        kept_at=now,
        kept_until=now + retention,
    )


def _server(primary: PrimaryState) -> str:
    host, port = primary.address
    return f"{host}:{port}"
