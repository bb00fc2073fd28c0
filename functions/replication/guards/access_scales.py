"""Compares two values: does the new value give more access?

Each function handles one kind of value: switches, lists, log-in methods, roles, states of an account, times, paths on
disk. (``access_rights`` handles rights.) An unknown value may give more access, and so may a value that cannot be
compared with the old one. An absent value is the server's default, which is unknown.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

from common.patterns import Whole, Within
from replication.documents.canonical import folded, truth
from replication.guards.access_words import meanings


class Verdict(Enum):
    """Whether access becomes wider."""

    NO = "no"
    MAYBE = "maybe"
    YES = "yes"


@dataclass(frozen=True, slots=True)
class Change:
    """A value before and after, None if absent."""

    before: str | None
    after: str | None

    @property
    def is_switch(self) -> bool:
        """Whether both sides are on, off or empty."""
        sides = [said(one) for one in (self.before, self.after) if (one or "").strip()]
        return bool(sides) and None not in sides

    @property
    def is_code(self) -> bool:
        """Whether one number replaces another."""
        sides = [(one or "").strip() for one in (self.before, self.after)]
        return all(map(_CODE.fullmatch, sides)) and sides[0] != sides[1]

    @property
    def is_demand_dropped(self) -> bool:
        """Whether something was declared required and no longer is."""
        return _letters(self.before) in _DEMANDS and _letters(self.after) not in _DEMANDS

    @property
    def is_switched_on(self) -> bool:
        """Whether something is switched on that was not on."""
        return self.is_switch and said(self.after) is True and said(self.before) is not True

    @property
    def is_opened(self) -> bool:
        """Whether something was declared closed and is now declared open."""
        return _letters(self.before) in _CLOSED and _letters(self.after) in _OPEN


type Scale = Callable[[Change], Verdict]

_BETWEEN_NAMES = Within(r"[,;|\n]+")
_BETWEEN_FOLDERS = Within(r"[\\/]+")
_CODE = Whole(r"-?[0-9]{1,10}")
_DEMANDS = frozenset({"required", "require", "mandatory", "enforced", "forced", "must", "always"})

_PERMITTED = frozenset({"allow", "allowed", "permit", "permitted", "granted", "supported", "optional"})
"""Words for something that is permitted and not required."""
_CLOSED = frozenset({"deny", "denied", "block", "blocked", "reject", "private", "closed", "restricted", "internal"}) | {
    "whitelist",
    "allowlist",
}
_OPEN = (
    _PERMITTED
    | {"accept", "public", "open", "everyone", "anyone", "all", "any", "unrestricted", "external"}
    | {
        "blacklist",
        "blocklist",
        "denylist",
    }
)

_ON = frozenset(
    {"enabled", "enable", "active", "required", "mandatory", "always", "allow", "allowed", "granted", "permitted"}
    | {"checked", "y", "t"}
)
_OFF = frozenset(
    {"disabled", "disable", "inactive", "optional", "never", "none", "deny", "denied", "forbidden", "unchecked"}
    | {"notrequired", "n", "f", "nothing"}
)


def said(value: str | None) -> bool | None:
    """The value of a switch in any wording; None for anything else, and for an empty value."""
    word = _letters(value)
    return True if word in _ON else False if word in _OFF else truth(value)


def _letters(text: str | None) -> str:
    return "".join(filter(str.isalnum, (text or "").casefold()))


def granting(change: Change) -> Verdict:
    """The verdict for a switch that gives access if it is on."""
    if not change.is_switch:
        return _unlike(change, least=False)
    before, after = said(change.before), said(change.after)
    if before is True or after is False:
        return Verdict.NO
    return Verdict.YES if after else Verdict.MAYBE


def protecting(change: Change) -> Verdict:
    """The verdict for a switch that gives access if it is off."""
    if not change.is_switch:
        return _unlike(change, least=True)
    before, after = said(change.before), said(change.after)
    if after is True and change.is_demand_dropped:
        return Verdict.YES if _letters(change.after) in _PERMITTED else Verdict.MAYBE
    if before is False or after is True:
        return Verdict.NO
    return Verdict.YES if before else Verdict.MAYBE


def _unlike(change: Change, *, least: bool) -> Verdict:
    """The verdict for two values that are not both switches. The number 1 may also be a level. ``least`` is the value
    of a switch that gives least access.
    """
    before, after = (None if (one or "").strip() == "1" else said(one) for one in (change.before, change.after))
    if after is least or before is (not least):
        return Verdict.NO
    if after is (not least):
        return Verdict.YES
    if not (change.after or "").strip():
        # A new empty element may be a switch that is on by its presence: ``<delete/>``.
        is_new = change.before is None and change.after is not None
        return Verdict.YES if least else Verdict.MAYBE if is_new else Verdict.NO
    return Verdict.NO if least and not (change.before or "").strip() else Verdict.MAYBE


# Lists and numbers


def members(change: Change) -> Verdict:
    """The verdict for a list of names, which widens access if a name is added."""
    return Verdict.YES if list_entries(change.after) - list_entries(change.before) else Verdict.NO


def list_entries(value: str | None) -> frozenset[str]:
    """The names of a list in comparable form."""
    return frozenset(folded(name) for part in _BETWEEN_NAMES.split(value or "") if (name := part.strip()))


def is_quantity(value: str | None) -> bool:
    """Whether a value is a quantity, a switch for one, or absent."""
    text = (value or "").strip()
    return not text or said(text) is not None or _QUANTITY.fullmatch(text) is not None


_QUANTITY = Whole(r"[+-]?[0-9][0-9., ]{0,30}\s{0,3}[A-Za-z%/]{0,12}|(?i:un)?(?i:limited|infinite|default)")


def fewer(change: Change) -> Verdict:
    """The verdict for a demanded minimum. A smaller number widens access; a value that is no number any more may."""
    before, after = (one.strip() if (one or "").strip().isdigit() else None for one in (change.before, change.after))  # type: ignore[union-attr]
    if before is None or after is None:
        return Verdict.NO if change.before is None else Verdict.MAYBE
    return Verdict.YES if int(after) < int(before) else Verdict.NO


# Ways to log in, roles

_FACTORS = {"none": 0, "anonymous": 0, "password": 1, "passwordorkey": 1, "publickey": 2, "key": 2, "sshkey": 2} | {
    "passwordandpublickey": 3,
    "publickeyandpassword": 3,
    "passwordandkey": 3,
    "keyandpassword": 3,
}
"""How much each authentication method demands. The table has a password, a key, both together, two methods that demand
nothing, and synonyms.
"""


def factors(change: Change) -> Verdict:
    """The verdict for an authentication method, which widens access if it demands less. An unknown method may demand
    less, and an absent one counts as a password.
    """
    before, after = (_FACTORS.get(_letters(one or "password")) for one in (change.before, change.after))
    if after is None and change.before is None:
        return Verdict.MAYBE
    return Verdict.YES if before is None or after is None or after < before else Verdict.NO


def hashed(change: Change) -> Verdict:
    """The verdict for the method by which passwords are stored. Plain text, or no method, widens access."""
    word = change.after or ""
    return Verdict.YES if said(word) is False or "insecure" in meanings(word) else Verdict.NO


def stored(change: Change) -> Verdict:
    """The verdict for a stored password. If it is emptied, log-in no longer requires a password."""
    if (change.after or "").strip() or change.is_switch:
        return Verdict.MAYBE if change.is_switch else Verdict.NO
    return Verdict.YES if (change.before or "").strip() else Verdict.MAYBE


_LEAST = frozenset({"", "none", "guest", "readonly", "limited"})
_ORDINARY = frozenset({"user", "users", "member", "standard", "normal", "regular", "basic"})


def roles(change: Change) -> Verdict:
    """The verdict for a role: an administrator, an ordinary user, or something unknown."""
    was, becomes = (_letters(one) or (one or "").strip() for one in (change.before, change.after))
    if _is_admin(change.before) or becomes in _LEAST or (becomes in _ORDINARY and was in ("", becomes)):
        return Verdict.NO
    return Verdict.YES if _is_admin(change.after) else Verdict.MAYBE


_MASTERS = frozenset({"root", "owner"})


def _is_admin(value: str | None) -> bool:
    text = value or ""
    return (
        "admin" in meanings(text)
        or _letters(text) in _MASTERS
        or any(word in text.casefold() for word in ("admin", "superuser", "sysop"))
    )


# States

_LIVE = frozenset({"active", "enabled", "normal", "ok", "open", "unlocked", "valid", "approved", "live", "on"})
_DEAD = frozenset(
    {"disabled", "inactive", "suspended", "locked", "lockedout", "deactivated", "blocked", "closed", "expired"}
    | {"banned", "off", "disable", "denied", "revoked", "archived", "terminated"}
)


def is_live(status: str | None) -> bool | None:
    """Whether a state permits log-in; None for an unknown or absent state."""
    if (status or "").strip() == _TRUE_IN_BITS:
        return True
    word = _letters(status)
    return True if word in _LIVE else False if word in _DEAD else said(status)


_TRUE_IN_BITS = "-1"
"""The number with all bits set, which some Windows programs write for true."""


def states(change: Change, *, means_disabled: bool) -> Verdict:
    """The verdict for a state in words or numbers, which widens access if it no longer prevents log-in. With
    ``means_disabled``, the value *true* prevents log-in.
    """
    before, after = (
        live if live is None else live is not means_disabled for live in map(is_live, (change.before, change.after))
    )
    if after is False or before is True:
        return Verdict.NO
    nothing = not (change.before or "").strip(), not (change.after or "").strip()
    if nothing[0]:
        return Verdict.NO if after else Verdict.MAYBE
    return Verdict.YES if after or nothing[1] else Verdict.MAYBE


# Moments and places


def later(change: Change) -> Verdict:
    """The verdict for a time limit, which widens access if it is removed or later. A limit that cannot be compared with
    the old one counts as later.
    """
    before, after = ((one or "").strip() for one in (change.before, change.after))
    if not before or _is_never(before):
        return Verdict.NO
    if not after or _is_never(after):
        return Verdict.YES
    readings = list(zip(_readings(before), _readings(after), strict=True))
    compared = [old < new for old, new in readings if old is not None and new is not None]
    return Verdict.NO if compared and not any(compared) else Verdict.YES


_ISO = ""


def is_past_moment(text: str | None) -> bool:
    """Whether a text is a date before the year 2100, or a time as a number of seconds or smaller units."""
    number, *moments = _readings((text or "").strip())
    if number is not None and number.is_integer() and number >= _SECONDS_OF_A_CLOCK:
        return True
    return any(moment is not None and moment < _FAR_FUTURE for moment in moments)


_SECONDS_OF_A_CLOCK = 10**8
_FAR_FUTURE = datetime(2100, 1, 1, tzinfo=UTC).timestamp()
_DAYS = ("%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y")
"""Formats of a date besides ISO 8601; the last two match the same text."""


def _readings(text: str) -> Iterator[float | None]:
    """The time in each possible format, None if the format does not match: a number, ISO 8601, dates."""
    yield float(text) if _DECIMAL.fullmatch(text) else None
    for form in (_ISO, *_DAYS):
        try:
            yield (_moment(text) if form is _ISO else datetime.strptime(text, form).replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            yield None


_DECIMAL = Whole(r"[+-]?[0-9]{1,300}(?:\.[0-9]{0,30})?")


def _moment(text: str) -> datetime:
    """The time of an ISO 8601 text. Raises ValueError. A time without a zone counts as UTC."""
    moment = datetime.fromisoformat(text.strip())
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _is_never(text: str) -> bool:
    """Whether a time limit means no limit: it is 0, -1, a word such as *off*, or a date up to 1970."""
    if text in {"0", "-1"} or said(text) is False:
        return True
    try:
        return _moment(text).year <= 1970
    except ValueError:
        return False


def elsewhere(change: Change) -> Verdict:
    """The verdict for a path on disk, which widens access if it is not inside the old path."""
    before, after = (_folders(one or "") for one in (change.before, change.after))
    if not after:
        return Verdict.NO if not before else Verdict.MAYBE
    inside = bool(before) and after[: len(before)] == before and ".." not in after
    return Verdict.NO if inside else Verdict.YES


def _folders(path: str) -> list[str]:
    return [one.casefold() for one in _BETWEEN_FOLDERS.split(path.strip()) if one not in ("", ".")]
