"""How two states of the primary differ: as a plan that nobody carries out, to be shown as plans are."""

from collections.abc import Iterator, Mapping
from typing import Any

from replication.documents.keep_patterns import Rules
from replication.model import PartOutcome, PartStatus, Policy
from replication.parts import PARTS, Part
from replication.plan import PartPlan, Plan

_AS_THEY_ARE = Policy(rules=Rules(()))
"""Nothing is kept of the earlier state: both are of the primary."""


def compared(before: Mapping[str, str], after: Mapping[str, str]) -> Plan:
    """What leads from one state to another; both are dumps of parts by the parts' names.

    A part that only one of them has is settled, and its message says which.
    Raises Failure(DOCUMENT_MALFORMED) for a document that cannot be understood.
    """
    return Plan(tuple(_compared(before, after)), _AS_THEY_ARE)


def _compared(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[PartPlan]:
    for part in PARTS:
        if part.name in before and part.name in after:
            yield _part(part, part.load(before[part.name], "the first"), part.load(after[part.name], "the second"))
        elif part.name in before or part.name in after:
            which = "first" if part.name in before else "second"
            message = f"only the {which} holds this part; the other has none, or was read without it"
            yield PartPlan(part, settled=PartOutcome(part.name, PartStatus.NOT_OFFERED, message=message))


def _part(part: Part[Any], before: Any, after: Any) -> PartPlan:
    after = part.stable(before, after)
    if part.same(before, after, _AS_THEY_ARE):
        return PartPlan(part, before, settled=PartOutcome(part.name, PartStatus.UNCHANGED))
    return PartPlan(part, before, after)
