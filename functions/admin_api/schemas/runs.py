"""Runs and restores: requests, results for each backup, and snapshots."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from admin_api.schemas.fields import DIGEST_PATTERN, LEFT_OUT, MAX_BACKUPS, BackupId, Model, NotBeside, SnapshotName


class NewRun(Model):
    """A run to start. Without ``backups`` the run covers the whole fleet; an empty list is rejected.

    A dry run writes nothing.

    ``state`` is the digest of an older state of the primary, which is pushed instead of the current one. The primary is
    then not read, so ``accept_primary`` cannot be true as well. A backup that is already paused receives the state only
    if it is named here, and a person's pause keeps its reason. A backup with ``report_only`` cannot be named.

    ``plan_hash`` is the hash of a reviewed plan of one backup: a backup with another plan is not written to. The hash
    is not an approval: changes that the guards stop wait for ``POST /backups/{id}/approve``.
    """

    backups: Annotated[list[BackupId], Field(min_length=1, max_length=MAX_BACKUPS)] = LEFT_OUT
    dry_run: bool = False
    state: Annotated[str, Field(pattern=DIGEST_PATTERN, description="Cannot be combined with accept_primary.")] = (
        LEFT_OUT
    )
    accept_primary: Annotated[
        bool,
        Field(
            description=(
                "Confirms that the primary's content is intended, even if it is empty or has shrunk by half. Unless "
                "the run is dry, the confirmation is stored until the primary's content changes or another server "
                "becomes the primary. Cannot be combined with state."
            )
        ),
        NotBeside("state", "The primary is not read if an older state of it is pushed"),
    ] = False
    plan_hash: Annotated[str, Field(pattern=DIGEST_PATTERN)] = LEFT_OUT


class NewRestore(Model):
    """The content to restore: a snapshot of this backup, or a state of the primary. A dry run writes nothing.

    The backup is restored even if it is paused, and a person's pause keeps its reason. ``plan_hash`` is the hash of a
    reviewed plan: with another plan nothing is written. The hash is not an approval: changes that the guards stop wait
    for ``POST /backups/{id}/approve``. ``same_machine`` confirms that a ``former`` snapshot is of the machine that is
    registered now.
    """

    snapshot: SnapshotName
    dry_run: bool = False
    same_machine: bool = False
    plan_hash: Annotated[str, Field(pattern=DIGEST_PATTERN)] = LEFT_OUT


class SnapshotView(Model):
    """The content of a backup that was stored before a run wrote to it. ``at`` is when that run was requested, ``size``
    is in bytes.

    ``former``: the snapshot is of an earlier registration of this id, since removed or at another address. That
    snapshot may be of another machine.
    """

    key: str
    run_id: str
    at: datetime
    parts: list[str]
    size: int
    former: bool


class SnapshotPage(Model):
    """A page of a backup's snapshots, newest first. ``next`` is the parameter for the next page, of older snapshots."""

    snapshots: list[SnapshotView]
    next: str | None


class PartView(Model):
    """The result for one part. ``cause`` says which server has changed since both were equal, empty if neither has.

    ``kept_different`` is the number of values that a keep pattern preserves although they differ; the first paths are
    listed.
    """

    part: str
    status: str
    reason: str
    message: str
    added: int
    removed: int
    changed: int
    cause: str
    kept_different: int
    kept_different_paths: list[str]


class ResultSummary(Model):
    """The result of a run for one backup, without its parts."""

    run_id: str
    status: str
    reason: str
    message: str
    remedy: str
    attempted_at: datetime
    pushed_at: datetime | None
    verified_at: datetime | None
    plan_hash: str
    snapshot: str


class ResultView(ResultSummary):
    """The result of a run for one backup. ``duration`` is in seconds.

    ``snapshot`` is the key of the backup's content before it was written to, empty if it was not. ``approved_by`` are
    the people whose approval this push used, empty if it used none. ``former``: the result is of an earlier
    registration of this id, since removed or at another address.
    """

    backup_id: str
    former: bool
    duration: float
    parts: list[PartView]
    warnings: list[str]
    approved_by: list[str]


class NoticeView(Model):
    """A notice about something that happened in a run and did not end the run."""

    reason: str
    message: str
    remedy: str


class RunView(Model):
    """A run. The status is ``queued`` until the run begins; ``counts`` has the number of backups by status once it has
    ended.

    ``snapshot`` is the key of the snapshot that it restores, empty for a replication; ``plan_hash`` is the hash of the
    only plan that it carries out, empty for any. ``requester_verified``: ``requested_by`` requested it through this
    API; otherwise the name comes from an invocation of the function and proves nothing.
    """

    id: str
    trigger: str
    status: str
    reason: str
    message: str
    remedy: str
    dry_run: bool
    requested_by: str
    requester_verified: bool
    requested_backups: list[str]
    snapshot: str
    plan_hash: str
    started_at: datetime
    finished_at: datetime | None
    counts: dict[str, int]
    notices: list[NoticeView]


class Progress(Model):
    """The number of backups with a result, and the total number."""

    done: int
    total: int


class RunDetails(RunView):
    """A run with its progress and the results of finished backups; results that need attention come first.

    ``next`` is the parameter for the next page. While a run is under way, a result that changes between two pages may
    be on neither.
    """

    progress: Progress
    results: list[ResultView]
    next: str | None


class RunPage(Model):
    """A page of the runs, newest first. ``next`` is the parameter for the next page, of older runs."""

    runs: list[RunView]
    next: str | None


class HistoryPage(Model):
    """A page of a backup's results, newest first. ``next`` is the parameter for the next page, of older results."""

    results: list[ResultView]
    next: str | None
