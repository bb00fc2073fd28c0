"""Runs and restores: how one is asked for, what it did to each backup, and the snapshots that it kept."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from admin_api.schemas.fields import DIGEST_PATTERN, MAX_BACKUPS, BackupId, SnapshotName
from admin_api.schemas.model import LEFT_OUT, Model, NotBeside


class NewRun(Model):
    """A run to start. Without ``backups`` it is over the whole fleet; an empty list is refused.

    A dry run writes nothing.

    ``state`` is the digest of an older state of the primary, to go over instead of what it holds now. The primary
    is not read then, so ``accept_primary`` cannot be true beside it. A backup that is paused already gets it only if
    it is named here, and a person's pause stays with its reason. One with ``report_only`` cannot be named.

    ``plan_hash`` is that of the plan of one backup, as it was looked at: no backup with another plan is written to. It
    approves nothing: what the guards stop waits for ``POST /backups/{id}/approve``.
    """

    backups: Annotated[list[BackupId], Field(min_length=1, max_length=MAX_BACKUPS)] = LEFT_OUT
    dry_run: bool = False
    state: Annotated[str, Field(pattern=DIGEST_PATTERN, description="Not beside a true accept_primary.")] = LEFT_OUT
    accept_primary: Annotated[
        bool,
        Field(
            description=(
                "The primary is meant to be as empty or as small as the run finds it. This is remembered, unless the "
                "run is dry, until the primary holds something else or is another server. Not true beside a state."
            )
        ),
        NotBeside("state", "The primary is not read when an older state of it goes over"),
    ] = False
    plan_hash: Annotated[str, Field(pattern=DIGEST_PATTERN)] = LEFT_OUT


class NewRestore(Model):
    """What to put back: a snapshot of this backup, or a state of the primary. A dry run writes nothing.

    The backup gets it also if it is paused, and a person's pause stays with its reason.
    ``plan_hash`` is that of the plan, as it was looked at: with another one nothing is written. It approves nothing:
    what the guards stop waits for ``POST /backups/{id}/approve``.
    ``same_machine`` says that a snapshot which is ``former`` is of the machine that is registered now.
    """

    snapshot: SnapshotName
    dry_run: bool = False
    same_machine: bool = False
    plan_hash: Annotated[str, Field(pattern=DIGEST_PATTERN)] = LEFT_OUT


class SnapshotView(Model):
    """What was kept of a backup before a run wrote to it. ``at`` is when that run was asked for, ``size`` in bytes.

    ``former``: the id was another registration then, removed since or at another address. It may be another machine.
    """

    key: str
    run_id: str
    at: datetime
    parts: list[str]
    size: int
    former: bool


class SnapshotPage(Model):
    """Some of a backup's snapshots, newest first. ``next`` leads to older ones."""

    snapshots: list[SnapshotView]
    next: str | None


class PartView(Model):
    """What became of one part. ``cause`` says which server has changed since both were equal, empty where none has.

    ``kept_different`` counts the values that a rule keeps although they differ; the first of their paths are listed.
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


class ResultView(Model):
    """What a run did to a backup. ``duration`` in seconds.

    ``snapshot`` is the key of what the backup held before it was written to, empty when it was not.
    ``approved_by`` are those behind the approval that this push used up, empty when it used none.
    ``former``: the id was another registration then, removed since or at another address.
    """

    backup_id: str
    former: bool
    run_id: str
    status: str
    reason: str
    message: str
    remedy: str
    attempted_at: datetime
    pushed_at: datetime | None
    verified_at: datetime | None
    duration: float
    parts: list[PartView]
    warnings: list[str]
    plan_hash: str
    snapshot: str
    approved_by: list[str]


class NoticeView(Model):
    """What an administrator should know of a run although it did not end it."""

    reason: str
    message: str
    remedy: str


class RunView(Model):
    """A run. ``queued`` until it begins; ``counts`` has the backups by status once it has ended.

    ``snapshot`` is the key of what it puts back, empty for a replication; ``plan_hash`` that of the only plan that it
    carries out, empty for any. ``requester_verified``: ``requested_by`` has asked this API for it; otherwise that is
    what an invocation of the function said, and proves nothing.
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
    """How many backups have a result, of how many."""

    done: int
    total: int


class RunDetails(RunView):
    """A run with its progress, and results of backups that are done: those that need somebody first.

    ``next`` leads to more. While a run is under way, a result that changes between two pages can be on neither.
    """

    progress: Progress
    results: list[ResultView]
    next: str | None


class RunPage(Model):
    """Some of the runs, newest first. ``next`` leads to older ones."""

    runs: list[RunView]
    next: str | None


class HistoryPage(Model):
    """Some of a backup's results, newest first. ``next`` leads to older ones."""

    results: list[ResultView]
    next: str | None
