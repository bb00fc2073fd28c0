"""How a place turns a scale: what a value gives, by what its place is about.

A scale of ``access_scales`` compares two values. Whether *on* gives or
protects, and whether a section around it refuses, is said by the place.
"""

from collections.abc import Callable

from replication.guards import access_scales as scales
from replication.guards.access_places import Meanings, Place
from replication.guards.access_rights import levels, rights
from replication.guards.access_scales import Change, Verdict
from replication.guards.access_words import FILLERS, HARMLESS, NUMBERS, SWITCHES


def granting(place: Place, change: Change) -> Verdict:
    """Something that gives access when it is on."""
    return (scales.protecting if _is_flipped(place.about) else scales.granting)(change)


def protecting(place: Place, change: Change) -> Verdict:
    """Something that gives access when it is off."""
    return (scales.granting if _is_flipped(place.about) else scales.protecting)(change)


def limiting(place: Place, change: Change) -> Verdict:
    """A switch over a limit of addresses. What the lists themselves let in is compared as a whole."""
    # Whether a list of "deny" or one of "allow" lets in more depends on what is in it.
    otherwise = Verdict.MAYBE if place.own & {"method", "status"} else Verdict.NO
    if not change.is_switch:
        return otherwise
    flipped = bool(place.about & {"not", "disabled"}) != ("any" in place.about)
    verdict = (scales.granting if flipped else scales.protecting)(change)
    return otherwise if verdict is Verdict.NO else verdict


def _is_flipped(said: Meanings) -> bool:
    return ("not" in said) ^ ("disabled" in said) ^ bool(said & {"deny", "readonly"})


def by(scale: scales.Scale) -> Callable[[Place, Change], Verdict]:
    """A scale of its own for what is no switch."""
    return lambda place, change: granting(place, change) if change.is_switch else scale(change)


def of_things(scale: scales.Scale) -> Callable[[Place, Change], Verdict]:
    """The same where people may call a thing "no": only a place that is called a switch holds one."""
    return lambda place, change: granting(place, change) if change.is_switch and place.own & SWITCHES else scale(change)


def no(_: Place, __: Change) -> Verdict:
    """What gives nobody access, whatever it says."""
    return Verdict.NO


def counting(place: Place, change: Change) -> Verdict:
    """A quantity: how much gives nobody access. What counts nothing, such as days of the week, is something else."""
    counted = all(map(scales.is_quantity, (change.before, change.after))) or not place.own.isdisjoint(_TELLING)
    return Verdict.NO if counted else Verdict.MAYBE


_TELLING = HARMLESS - NUMBERS


def switching(place: Place, change: Change) -> Verdict:
    """What gives access as a switch, and as nothing else."""
    return granting(place, change) if change.is_switch else Verdict.NO


def permitting(place: Place, change: Change) -> Verdict:
    """What somebody may do, in a section of permissions, of refusals or of limits."""
    inside = [said for said in place.names[:-1] if _refuses(said)]
    polarity = place.about.union(*inside)
    if place.is_name or (not change.is_switch and place.about & {"permission", "access"}):
        return (
            rights(Change(change.after, change.before))
            if "deny" in polarity
            else (rights if "mask" in place.anywhere else levels)(change)
        )
    verdict = (scales.protecting if _is_flipped(polarity) else scales.granting)(change)
    limited = any(said & {"restrict", "limit"} for said in place.names[:-1])
    # Whether a limit that is on lets somebody do it, or keeps somebody from it, is not known.
    return Verdict.MAYBE if limited and verdict is Verdict.NO else verdict


def _refuses(said: Meanings) -> bool:
    """Whether a section turns round what stands in it: ``<denied><delete>true</delete></denied>``."""
    return ("deny" in said or {"not", "allow"} <= said) and said <= _OF_A_DENIAL


_OF_A_DENIAL = frozenset({"deny", "not", "allow", "permission", "action", "access", "rule"}) | FILLERS


def expiring(place: Place, change: Change) -> Verdict:
    """Until when somebody may come in."""
    if "expire" in place.about and "not" in place.about:
        return scales.granting(change)
    words = {(one or "").strip().casefold() for one in (change.before, change.after)} - {""}
    if change.is_switch and not any(word.lstrip("-").isdigit() for word in words):
        return scales.protecting(change)
    return scales.later(change)


def without_password(place: Place, change: Change) -> Verdict:
    """Whether somebody gets in without a password."""
    return granting(place, change) if "empty" in place.about else scales.granting(change)


def authenticating(_: Place, change: Change) -> Verdict:
    """How somebody proves who it is."""
    return Verdict.MAYBE if change.is_switch and change.before is not None else scales.factors(change)


def moving(change: Change) -> Verdict:
    """Where a directory lies."""
    if (change.after or "").strip():
        return scales.elsewhere(change)
    return Verdict.MAYBE if (change.before or "").strip() else Verdict.NO


def maybe(_: Place, __: Change) -> Verdict:
    """What may always be wider."""
    return Verdict.MAYBE


def strength(place: Place, change: Change) -> Verdict:
    """How much is asked for: a least number, or something that is not understood."""
    return scales.fewer(change) if "least" in place.own else Verdict.MAYBE
