"""Plans, blocks and approvals; the difference of two states has the same form."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from admin_api.schemas.fields import DIGEST_PATTERN, Model


class FieldChangeView(Model):
    """The change of one value of an item. Both values are null if they are ``hidden`` because the value looks like a
    secret.
    """

    path: str
    kind: str
    before: str | None
    after: str | None
    hidden: bool


class ItemChangeView(Model):
    """One user, group, setting or rule that would be added, removed or changed."""

    kind: str
    key: str
    fields: list[FieldChangeView]
    more_fields: int


class PlannedPartView(Model):
    """One part. ``different``: the part would be written. ``blocked``: the part waits for an approval of the plan.
    ``undecided``: the part waits for the remedy of its reason, and an approval does not help. ``not_written``:
    ``reason`` says why.

    ``kept`` is the number of values that keep patterns preserve on the backup; ``kept_different`` is the number of
    those that differ from the primary's, or exist on only one side.
    """

    part: str
    state: Literal["equal", "different", "blocked", "undecided", "not_written"]
    reason: str | None
    message: str
    added: int
    removed: int
    changed: int
    items: list[ItemChangeView]
    more_items: int
    kept: int
    kept_paths: list[str]
    kept_different: int
    kept_different_paths: list[str]


class BlockView(Model):
    """Why a part waits for a person, with the numbers that exceeded a limit.

    A part that is not ``approvable`` waits until its remedy is carried out.
    """

    part: str
    reason: str
    message: str
    remedy: str
    approvable: bool
    numbers: dict[str, int]


class AccessIncreaseView(Model):
    """One change that would widen access."""

    part: str
    kind: str
    item: str
    path: str


class PlanView(Model):
    """The plan of a run for a backup, as of now. ``text`` describes the plan for people; ``hash`` identifies the plan
    in an approval.

    Lists are limited; omitted entries are counted. ``exceptions`` are paths that are replicated although a keep pattern
    matches them, because an exception applies.
    """

    backup_id: str
    made_at: datetime
    hash: str
    parts: list[PlannedPartView]
    warnings: list[str]
    exceptions: list[str]
    blocked: list[BlockView]
    widened: list[AccessIncreaseView]
    more_widened: int
    text: str


class DifferenceView(Model):
    """The changes from one state of the primary to another; ``text`` describes them for people.

    ``after`` is null for the primary's current content. If only one state has a part, ``message`` says which.
    """

    before: str
    after: str | None
    made_at: datetime
    parts: list[PlannedPartView]
    text: str


class NewApproval(Model):
    """The plan to approve."""

    hash: Annotated[str, Field(pattern=DIGEST_PATTERN, description="The hash of the backup's last result.")]


class ApprovalView(Model):
    """An approval of one plan, for one push. The approval is void if the primary or the backup changes.

    ``snapshot`` is the key of the snapshot that the plan restores, empty for a replication. ``agreed`` are the other
    people who count as approvers. ``missing_approvals`` is how many more people have to approve the same plan before it
    is ``in_force``.
    """

    backup_id: str
    hash: str
    snapshot: str
    approved_by: str
    agreed: list[str]
    in_force: bool
    missing_approvals: int
    at: datetime
    ends_at: datetime
