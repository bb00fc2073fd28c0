"""Plans, what the guards stop in them, and approvals; the difference of two states is shown in the same way."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from admin_api.schemas.model import Model


class FieldChangeView(Model):
    """One value of an item. Both values are null where it is ``hidden`` because it looks like a secret."""

    path: str
    kind: str
    before: str | None
    after: str | None
    hidden: bool


class ItemChangeView(Model):
    """One user, group, setting or rule that would come, go or change."""

    kind: str
    key: str
    fields: list[FieldChangeView]
    more_fields: int


class PlannedPartView(Model):
    """One part. ``different``: it is written. ``blocked``: it waits for an approval of the plan. ``undecided``: it
    waits for what the remedy of its reason says, and no approval helps. ``not_written``: ``reason`` says why.

    ``kept`` counts what the rules keep as the backup has it; ``kept_different`` counts the values of it that differ
    from the primary's, or that only one side has.
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
    """Why a part waits for a person, with the numbers that stopped it.

    One that is not ``approvable`` waits until its remedy is carried out.
    """

    part: str
    reason: str
    message: str
    remedy: str
    approvable: bool
    numbers: dict[str, int]


class AccessIncreaseView(Model):
    """One thing that would widen access."""

    part: str
    kind: str
    item: str
    path: str


class PlanView(Model):
    """What a run would do to a backup now. ``text`` is the same for people; ``hash`` is what an approval names.

    Lists are bounded; what is not listed is counted. ``exceptions`` are paths that are replicated although a rule
    would keep them: the rules' exceptions that have an effect.
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
    """What leads from one state of the primary to another; ``text`` is the same for people.

    ``after`` is null for what it holds now. Of a part that only one of them has, ``message`` says which.
    """

    before: str
    after: str | None
    made_at: datetime
    parts: list[PlannedPartView]
    text: str


class NewApproval(Model):
    """The plan that was looked at."""

    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="The hash of the backup's last result.")]


class ApprovalView(Model):
    """Who lets which plan through, once, as long as neither server moves.

    ``snapshot`` is the key of what the plan puts back, empty for a replication. ``agreed`` are others who stand behind
    it. ``missing_approvals`` is how many people have to approve the same plan as well before it is ``in_force``.
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
