"""Which places of a document are about access, and how each gets wider: a table.

The first rule that holds for a place judges it. What no rule understands is
reported where it may matter: in a user or a group every switch that is not
known to be harmless, and every value beside words of access.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from lxml import etree

from replication.documents.canonical import RUNTIME_NAMES
from replication.documents.diff import Difference, values_of
from replication.guards import access_scales as scales
from replication.guards.access_addresses import is_address, limits_addresses
from replication.guards.access_places import Meanings, Place, place_of
from replication.guards.access_scales import Change, Verdict, is_live
from replication.guards.access_words import FILLERS, HARMLESS, SWITCHES


class AccessIncreaseKind(StrEnum):
    """In which way access gets wider."""

    PERMISSION_ADDED = "permission_added"
    DIRECTORY_ADDED = "directory_added"
    """A directory that could not be reached before: a new one, or one that now lies elsewhere."""
    ACCOUNT_ENABLED = "account_enabled"
    ACCOUNT_ADDED = "account_added"
    EXPIRY_LIFTED = "expiry_lifted"
    ADDRESS_LIMIT_LIFTED = "address_limit_lifted"
    SECURE_CONNECTION_DROPPED = "secure_connection_dropped"
    """A secure connection or a second factor is not demanded any more."""
    SSH_KEY_ADDED = "ssh_key_added"
    AUTHENTICATION_WEAKENED = "authentication_weakened"
    PROTOCOL_ADDED = "protocol_added"
    ADMIN_GRANTED = "admin_granted"
    GROUP_JOINED = "group_joined"
    INHERITANCE_CHANGED = "inheritance_changed"
    """Whether the user's or the group's value holds, for a property of which the others of this list tell."""
    PASSWORDS_CHANGED = "passwords_changed"
    """Many users' stored passwords at once."""
    MAY_WIDEN = "may_widen"
    """A change in a place that is about access, and that is not understood."""
    NOT_JUDGED = "not_judged"
    """The watch itself failed on it."""


@dataclass(frozen=True)
class Rule:
    """One kind of place. ``scale`` judges what stands there; ``of_servers``: settings and listeners have it as well.

    ``opens``: a new account for which this is wider than the default is reported.
    """

    kind: AccessIncreaseKind
    holds: Callable[[Place], bool]
    scale: Callable[[Place, Change], Verdict]
    of_servers: bool = False
    opens: bool = False


@dataclass(frozen=True)
class Judgement:
    """What is said of one value. ``rule`` None: no rule holds for its place."""

    kind: AccessIncreaseKind
    rule: Rule | None


def judge(place: Place, change: Change, *, of_server: bool) -> Judgement | None:
    """In which way a value gets wider, None when it does not."""
    judgement = _judged(place, change, of_server=of_server)
    if judgement is None and place.doubt:
        other = _judged(place.with_doubt(), change, of_server=of_server)
        return Judgement(AccessIncreaseKind.MAY_WIDEN, other.rule) if other else None
    return judgement


@lru_cache(maxsize=8192)
def rule_of(place: Place, *, of_server: bool) -> Rule | None:
    """The rule that judges a place."""
    if place.is_identity and place.own.isdisjoint(_PRESENT_BY_NAME):
        return None
    return next((rule for rule in RULES if (rule.of_servers or not of_server) and rule.holds(place)), None)


def may_matter(place: Place) -> bool:
    """Whether somebody's access may hang on a value here, so that it matters whose value holds."""
    rule = rule_of(place, of_server=False)
    return rule.scale is not _no if rule else place.about.isdisjoint(HARMLESS)


def tells_of_access(said: Meanings) -> bool:
    """Whether words are about access at all."""
    return not said.isdisjoint(_ACCESS) or {"limit", "address"} <= said


def _judged(place: Place, change: Change, *, of_server: bool) -> Judgement | None:
    rule = rule_of(place, of_server=of_server)
    if rule is not None:
        verdict = rule.scale(place, change)
        if verdict is Verdict.NO:
            return None
        return Judgement(rule.kind if verdict is Verdict.YES else AccessIncreaseKind.MAY_WIDEN, rule)
    return Judgement(AccessIncreaseKind.MAY_WIDEN, None) if _matters(place, change, of_server=of_server) else None


def _matters(place: Place, change: Change, *, of_server: bool) -> bool:
    """Whether what no rule understands may be about access."""
    if place.is_identity or "inherit" in place.own or not place.about.isdisjoint(HARMLESS):
        return False
    addresses = is_address(change.before) or is_address(change.after)
    if of_server:
        return addresses and "restrict" in place.anywhere
    if "password" in place.own and not change.is_switch:
        return False  # a stored password: only many at once are reported
    if addresses or scales.roles(change) is Verdict.YES:
        return True
    moves = bool(place.about & {"path", "directory"}) and bool((change.after or "").strip())
    return change.is_switch or moves or any(map(tells_of_access, place.names))


_ACCESS = frozenset(
    {"allow", "deny", "require", "secure", "insecure", "security", "factor", "lockout", "anonymous", "admin", "role"}
    | {"auth", "permission", "access", "action", "protocol", "expire", "disabled", "enabled", "rule", "public"}
    | {"schedule", "restrict", "key"}
)
_PRESENT_BY_NAME = frozenset({"group", "role", "permission", "protocol", "address"})
"""Of these a mere name is a grant: ``<protocol name="ftp"/>``."""


def _granting(place: Place, change: Change) -> Verdict:
    return (scales.protecting if _is_flipped(place.about) else scales.granting)(change)


def _protecting(place: Place, change: Change) -> Verdict:
    return (scales.granting if _is_flipped(place.about) else scales.protecting)(change)


def _limiting(place: Place, change: Change) -> Verdict:
    """A switch over a limit of addresses. What the lists themselves let in is compared as a whole."""
    if not change.is_switch:
        return Verdict.MAYBE if place.own & {"method", "status"} else Verdict.NO
    flipped = bool(place.about & {"not", "disabled"}) != ("any" in place.about)
    return (scales.granting if flipped else scales.protecting)(change)


def _is_flipped(said: Meanings) -> bool:
    return ("not" in said) ^ ("disabled" in said) ^ bool(said & {"deny", "readonly"})


def _by(scale: scales.Scale) -> Callable[[Place, Change], Verdict]:
    """A scale of its own for what is no switch."""
    return lambda place, change: _granting(place, change) if change.is_switch else scale(change)


def _of_things(scale: scales.Scale) -> Callable[[Place, Change], Verdict]:
    """The same where people may call a thing "no": only a place that is called a switch holds one."""
    return lambda place, change: (
        _granting(place, change) if change.is_switch and place.own & SWITCHES else scale(change)
    )


def _no(_: Place, __: Change) -> Verdict:
    return Verdict.NO


def _permitting(place: Place, change: Change) -> Verdict:
    inside = (said for said in place.names[:-1] if "deny" in said and said <= _OF_A_DENIAL)
    polarity = place.about.union(*inside)
    if place.is_name or (not change.is_switch and place.about & {"permission", "access"}):
        return (_against if "deny" in polarity else scales.rights)(change)
    return (scales.protecting if _is_flipped(polarity) else scales.granting)(change)


_OF_A_DENIAL = frozenset({"deny", "permission", "action", "access", "rule"}) | FILLERS
"""A section of these meanings turns round what stands in it: ``<denied><delete>true</delete></denied>``."""


def _against(change: Change) -> Verdict:
    return scales.rights(Change(change.after, change.before))


def _expiring(place: Place, change: Change) -> Verdict:
    if "expire" in place.about and "not" in place.about:
        return scales.granting(change)
    words = {(one or "").strip().casefold() for one in (change.before, change.after)} - {""}
    if change.is_switch and not any(word.lstrip("-").isdigit() for word in words):
        return scales.protecting(change)
    return scales.later(change)


def _authenticating(_: Place, change: Change) -> Verdict:
    return Verdict.MAYBE if change.is_switch else scales.factors(change)


def _moving(change: Change) -> Verdict:
    if (change.after or "").strip():
        return scales.elsewhere(change)
    return Verdict.MAYBE if (change.before or "").strip() else Verdict.NO


# Whether the account itself may be used, not a thing it has


def is_status(place: Place) -> bool:
    """Whether a place says if the account itself may be used."""
    return place.of_account and bool(place.about & {"enabled", "disabled", "status", "deny", "allow", "not"})


def _enabling(place: Place, change: Change) -> Verdict:
    """Whether an account that may not be used may be used again."""
    if change.is_switch:
        if not (change.before or "").strip():
            return Verdict.NO  # what nobody has said holds: an account may be used
        return (scales.protecting if _means_disabled(place) else scales.granting)(change)
    return scales.states(change)


def disables(difference: Difference) -> bool:
    """Whether an account is disabled by this, or may be: what a value means that is not known counts as disabled."""
    place = place_of(difference.steps)
    if not is_status(place) or place.is_name or "inherit" in place.own or place.about & _MOMENTS:
        return False
    return may_be_dead(place, difference.after) and not is_dead(place, difference.before)


def is_disabled(account: etree._Element) -> bool:
    """Whether a user or group may not be used."""
    held = ((place_of(one.steps), one.after) for one in values_of(account, (), ignored=RUNTIME_NAMES))
    return any(is_status(place) and is_dead(place, value) for place, value in held)


_MOMENTS = frozenset({"until", "till", "after"})


def may_be_dead(place: Place, value: str | None) -> bool:
    """Whether nobody may be let in. A switch that is not there is off, and a state that is not known may be any."""
    if not (value or "").strip():
        return not _means_disabled(place)
    return is_live(value) is None or is_dead(place, value)


def is_dead(place: Place, value: str | None) -> bool:
    """Whether a value of the place of an account's status lets nobody in."""
    return is_live(value) is _means_disabled(place) if value is not None else False


def _means_disabled(place: Place) -> bool:
    """Whether *true* at this place means that the account may not be used."""
    return bool(place.about & {"disabled", "deny"}) != ("not" in place.about)


# Places


def _expires(place: Place) -> bool:
    return "expire" in place.about or any(until <= place.about for until in _UNTIL)


_UNTIL = (
    {"valid", "until"}, {"valid", "till"}, {"valid", "to"}, {"not", "after"}, {"disabled", "after"}, {"end", "time"},
)  # fmt: skip


def _is_quantity(place: Place) -> bool:
    return bool(place.own & _NUMBERS) and "secure" not in place.own


_NUMBERS = frozenset({"quantity", "least"})


def _is_strength(place: Place) -> bool:
    """How long a password must be, how often somebody may try one."""
    strength = bool(place.own & {"password", "lockout", "attempt"}) and "expire" not in place.own
    return bool(place.own & _NUMBERS) and strength


def _strength(place: Place, change: Change) -> Verdict:
    return scales.fewer(change) if "least" in place.own else Verdict.MAYBE


def _demands(place: Place) -> bool:
    said = place.about
    return bool(said & {"factor", "lockout", "secure"}) or ("require" in said and bool(said & {"https", "ftp", "ssh"}))


def _asks(place: Place) -> bool:
    return "require" in place.about and bool(place.about & {"key", "password", "auth", "public"})


def _is_key(place: Place) -> bool:
    return any("key" in said and said & {"public", "ssh"} for said in place.names)


def _is_membership(place: Place) -> bool:
    return any("group" in said for said in place.names[-2:]) and place.own.isdisjoint(HARMLESS)


def _is_directory(place: Place) -> bool:
    if not place.about.isdisjoint({"permission", "action", "allow", "deny"}):
        return False
    alone = place.about <= {"directory", "path"} | FILLERS | SWITCHES
    itself = bool(place.own & ({"directory", "path"} | SWITCHES - {"method", "status"}))
    return alone and itself and ("directory" in place.about or any("directory" in said for said in place.names[:-1]))


def _is_role(place: Place) -> bool:
    if place.of_account and "method" in place.own:
        return True
    return "role" in place.about or ("level" in place.about and place.about <= _OF_A_LEVEL)


_OF_A_LEVEL = frozenset({"level", "access", "permission", "admin", "security", "auth"}) | FILLERS


def _is_protocol(place: Place) -> bool:
    return any("protocol" in said for said in place.names) or (
        bool(place.about & {"ftp", "https", "ssh"}) and place.about <= {"ftp", "https", "ssh"} | FILLERS | SWITCHES
    )


def _permits(place: Place) -> bool:
    is_permission = any("permission" in said for said in place.names)
    return (
        is_permission
        or bool(place.about & {"allow", "deny", "readonly", "action"})
        or ("access" in place.about and place.about <= {"access"} | FILLERS | SWITCHES)
    )


def _permits_on_a_server(place: Place) -> bool:
    if "action" in place.about and place.about & SWITCHES:
        return True
    return any("permission" in said for said in place.names) or bool(place.about & {"allow", "deny", "readonly"})


def _is_version(place: Place) -> bool:
    return "cipher" in place.about or ("version" in place.about and "secure" in place.anywhere)


_K = AccessIncreaseKind
RULES: tuple[Rule, ...] = (
    Rule(_K.INHERITANCE_CHANGED, lambda place: "inherit" in place.own, _no, of_servers=True),
    Rule(_K.ADDRESS_LIMIT_LIFTED, limits_addresses, _limiting, of_servers=True),
    Rule(_K.ACCOUNT_ENABLED, is_status, _enabling),
    Rule(_K.PROTOCOL_ADDED, lambda place: is_status(place) and "allow" not in place.own, _enabling, of_servers=True),
    Rule(_K.EXPIRY_LIFTED, _expires, _expiring),
    Rule(_K.MAY_WIDEN, _is_version, lambda *_: Verdict.MAYBE, of_servers=True),
    Rule(_K.MAY_WIDEN, _is_strength, _strength, of_servers=True),
    Rule(_K.MAY_WIDEN, _is_quantity, _no, of_servers=True),
    Rule(_K.AUTHENTICATION_WEAKENED, _asks, _protecting, of_servers=True, opens=True),
    Rule(_K.SECURE_CONNECTION_DROPPED, lambda place: "insecure" in place.about, _granting, of_servers=True, opens=True),
    Rule(_K.SECURE_CONNECTION_DROPPED, _demands, _protecting, of_servers=True, opens=True),
    Rule(_K.AUTHENTICATION_WEAKENED, lambda place: "anonymous" in place.about, _granting, of_servers=True, opens=True),
    Rule(_K.ADMIN_GRANTED, _is_role, _by(scales.roles), opens=True),
    Rule(_K.ADMIN_GRANTED, lambda place: "admin" in place.about, _granting, opens=True),
    Rule(_K.SSH_KEY_ADDED, _is_key, _of_things(scales.members)),
    Rule(_K.AUTHENTICATION_WEAKENED, lambda place: {"auth", "method"} <= place.about, _authenticating),
    Rule(_K.PROTOCOL_ADDED, _is_protocol, _by(scales.rights), of_servers=True),
    Rule(_K.GROUP_JOINED, _is_membership, _of_things(scales.members)),
    Rule(_K.DIRECTORY_ADDED, _is_directory, _of_things(_moving)),
    Rule(_K.PERMISSION_ADDED, _permits, _permitting),
    Rule(_K.PERMISSION_ADDED, _permits_on_a_server, _permitting, of_servers=True),
    Rule(_K.MAY_WIDEN, lambda place: "require" in place.about, _protecting, of_servers=True),
)
"""The first that holds judges."""
