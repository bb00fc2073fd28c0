"""Whether a value gives more than the one before it.

Each scale knows one kind of value: switches, lists, ways to log in, roles,
states of an account, moments, places on a disk (``access_rights``: rights). A value it does not
know, or two that it cannot compare, may be wider; what is not there is the
server's default, which is not known.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

from common.patterns import whole, within
from replication.documents.canonical import folded, truth
from replication.guards.access_words import meanings


class Verdict(Enum):
    """Whether something gets wider."""

    NO = "no"
    MAYBE = "maybe"
    YES = "yes"


@dataclass(frozen=True, slots=True)
class Change:
    """A value before and after, None where it is not there."""

    before: str | None
    after: str | None

    @property
    def is_switch(self) -> bool:
        """Whether both sides say on or off, or nothing."""
        sides = [said(one) for one in (self.before, self.after) if (one or "").strip()]
        return bool(sides) and None not in sides

    @property
    def is_code(self) -> bool:
        """Whether one number takes the place of another."""
        sides = [(one or "").strip() for one in (self.before, self.after)]
        return all(map(_CODE.fullmatch, sides)) and sides[0] != sides[1]

    @property
    def is_demand_dropped(self) -> bool:
        """Whether something was said to be required, and is not any more."""
        return _letters(self.before) in _DEMANDS and _letters(self.after) not in _DEMANDS

    @property
    def is_switched_on(self) -> bool:
        """Whether something is on that was not."""
        return self.is_switch and said(self.after) is True and said(self.before) is not True

    @property
    def is_opened(self) -> bool:
        """Whether something was said to be closed, and is said to be open."""
        return _letters(self.before) in _CLOSED and _letters(self.after) in _OPEN


type Scale = Callable[[Change], Verdict]

_BETWEEN_NAMES = within(r"[,;|\n]+")
_BETWEEN_FOLDERS = within(r"[\\/]+")
_CODE = whole(r"-?[0-9]{1,10}")
_DEMANDS = frozenset({"required", "require", "mandatory", "enforced", "forced", "must", "always"})

_PERMITTED = frozenset({"allow", "allowed", "permit", "permitted", "granted", "supported", "optional"})
"""What may be, and need not."""
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
    """What a switch says, in whatever words; None for anything else, and for nothing."""
    word = _letters(value)
    return True if word in _ON else False if word in _OFF else truth(value)


def _letters(text: str | None) -> str:
    return "".join(filter(str.isalnum, (text or "").casefold()))


def granting(change: Change) -> Verdict:
    """Something that gives access when it is on."""
    if not change.is_switch:
        return _unlike(change, least=False)
    before, after = said(change.before), said(change.after)
    if before is True or after is False:
        return Verdict.NO
    return Verdict.YES if after else Verdict.MAYBE


def protecting(change: Change) -> Verdict:
    """Something that gives access when it is off."""
    if not change.is_switch:
        return _unlike(change, least=True)
    before, after = said(change.before), said(change.after)
    if after is True and change.is_demand_dropped:
        return Verdict.YES if _letters(change.after) in _PERMITTED else Verdict.MAYBE
    if before is False or after is True:
        return Verdict.NO
    return Verdict.YES if before else Verdict.MAYBE


def _unlike(change: Change, *, least: bool) -> Verdict:
    """Values that are no switch, such as a level, of which 1 is one. ``least``: what a switch says that gives least."""
    before, after = (None if (one or "").strip() == "1" else said(one) for one in (change.before, change.after))
    if after is least or before is (not least):
        return Verdict.NO
    if after is (not least):
        return Verdict.YES
    if not (change.after or "").strip():
        # What was not there and holds nothing may say so by being there: ``<delete/>``.
        is_new = change.before is None and change.after is not None
        return Verdict.YES if least else Verdict.MAYBE if is_new else Verdict.NO
    return Verdict.NO if least and not (change.before or "").strip() else Verdict.MAYBE


# Lists and numbers


def members(change: Change) -> Verdict:
    """A list of names: one that was not in it makes it wider."""
    return Verdict.YES if list_entries(change.after) - list_entries(change.before) else Verdict.NO


def list_entries(value: str | None) -> frozenset[str]:
    """The names of a list, as they are compared."""
    return frozenset(folded(name) for part in _BETWEEN_NAMES.split(value or "") if (name := part.strip()))


def is_quantity(value: str | None) -> bool:
    """Whether a value counts something, is a switch over it, or is not there."""
    text = (value or "").strip()
    return not text or said(text) is not None or _QUANTITY.fullmatch(text) is not None


_QUANTITY = whole(r"[+-]?[0-9][0-9., ]{0,30}\s{0,3}[A-Za-z%/]{0,12}|(?i:un)?(?i:limited|infinite|default)")


def fewer(change: Change) -> Verdict:
    """A number of which the smaller demands less, and none nothing."""
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
"""How much a method of authentication asks for. The three of the contract, two that ask for nothing, other words."""


def factors(change: Change) -> Verdict:
    """A method of authentication. What is not known may ask for less, and nothing said counts as a password."""
    before, after = (_FACTORS.get(_letters(one or "password")) for one in (change.before, change.after))
    if after is None and change.before is None:
        return Verdict.MAYBE
    return Verdict.YES if before is None or after is None or after < before else Verdict.NO


def hashed(change: Change) -> Verdict:
    """How a password is stored: in plain text, or not at all."""
    word = change.after or ""
    return Verdict.YES if said(word) is False or "insecure" in meanings(word) else Verdict.NO


def stored(change: Change) -> Verdict:
    """A stored password: one that is emptied asks for nothing any more."""
    if (change.after or "").strip() or change.is_switch:
        return Verdict.MAYBE if change.is_switch else Verdict.NO
    return Verdict.YES if (change.before or "").strip() else Verdict.MAYBE


_LEAST = frozenset({"", "none", "guest", "readonly", "limited"})
_ORDINARY = frozenset({"user", "users", "member", "standard", "normal", "regular", "basic"})


def roles(change: Change) -> Verdict:
    """Who somebody is: an administrator, an ordinary user, or something that is not known."""
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
    """Whether a state lets somebody in; None for one that is not known, and for none."""
    if (status or "").strip() == _TRUE_IN_BITS:
        return True
    word = _letters(status)
    return True if word in _LIVE else False if word in _DEAD else said(status)


_TRUE_IN_BITS = "-1"
"""What a Windows program writes for true when all bits are set."""


def states(change: Change, *, means_disabled: bool) -> Verdict:
    """A state in words or numbers: out of one that lets nobody in. ``means_disabled``: where *true* lets nobody in."""
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
    """A limit in time that is gone, or lies later. Two that cannot be compared count as later."""
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
    """Whether a text is a moment that is no far future: of a number, the seconds of a clock and what is finer."""
    number, *moments = _readings((text or "").strip())
    if number is not None and number.is_integer() and number >= _SECONDS_OF_A_CLOCK:
        return True
    return any(moment is not None and moment < _FAR_FUTURE for moment in moments)


_SECONDS_OF_A_CLOCK = 10**8
_FAR_FUTURE = datetime(2100, 1, 1, tzinfo=UTC).timestamp()
_DAYS = ("%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y")
"""How else than in ISO 8601 a day is written; the last two read the same text."""


def _readings(text: str) -> Iterator[float | None]:
    """A moment as each way to write one reads it, None where that does not: a number, ISO 8601, days."""
    yield float(text) if _DECIMAL.fullmatch(text) else None
    for form in (_ISO, *_DAYS):
        try:
            yield (_moment(text) if form is _ISO else datetime.strptime(text, form).replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            yield None


_DECIMAL = whole(r"[+-]?[0-9]{1,300}(?:\.[0-9]{0,30})?")


def _moment(text: str) -> datetime:
    """Raises ValueError. A time without a zone is taken as UTC."""
    moment = datetime.fromisoformat(text.strip())
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _is_never(text: str) -> bool:
    """Whether a limit in time is none: zero, or the zero of a calendar."""
    if text in {"0", "-1"} or said(text) is False:
        return True
    try:
        return _moment(text).year <= 1970
    except ValueError:
        return False


def elsewhere(change: Change) -> Verdict:
    """A place on a disk that does not lie inside of the one before."""
    before, after = (_folders(one or "") for one in (change.before, change.after))
    if not after:
        return Verdict.NO if not before else Verdict.MAYBE
    inside = bool(before) and after[: len(before)] == before and ".." not in after
    return Verdict.NO if inside else Verdict.YES


def _folders(path: str) -> list[str]:
    return [one.casefold() for one in _BETWEEN_FOLDERS.split(path.strip()) if one not in ("", ".")]
