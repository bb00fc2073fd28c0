"""Judges a changed value by its place in the document, which decides in which direction the value gives access.

A scale, which is a function of ``access_scales``, compares two values. The place determines whether *on* gives access
or protects, and whether the section around the value is a refusal.
"""

from collections.abc import Callable

from replication.guards import access_scales as scales
from replication.guards.access_places import Meanings, Place
from replication.guards.access_rights import levels, rights
from replication.guards.access_scales import Change, Verdict
from replication.guards.access_words import FILLERS, HARMLESS, NUMBERS, SWITCHES


def granting(place: Place, change: Change) -> Verdict:
    """The verdict for a switch that gives access if it is on."""
    return (scales.protecting if _is_flipped(place.about) else scales.granting)(change)


def protecting(place: Place, change: Change) -> Verdict:
    """The verdict for a switch that gives access if it is off."""
    return (scales.granting if _is_flipped(place.about) else scales.protecting)(change)


def limiting(place: Place, change: Change) -> Verdict:
    """The verdict for a switch of an address limit. ``access_addresses`` compares the lists of addresses themselves."""
    # A "deny" list may let in more or less than an "allow" list: that depends on their entries.
    otherwise = Verdict.MAYBE if place.own & {"method", "status"} else Verdict.NO
    if not change.is_switch:
        return otherwise
    flipped = bool(place.about & {"not", "disabled"}) != ("any" in place.about)
    verdict = (scales.granting if flipped else scales.protecting)(change)
    return otherwise if verdict is Verdict.NO else verdict


def _is_flipped(said: Meanings) -> bool:
    return ("not" in said) ^ ("disabled" in said) ^ bool(said & {"deny", "readonly"})


def by(scale: scales.Scale) -> Callable[[Place, Change], Verdict]:
    """A function that judges a value as a switch if it is one, and otherwise by ``scale``."""
    return lambda place, change: granting(place, change) if change.is_switch else scale(change)


def of_things(scale: scales.Scale) -> Callable[[Place, Change], Verdict]:
    """A function that judges a switch as such only if its place has the name of a switch, because people may call a
    thing "no". Any other value is judged by ``scale``.
    """
    return lambda place, change: granting(place, change) if change.is_switch and place.own & SWITCHES else scale(change)


def no(_: Place, __: Change) -> Verdict:
    """The verdict for a value that never gives access."""
    return Verdict.NO


def counting(place: Place, change: Change) -> Verdict:
    """The verdict for a quantity, which never gives access. A value in its place that is no quantity may give access,
    such as days of the week.
    """
    counted = all(map(scales.is_quantity, (change.before, change.after))) or not place.own.isdisjoint(_TELLING)
    return Verdict.NO if counted else Verdict.MAYBE


_TELLING = HARMLESS - NUMBERS


def switching(place: Place, change: Change) -> Verdict:
    """The verdict for a value that gives access only if it is a switch."""
    return granting(place, change) if change.is_switch else Verdict.NO


def permitting(place: Place, change: Change) -> Verdict:
    """The verdict for permissions, in a section of permissions, refusals or limits."""
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
    # A limit that is on may permit an action or prevent it; that is unknown.
    return Verdict.MAYBE if limited and verdict is Verdict.NO else verdict


def _refuses(said: Meanings) -> bool:
    """Whether a section inverts its content: ``<denied><delete>true</delete></denied>``."""
    return ("deny" in said or {"not", "allow"} <= said) and said <= _OF_A_DENIAL


_OF_A_DENIAL = frozenset({"deny", "not", "allow", "permission", "action", "access", "rule"}) | FILLERS


def expiring(place: Place, change: Change) -> Verdict:
    """The verdict for the time from which log-in is no longer possible."""
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
    """The verdict for a switch that permits log-in without a password."""
    return granting(place, change) if "empty" in place.about else scales.granting(change)


def authenticating(_: Place, change: Change) -> Verdict:
    """The verdict for an authentication method."""
    return Verdict.MAYBE if change.is_switch and change.before is not None else scales.factors(change)


def moving(change: Change) -> Verdict:
    """The verdict for the path of a directory."""
    if (change.after or "").strip():
        return scales.elsewhere(change)
    return Verdict.MAYBE if (change.before or "").strip() else Verdict.NO


def maybe(_: Place, __: Change) -> Verdict:
    """The verdict for a value whose every change may widen access."""
    return Verdict.MAYBE


def strength(place: Place, change: Change) -> Verdict:
    """The verdict for a demanded strength, such as the length of passwords: a lower minimum widens access, and any
    other change may.
    """
    return scales.fewer(change) if "least" in place.own else Verdict.MAYBE
