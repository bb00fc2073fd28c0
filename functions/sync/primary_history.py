"""The history of the primary: every distinct state that a run reads is stored, with the times at which it was
current.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from common.errors import Failure, Reason
from registry.run_records import KeptState
from registry.snapshots import SnapshotContent
from replication.model import PrimaryState
from replication.primary import dump, fingerprint, fingerprints
from sync.results import ResultRecorder


def keep_state(primary: PrimaryState, recorder: ResultRecorder) -> Failure | None:
    """Store the primary's state unless it is already stored; return the failure to store it, otherwise None.

    Up-to-date backups matter more than a complete history, so this failure does not stop the run. The caller reports
    the returned failure.
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
        return Failure(Reason.STATE_NOT_KEPT, f"the primary's state was not stored: {failure.message}")
    return None


def _is_in_force(last: KeptState, primary: PrimaryState) -> bool:
    """Whether the primary still has its last stored state, judged by the parts that this run has read."""
    return (
        (last.server, last.version) == (_server(primary), str(primary.facts.version))
        and fingerprints(primary).items() <= last.parts.items()
    )  # fmt: skip


def _is_due(last: KeptState, primary: PrimaryState, now: datetime, retention: timedelta) -> bool:
    """Whether the state has to be stored again.

    The bucket expires objects by age, and the current state must not expire. Storing again after half the retention
    leaves time for failed runs. A run that read only some parts cannot store the whole state again, so it lets the
    stored state expire.
    """
    is_whole = fingerprint(primary) == last.digest
    return now >= last.kept_at + (retention / 2 if is_whole else retention)


def _kept(
    primary: PrimaryState, last: KeptState | None, recorder: ResultRecorder, now: datetime, retention: timedelta
) -> KeptState:
    """Store the state; return its history entry, which continues the last entry if the state is the same."""
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
