"""Judges the values that say whether an account can be used at all: which changes enable or disable the account."""

from lxml import etree

from replication.documents.diff import Difference, values_of
from replication.documents.runtime_values import RUNTIME_NAMES
from replication.guards import access_scales as scales
from replication.guards.access_places import Place, place_of
from replication.guards.access_scales import Change, Verdict, is_live


def is_status(place: Place) -> bool:
    """Whether a place states if the account itself may be used."""
    return place.of_account and bool(place.about & {"enabled", "disabled", "status", "deny", "allow", "not"})


def enabling(place: Place, change: Change) -> Verdict:
    """Whether an account that was disabled may be used again."""
    if change.is_switch:
        if not (change.before or "").strip():
            return Verdict.NO  # without any statement, an account may be used
        return (scales.protecting if _means_disabled(place) else scales.granting)(change)
    return scales.states(change, means_disabled=_means_disabled(place))


def disables(difference: Difference) -> bool:
    """Whether this difference disables an account, or may: an unknown value counts as disabled."""
    place = place_of(difference.steps)
    if not is_status(place) or place.is_name or "inherit" in place.own or place.about & _MOMENTS:
        return False
    return may_be_dead(place, difference.after) and not is_dead(place, difference.before)


def is_disabled(account: etree._Element | None) -> bool:
    """Whether a user or group is disabled."""
    if account is None:
        return False
    held = ((place_of(one.steps), one.after) for one in values_of(account, (), ignored=RUNTIME_NAMES))
    return any(is_status(place) and is_dead(place, value) for place, value in held)


_MOMENTS = frozenset({"until", "till", "after"})


def may_be_dead(place: Place, value: str | None) -> bool:
    """Whether the value may prevent log-in. An absent switch is off, and an unknown state may mean anything."""
    if not (value or "").strip():
        return not _means_disabled(place)
    return is_live(value) is None or is_dead(place, value)


def is_dead(place: Place, value: str | None) -> bool:
    """Whether a value of an account's status prevents log-in."""
    return is_live(value) is _means_disabled(place) if value is not None else False


def lets_in(place: Place, value: str | None) -> bool:
    """Whether a value of an account's status says that the account may be used."""
    return not place.is_name and is_live(value) is not None and not is_dead(place, value)


def _means_disabled(place: Place) -> bool:
    """Whether *true* at this place means that the account is disabled."""
    return bool(place.about & {"disabled", "deny"}) != ("not" in place.about)
