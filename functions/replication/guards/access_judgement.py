"""Judges whether one value widens access, by the rule for its place, and what to report if there is no rule.

A value without a rule is reported if it may matter. In a user or group, that is every value that is not known to be
harmless. In settings and listeners, it is a requirement that was dropped, or something closed that was opened. It is
also a way in that was switched on, or an address that may limit access.
"""

from dataclasses import dataclass

from replication.guards.access_addresses import is_address, is_span
from replication.guards.access_places import Meanings, Place
from replication.guards.access_rules import AccessIncreaseKind, Rule, rule_of
from replication.guards.access_scales import Change, Verdict
from replication.guards.access_words import FILLERS, HARMLESS, NUMBERS


@dataclass(frozen=True)
class Judgement:
    """The judgement of one value. ``rule`` None: there is no rule for its place."""

    kind: AccessIncreaseKind
    rule: Rule | None

    @property
    def opens_account(self) -> bool:
        """Whether this judgement makes a new account worth reporting."""
        opens = self.rule.opens if self.rule else None
        return opens is Verdict.MAYBE or (opens is Verdict.YES and self.kind is not AccessIncreaseKind.MAY_WIDEN)


def judge(place: Place, change: Change, *, of_server: bool) -> Judgement | None:
    """How a value widens access, None if it does not."""
    judgement = _judged(place, change, of_server=of_server)
    if judgement is None and place.doubt:
        other = _judged(place.with_doubt(), change, of_server=of_server)
        return Judgement(AccessIncreaseKind.MAY_WIDEN, other.rule) if other else None
    return judgement


def may_matter(place: Place) -> bool:
    """Whether a value at this place may affect access. If so, it matters whether an account inherits the value."""
    rule = rule_of(place, of_server=False)
    return rule.judges if rule else place.about.isdisjoint(HARMLESS)


def tells_of_access(said: Meanings) -> bool:
    """Whether the meanings in ``said`` concern access."""
    return not said.isdisjoint(_ACCESS) or {"limit", "address"} <= said


def _judged(place: Place, change: Change, *, of_server: bool) -> Judgement | None:
    rule = rule_of(place, of_server=of_server)
    if rule is not None:
        verdict = rule.scale(place, change)
        if verdict is Verdict.YES:
            return Judgement(rule.kind, rule)
        # The meaning of a numeric code is unknown, so either of two codes may give more access.
        is_code = rule.judges and change.is_code and not _CODED.isdisjoint(place.own)
        return Judgement(AccessIncreaseKind.MAY_WIDEN, rule) if verdict is Verdict.MAYBE or is_code else None
    return Judgement(AccessIncreaseKind.MAY_WIDEN, None) if _matters(place, change, of_server=of_server) else None


_CODED = frozenset({"status", "method", "role", "level"})
"""Meanings of places where a number stands for a state, and is neither a switch nor a size."""


def _matters(place: Place, change: Change, *, of_server: bool) -> bool:
    """Whether a value without a rule may concern access. In an account, every value may that is not harmless."""
    if place.is_identity or not place.names or "inherit" in place.own:
        return False
    if not of_server:
        return not _is_harmless(place, change)
    is_way_in = "access" in place.own and place.own.isdisjoint({"log", "not", "deny"})  # ``webAccess``, ``apiAccess``
    opens = change.is_opened or (change.is_switched_on and is_way_in)
    if (opens or change.is_demand_dropped) and place.own.isdisjoint(HARMLESS):
        return True
    addresses = [one for one in (change.before, change.after) if is_address(one)]
    limits = not place.anywhere.isdisjoint({"restrict", "listed"})
    return place.about.isdisjoint(HARMLESS) and bool(addresses) and (limits or any(map(is_span, addresses)))


def _is_harmless(place: Place, change: Change) -> bool:
    """Whether a name has harmless words and no word that suggests an effect on access.

    The name of a text about a person or a thing may contain unknown words; that of a switch or a number may not.
    """
    harmless, others = place.about & HARMLESS, place.about - HARMLESS - FILLERS
    if not harmless:
        return False
    if change.is_switch or harmless <= NUMBERS:
        return others <= _OF_ANY_SWITCH and ("login" not in place.about or "notice" in harmless)
    return others.isdisjoint(_ACCESS - _OF_ANY_SWITCH)


_OF_ANY_SWITCH = frozenset({"enabled", "disabled", "not", "status", "method", "time", "change", "action"})
"""Words that do not make a harmless name suspicious."""

_ACCESS = frozenset(
    {"allow", "deny", "require", "secure", "insecure", "security", "factor", "lockout", "anonymous", "admin", "role"}
    | {"auth", "permission", "access", "action", "protocol", "expire", "disabled", "enabled", "rule", "public"}
    | {"schedule", "restrict", "listed", "manage", "key", "recover"}
)
