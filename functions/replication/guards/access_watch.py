"""The account-security watch: what a plan would do to widen access.

The primary is the source and what it says is pushed; but a permission, a key
or an account that comes back deserves a look, because that is also what an
attack on the primary looks like. The schema is not public, so names are taken
as words, wherever they stand inside a user or a group; where a value cannot be
understood, it is reported rather than passed over.

Users and groups are watched in full; of settings and listeners, permissions
and secure connections.

A new user is the daily business of replication and no widening by itself. It
is reported (``ACCOUNT_ADDED``) only when it is not disabled and is open in a
way that users are not supposed to be: anonymous, with an administrator's
rights, or with secure connections expressly not required. A new group gives
nobody anything until somebody joins it, which is reported.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache

from lxml import etree

from replication.documents.canonical import RUNTIME_NAMES
from replication.documents.diff import Difference, Kind, Steps, show, values_of
from replication.documents.keep_patterns import words
from replication.documents.names import enables, names, names_disabled, split, truth, turned_off, turned_on, word_sets
from replication.model import PartName
from replication.parts.accounts import Accounts
from replication.plan import PartPlan, Plan
from replication.plan_items import GROUPS, USERS, Item, items_of

MANY_PASSWORDS_SHARE = 0.1
"""Above this share of the users whose stored password changes at once, it is no coincidence any more."""
MANY_PASSWORDS_FLOOR = 2
"""So many may always change."""


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
    SSH_KEY_ADDED = "ssh_key_added"
    AUTHENTICATION_WEAKENED = "authentication_weakened"
    PROTOCOL_ADDED = "protocol_added"
    ADMIN_GRANTED = "admin_granted"
    GROUP_JOINED = "group_joined"
    INHERITANCE_CHANGED = "inheritance_changed"
    """Whether the user's or the group's value holds, for a property of which the others of this list tell."""
    PASSWORDS_CHANGED = "passwords_changed"
    """Many users' stored passwords at once."""


@dataclass(frozen=True)
class AccessIncrease:
    """One thing that gets wider: of which item (``users/ann``), and where inside of it. Never a value."""

    part: PartName
    kind: AccessIncreaseKind
    item: str
    path: str


type Rule = Callable[[Difference], bool]


def access_increases(plan: Plan) -> tuple[AccessIncrease, ...]:
    """Everything in the plan that widens access, each once, in the order of the parts and their items."""
    found = (increase for part in plan.parts for increase in _of_part(part))
    return tuple(dict.fromkeys(found))


def _of_part(plan: PartPlan) -> Iterator[AccessIncrease]:
    if plan.name in (PartName.SETTINGS, PartName.LISTENERS):
        for item in items_of(plan):
            for difference in item.find():
                kind = _first(_OF_A_SERVER, difference)
                if kind:
                    yield AccessIncrease(plan.name, kind, item.label, difference.path)
    elif isinstance(plan.own, Accounts):
        yield from _of_accounts(plan, len(plan.own.users.items.entries))


def _of_accounts(plan: PartPlan, users: int) -> Iterator[AccessIncrease]:
    passwords = 0
    for item in items_of(plan):
        if item.kind is Kind.ADDED and item.within == USERS:
            yield from (AccessIncrease(plan.name, kind, item.label, path) for kind, path in _of_new_user(item))
        elif item.kind is Kind.CHANGED:
            found = item.find()
            passwords += item.within == USERS and any(map(_is_password, found))
            yield from (AccessIncrease(plan.name, kind, item.label, path) for kind, path in _of_changed(item, found))
    if passwords > MANY_PASSWORDS_FLOOR and passwords > MANY_PASSWORDS_SHARE * users:
        yield AccessIncrease(plan.name, AccessIncreaseKind.PASSWORDS_CHANGED, USERS, f"{passwords} of {users}")


def _of_changed(item: Item, found: list[Difference]) -> Iterator[tuple[AccessIncreaseKind, str]]:
    limited = [one for one in found if any(map(_limits_addresses, _all_names(one.steps)))]
    addresses = [one for one in limited if _own_word(one.steps) not in _INHERITING]
    if addresses and _addresses_widened(item):
        yield AccessIncreaseKind.ADDRESS_LIMIT_LIFTED, addresses[0].path
    for difference in found:
        if difference in limited:
            if _changes_inheritance(difference):
                yield AccessIncreaseKind.INHERITANCE_CHANGED, difference.path
        elif (directory := _directory(difference)) is not None:
            yield AccessIncreaseKind.DIRECTORY_ADDED, directory
        elif (key := _ssh_key(difference)) is not None:
            yield AccessIncreaseKind.SSH_KEY_ADDED, key
        else:
            kind = _first(_OF_AN_ACCOUNT, difference)
            # What names a group inside of a group is no membership.
            if kind and not (kind is AccessIncreaseKind.GROUP_JOINED and item.within == GROUPS):
                yield kind, difference.path


def _of_new_user(item: Item) -> Iterator[tuple[AccessIncreaseKind, str]]:
    element = item.elements[1]
    if element is None:
        return
    held = list(values_of(element, (), ignored=RUNTIME_NAMES))
    if any(truth(one.after) is True and names_disabled(one.steps) for one in held):
        return
    for one in held:
        if (truth(one.after) is True and (_is_anonymous(one) or _is_admin(one))) or (
            truth(one.after) is False and _requires_security(one.steps)
        ):
            yield AccessIncreaseKind.ACCOUNT_ADDED, one.path
            return


def _first(rules: tuple[tuple[AccessIncreaseKind, Rule], ...], difference: Difference) -> AccessIncreaseKind | None:
    return next((kind for kind, holds in rules if holds(difference)), None)


# Permissions

_GRANTING = frozenset({"allow", "allows", "allowed", "can", "may", "permit", "permits", "permitted", "grant", "grants"})
_DENYING = frozenset({"deny", "denies", "denied", "forbid", "forbids", "forbidden", "prohibit", "readonly"})
_PERMISSIONS = frozenset({"permission", "permissions", "right", "rights", "privilege", "privileges"})


def _permits(difference: Difference) -> bool:
    if turned_off(difference):
        return any(said & _DENYING for said in word_sets(difference.steps))
    if not turned_on(difference):
        return False
    said = word_sets(difference.steps)
    around = any(split(words(step.name)) & _PERMISSIONS for step in difference.steps)
    return not any(one & _DENYING for one in said) and (around or any(one & _GRANTING for one in said))


_DIRECTORIES = frozenset({"root", "directory", "folder", "home", "homedir", "virtualdirectory", "vdir", "mount", "dir"})
_PLACES = frozenset({"path", "dir", "directory", "folder", "location", "target", "root", "home", "homedir"})


def _directory(difference: Difference) -> str | None:
    """The path of a directory that is new, or that lies elsewhere."""
    if difference.kind is Kind.REMOVED:
        return None
    for depth in range(difference.new_from + 1, len(difference.steps) + 1):
        step = difference.steps[depth - 1]
        if difference.kind is Kind.ADDED and _last_word(step.name) in _DIRECTORIES:
            return show(difference.steps[:depth])
    is_place = any(_last(name) in _PLACES for name in names(difference.steps))
    around = any(_last_word(step.name) in _DIRECTORIES for step in difference.steps)
    moved = is_place and around and truth(difference.after) is None and bool((difference.after or "").strip())
    return difference.path if moved else None


# Being let in at all


def _is_anonymous(difference: Difference) -> bool:
    return any("anonymous" in said for said in word_sets(difference.steps))


_ADMIN = frozenset({"admin", "admins", "administrator", "administrators", "superuser", "sysadmin", "sudo", "operator"})
_ROLES = frozenset({"role", "roles", "level"})


def _is_admin(difference: Difference) -> bool:
    return any(said & _ADMIN for said in word_sets(difference.steps))


def _grants_admin(difference: Difference) -> bool:
    if turned_on(difference) and _is_admin(difference):
        return True
    is_role = any(said & _ROLES for said in word_sets(difference.steps))
    after = (difference.after or "").casefold()
    return is_role and difference.kind is not Kind.REMOVED and any(word in after for word in _ADMIN)


_FACTORS = {"none": 0, "anonymous": 0, "password": 1, "publickey": 2, "passwordandpublickey": 3}
"""How much a method of authentication asks for. The three of the contract, and two that ask for nothing."""


def _weakens_authentication(difference: Difference) -> bool:
    if turned_on(difference):
        return _is_anonymous(difference)
    if not any(_is_method(said) for said in word_sets(difference.steps)):
        return False
    if truth(difference.before) is not None or truth(difference.after) is not None:
        return False
    before, after = _factors(difference.before), _factors(difference.after)
    # What is not known may be weaker.
    return before is None or after is None or after < before


def _factors(method: str | None) -> int | None:
    """None for a method that is not known; nothing said counts as a password, the least that a server asks for."""
    return _FACTORS["password"] if not method else _FACTORS.get("".join(filter(str.isalnum, method.casefold())))


def _is_method(said: frozenset[str]) -> bool:
    return bool(said & {"auth", "authentication"}) and bool(said & {"method", "methods", "type", "mode"})


_SECURITY = frozenset({"secure", "security", "tls", "ssl", "encrypted", "encryption", "https", "certificate", "cert"})
_FACTOR_NAMES = frozenset({"mfa", "2fa", "totp", "otp", "factor"})
_REQUIRING = frozenset({"require", "requires", "required", "force", "forces", "enforce", "only", "redirect", "need"})


def _requires_security(steps: Steps) -> bool:
    return any(
        said & _FACTOR_NAMES or (said & _REQUIRING and said & (_SECURITY | {"key", "public"}))
        for said in word_sets(steps)
    )


def _drops_security(difference: Difference) -> bool:
    return turned_off(difference) and _requires_security(difference.steps)


def _adds_protocol(difference: Difference) -> bool:
    if difference.kind is Kind.REMOVED or not any(
        split(words(step.name)) & {"protocol", "protocols"} for step in difference.steps
    ):
        return False
    if _own_word(difference.steps) in _INHERITING or truth(difference.after) is False:
        return False
    return turned_on(difference) or (truth(difference.after) is None and bool(difference.after))


_KEY_WORDS = tuple(
    frozenset({whose, key}) for whose in ("public", "ssh", "authorized", "pub") for key in ("key", "keys")
)


def _ssh_key(difference: Difference) -> str | None:
    """The path of a key that is new or another."""
    if difference.kind is Kind.REMOVED or not (difference.after or "").strip() or truth(difference.after) is not None:
        return None
    for depth in range(len(difference.steps), 0, -1):
        if _says_key(words(difference.steps[depth - 1].name)):
            return show(difference.steps[:depth])
    return difference.path if any(map(_says_key, names(difference.steps))) else None


def _says_key(name: str) -> bool:
    return any(wanted <= split(name) for wanted in _KEY_WORDS)


def _joins_group(difference: Difference) -> bool:
    if difference.kind is Kind.REMOVED or not (difference.after or "").strip() or truth(difference.after) is not None:
        return False
    return _own_word(difference.steps) not in _INHERITING and any(
        _last_word(step.name) in {"group", "groups"} or split(words(step.name)) >= {"member", "of"}
        for step in difference.steps[-2:]
    )


# Limits in time and place

_EXPIRY = frozenset({"expire", "expires", "expired", "expiry", "expiration"})
_NEVER = frozenset({"no", "never", "not", "without", "non", "disable", "dont"})
_UNTIL = ({"valid", "until"}, {"valid", "to"}, {"not", "after"}, {"disable", "after"}, {"disabled", "after"})


def _lifts_expiry(difference: Difference) -> bool:
    said = word_sets(difference.steps)
    expires = any(one & _EXPIRY for one in said)
    if expires and any(one & _EXPIRY and one & _NEVER for one in said):
        return turned_on(difference)
    if not expires and not any(until <= one for one in said for until in _UNTIL):
        return False
    if truth(difference.before) is not None and not (difference.before or "").strip().isdigit():
        return turned_off(difference)
    return _later(difference.before, difference.after)


def _later(before: str | None, after: str | None) -> bool:
    """Whether a limit in time is gone or lies later. Two that cannot be compared count as later."""
    if not (before or "").strip() or _is_never(before or ""):
        return False
    if not (after or "").strip() or _is_never(after or ""):
        return True
    for read in (float, _moment):
        try:
            return bool(read(after or "") > read(before or ""))  # type: ignore[operator]
        except ValueError:
            continue
    return True


def _moment(text: str) -> datetime:
    """Raises ValueError. A time without a zone is taken as UTC."""
    moment = datetime.fromisoformat(text.strip())
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _is_never(text: str) -> bool:
    """Whether a limit in time is none: zero, or the zero of a calendar."""
    if text.strip() in {"0", "-1"}:
        return True
    try:
        return _moment(text).year <= 1970
    except ValueError:
        return False


_ADDRESS_WORDS = frozenset({"ip", "ips", "address", "addresses", "subnet", "subnets", "network", "networks", "cidr"})
_LIMITING = frozenset(
    {"allowed", "allow", "white", "whitelist", "allowlist", "permitted", "restrict", "restricted"}
    | {"restriction", "restrictions"}
)


@lru_cache(maxsize=8192)
def _limits_addresses(name: str) -> bool:
    said = split(name)
    return bool(said & _ADDRESS_WORDS) and bool(said & _LIMITING)


def _all_names(steps: Steps) -> Iterator[str]:
    return (label for step in steps for label in step.labels)


def _addresses_widened(item: Item) -> bool:
    """Whether anybody may come from an address that was not among the allowed; no address at all allows every one."""
    before, after = (_allowed(element) for element in item.elements)
    return bool(before) and not (after and after <= before)


def _allowed(element: etree._Element | None) -> frozenset[str]:
    if element is None:
        return frozenset()
    return frozenset(
        address
        for one in values_of(element, (), ignored=RUNTIME_NAMES)
        if any(map(_limits_addresses, _all_names(one.steps)))
        and _own_word(one.steps) not in _INHERITING
        and _own_word(one.steps) not in {"name", "key"}
        for address in re.split(r"[\s,;]+", one.after or "")
        if address and truth(address) is None
    )


# Whose value holds

_INHERITING = frozenset({"priority", "inherit", "inherited", "inherits", "override", "overrides"})
_TELLING = (
    {"allow", "can", "permit"} | _DENYING | _SECURITY | _REQUIRING | _EXPIRY | _ADDRESS_WORDS | _ADMIN | _FACTOR_NAMES
    | {"disabled", "enabled", "auth", "authentication", "protocols", "protocol", "anonymous", "disable"}
)  # fmt: skip


def _changes_inheritance(difference: Difference) -> bool:
    return (
        difference.kind is Kind.CHANGED
        and len(difference.steps) > 1
        and _own_word(difference.steps) in _INHERITING
        and any(split(label) & _TELLING for label in difference.steps[-2].labels)
    )


def _is_password(difference: Difference) -> bool:
    """Whether it is the stored password itself that changes, not what is said of it."""
    values = [value for value in (difference.before, difference.after) if value is not None]
    return any("pass" in step.name.casefold() or "hash" in step.name.casefold() for step in difference.steps) and (
        _own_word(difference.steps) in {"value", "hash", "password", "text", "data", "salt"}
        and any(truth(value) is None for value in values)
    )


def _own_word(steps: Steps) -> str:
    """The last word of what a value is called; empty for the text of an item itself, which has no path."""
    return _last_word(steps[-1].name) if steps else ""


def _last_word(name: str) -> str:
    return _last(words(name))


def _last(name: str) -> str:
    return name.rpartition("-")[2]


_OF_A_SERVER: tuple[tuple[AccessIncreaseKind, Rule], ...] = (
    (AccessIncreaseKind.SECURE_CONNECTION_DROPPED, _drops_security),
    (AccessIncreaseKind.PERMISSION_ADDED, _permits),
)
_OF_AN_ACCOUNT: tuple[tuple[AccessIncreaseKind, Rule], ...] = (
    (AccessIncreaseKind.INHERITANCE_CHANGED, _changes_inheritance),
    (AccessIncreaseKind.ACCOUNT_ENABLED, enables),
    (AccessIncreaseKind.EXPIRY_LIFTED, _lifts_expiry),
    (AccessIncreaseKind.SECURE_CONNECTION_DROPPED, _drops_security),
    (AccessIncreaseKind.AUTHENTICATION_WEAKENED, _weakens_authentication),
    (AccessIncreaseKind.ADMIN_GRANTED, _grants_admin),
    (AccessIncreaseKind.PROTOCOL_ADDED, _adds_protocol),
    (AccessIncreaseKind.GROUP_JOINED, _joins_group),
    (AccessIncreaseKind.PERMISSION_ADDED, _permits),
)
"""The first that holds says what it is."""
