"""The plan for one backup, made before anything is written.

A plan depends only on both sides' content and on the policy. The plan decides about every part, including the effect of
one part's block on others. A run only carries the plan out, unless a write fails. The plan's hash covers everything
that may be written and why, so that a person can approve exactly what was reviewed.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any

from common.errors import Failure, Reason, contained
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

OUTDATED = "Nothing is written: this is not the plan that was approved or requested."


@dataclass(frozen=True)
class Block:
    """Why a part waits for a person. ``numbers`` are the counts that exceeded the limits."""

    part: PartName
    reason: Reason
    message: str
    numbers: Mapping[str, int] = field(default_factory=dict)

    @property
    def approvable(self) -> bool:
        """Whether an approval of the plan releases the part."""
        return self.reason not in WAIT_FOR_A_DECISION


@dataclass(frozen=True)
class PartPlan:
    """The plan for one part.

    ``own`` is the backup's content, None if it was not read. ``desired`` is the content to write, None if nothing is to
    be written. ``settled`` is set if nothing is written, with the reason: the part is equal, cannot be replicated, or
    is stopped by ``blocks`` of its own or of another part. If the primary returned no content for a part, the part is
    ``missing``: it is settled until an approval releases it. An ``ambiguous`` part is settled, and no approval can
    release it. An ``uncommitted`` part is equal but may not survive a restart of the server, so it is written again.
    ``suspect`` is the reason why a person must review the part first, even if it is equal; it is empty if nobody must.
    ``server`` is the backup's name. ``kept_differences`` are the paths of values that keep patterns preserve although
    they differ. ``added_to`` is the content that was sent, if ``own`` is that content with values added by the server.
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
        """The fingerprints to store if the backup has the content ``held``, which counts as equal."""
        wanted = self.part.fingerprint(self.desired, policy)
        return PartFingerprints(wanted, wanted if held == self.desired else self.part.fingerprint(held, policy))

    @property
    def name(self) -> PartName:
        return self.part.name

    @property
    def changes(self) -> Changes:
        """The items that a push would add, remove and change, even if it is stopped."""
        return self._named[0]

    def items(self) -> Iterator[Item]:
        """The changes of a push, item by item, even if it is stopped; empty for an equal part."""
        if self.desired is None or self.desired is self.own:
            return
        items = list(self.part.items(self.own, self.desired))
        # Some differences are in no item: white space that counts, or text between items. They get one item here.
        yield from items or [Item(Kind.CHANGED, OTHER, find=lambda: [marker((), OTHER)])]

    @cached_property
    def _named(self) -> tuple[Changes, tuple[str, ...]]:
        """The changes, and a warning if the items could not be named."""
        return contained(
            lambda: (changes_of(self), ()),
            lambda defect: (
                Changes(changed=(OTHER,)),
                (str(defect.of(f"the list of what differs in {self.name}", self.server)),),
            ),
        )

    @property
    def stopped(self) -> bool:
        """Whether something stops this part from becoming equal: a failure, or a block that waits for a person."""
        return self.settled is not None and self.settled.status in (PartStatus.BLOCKED, PartStatus.FAILED)

    @property
    def missing(self) -> bool:
        """Whether the primary returned no content for this part while the backup has some.

        The result is always False for settings: missing settings are rejected before there is a plan.
        """
        return self.settled is not None and self.settled.reason is Reason.PRIMARY_EMPTY

    @property
    def ambiguous(self) -> bool:
        """Whether the content to write is unknown, because entries or names are undecided: nothing can be approved."""
        return self.settled is not None and self.settled.reason in WAIT_FOR_A_DECISION

    @property
    def needs_approval(self) -> bool:
        """Whether the part is blocked and an approval would release it."""
        return bool(self.blocks) and all(block.approvable for block in self.blocks)

    @property
    def may_change(self) -> bool:
        """Whether the part is written now, or after an approval."""
        return self.desired is not None or any(block.approvable for block in self.blocks)

    def released(self) -> "PartPlan":
        """The plan for a missing part after an approval: the primary's empty content is written.

        Raises ValueError for a part that is not missing.
        """
        if not self.missing:
            raise ValueError(f"{self.name} is not missing")
        return replace(self, settled=None)

    def settled_as(self, status: PartStatus, reason: Reason | None, message: str) -> "PartPlan":
        """A copy of this plan in which the part is settled without a write."""
        return replace(self, settled=PartOutcome(self.name, status, self.changes, reason, message, cause=self.cause))

    def hindered(self, not_done: Collection[PartName]) -> "PartPlan":
        """The plan itself or, if the part refers to one of ``not_done``, a copy that is settled without a write. The
        parts in ``not_done`` are those that the backup does not receive.
        """
        missing = sorted(self.part.needs.intersection(not_done))
        if self.settled or not missing:
            return self
        return self.settled_as(PartStatus.SKIPPED, Reason.DEPENDENCY_FAILED, f"it depends on {', '.join(missing)}")

    def facts(self, policy: Policy) -> list[object]:
        """Everything that an approval of this part covers, as plain values. Digests stand for the content."""
        own, desired = ("" if state is None else self.part.seal(state, policy) for state in (self.own, self.desired))
        blocks = [[block.reason, block.message, sorted(block.numbers.items())] for block in self.blocks]
        return [self.name, own, desired, self.uncommitted, blocks, list(self.kept_differences)]


def changes_of(plan: PartPlan) -> Changes:
    """The labels of the items by kind of change."""
    labels: dict[Kind, list[str]] = {kind: [] for kind in Kind}
    for item in plan.items():
        labels[item.kind].append(item.label)
    return Changes(tuple(labels[Kind.ADDED]), tuple(labels[Kind.REMOVED]), tuple(labels[Kind.CHANGED]))


@dataclass(frozen=True)
class Plan:
    """The plans of all chosen parts, in the order of writing.

    ``approved``: blocks that an approval can release do not stop their parts. ``outdated``: a different plan was
    approved or requested, so nothing is written.
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
        """Whether anything is written now, or after an approval."""
        return any(plan.may_change for plan in self.parts)

    @property
    def stopped(self) -> bool:
        """Whether nothing is written: the plan is outdated, or applies as a whole and one of its parts is stopped."""
        return self.outdated or (self.policy.whole and any(plan.stopped for plan in self.parts))

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks that stop parts of the plan."""
        return tuple(block for plan in self.parts for block in plan.blocks if self._holds(block))

    @cached_property
    def hash(self) -> str:
        """A hexadecimal digest of everything that the plan may write and why.

        The hash covers the content of every differing part before and after, its blocks, approved or not, and the
        policy with its keep patterns. Equal parts are not covered.
        """
        return self.hash_without(())

    def hash_without(self, done: Collection[PartName]) -> str:
        """The hash of the remaining plan after some of its parts were written."""
        return self._hash_of(plan for plan in self.parts if plan.name not in done and (plan.may_change or plan.blocks))

    def hash_of(self, part: PartPlan) -> str:
        """The hash of one part: its content before and after, its blocks, and the policy."""
        return self._hash_of([part])

    def _hash_of(self, parts: Iterable[PartPlan]) -> str:
        policy = self.policy
        # The patterns are sorted, because their order does not matter.
        terms = [sorted(policy.rules.patterns), policy.replicate_auto_block_list, policy.exact, policy.whole]
        return _slow_digest(json.dumps([terms, [part.facts(policy) for part in parts]]))

    def blocked(self, blocks: Iterable[Block], *, approved: bool = False) -> "Plan":
        """The plan with all blocked parts, and parts that depend on them, settled without a write.

        With ``approved``, only blocks that no approval can release stop a part. An outdated plan stays unchanged.
        """
        all_blocks = tuple(blocks)
        plan = replace(self, approved=approved)
        parts: list[PartPlan] = []
        for part in self.parts:
            not_done = {one.name for one in parts if one.settled and one.settled.status in NOT_DONE}
            own = replace(part, blocks=tuple(block for block in all_blocks if block.part is part.name))
            parts.append(plan._judged(own).hindered(not_done))
        plan = replace(plan, parts=tuple(parts))
        return plan._not_written(None, "the plan is carried out completely or not at all") if plan.stopped else plan

    def as_outdated(self) -> "Plan":
        """A copy of this plan that writes nothing, because a different plan was approved or requested."""
        message = "it is not the plan that was approved or requested"
        return replace(self._not_written(Reason.PLAN_NOT_CURRENT, message), outdated=True)

    def _judged(self, part: PartPlan) -> PartPlan:
        holding = [block for block in part.blocks if self._holds(block)]
        if holding:
            return part.settled_as(PartStatus.BLOCKED, holding[0].reason, "; ".join(block.message for block in holding))
        return part.released() if part.missing and self.approved else part

    def _holds(self, block: Block) -> bool:
        return not (self.approved and block.approvable)

    def _not_written(self, reason: Reason | None, message: str) -> "Plan":
        parts = (
            part if part.settled else part.settled_as(PartStatus.DIFFERENT, reason, message) for part in self.parts
        )
        return replace(self, parts=tuple(parts))


_ROUNDS = 5_000
"""Rounds of PBKDF2, which take about a millisecond per plan: little compared with reading the servers."""


@lru_cache(maxsize=64)
def _slow_digest(facts: str) -> str:
    """The hash of a plan with these ``facts``: PBKDF2 with SHA-256, in hexadecimal.

    The hash is shown and stored, and it covers secrets. Somebody who knows all content except one short secret could
    test guesses against the hash, so each guess must take as long as the hash itself.
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
    """Read every chosen part of the backup and plan it. Raises Failure if a part cannot be read.

    ``previous`` has the fingerprints of the parts when they were last equal. ``suspicion`` is why a person must review
    the backup's settings; it is empty if nobody must.
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
        return PartPlan(
            part, settled=_failed(part, Reason.FEATURE_MISSING, "the backup's edition does not have this part")
        )
    try:
        return _read_and_compared(part, primary, server, policy, previous)
    except Failure as failure:
        # The reply was complete: only this part has a forbidden character, so the other parts are replicated.
        if failure.reason is not Reason.CHARACTER_FORBIDDEN:
            raise
        return PartPlan(part, settled=_failed(part, failure.reason, failure.message))


def _not_read(part: Part[Any], why: Failure | None) -> PartOutcome:
    """The outcome of a part that the run did not read from the primary. ``why`` is None if only the run's notices
    have the reason.
    """
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
        lambda defect: ((), (str(defect.of(f"the list of kept differences in {part.name}", server.label)),)),
    )
    plan = _compared(part, own, desired, policy, previous)
    return replace(plan, warnings=(*warnings, *missing), kept_differences=kept)


def _compared(
    part: Part[Any], own: object, desired: object, policy: Policy, previous: PartFingerprints | None
) -> PartPlan:
    if part.same(own, desired, policy):
        wanted = part.fingerprint(desired, policy)
        # Content that is the same as when it was last read back and recorded has been made permanent.
        if part.shows_before_it_lasts and previous is not None and previous.held != wanted:
            return PartPlan(part, own, own, uncommitted=True)
        settled = PartOutcome(part.name, PartStatus.UNCHANGED, fingerprints=PartFingerprints(wanted, wanted))
        return PartPlan(part, own, settled=settled)
    if blank := part.blanks(desired) - part.blanks(own):
        named = ", ".join(sorted(blank))
        message = f"{policy.source} returned no content ({named}), the backup has some; this part was not changed"
        return PartPlan(part, own, desired, _failed(part, Reason.PRIMARY_EMPTY, message))
    now = PartFingerprints(part.fingerprint(desired, policy), part.fingerprint(own, policy))
    added = part.additions(own, desired, None) if now == previous and now.desired != now.held else None
    if added is not None:
        # At the last push the server added default values, which counted as equal. Neither side has changed since, so
        # another push would end in the same way.
        settled = PartOutcome(
            part.name, PartStatus.UNCHANGED, message=f"the server added {added} values of its own", fingerprints=now
        )
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
