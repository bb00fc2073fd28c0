"""Applies scales to places: the place decides in which direction a value gives access.

A scale in ``access_scales`` compares two values. The place determines whether *on* gives or protects, and whether the
section around it is a refusal.
"""

from collections.abc import Callable

from replication.guards import access_scales as scales
from replication.guards.access_places import Meanings, Place
from replication.guards.access_rights import levels, rights
from replication.guards.access_scales import Change, Verdict
from replication.guards.access_words import FILLERS, HARMLESS, NUMBERS, SWITCHES


def granting(place: Place, change: Change) -> Verdict:
    """A switch that gives access if it is on."""
    return (scales.protecting if _is_flipped(place.about) else scales.granting)(change)


def protecting(place: Place, change: Change) -> Verdict:
    """A switch that gives access if it is off."""
    return (scales.granting if _is_flipped(place.about) else scales.protecting)(change)


def limiting(place: Place, change: Change) -> Verdict:
    """A switch for a limit of addresses. The lists themselves are compared as a whole elsewhere."""
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
    """The given scale for values that are not switches."""
    return lambda place, change: granting(place, change) if change.is_switch else scale(change)


def of_things(scale: scales.Scale) -> Callable[[Place, Change], Verdict]:
    """The same, if people may call a thing "no": only a place with the name of a switch has a switch."""
    return lambda place, change: granting(place, change) if change.is_switch and place.own & SWITCHES else scale(change)


def no(_: Place, __: Change) -> Verdict:
    """A value that never gives access."""
    return Verdict.NO


def counting(place: Place, change: Change) -> Verdict:
    """A quantity, which never gives access. A value that is not a quantity, such as days of the week, may."""
    counted = all(map(scales.is_quantity, (change.before, change.after))) or not place.own.isdisjoint(_TELLING)
    return Verdict.NO if counted else Verdict.MAYBE


_TELLING = HARMLESS - NUMBERS


def switching(place: Place, change: Change) -> Verdict:
    """A value that gives access only as a switch."""
    return granting(place, change) if change.is_switch else Verdict.NO


def permitting(place: Place, change: Change) -> Verdict:
    """Permissions, in a section of permissions, refusals or limits."""
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
    """Whether a section inverts its content: ``<denied><delete>true</delete></denied>``."""
    return ("deny" in said or {"not", "allow"} <= said) and said <= _OF_A_DENIAL


_OF_A_DENIAL = frozenset({"deny", "not", "allow", "permission", "action", "access", "rule"}) | FILLERS


def expiring(place: Place, change: Change) -> Verdict:
    """The time until which log-in is possible."""
    if "expire" in place.about and "not" in place.about:
        return scales.granting(change)
    words = {(one or "").strip().casefold() for one in (change.before, change.after)} - {""}
    if change.is_switch and not any(word.lstrip("-").isdigit() for word in words):
        return scales.protecting(change)
    return scales.later(change)


def stored(_: Place, change: Change) -> Verdict:
    """The verdict for a stored password."""
    return scales.stored(change)


def hashed(_: Place, change: Change) -> Verdict:
    """The verdict for the method by which passwords are hashed."""
    return scales.hashed(change)


def without_password(place: Place, change: Change) -> Verdict:
    """Whether log-in without a password is possible."""
    return granting(place, change) if "empty" in place.about else scales.granting(change)


def authenticating(_: Place, change: Change) -> Verdict:
    """The authentication method."""
    return Verdict.MAYBE if change.is_switch and change.before is not None else scales.factors(change)


def moving(change: Change) -> Verdict:
    """The path of a directory."""
    if (change.after or "").strip():
        return scales.elsewhere(change)
    return Verdict.MAYBE if (change.before or "").strip() else Verdict.NO


def maybe(_: Place, __: Change) -> Verdict:
    """A value of which any change may widen access."""
    return Verdict.MAYBE


def strength(place: Place, change: Change) -> Verdict:
    """How much is demanded: a minimum, or something unknown."""
    return scales.fewer(change) if "least" in place.own else Verdict.MAYBE
