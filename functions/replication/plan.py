"""What is to be done about one backup, decided before anything is done.

A plan is made from what both sides hold and from the policy, and nothing else.
Its hash is the same as long as neither side of what differs and not the policy
has changed, so that somebody can approve exactly what was seen.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from common.errors import Reason
from replication.documents.canonical import digest
from replication.documents.merge import AmbiguousEntries
from replication.documents.undecided import NamesUndecided
from replication.model import (
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


@dataclass(frozen=True)
class PartPlan:
    """What is to be done about one part.

    ``own`` is what the backup holds, ``source`` what the primary holds,
    ``desired`` what the backup should hold; None where it was not read or there
    is nothing to write. ``settled`` is set when it is already known what
    becomes of the part: it is equal, or it cannot be replicated. A part that
    is ``missing`` is settled too, but an approval can release it; one that is
    ``ambiguous`` is settled, and none can. One that is ``uncommitted`` is equal,
    but may not outlive a restart of the server. One that is ``suspect``, equal or
    not, must be looked at first, for the reason given.
    """

    part: Part[Any]
    own: Any = None
    source: Any = None
    desired: Any = None
    settled: PartOutcome | None = None
    changes: Changes = Changes()
    warnings: tuple[str, ...] = ()
    cause: Cause | None = None
    uncommitted: bool = False
    suspect: str = ""

    def fingerprints(self, held: object, policy: Policy) -> PartFingerprints:
        """What is worth remembering when the backup was found to hold ``held``, and that counted as equal."""
        wanted = self.part.fingerprint(self.desired, policy)
        return PartFingerprints(wanted, wanted if held == self.desired else self.part.fingerprint(held, policy))

    @property
    def name(self) -> PartName:
        return self.part.name

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

    def released(self) -> "PartPlan":
        """The same, to be written although the primary holds nothing of it: what an approval makes of a missing part.

        Raises ValueError for any other part.
        """
        if not self.missing:
            raise ValueError(f"{self.name} is not missing")
        return replace(self, settled=None)

    @property
    def due(self) -> "PartPlan":
        """The same as it is to be written: one that is unproved once more, as the backup shows it."""
        return replace(self, desired=self.own, settled=None) if self.uncommitted else self


@dataclass(frozen=True)
class Plan:
    """The plans of all chosen parts, in the order of writing."""

    parts: tuple[PartPlan, ...]
    policy: Policy

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(warning for plan in self.parts for warning in plan.warnings)

    @cached_property
    def hash(self) -> str:
        """Hex digest over what is to be approved: the blocked parts where there are any, or else all that differ."""
        blocked = {
            plan.name
            for plan in self.parts
            if plan.settled and plan.settled.status is PartStatus.BLOCKED and not plan.ambiguous
        }
        return self.hash_of(blocked or {plan.name for plan in self.parts if plan.desired is not None})

    def hash_of(self, names: Collection[PartName]) -> str:
        """Hex digest over both sides' content of some parts, and the policy.

        Only of some: parts that go through at once move the backup, and an
        approval of the others must survive that.
        """
        return digest("\n".join(self._facts(names)))

    def _facts(self, names: Collection[PartName]) -> Iterator[str]:
        yield f"rules {self.policy.rules.patterns} automatic {self.policy.replicate_auto_block_list}"
        if self.policy.exact:
            yield "exact"
        for plan in self.parts:
            if plan.name not in names:
                continue
            own = plan.part.fingerprint(plan.own, self.policy) if plan.own is not None else "-"
            source = plan.part.fingerprint(plan.source, self.policy) if plan.source is not None else "-"
            yield f"{plan.name} own {own} source {source}"


def make_plan(
    primary: PrimaryState,
    server: ReadableServer,
    features: Features,
    policy: Policy,
    known: Mapping[PartName, PartFingerprints],
    suspicion: str = "",
) -> Plan:
    """Read every chosen part of the backup and decide about it. Raises Failure when one cannot be read.

    ``known`` is what was seen of the parts when they were last found equal;
    ``suspicion`` is why its settings have to be looked at, empty when they need not.
    """
    plans = (
        _plan(part, primary, server, features, policy, known.get(part.name))
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
    known: PartFingerprints | None,
) -> PartPlan:
    if not part.offered(primary.facts.features):
        message = "the primary's edition does not have this part"
        return PartPlan(part, settled=PartOutcome(part.name, PartStatus.NOT_OFFERED, message=message))
    if part.name not in primary.states:
        message = f"the run read the primary without {part.name}, which was chosen later"
        return PartPlan(
            part, settled=PartOutcome(part.name, PartStatus.NOT_READ, reason=Reason.PART_NOT_READ, message=message)
        )
    if not part.offered(features):
        message = "the backup's edition does not have this part"
        return PartPlan(part, settled=_failed(part, Reason.FEATURE_MISSING, message))
    own = part.read(server)
    source = primary.states[part.name]
    try:
        desired = part.desired(source, own, policy)
    except (AmbiguousEntries, NamesUndecided) as failure:
        return PartPlan(
            part,
            own,
            source,
            settled=PartOutcome(part.name, PartStatus.BLOCKED, Changes(), failure.reason, failure.message),
        )
    warnings = part.warnings(source, own)
    if part.same(own, desired, policy):
        wanted = part.fingerprint(desired, policy)
        # What is as it was when it was last read back after all was done, lasts.
        uncommitted = part.shows_before_it_lasts and known is not None and known.held != wanted
        settled = PartOutcome(
            part.name, PartStatus.UNCHANGED, fingerprints=None if uncommitted else PartFingerprints(wanted, wanted)
        )
        return PartPlan(part, own, source, settled=settled, warnings=warnings, uncommitted=uncommitted)
    changes = part.changes(own, desired, policy)
    if blank := part.blanks(desired) - part.blanks(own):
        named = ", ".join(sorted(blank))
        message = f"{policy.source} answered with nothing at all ({named}), the backup holds some; it was left alone"
        return PartPlan(part, own, source, desired, _failed(part, Reason.PRIMARY_EMPTY, message), changes, warnings)
    now = PartFingerprints(part.fingerprint(desired, policy), part.fingerprint(own, policy))
    added = part.additions(own, desired, None) if now == known and now.desired != now.held else None
    if added is not None:
        # The server added defaults to what it was sent, that counted as equal, and neither side has moved since:
        # sending it again would only end in the same.
        message = f"the server added {added} values of its own"
        settled = PartOutcome(part.name, PartStatus.UNCHANGED, message=message, fingerprints=now)
        return PartPlan(part, own, source, settled=settled, warnings=warnings)
    return PartPlan(part, own, source, desired, None, changes, warnings, _cause(known, now))


def _cause(known: PartFingerprints | None, now: PartFingerprints) -> Cause:
    if known is None or known == UNSURE:
        return Cause.UNKNOWN
    if known.held == now.held:
        return Cause.PRIMARY_CHANGED
    return Cause.BACKUP_EDITED if known.desired == now.desired else Cause.BOTH


def _failed(part: Part[Any], reason: Reason, message: str) -> PartOutcome:
    return PartOutcome(part.name, PartStatus.FAILED, reason=reason, message=message)
