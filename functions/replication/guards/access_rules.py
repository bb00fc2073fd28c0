"""A table of the places in a document that concern access. For each place, a rule says which values widen access.

The first matching rule judges a place. ``access_judgement`` decides about places without a rule, and about values that
a rule does not understand.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache

from replication.guards import access_scales as scales
from replication.guards import access_verdicts as verdicts
from replication.guards.access_addresses import limits_addresses
from replication.guards.access_places import Place
from replication.guards.access_rights import rights
from replication.guards.access_scales import Change, Verdict
from replication.guards.access_status import enabling, is_status
from replication.guards.access_words import DEFAULTS, FILLERS, HARMLESS, NUMBERS, SWITCHES, is_known


class AccessIncreaseKind(StrEnum):
    """The ways in which access widens."""

    PERMISSION_ADDED = "permission_added"
    DIRECTORY_ADDED = "directory_added"
    """A directory that was not reachable before: a new one, or one that was moved."""
    ACCOUNT_ENABLED = "account_enabled"
    ACCOUNT_ADDED = "account_added"
    EXPIRY_LIFTED = "expiry_lifted"
    ADDRESS_LIMIT_LIFTED = "address_limit_lifted"
    SECURE_CONNECTION_DROPPED = "secure_connection_dropped"
    """A secure connection or a second factor is no longer required."""
    SSH_KEY_ADDED = "ssh_key_added"
    AUTHENTICATION_WEAKENED = "authentication_weakened"
    LOG_IN_SOURCE_ADDED = "log_in_source_added"
    """An additional directory from which people may log in."""
    PROTOCOL_ADDED = "protocol_added"
    ADMIN_GRANTED = "admin_granted"
    GROUP_JOINED = "group_joined"
    INHERITANCE_CHANGED = "inheritance_changed"
    """A property that concerns access is now taken from the group and no longer from the user, or the reverse."""
    PASSWORDS_CHANGED = "passwords_changed"
    """The stored passwords of many users changed at once."""
    MAY_WIDEN = "may_widen"
    """A change in a place about access that the rules do not understand."""
    NOT_JUDGED = "not_judged"
    """The product could not judge the item, because its own code failed."""


@dataclass(frozen=True)
class Rule:
    """The rule for one kind of place. ``scale`` judges the value; ``of_servers``: the rule also applies to settings and
    listeners.

    ``opens`` is the lowest verdict on the value at which a new account is reported; None if it is never reported.
    """

    kind: AccessIncreaseKind
    holds: Callable[[Place], bool]
    scale: Callable[[Place, Change], Verdict]
    of_servers: bool = False
    opens: Verdict | None = None

    @property
    def judges(self) -> bool:
        """Whether a value here can widen access at all."""
        return self.scale not in (verdicts.no, verdicts.counting)


@lru_cache(maxsize=8192)
def rule_of(place: Place, *, of_server: bool) -> Rule | None:
    """The rule for a place."""
    if place.is_identity and place.own.isdisjoint(_PRESENT_BY_NAME):
        return None
    return next((rule for rule in RULES if (rule.of_servers or not of_server) and rule.holds(place)), None)


_PRESENT_BY_NAME = frozenset({"group", "role", "permission", "protocol", "address"})
"""Meanings of elements that give access by their name alone: ``<protocol name="ftp"/>``."""


# Conditions for places


def _expires(place: Place) -> bool:
    return "expire" in place.about or any(until <= place.about for until in _UNTIL)


_UNTIL = (
    {"valid", "until"}, {"valid", "till"}, {"valid", "to"}, {"not", "after"}, {"disabled", "after"}, {"end", "time"},
)  # fmt: skip


def _is_quantity(place: Place) -> bool:
    return not place.own.isdisjoint(NUMBERS) and all(map(is_known, place.own))


def _is_strength(place: Place) -> bool:
    """Whether the value is a strength, such as the length of a password or the number of attempts, or a number inside a
    protective section.
    """
    if "attempt" in place.own:
        return True
    return not place.own.isdisjoint(NUMBERS) and _is_within_protection(place)


def _is_within_protection(place: Place) -> bool:
    return not place.anywhere.isdisjoint(_PROTECTIONS)


def _is_of_protection(place: Place) -> bool:
    """Whether the value is in a section that protects, and not known to be harmless: ``<tls><v1_0>``."""
    return _is_within_protection(place) and place.own.isdisjoint(HARMLESS)


def _is_stored_password(place: Place) -> bool:
    return "password" in place.own and place.about <= {"password"} | FILLERS


def _is_hash_method(place: Place) -> bool:
    return place.own == {"method"} and "password" in place.anywhere


_PROTECTIONS = frozenset({"secure", "cipher", "lockout", "factor", "password", "deny"})


def _lets_in_without_password(place: Place) -> bool:
    said = place.about
    return "password" in said and ("empty" in said or ("not" in said and said <= {"password", "not"} | FILLERS))


def _demands(place: Place) -> bool:
    said = place.about
    return bool(said & {"factor", "lockout", "secure"}) or ("require" in said and bool(said & {"https", "ftp", "ssh"}))


def _asks(place: Place) -> bool:
    return "require" in place.about and bool(place.about & {"key", "password", "auth", "public"})


def _manages(place: Place) -> bool:
    return "manage" in place.about and place.about <= {"manage", "group"} | FILLERS | SWITCHES


def _confines(place: Place) -> bool:
    """Whether the value restricts something other than addresses."""
    return "restrict" in place.about


def _is_key(place: Place) -> bool:
    return any("key" in said and said & {"public", "ssh"} for said in place.names)


def _is_membership(place: Place) -> bool:
    return any("group" in said for said in place.names[-2:]) and place.own.isdisjoint(HARMLESS - {"id"})


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


def _for_everybody(holds: Callable[[Place], bool]) -> Callable[[Place], bool]:
    """The condition ``holds`` for a setting of a server, limited to paths that concern only people and access.

    Servers have many dates, folders and roles of cookies, logs and clusters that do not concern access.
    """

    def holds_for_everybody(place: Place) -> bool:
        bare = replace(place, own=place.own - DEFAULTS, about=place.about - DEFAULTS)
        return holds(bare) and _is_of_people(place)

    return holds_for_everybody


def _is_of_people(place: Place) -> bool:
    inside = frozenset().union(*place.names[1:]) - DEFAULTS
    return all(map(is_known, inside)) and inside.isdisjoint(HARMLESS - NUMBERS)


def _is_named_role(place: Place) -> bool:
    return "role" in place.about or ("level" in place.about and not place.about.isdisjoint({"access", "admin"}))


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


def _is_admin(place: Place) -> bool:
    return "admin" in place.own and place.own.isdisjoint(HARMLESS)


def _is_public_key(place: Place) -> bool:
    return any({"key", "public"} <= said and said.isdisjoint({"auth", "method"}) for said in place.names)


def _permits_on_a_server(place: Place) -> bool:
    if "action" in place.about and place.about & SWITCHES:
        return True
    return any("permission" in said for said in place.names) or bool(place.about & {"allow", "deny", "readonly"})


def _is_version(place: Place) -> bool:
    return "cipher" in place.about or ("version" in place.about and "secure" in place.anywhere)


_K = AccessIncreaseKind
RULES: tuple[Rule, ...] = (
    Rule(_K.INHERITANCE_CHANGED, lambda place: "inherit" in place.own, verdicts.no, of_servers=True),
    Rule(_K.ADDRESS_LIMIT_LIFTED, limits_addresses, verdicts.limiting, of_servers=True),
    Rule(_K.ACCOUNT_ENABLED, is_status, enabling),
    Rule(_K.PROTOCOL_ADDED, lambda place: is_status(place) and "allow" not in place.own, enabling, of_servers=True),
    Rule(_K.EXPIRY_LIFTED, _expires, verdicts.expiring),
    Rule(_K.EXPIRY_LIFTED, _for_everybody(_expires), verdicts.expiring, of_servers=True),
    Rule(_K.MAY_WIDEN, _is_version, verdicts.maybe, of_servers=True),
    Rule(_K.MAY_WIDEN, _is_strength, verdicts.strength, of_servers=True),
    Rule(_K.MAY_WIDEN, _is_quantity, verdicts.counting),
    Rule(_K.MAY_WIDEN, _is_quantity, verdicts.no, of_servers=True),
    Rule(_K.AUTHENTICATION_WEAKENED, _is_stored_password, verdicts.stored, opens=Verdict.MAYBE),
    Rule(_K.AUTHENTICATION_WEAKENED, _is_hash_method, verdicts.hashed),
    Rule(
        _K.AUTHENTICATION_WEAKENED,
        _lets_in_without_password,
        verdicts.without_password,
        of_servers=True,
        opens=Verdict.MAYBE,
    ),
    Rule(_K.AUTHENTICATION_WEAKENED, _asks, verdicts.protecting, of_servers=True, opens=Verdict.MAYBE),
    Rule(
        _K.SECURE_CONNECTION_DROPPED,
        lambda place: "insecure" in place.about,
        verdicts.granting,
        of_servers=True,
        opens=Verdict.MAYBE,
    ),
    Rule(_K.SECURE_CONNECTION_DROPPED, _demands, verdicts.protecting, of_servers=True, opens=Verdict.MAYBE),
    Rule(
        _K.AUTHENTICATION_WEAKENED,
        lambda place: "anonymous" in place.about,
        verdicts.granting,
        of_servers=True,
        opens=Verdict.MAYBE,
    ),
    Rule(_K.ADMIN_GRANTED, _is_role, verdicts.by(scales.roles), opens=Verdict.MAYBE),
    Rule(_K.ADMIN_GRANTED, _for_everybody(_is_named_role), verdicts.by(scales.roles), of_servers=True),
    Rule(_K.ADMIN_GRANTED, lambda place: "admin" in place.about, verdicts.granting, opens=Verdict.MAYBE),
    Rule(_K.ADMIN_GRANTED, _is_admin, verdicts.switching, of_servers=True),
    Rule(_K.ADMIN_GRANTED, _manages, verdicts.granting, opens=Verdict.YES),
    Rule(_K.MAY_WIDEN, _confines, verdicts.protecting, of_servers=True),
    Rule(_K.SSH_KEY_ADDED, _is_key, verdicts.of_things(scales.members)),
    Rule(_K.SSH_KEY_ADDED, _is_public_key, verdicts.of_things(scales.members), of_servers=True),
    Rule(
        _K.AUTHENTICATION_WEAKENED,
        lambda place: {"auth", "method"} <= place.about,
        verdicts.authenticating,
        of_servers=True,
        opens=Verdict.YES,
    ),
    Rule(_K.PROTOCOL_ADDED, _is_protocol, verdicts.by(rights), of_servers=True),
    Rule(_K.GROUP_JOINED, _is_membership, verdicts.of_things(scales.members)),
    Rule(_K.DIRECTORY_ADDED, _is_directory, verdicts.of_things(verdicts.moving)),
    Rule(_K.DIRECTORY_ADDED, _for_everybody(_is_directory), verdicts.of_things(verdicts.moving), of_servers=True),
    Rule(_K.PERMISSION_ADDED, _permits, verdicts.permitting),
    Rule(_K.PERMISSION_ADDED, _permits_on_a_server, verdicts.permitting, of_servers=True),
    Rule(_K.MAY_WIDEN, lambda place: "require" in place.about, verdicts.protecting, of_servers=True),
    Rule(_K.MAY_WIDEN, _is_of_protection, verdicts.maybe, of_servers=True),
)
"""The first matching rule judges."""
