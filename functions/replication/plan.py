"""What is to be done about one backup, decided before anything is done.

A plan is made from what both sides hold and from the policy, and nothing else.
It decides about every part, also what the block of one part means for others;
a run carries it out and decides nothing more, unless a write fails. Its hash
covers all that may be written and why, so that somebody can approve exactly
what was seen.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any

from common.contained import contained
from common.errors import Failure, Reason
from replication.documents.diff import OTHER, Kind, marker
from replication.documents.items import Item
from replication.documents.merge import AmbiguousEntries
from replication.documents.undecided import NamesUndecided
from replication.model import (
    NOT_DONE,
    UNSURE,
    WAIT_FOR_A_DECISION,
    Cause,
    Changes,
    PartFingerprints,
    PartName,
    PartOutcome,
    PartStatus,
    Policy,
    PrimaryState,
)
from replication.parts import PARTS, Part
from replication.ports import Features, ReadableServer

OUTDATED = "Nothing is written: this is not the plan that was approved or asked for."


@dataclass(frozen=True)
class Block:
    """Why a part is not written until somebody has looked. ``numbers`` are the counts that exceeded the limits."""

    part: PartName
    reason: Reason
    message: str
    numbers: Mapping[str, int] = field(default_factory=dict)

    @property
    def approvable(self) -> bool:
        """Whether an approval of the plan lets the part through."""
        return self.reason not in WAIT_FOR_A_DECISION


@dataclass(frozen=True)
class PartPlan:
    """What is to be done about one part.

    ``own`` is what the backup holds, ``desired`` what it should hold; None
    where it was not read or there is nothing to write. ``settled`` is set when
    nothing is written, and says why: it is equal, it cannot be replicated, or
    the plan as a whole stops it (``blocks`` of its own, or of another part). A
    part that is ``missing`` is settled too, but an approval can release it; one
    that is ``ambiguous`` is settled, and none can. One that is ``uncommitted``
    is equal, but may not outlive a restart of the server: it is written once
    more. One that is ``suspect``, equal or not, must be looked at first, for
    the reason given. ``server`` names the backup. ``kept_differences`` are the
    paths of what keep patterns hide although it differs. ``added_to`` is what
    the backup was sent, where ``own`` is that with values the server added.
    """

    part: Part[Any]
    own: Any = None
    desired: Any = None
    settled: PartOutcome | None = None
    warnings: tuple[str, ...] = ()
    cause: Cause | None = None
    uncommitted: bool = False
    suspect: str = ""
    server: str = ""
    blocks: tuple[Block, ...] = ()
    kept_differences: tuple[str, ...] = ()
    added_to: Any = None

    def fingerprints(self, held: object, policy: Policy) -> PartFingerprints:
        """What is worth remembering when the backup was found to hold ``held``, and that counted as equal."""
        wanted = self.part.fingerprint(self.desired, policy)
        return PartFingerprints(wanted, wanted if held == self.desired else self.part.fingerprint(held, policy))

    @property
    def name(self) -> PartName:
        return self.part.name

    @property
    def changes(self) -> Changes:
        """The items that a push would add, remove and change, also where it is stopped."""
        return self._named[0]

    def items(self) -> Iterator[Item]:
        """What a push would do, item by item, also where it is stopped; nothing for an equal part."""
        if self.desired is None or self.desired is self.own:
            return
        items = list(self.part.items(self.own, self.desired))
        # What differs and yet in no item (white space that counts, text between items) is still a difference.
        yield from items or [Item(Kind.CHANGED, OTHER, find=lambda: [marker((), OTHER)])]

    @cached_property
    def _named(self) -> tuple[Changes, tuple[str, ...]]:
        """The items, and that they could not be named."""
        return contained(
            lambda: (changes_of(self), ()),
            lambda defect: (
                Changes(changed=(OTHER,)),
                (str(defect.of(f"the list of what differs in {self.name}", self.server)),),
            ),
        )

    @property
    def stopped(self) -> bool:
        """Whether the backup cannot be made equal in this part, or not before somebody has approved it."""
        return self.settled is not None and self.settled.status in (PartStatus.BLOCKED, PartStatus.FAILED)

    @property
    def missing(self) -> bool:
        """Whether the primary answered with nothing at all for this part, of which the backup holds some.

        Never so for settings: they are refused before there is a plan.
        """
        return self.settled is not None and self.settled.reason is Reason.PRIMARY_EMPTY

    @property
    def ambiguous(self) -> bool:
        """Whether it cannot be told what is the backup's own, or where it belongs: there is no result to approve."""
        return self.settled is not None and self.settled.reason in WAIT_FOR_A_DECISION

    @property
    def needs_approval(self) -> bool:
        """Whether it is blocked, and an approval would let it through."""
        return bool(self.blocks) and all(block.approvable for block in self.blocks)

    @property
    def may_change(self) -> bool:
        """Whether the part is written now, or once it is approved."""
        return self.desired is not None or any(block.approvable for block in self.blocks)

    def released(self) -> "PartPlan":
        """The same, to be written although the primary holds nothing of it: what an approval makes of a missing part.

        Raises ValueError for any other part.
        """
        if not self.missing:
            raise ValueError(f"{self.name} is not missing")
        return replace(self, settled=None)

    def settled_as(self, status: PartStatus, reason: Reason | None, message: str) -> "PartPlan":
        """The same, not to be written."""
        return replace(self, settled=PartOutcome(self.name, status, self.changes, reason, message, cause=self.cause))

    def hindered(self, not_done: Collection[PartName]) -> "PartPlan":
        """The same, not to be written where it refers to one of the parts that the backup does not get."""
        missing = sorted(self.part.needs.intersection(not_done))
        if self.settled or not missing:
            return self
        return self.settled_as(PartStatus.SKIPPED, Reason.DEPENDENCY_FAILED, f"it depends on {', '.join(missing)}")

    def facts(self, policy: Policy) -> list[object]:
        """All that an approval of this part is about, as plain values without content."""
        own, desired = ("" if state is None else self.part.seal(state, policy) for state in (self.own, self.desired))
        blocks = [[block.reason, block.message, sorted(block.numbers.items())] for block in self.blocks]
        return [self.name, own, desired, self.uncommitted, blocks, list(self.kept_differences)]


def changes_of(plan: PartPlan) -> Changes:
    """The labels of the items by what happens to them."""
    labels: dict[Kind, list[str]] = {kind: [] for kind in Kind}
    for item in plan.items():
        labels[item.kind].append(item.label)
    return Changes(tuple(labels[Kind.ADDED]), tuple(labels[Kind.REMOVED]), tuple(labels[Kind.CHANGED]))


@dataclass(frozen=True)
class Plan:
    """The plans of all chosen parts, in the order of writing.

    ``approved``: blocks that an approval can lift do not stop their parts.
    ``outdated``: another plan was approved or asked for, so nothing is written.
    """

    parts: tuple[PartPlan, ...]
    policy: Policy
    approved: bool = False
    outdated: bool = False

    @property
    def warnings(self) -> tuple[str, ...]:
        warnings = tuple(warning for plan in self.parts for warning in (*plan.warnings, *plan._named[1]))
        return (OUTDATED, *warnings) if self.outdated else warnings

    @property
    def may_change(self) -> bool:
        """Whether anything is written now, or once it is approved."""
        return any(plan.may_change for plan in self.parts)

    @property
    def stopped(self) -> bool:
        """Whether nothing at all is written: it is outdated, or goes through whole and a part of it is stopped."""
        return self.outdated or (self.policy.whole and any(plan.stopped for plan in self.parts))

    @property
    def blocks(self) -> tuple[Block, ...]:
        """What stops parts of it."""
        return tuple(block for plan in self.parts for block in plan.blocks if self._holds(block))

    @cached_property
    def hash(self) -> str:
        """Hex digest over all that the plan may write and why.

        That is the content of every part before and after, what blocks it,
        approved or not, and the policy with its keep patterns. What is equal is
        not in it.
        """
        return self.hash_without(())

    def hash_without(self, done: Collection[PartName]) -> str:
        """The hash of the plan that is left when some of its parts were written."""
        return self._hash_of(plan for plan in self.parts if plan.name not in done and (plan.may_change or plan.blocks))

    def hash_of(self, part: PartPlan) -> str:
        """The hash of one part alone: what it holds and shall hold, what blocks it, and the policy."""
        return self._hash_of([part])

    def _hash_of(self, parts: Iterable[PartPlan]) -> str:
        policy = self.policy
        # The order of patterns means nothing.
        terms = [sorted(policy.rules.patterns), policy.replicate_auto_block_list, policy.exact, policy.whole]
        return _slow_digest(json.dumps([terms, [part.facts(policy) for part in parts]]))

    def blocked(self, blocks: Iterable[Block], *, approved: bool = False) -> "Plan":
        """The plan with all parts settled that must not be written, and those that cannot go without them.

        With ``approved`` only what no approval can lift is stopped. Blocks and
        approval change nothing about an outdated plan.
        """
        all_blocks = tuple(blocks)
        plan = replace(self, approved=approved)
        parts: list[PartPlan] = []
        for part in self.parts:
            not_done = {one.name for one in parts if one.settled and one.settled.status in NOT_DONE}
            own = replace(part, blocks=tuple(block for block in all_blocks if block.part is part.name))
            parts.append(plan._judged(own).hindered(not_done))
        plan = replace(plan, parts=tuple(parts))
        return plan._not_written(None, "it goes through whole or not at all") if plan.stopped else plan

    def as_outdated(self) -> "Plan":
        """The plan when another one was approved or asked for: nothing is written."""
        message = "it is not the plan that was approved or asked for"
        return replace(self._not_written(Reason.PLAN_NOT_CURRENT, message), outdated=True)

    def _judged(self, part: PartPlan) -> PartPlan:
        holding = [block for block in part.blocks if self._holds(block)]
        if holding:
            message = "; ".join(block.message for block in holding)
            return part.settled_as(PartStatus.BLOCKED, holding[0].reason, message)
        return part.released() if part.missing and self.approved else part

    def _holds(self, block: Block) -> bool:
        return not (self.approved and block.approvable)

    def _not_written(self, reason: Reason | None, message: str) -> "Plan":
        parts = (
            part if part.settled else part.settled_as(PartStatus.DIFFERENT, reason, message) for part in self.parts
        )
        return replace(self, parts=tuple(parts))


_ROUNDS = 5_000
"""About a millisecond for a plan in which something differs; one such step costs a run little beside reading."""


@lru_cache(maxsize=64)
def _slow_digest(facts: str) -> str:
    """SHA-256 by PBKDF2, as hex.

    The hash is shown and stored, and it covers secrets. Whoever knows all of
    the content but one short secret could try guesses of it against the hash;
    each guess takes as long as the hash itself.
    """
    return hashlib.pbkdf2_hmac("sha256", facts.encode(), b"plan", _ROUNDS).hex()


def make_plan(
    primary: PrimaryState,
    server: ReadableServer,
    features: Features,
    policy: Policy,
    previous: Mapping[PartName, PartFingerprints],
    suspicion: str = "",
) -> Plan:
    """Read every chosen part of the backup and decide about it. Raises Failure when one cannot be read.

    ``previous`` is what was seen of the parts when they were last found equal;
    ``suspicion`` is why its settings have to be looked at, empty when they need not.
    """
    plans = (
        replace(_plan(part, primary, server, features, policy, previous.get(part.name)), server=server.label)
        for part in PARTS
        if part.name in policy.parts
    )
    return Plan(
        tuple(replace(plan, suspect=suspicion) if plan.name is PartName.SETTINGS else plan for plan in plans), policy
    )


def _plan(
    part: Part[Any],
    primary: PrimaryState,
    server: ReadableServer,
    features: Features,
    policy: Policy,
    previous: PartFingerprints | None,
) -> PartPlan:
    if not part.offered(primary.facts.features):
        message = "the primary's edition does not have this part"
        return PartPlan(part, settled=PartOutcome(part.name, PartStatus.NOT_OFFERED, message=message))
    if part.name not in primary.states:
        return PartPlan(part, settled=_not_read(part, primary.unread.get(part.name)))
    if not part.offered(features):
        message = "the backup's edition does not have this part"
        return PartPlan(part, settled=_failed(part, Reason.FEATURE_MISSING, message))
    try:
        return _read_and_compared(part, primary, server, policy, previous)
    except Failure as failure:
        # Nothing was cut: one character is wrong in this part, and the others are whole.
        if failure.reason is not Reason.CHARACTER_FORBIDDEN:
            raise
        return PartPlan(part, settled=_failed(part, failure.reason, failure.message))


def _not_read(part: Part[Any], why: Failure | None) -> PartOutcome:
    """Of a part that the run has not read of the primary. ``why`` is None where only the run's notices say it."""
    message = "the run read the primary without it: it was chosen later, or the run's notices say why"
    reason = why.reason if why else Reason.PART_NOT_READ
    return PartOutcome(part.name, PartStatus.NOT_READ, reason=reason, message=why.message if why else message)


def _read_and_compared(
    part: Part[Any],
    primary: PrimaryState,
    server: ReadableServer,
    policy: Policy,
    previous: PartFingerprints | None,
) -> PartPlan:
    own = part.read(server)
    source = primary.states[part.name]
    warnings = contained(
        lambda: part.warnings(source, own, policy),
        lambda defect: (str(defect.of(f"the warnings about {part.name}", server.label)),),
    )
    try:
        desired = part.desired(source, own, policy)
    except (AmbiguousEntries, NamesUndecided) as failure:
        settled = PartOutcome(part.name, PartStatus.BLOCKED, reason=failure.reason, message=failure.message)
        return PartPlan(part, own, settled=settled, warnings=warnings)
    kept, missing = contained(
        lambda: (part.kept_differences(source, desired, policy), ()),
        lambda defect: ((), (str(defect.of(f"what is kept of {part.name} although it differs", server.label)),)),
    )
    plan = _compared(part, own, desired, policy, previous)
    return replace(plan, warnings=(*warnings, *missing), kept_differences=kept)


def _compared(
    part: Part[Any], own: object, desired: object, policy: Policy, previous: PartFingerprints | None
) -> PartPlan:
    if part.same(own, desired, policy):
        wanted = part.fingerprint(desired, policy)
        # What is as it was when it was last read back after all was done, lasts.
        uncommitted = part.shows_before_it_lasts and previous is not None and previous.held != wanted
        if uncommitted:
            return PartPlan(part, own, own, uncommitted=True)
        settled = PartOutcome(part.name, PartStatus.UNCHANGED, fingerprints=PartFingerprints(wanted, wanted))
        return PartPlan(part, own, settled=settled)
    if blank := part.blanks(desired) - part.blanks(own):
        named = ", ".join(sorted(blank))
        message = f"{policy.source} answered with nothing at all ({named}), the backup holds some; it was left alone"
        return PartPlan(part, own, desired, _failed(part, Reason.PRIMARY_EMPTY, message))
    now = PartFingerprints(part.fingerprint(desired, policy), part.fingerprint(own, policy))
    added = part.additions(own, desired, None) if now == previous and now.desired != now.held else None
    if added is not None:
        # The server added defaults to what it was sent, that counted as equal, and neither side has moved since:
        # sending it again would only end in the same.
        message = f"the server added {added} values of its own"
        settled = PartOutcome(part.name, PartStatus.UNCHANGED, message=message, fingerprints=now)
        return PartPlan(part, own, settled=settled, added_to=desired)
    return PartPlan(part, own, desired, cause=_cause(previous, now))


def _cause(previous: PartFingerprints | None, now: PartFingerprints) -> Cause:
    if previous is None or previous == UNSURE:
        return Cause.UNKNOWN
    if previous.held == now.held:
        return Cause.PRIMARY_CHANGED
    return Cause.BACKUP_EDITED if previous.desired == now.desired else Cause.BOTH


def _failed(part: Part[Any], reason: Reason, message: str) -> PartOutcome:
    return PartOutcome(part.name, PartStatus.FAILED, reason=reason, message=message)
