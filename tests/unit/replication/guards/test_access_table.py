"""A table of access increases, kind by spelling by style of document: each is told, and the way back is not.

All cells are users (or settings, or options of listeners) of one plan, so that
the whole table is judged as one push.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle, product
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replication.guards.access_rules import RULES, AccessIncreaseKind
from replication.guards.access_status import disables
from replication.guards.access_watch import access_increases
from replication.guards.access_words import MEANINGS
from replication.model import PartName, Policy
from replication.ports import Listener

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.unit.replication.conftest import PlanFactory

K = AccessIncreaseKind

# ---------------------------------------------------------------- what is said, by the words of its name
SWITCHES = [("false", "true"), ("0", "1"), ("no", "yes"), ("off", "on"), ("disabled", "enabled"), (" False ", "TRUE")]
ABSENT = None
MORE_WORDS = {pair for on_off in SWITCHES[1:] for pair in (on_off, on_off[::-1])}
"""How else a switch is written: in one spelling of its name, which has nothing to do with it."""

WIDER_WHEN_ON = {
    K.PERMISSION_ADDED: [
        "allow upload",
        "can delete", "permit rename", "is allow password change", "allowed to share", "upload", "delete",
    ],
    K.ACCOUNT_ENABLED: ["enabled", "is enabled", "active", "account active", "login enabled", "allow login"],
    K.AUTHENTICATION_WEAKENED: ["is anonymous", "allow anonymous", "anonymous login allowed", "guest access",
        "no password", "allow blank password", "empty password", "without password"],
    K.ADMIN_GRANTED: ["is admin", "administrator", "is super user", "admin enabled", "can manage users", "is manager"],
    K.PROTOCOL_ADDED: ["allow ftp", "ftp enabled", "use sftp", "https allowed"],
    K.SECURE_CONNECTION_DROPPED: ["disable 2FA",
        "skip two factor",
        "allow unencrypted", "allow plain ftp", "bypass mfa"],
    K.ADDRESS_LIMIT_LIFTED: ["allow any ip", "disable ip restrictions", "ignore ip allow list"],
    K.EXPIRY_LIFTED: ["never expires", "no expire", "password never expires"],
}  # fmt: skip
WIDER_WHEN_OFF = {
    K.PERMISSION_ADDED: ["deny delete", "forbid upload", "read only", "disallow rename", "disable upload"],
    K.ACCOUNT_ENABLED: ["disabled", "is disabled", "is locked", "suspended", "account locked out", "is blocked"],
    K.AUTHENTICATION_WEAKENED: ["deny anonymous", "forbid guest", "require password", "require public key"],
    K.SECURE_CONNECTION_DROPPED: [
        "require secure control",
        "require TLS", "tls required", "force ssl", "encryption required", "redirect to https",
        "require 2FA", "is 2FA enabled", "mfa enabled", "two factor required", "totp enabled", "enforce multi factor",
        "require two step", "block unencrypted",
    ],
    K.ADDRESS_LIMIT_LIFTED: ["restrict by ip", "ip restrictions enabled", "limit ip addresses", "ip filter enabled"],
    K.EXPIRY_LIFTED: ["expires", "account expires", "is expiry enabled"],
    K.MAY_WIDEN: ["restrict to home", "country restriction", "restrict uploads"],
}  # fmt: skip

NESTED = {
    K.SECURE_CONNECTION_DROPPED: ["two factor", "mfa", "totp", "tls"],
    K.ADDRESS_LIMIT_LIFTED: ["ip restrictions", "allowed networks", "ip allow list", "address restrictions"],
}
"""Things that protect, with a switch inside of them."""

VALUES: dict[AccessIncreaseKind, list[tuple[str, str, str | None]]] = {
    K.PERMISSION_ADDED: [
        ("permissions", "16", "48"), ("permissions", "0", "4095"), ("rights", "read", "*"), ("permissions", "-", "*"),
        ("rights", "0", "-1"), ("rights", "100", "111"), ("rights", "ro", "rw"), ("permissions", "RW__", "RWD_"),
        ("rights", "x", "*.*"), ("permission mask", "1", "3"), ("rights", "0x1", "0x9"),
        ("permissions", "0755", "0777"), ("rights", "0o640", "0o644"), ("permissions", "0", "0755"),
        ("permissions", "640", "644"), ("rights", "0070", "0770"), ("permissions", "R", "RWD"),
        ("rights", "r--", "rwx"), ("permissions", "read", "read,write"), ("rights", "readonly", "full"),
        ("permissions", "none", "list"), ("privileges", "list;read", "list;read;delete"), ("access", "read", "full"),
        ("denied permissions", "upload,delete", "upload"), ("permissions", "rw-r--r--", "rw-rw-rw-"),
        ("rights", "-rw-r--r--", "-rw-r--rwx"), ("rights", "+r -w", "+r +w"), ("rights", "+r-w", "+rw"),
        ("permissions", "read,!delete", "read,delete"), ("permissions", "R+W-D-", "R+W+D+"), ("rights", "r-w-", "r+w-"),
        ("permissions", "-rwx", "+rwx"), ("permissions", "read;no delete", "read;delete"), ("rights", "YNN", "YNY"),
        ("permissions", "read, delete=false", "read, delete=true"),
        ("permissions", '{"read": true, "delete": false}', '{"read": true, "delete": true}'),
    ],
    K.ACCOUNT_ENABLED: [
        ("status", "disabled", "active"), ("account status", "locked", "ok"), ("state", "suspended", "enabled"),
        ("account state", "Inactive", "Active"), ("is disabled", "-1", "0"), ("account disabled", "2", "0"),
        ("account locked", "-1", "0"), ("enabled", "0", "-1"), ("is disabled", "true", "0"), ("disabled", "8", "no"),
    ],
    K.DIRECTORY_ADDED: [
        ("root path", "D:\\ftp\\ann", "D:\\"), ("home path", "/srv/ann", "/srv"), ("home directory", "/a/b", "/a"),
        ("home", "D:\\a\\b", "d:/A"), ("root dir", "x/y/z", "x/y"),
    ],
    K.ADDRESS_LIMIT_LIFTED: [
        ("ip allowed list", "192.0.2.1", "192.0.2.1,192.0.2.2"), ("allowed ips", "10.0.0.0/24", "10.0.0.0/16"),
        ("ip whitelist", "10.0.0.0/255.255.255.0", "10.0.0.0/255.255.0.0"), ("allowed networks", "10.0.0.1", "*"),
        ("allowed addresses", "10.0.0.1-10.0.0.9", "10.0.0.1-10.0.0.99"), ("allowed ips", "10.1.2.*", "10.1.*.*"),
        ("ip restrictions", "2001:db8::/64", "2001:db8::/32"), ("blocked ips", "10.0.0.0/8", "10.0.0.0/9"),
        ("allowed networks", "10.0.0.0 255.255.255.0", "10.0.0.0 255.0.0.0"), ("allowed hosts ip", "a.example", ""),
        ("allowed ips", "10.0.0.0/24,!10.0.0.5", "10.0.0.0/24"), ("allowed networks", "10.0.0.1", "any"),
        ("blocked ips", "10.0.0.0/24", "10.0.0.0/24, !10.0.0.5"), ("blocked addresses", "any", "10.0.0.0/8"),
        ("ip whitelist", "10.0.0.0/24 !10.0.0.0/25", "10.0.0.0/24 !10.0.0.0/26"), ("blocked ips", "*", "0.0.0.0/0"),
        ("allowed hosts", "any,!bad.example", "any"),
    ],
    K.ADMIN_GRANTED: [("role", "user", "Administrator"), ("roles", "readonly", "sysadmin"), ("user role", "", "admin"),
        ("role", "user", "root")],
    K.AUTHENTICATION_WEAKENED: [
        ("auth method", "public_key", "password"), ("authentication type", "password_and_public_key", "PublicKey"),
        ("authentication mode", "password", "none"), ("auth method", "key", "password"),
        ("auth type", "PasswordAndKey", "password"), ("password", "$5$h$aaaaaaaa", ""), ("password hash", "aa", ABSENT),
    ],
    K.MAY_WIDEN: [
        ("user management", "none", "full"), ("min password length", "12", "1"),
        ("role", "guest", "user"), ("ssl", "required", "enabled"),
        ("user role", "readonly", "standard"),
    ],
    K.SECURE_CONNECTION_DROPPED: [("two factor mode", "totp", "none"), ("tls mode", "required", "optional"),
        ("ssl", "required", "allowed"), ("two factor", "mandatory", "permitted"), ("encryption", "forced", "optional")],
    K.PROTOCOL_ADDED: [("protocols", "sftp", "sftp,ftp"), ("allowed protocols", "1", "5")],
    K.EXPIRY_LIFTED: [
        ("expiry date", "2026-01-01", "2027-01-01"), ("disable after time", "2026-01-01T00:00:00Z", "1970-01-01"),
        ("expire days", "30", "0"), ("valid until", "2026-01-01", ""), ("expires", "31.12.2025", "1.1.2026"),
        ("expiry date", "12/31/2025", "12/31/2030"), ("expires", "2025-12-31", "9999-12-31"),
    ],
    K.GROUP_JOINED: [("groups", "staff", "staff,bosses"), ("group ids", "7", "7,1"), ("member of", "", "no")],
    K.SSH_KEY_ADDED: [("public key", "ssh-ed25519 AAAA1", "ssh-ed25519 AAAA2"), ("authorized keys", "", "no")],
}  # fmt: skip
EITHER_WAY = [
    ("status", "1", "0"), ("status", "2", "1"), ("role", "1", "0"), ("type", "1", "0"), ("user type", "2", "3"),
    ("level", "1", "9"), ("mfa grace days", "0", "365"), ("max failures", "3", "3000"), ("password history", "10", "0"),
    ("lockout threshold", "3", "0"), ("umask", "077", "000"), ("verification", "2step", "none"),
    ("shell", "/sbin/nologin", "/bin/bash"), ("cwd", "/a/b", "/"), ("storage", "/a/b", "/"), ("bucket", "a", "b"),
    ("template", "guest", "poweruser"), ("plan", "basic", "enterprise"), ("zone", "lan", "wan"), ("geoip", "DE", "*"),
    ("allowed countries", "DE", "DE,RU"),
    ("email login", "false", "true"), ("email verified", "0", "1"), ("idle days", "30", "0"), ("frob", "1", "2"),
    ("ip range", "10.0.0.1 - 10.0.0.5", "10.0.0.1 - 10.0.9.5"), ("public key auth", "required", "off"),
    ("permissions", "755", "777"),
    ("rights", "7", "0"), ("permissions", "3", "1"), ("access rights", "9", "2"), ("access days", "Mo", "Mo-Su"),
    ("login days", "1-5", "1-7"), ("recovery email", "a@b.example", "c@d.example"), ("reset mail", "a", "b"),
    ("expires", "nan", "inf"), ("expires", "01/02/2026", "02/01/2026"),
    ("role", "basic", "standard"), ("file types", "txt", "*"),
    ("access time", "8-17", "0-24"), ("web access", "some", "more"),
]  # fmt: skip
"""Which one gives more is not known, or hangs on a server: told in both directions."""
ONE_WAY = {K.SSH_KEY_ADDED}
"""Another key is as new on the way back."""

# ---------------------------------------------------------------- how a name is spelled
SPELLINGS: dict[str, Callable[[list[str]], str]] = {
    "camelCase": lambda words: words[0].lower() + "".join(map(_capital, words[1:])),
    "PascalCase": lambda words: "".join(map(_capital, words)),
    "snake_case": lambda words: "_".join(words).lower(),
    "kebab-case": lambda words: "-".join(words).lower(),
    "UPPER_CASE": lambda words: "_".join(words).upper(),
    "lowercase": lambda words: "".join(words).lower(),
}


def _capital(word: str) -> str:
    return word[0].upper() + word[1:]


# ---------------------------------------------------------------- how a document writes a value
def _element(name: str, value: str) -> str:
    return f"<{name}>{escape(value)}</{name}>"


STYLES: dict[str, Callable[[str, str], str]] = {
    "element": _element,
    "element with a value": lambda name, value: f"<{name} value={quoteattr(value)}/>",
    "element with a value and whose it is": lambda name, value: f"<{name} value={quoteattr(value)} priority='user'/>",
    "attribute": lambda name, value: f"<settings {name}={quoteattr(value)}/>",
    "key and value": lambda name, value: f"<entry><key>{name}</key><value>{escape(value)}</value></entry>",
    "name and value": lambda name, value: f"<param name='{name}' value={quoteattr(value)}/>",
    "name and text": lambda name, value: f"<e id='{name}'>{escape(value)}</e>",
}
SWITCH_STYLES: dict[str, Callable[[str, str], str]] = {
    "attribute": lambda name, value: f"<{name} enabled={quoteattr(value)}/>",
    "element": lambda name, value: f"<{name}><isEnabled>{value}</isEnabled></{name}>",
    "value": lambda name, value: f"<{name}><active value={quoteattr(value)}/></{name}>",
    "required": lambda name, value: f"<{name} required={quoteattr(value)}/>",
    "section": lambda name, value: f"<section name='{name}'><entry name='Enabled' value={quoteattr(value)}/></section>",
    "use": lambda name, value: f"<option name='{name}'><use>{value}</use></option>",
}

# ---------------------------------------------------------------- where it stands: what people call things is no matter
GIVEN = (
    "allowed network",
    "Restricted network drive",
    "deny all",
    "disabled",
    "Administrators",
    "ip whitelist",
    "none",
)


def _directories() -> Iterator[str]:
    for name in GIVEN:
        yield f"<rootList><root name={quoteattr(name)}>{{}}</root></rootList>"
        yield f"<rootList><root><name>{name}</name><path>p</path><permissions>{{}}</permissions></root></rootList>"
        for container in ("drive", "folder", "zone", "section", "item"):
            yield f"<{container} name={quoteattr(name)}>{{}}</{container}>"


def _written(number: int, *, all_of_them: bool, ordinary: tuple[str | None, str | None]) -> Iterator[tuple[str, str]]:
    """In which spellings and styles a change is tried: in all, or in each spelling with another style."""
    for (n, spelling), (place, style) in product(enumerate(SPELLINGS), enumerate(STYLES)):
        if all_of_them or (place == (number + n) % len(STYLES) and (n == 0 or ordinary not in MORE_WORDS)):
            yield spelling, style


@dataclass(frozen=True)
class Cell:
    """One change of one user. ``said`` names it in a message."""

    kind: AccessIncreaseKind
    said: str
    before: str
    after: str


def _named() -> Iterator[tuple[AccessIncreaseKind, str, str | None, str | None]]:
    for kind, names in WIDER_WHEN_ON.items():
        yield from ((kind, name, off, on) for name in names for off, on in SWITCHES)
        if kind is not K.ACCOUNT_ENABLED:
            yield from ((kind, name, ABSENT, "true") for name in names)
    for kind, names in WIDER_WHEN_OFF.items():
        yield from ((kind, name, on, off) for name in names for off, on in SWITCHES)
        if kind is not K.PERMISSION_ADDED:
            yield from ((kind, name, "true", ABSENT) for name in names)
    for kind, values in VALUES.items():
        yield from ((kind, name, before, after) for name, before, after in values)


def cells() -> Iterator[Cell]:
    """The whole table for one user each: each kind in every spelling and style, its other names in some of each."""
    first: set[AccessIncreaseKind] = set()
    for number, (kind, name, before, after) in enumerate(_named()):
        for spelling, style in _written(number, all_of_them=kind not in first, ordinary=(before, after)):
            spelled = SPELLINGS[spelling](name.split())
            was, becomes = ("" if one is ABSENT else STYLES[style](spelled, one) for one in (before, after))
            said = f"{name}: {before} -> {after}, {spelling}, {style}"
            yield Cell(kind, said, was, becomes)
            yield Cell(
                kind, f"{said}, inside", f"<properties>{was}</properties>", f"<properties>{becomes}</properties>"
            )
        first.add(kind)
    switches = cycle(SWITCHES)
    for (kind, names), (style, write) in product(NESTED.items(), SWITCH_STYLES.items()):
        for (name, (spelling, spell)), (off, on) in zip(product(names, SPELLINGS.items()), switches, strict=False):
            spelled = spell(name.split())
            yield Cell(
                kind, f"{name}: {on} -> {off}, {spelling}, switch as {style}", write(spelled, on), write(spelled, off)
            )
    for name, (style, write) in product(["delete", "allow delete", "allow upload", "deny rename"], STYLES.items()):
        spelled = SPELLINGS["camelCase"](name.split())
        for place, (off, on) in zip(_directories(), switches, strict=False):
            was, becomes = (on, off) if name.startswith("deny") else (off, on)
            own, source = (place.format(write(spelled, one)) for one in (was, becomes))
            yield Cell(K.PERMISSION_ADDED, f"{name}: {was} -> {becomes}, {style}, in {place}", own, source)
    yield from _structures()


HOSTS = (
    "<host name='{}'/>", "<entry name='{}'/>", "<host><name>{}</name></host>", "<host name='{}' enabled='true'/>",
    "<host>{}</host>", "<host value='{}'/>", "<entry name='x'><value>{}</value></entry>", "<ip id='{}'/>",
)  # fmt: skip


def _structures() -> Iterator[Cell]:
    """What is no single value."""
    for name in GIVEN:
        root = "<rootList><root name='a'><path>p</path></root>{}</rootList>"
        inside = "<path>q</path><permissions><allowDelete>true</allowDelete></permissions>"
        added = f"<root><name>{name}</name>{inside}</root>"
        yield Cell(K.DIRECTORY_ADDED, f"a new directory {name}", root.format(""), root.format(added))
        groups = "<groupList><group name='a'/>{}</groupList>"
        joined = f"<group name={quoteattr(name)}/>"
        yield Cell(K.GROUP_JOINED, f"a new group {name}", groups.format(""), groups.format(joined))
        keys = "<sshKeys><publicKey name='a'>k</publicKey>{}</sshKeys>"
        key = f"<publicKey name={quoteattr(name)}>l</publicKey>"
        yield Cell(K.SSH_KEY_ADDED, f"a new key {name}", keys.format(""), keys.format(key))
    for name in ("delete", "allowDelete", "isAdmin", "superUser", "allowAnonymous", "noPassword"):
        for place in ("<permissions><read/>{}</permissions>", "<x/>{}", "<properties><read/>{}</properties>"):
            yield Cell(K.MAY_WIDEN, f"{name} that is only there", place.format(""), place.format(f"<{name}/>"))
    for said, outer in product(("delete", "<name>delete</name>"), ("denied", "deniedPermissions", "forbiddenActions")):
        inner = f"<right>{said}</right>"
        yield Cell(K.PERMISSION_ADDED, f"{outer} {said}", f"<{outer}>{inner}</{outer}>", f"<{outer}/>")
    for outer in ("denied", "denyRights", "notAllowed", "not_permitted", "neverAllow", "disallowedActions"):
        for tag in (
            "<{0} delete='{1}'/>",
            "<{0}><delete>{1}</delete></{0}>",
            "<{0}><e name='delete' value='{1}'/></{0}>",
        ):
            before, after = tag.format(outer, "true"), tag.format(outer, "false")
            yield Cell(K.PERMISSION_ADDED, f"{outer} {tag}", before, after)
    for tag, outer in product(HOSTS, ("allowedHosts", "trustedHosts", "ipWhiteList", "deniedHosts", "blockedIps")):
        few, more = f"<{outer}>{tag.format('a.example')}</{outer}>", tag.format("a.example") + tag.format("b.example")
        more = f"<{outer}>{more}</{outer}>"
        before, after = (more, few) if outer in ("deniedHosts", "blockedIps") else (few, more)
        yield Cell(K.ADDRESS_LIMIT_LIFTED, f"{outer} {before}", before, after)
    for before, after in [
        ("<ip address='10.0.0.0' mask='255.255.255.0'/>", "<ip address='10.0.0.0' mask='255.255.0.0'/>"),
        ("<ip><from>10.0.0.1</from><to>10.0.0.9</to></ip>", "<ip><from>10.0.0.1</from><to>10.0.1.9</to></ip>"),
        ("<ip>10.0.0.1</ip>", "<ip>10.0.0.1</ip><ip>10.0.0.2</ip>"),
        ("<ip>10.0.0.1</ip>", ""),
    ]:
        for outer in ("allowedIps", "ipWhiteList", "ipRestrictions", "allowed_networks"):
            yield Cell(
                K.ADDRESS_LIMIT_LIFTED,
                f"{outer} {before}",
                f"<{outer}>{before}</{outer}>",
                f"<{outer}>{after}</{outer}>",
            )


ACCOUNTS = Policy(parts=frozenset({PartName.ACCOUNTS}))
ALL = list(cells())


def kinds_by_user(make_plan_between: PlanFactory, changes: list[tuple[str, str]]) -> dict[int, set[AccessIncreaseKind]]:
    """The kinds of increase by user, all in one plan."""
    sides = [
        f"<users>{''.join(f'<user name="u{n}">{change[side]}</user>' for n, change in enumerate(changes))}</users>"
        for side in (0, 1)
    ]
    increases = access_increases(make_plan_between({"users": sides[0]}, {"users": sides[1]}, ACCOUNTS))
    kinds: dict[int, set[AccessIncreaseKind]] = {}
    for one in (one for one in increases if one.kind is not K.PASSWORDS_CHANGED):
        kinds.setdefault(int(one.item.removeprefix("users/u")), set()).add(one.kind)
    return kinds


KINDS = sorted({cell.kind for cell in ALL})


@pytest.mark.parametrize("kind", KINDS)
def test_every_cell_is_told_and_its_way_back_is_not(make_plan_between: PlanFactory, kind: AccessIncreaseKind) -> None:
    cells = [cell for cell in ALL if cell.kind is kind]
    kinds = kinds_by_user(make_plan_between, [(cell.before, cell.after) for cell in cells])
    wrong = [f"{cell.said}: {kinds.get(n)}" for n, cell in enumerate(cells) if kinds.get(n) != {kind}]
    assert not wrong, f"{len(wrong)} of {len(cells)}:\n" + "\n".join(wrong[:60])
    back = [cell for cell in cells if kind not in ONE_WAY or cell.said.startswith("a new")]
    kinds = kinds_by_user(make_plan_between, [(cell.after, cell.before) for cell in back])
    wrong = [f"{cell.said}: {kinds[n]}" for n, cell in enumerate(back) if n in kinds]
    assert not wrong, f"{len(wrong)} of {len(back)} on the way back:\n" + "\n".join(wrong[:60])


def test_a_change_that_may_be_either_is_told_in_both_directions(make_plan_between: PlanFactory) -> None:
    cells = [
        (f"{name}: {before} -> {after}, {spelling}, {style}", write(spelled, before), write(spelled, after))
        for (name, one, other), (spelling, spell), (style, write) in product(
            EITHER_WAY, SPELLINGS.items(), STYLES.items()
        )
        for spelled in [spell(name.split())]
        for before, after in ((one, other), (other, one))
    ]
    kinds = kinds_by_user(make_plan_between, [(before, after) for _, before, after in cells])
    wrong = [said for n, (said, _, _) in enumerate(cells) if n not in kinds]
    assert not wrong, f"{len(wrong)} of {len(cells)}:\n" + "\n".join(wrong[:60])


def test_the_table_has_every_kind_that_a_rule_tells_of() -> None:
    assert {rule.kind for rule in RULES} - {K.INHERITANCE_CHANGED} == set(KINDS)


# ---------------------------------------------------------------- settings, and the typed options of listeners
OF_SERVERS = (
    K.PERMISSION_ADDED,
    K.SECURE_CONNECTION_DROPPED,
    K.AUTHENTICATION_WEAKENED,
    K.PROTOCOL_ADDED,
    K.ADDRESS_LIMIT_LIFTED,
    K.MAY_WIDEN,
)
ONLY_OF_ACCOUNTS = ("upload", "delete")
"""Bare words that say nothing outside of a user."""


def _of_servers() -> list[tuple[AccessIncreaseKind, str, bool]]:
    """Kind, name and what a boolean says that is wider."""
    on = [(kind, name, True) for kind in OF_SERVERS for name in WIDER_WHEN_ON.get(kind, [])]
    off = [(kind, name, False) for kind in OF_SERVERS for name in WIDER_WHEN_OFF.get(kind, [])]
    return [
        (kind, spell(name.split()), wider)
        for kind, name, wider in on + off
        for spell in SPELLINGS.values()
        if name not in ONLY_OF_ACCOUNTS
    ]


@pytest.mark.parametrize("back", [False, True])
def test_settings_and_typed_options_are_told_alike(make_plan_between: PlanFactory, *, back: bool) -> None:
    cells = _of_servers()

    def content(*, wide: bool) -> dict[str, object]:
        said = [(name, wider is wide) for _, name, wider in cells]
        tags = "".join(f"<s{n}><{name}>{str(value).lower()}</{name}></s{n}>" for n, (name, value) in enumerate(said))
        options = [{"listenPort": n, name: value} for n, (name, value) in enumerate(said)]
        return {
            "settings": f"<all>{tags}</all>",
            "listeners": tuple(Listener(n, "", 1, option) for n, option in enumerate(options)),
        }

    policy = Policy(parts=frozenset({PartName.SETTINGS, PartName.LISTENERS}))
    increases = access_increases(make_plan_between(content(wide=back), content(wide=not back), policy))
    kinds = {(one.part, one.kind, one.path.rpartition("/")[2], one.item) for one in increases}
    expected = {
        entry
        for n, (kind, name, _) in enumerate(cells)
        for entry in (
            (PartName.SETTINGS, kind, name, f"/all/s{n}/{name}"),
            (PartName.LISTENERS, kind, name, f"protocol 1 port {n}"),
        )
    }
    assert kinds == (set() if back else expected)


def test_a_listener_that_is_switched_on_or_lets_people_log_in_is_told(make_plan_between: PlanFactory) -> None:
    def content(*, wide: bool) -> dict[str, object]:
        options = {
            "listenPort": 21,
            "isActive": wide,
            "allowLogin": wide,
            "useHSTS": not wide,
            "redirectToHttps": not wide,
        }
        return {"listeners": (Listener(1, "", 1, options),)}

    policy = Policy(parts=frozenset({PartName.LISTENERS}))
    increases = access_increases(make_plan_between(content(wide=False), content(wide=True), policy))
    assert [(one.kind, one.path) for one in increases] == [
        (K.PROTOCOL_ADDED, "isActive"),
        (K.PERMISSION_ADDED, "allowLogin"),
        (K.SECURE_CONNECTION_DROPPED, "useHSTS"),
        (K.SECURE_CONNECTION_DROPPED, "redirectToHttps"),
    ]
    assert access_increases(make_plan_between(content(wide=True), content(wide=False), policy)) == ()


def test_a_list_of_addresses_in_settings_is_compared_as_a_whole(make_plan_between: PlanFactory) -> None:
    def content(*addresses: str) -> dict[str, object]:
        return {
            "settings": f"<s><always/><allowedIps>{''.join(f'<ip>{one}</ip>' for one in addresses)}</allowedIps></s>"
        }

    policy = Policy(parts=frozenset({PartName.SETTINGS}))
    wider = access_increases(make_plan_between(content("10.0.0.0/25"), content("10.0.0.0/24"), policy))
    assert {one.kind for one in wider} == {K.ADDRESS_LIMIT_LIFTED}
    halves = content("10.0.0.0/25", "10.0.0.128/25")
    assert access_increases(make_plan_between(halves, content("10.0.0.0/24"), policy)) == ()
    assert access_increases(make_plan_between(halves, content("10.0.0.7"), policy)) == ()


SETTINGS = [
    ("<defaultPermissions>{}</defaultPermissions>", "1", "3", {K.PERMISSION_ADDED}, {K.MAY_WIDEN}),
    ("<ipAccess policy='{}'/>", "deny", "allow", {K.MAY_WIDEN}, set()),
    ("<access mode='{}'/>", "whitelist", "blacklist", {K.MAY_WIDEN}, set()),
    ("<folder visibility='{}'/>", "private", "public", {K.MAY_WIDEN}, set()),
    ("<webAccess>{}</webAccess>", "0", "1", {K.MAY_WIDEN}, set()),
    ("<e name='api_access' value='{}'/>", "false", "true", {K.MAY_WIDEN}, set()),
    ("<accessLog>{}</accessLog>", "false", "true", set(), set()),
    ("<defaults><isSuperUser>{}</isSuperUser></defaults>", "0", "1", {K.ADMIN_GRANTED}, set()),
    ("<adminEmail>{}</adminEmail>", "a@b.example", "c@d.example", set(), set()),
    ("<authMethod>{}</authMethod>", "key", "password", {K.AUTHENTICATION_WEAKENED}, set()),
    ("<authorizedKeys><k>a</k>{}</authorizedKeys>", "", "<k>b</k>", {K.SSH_KEY_ADDED}, set()),
    ("<retention days='{}'/>", "30", "90", set(), set()),
    ("<rights>{}</rights>", "read", "full", {K.PERMISSION_ADDED}, set()),
    ("<allowUploads>{}</allowUploads>", "1", "2", {K.MAY_WIDEN}, {K.MAY_WIDEN}),
    ("<requireTls>{}</requireTls>", "2", "0", {K.SECURE_CONNECTION_DROPPED}, set()),
    ("<tls minVersion='{}'/>", "1.2", "1.0", {K.MAY_WIDEN}, {K.MAY_WIDEN}),
    ("<ciphers>{}</ciphers>", "HIGH", "LOW", {K.MAY_WIDEN}, {K.MAY_WIDEN}),
    ("<whitelist><entry>{}</entry></whitelist>", "10.0.0.1", "10.0.0.0/8", {K.MAY_WIDEN}, {K.MAY_WIDEN}),
    ("<tls><minVersion>{}</minVersion></tls>", "1.2", "1.0", {K.MAY_WIDEN}, {K.MAY_WIDEN}),
    ("<tls><ciphers>{}</ciphers></tls>", "HIGH", "ALL:NULL", {K.MAY_WIDEN}, {K.MAY_WIDEN}),
    ("<tls><v1_0>{}</v1_0></tls>", "false", "true", {K.MAY_WIDEN}, {K.MAY_WIDEN}),
    ("<lockout><attempts>{}</attempts></lockout>", "5", "5000", {K.MAY_WIDEN}, {K.MAY_WIDEN}),
    ("<lockout><duration>{}</duration></lockout>", "900", "1", {K.MAY_WIDEN}, {K.MAY_WIDEN}),
    ("<mfa><graceDays>{}</graceDays></mfa>", "0", "365", {K.MAY_WIDEN}, {K.MAY_WIDEN}),
    ("<passwordPolicy><minLength>{}</minLength></passwordPolicy>", "12", "1", {K.MAY_WIDEN}, set()),
    ("<passwordPolicy><history>{}</history></passwordPolicy>", "12", "0", {K.MAY_WIDEN}, {K.MAY_WIDEN}),
    ("<publicKeyAuth>{}</publicKeyAuth>", "required", "off", {K.MAY_WIDEN}, set()),
    ("<ipFilter><mode>{}</mode></ipFilter>", "deny", "allow", {K.MAY_WIDEN}, {K.ADDRESS_LIMIT_LIFTED}),
    ("<dosProtection>{}</dosProtection>", "true", "false", {K.SECURE_CONNECTION_DROPPED}, set()),
    ("<ssh><kex>{}</kex></ssh>", "a", "b", {K.MAY_WIDEN}, {K.MAY_WIDEN}),
    ("<password><expireDays>{}</expireDays></password>", "90", "0", {K.EXPIRY_LIFTED}, set()),
    ("<autoBlock><threshold>{}</threshold></autoBlock>", "5", "5000", {K.MAY_WIDEN}, {K.MAY_WIDEN}),
    ("<ipRange>{}</ipRange>", "10.0.0.1 - 10.0.0.5", "10.0.0.1 - 10.0.9.5", {K.MAY_WIDEN}, {K.MAY_WIDEN}),
    ("<autoBlockingEnabled>{}</autoBlockingEnabled>", "true", "false", {K.PERMISSION_ADDED}, set()),
    ("<twoFactor enabled='{}'/>", "true", "false", {K.SECURE_CONNECTION_DROPPED}, set()),
    (
        "<section name='ipRestrictions'><e name='enabled' value='{}'/></section>",
        "1",
        "0",
        {K.ADDRESS_LIMIT_LIFTED},
        set(),
    ),
    ("<policy><minPasswordLength>{}</minPasswordLength></policy>", "12", "4", {K.MAY_WIDEN}, set()),
    ("<welcomeMessage>{}</welcomeMessage>", "allow", "deny", set(), set()),
    ("<logLevel>{}</logLevel>", "1", "2", set(), set()),
    ("<version>{}</version>", "1", "2", set(), set()),
    ("<notifyOnLogin>{}</notifyOnLogin>", "true", "false", set(), set()),
    ("<timeout>{}</timeout>", "1", "0", set(), set()),
    ("<cluster role='{}'/>", "primary", "secondary", set(), set()),
    ("<clusterRole>{}</clusterRole>", "1", "2", set(), set()),
    ("<cookies><expires>{}</expires></cookies>", "2026-01-01", "2027-01-01", set(), set()),
    ("<linkExpiryDays>{}</linkExpiryDays>", "7", "30", set(), set()),
    ("<logging><directory>{}</directory></logging>", "D:\\logs", "E:\\", set(), set()),
    ("<tempDir>{}</tempDir>", "/x/a", "/x", set(), set()),
    ("<web><root>{}</root></web>", "/a/b", "/a", set(), set()),
    ("<welcome><home>{}</home></welcome>", "/a/b", "/a", set(), set()),
    ("<schedule><lastTime>{}</lastTime></schedule>", "2026-01-01", "2027-01-01", set(), set()),
]


FOR_EVERYBODY: dict[AccessIncreaseKind, list[tuple[str, str, str]]] = {
    K.DIRECTORY_ADDED: [
        ("root path", "D:\\ftp\\pub", "D:\\"), ("default home directory", "/srv/ftp/x", "/srv"), ("home", "/a/b", "/a"),
        ("user root", "/a/b", "/a"), ("default root", "x/y/z", "x/y"),
    ],
    K.ADMIN_GRANTED: [
        ("default role", "user", "administrator"), ("role", "guest", "root"), ("user role", "", "sysadmin"),
        ("default access level", "user", "admin"),
    ],
    K.EXPIRY_LIFTED: [
        ("account expiry date", "2026-01-01", "2030-01-01"), ("default expire days", "30", "0"),
        ("user valid until", "2026-01-01", ""), ("accounts expire", "true", "false"), ("password expires", "30", "90"),
    ],
}  # fmt: skip
"""What settings say of all accounts, or of those that say nothing themselves."""
SECTIONS = (
    "{}",
    "<users>{}</users>",
    "<section name='accounts'>{}</section>",
    "<security><policy>{}</policy></security>",
)


def test_what_settings_say_of_all_accounts_is_told_one_way(make_plan_between: PlanFactory) -> None:
    named = [(kind, *one) for kind, several in FOR_EVERYBODY.items() for one in several]
    spellings = cycle(SPELLINGS.values())
    cells = [
        (kind, [section.format(write(spell(name.split()), value)) for value in (before, after)])
        for ((kind, name, before, after), write, section), spell in zip(
            product(named, STYLES.values(), SECTIONS), spellings, strict=False
        )
    ]
    policy = Policy(parts=frozenset({PartName.SETTINGS}))
    wrong = []
    for kind, (own, source) in cells:
        sides = [{"settings": f"<s><always/>{one}</s>"} for one in (own, source)]
        there, back = (access_increases(make_plan_between(*pair, policy)) for pair in (sides, sides[::-1]))
        if [one.kind for one in there] != [kind] or back:
            wrong.append((own, source, [one.kind for one in there], [one.kind for one in back]))
    assert not wrong, f"{len(wrong)} of {len(cells)}:\n" + "\n".join(map(str, wrong[:40]))


def test_a_setting_is_told_where_it_is_about_access(make_plan_between: PlanFactory) -> None:
    policy = Policy(parts=frozenset({PartName.SETTINGS}))
    for shape, before, after, wider, back in SETTINGS:
        own, source = ({"settings": f"<s><always/>{shape.format(one)}</s>"} for one in (before, after))
        assert {one.kind for one in access_increases(make_plan_between(own, source, policy))} == wider, shape
        assert {one.kind for one in access_increases(make_plan_between(source, own, policy))} == back, shape


# -------------------------------------------------------- what stands around users, new users, what is not known
@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (" allowAnonymous='false'", " allowAnonymous='true'", K.AUTHENTICATION_WEAKENED),
        ("", " allowAnonymous='true'", K.AUTHENTICATION_WEAKENED),
        (" require2FA='true'", "", K.SECURE_CONNECTION_DROPPED),
        (" restrictByIp='yes'", " restrictByIp='no'", K.ADDRESS_LIMIT_LIFTED),
        (" allowedIps='10.0.0.1'", " allowedIps='10.0.0.0/8'", K.ADDRESS_LIMIT_LIFTED),
    ],
)
@pytest.mark.parametrize("what", ["users", "groups"])
def test_what_stands_around_the_users_is_watched(
    make_plan_between: PlanFactory, what: str, before: str, after: str, kind: AccessIncreaseKind
) -> None:
    own, source = ({what: f"<{what}{one}><{what[:-1]} name='ann'/></{what}>"} for one in (before, after))
    increases = access_increases(make_plan_between(own, source, ACCOUNTS))
    assert [(one.kind, one.item) for one in increases] == [(kind, f"{what}/(document)")]
    assert access_increases(make_plan_between(source, own, ACCOUNTS)) == ()


def test_a_user_that_moves_into_another_list_is_told(make_plan_between: PlanFactory) -> None:
    lists = "<u><blocked>{}<user name='x'/></blocked><open>{}<user name='y'/></open></u>"
    ann = "<user name='ann'/>"
    increases = access_increases(
        make_plan_between({"users": lists.format(ann, "")}, {"users": lists.format("", ann)}, ACCOUNTS)
    )
    assert [one.kind for one in increases if one.item == "users/ann"] == [K.MAY_WIDEN]


OPEN = [
    ("<role>Administrator</role>", K.ACCOUNT_ADDED),
    ("<userRole value='sysadmin'/>", K.ACCOUNT_ADDED),
    ("<entry name='role' value='admin'/>", K.ACCOUNT_ADDED),
    ("<require2FA>false</require2FA>", K.ACCOUNT_ADDED),
    ("<twoFactor enabled='false'/>", K.ACCOUNT_ADDED),
    ("<disable2fa>yes</disable2fa>", K.ACCOUNT_ADDED),
    ("<requireTls>0</requireTls>", K.ACCOUNT_ADDED),
    ("<role>wizard</role>", K.ACCOUNT_ADDED),
    ("<noPassword>true</noPassword>", K.ACCOUNT_ADDED),
    ("<authMethod>none</authMethod>", K.ACCOUNT_ADDED),
    ("<allowBlankPassword>true</allowBlankPassword>", K.ACCOUNT_ADDED),
    ("<password/>", K.ACCOUNT_ADDED),
    ("<password value=''/>", K.ACCOUNT_ADDED),
    ("<groups><group>Administrators</group></groups>", K.ACCOUNT_ADDED),
    ("<memberOf>staff, Domain Admins</memberOf>", K.ACCOUNT_ADDED),
    ("<canManageUsers>true</canManageUsers>", K.ACCOUNT_ADDED),
]
CLOSED = [
    "<role>user</role>",
    "<twoFactor enabled='true'/>",
    "<isAnonymous value='false'/>",
    "<emailDisabled>true</emailDisabled>",
    "<password>$5$h$aaaa</password>",
    "<authMethod>ldap</authMethod>",
    "<groups><group>staff</group></groups>",
    "<manager>bob</manager>",
]


def test_a_new_account_is_told_of_when_it_is_open(make_plan_between: PlanFactory) -> None:
    inner = [*(one for one, _ in OPEN), *CLOSED]
    users = "".join(f"<user name='u{n}'>{one}</user>" for n, one in enumerate(inner))
    more = "".join(
        f"<user name='d{n}'>{one}{dead}</user>"
        for n, (one, dead) in enumerate(
            product((one for one, _ in OPEN), ["<isDisabled>1</isDisabled>", "<status>suspended</status>"])
        )
    )
    hidden = "<user name='e'><isAdmin>true</isAdmin><emailDisabled>true</emailDisabled></user>"
    increases = access_increases(
        make_plan_between({"users": "<u/>"}, {"users": f"<u>{users}{more}{hidden}</u>"}, ACCOUNTS)
    )
    assert {(one.item, one.kind) for one in increases} == {
        *((f"users/u{n}", kind) for n, (_, kind) in enumerate(OPEN)),
        ("users/e", K.ACCOUNT_ADDED),
    }


UNKNOWN = [
    ("<permissions>something</permissions>", "<permissions>other</permissions>"),
    ("<isFrobbed>false</isFrobbed>", "<isFrobbed>true</isFrobbed>"),
    ("<isSimpleDirectoryMode value='true'/>", "<isSimpleDirectoryMode value='false'/>"),
    ("<twoFactor><method>totp</method></twoFactor>", "<twoFactor><method>mail</method></twoFactor>"),
    ("<security level='high'/>", "<security level='low'/>"),
    (
        "<accessRules><rule>a</rule><rule>b</rule></accessRules>",
        "<accessRules><rule>b</rule><rule>a</rule></accessRules>",
    ),
    ("<ipRestrictions mode='allow'/>", "<ipRestrictions mode='sometimes'/>"),
    ("<basePath>a</basePath>", "<basePath>b</basePath>"),
    ("<role>user</role>", "<role>wizard</role>"),
    ("<status>quarantine</status>", "<status>perhaps</status>"),
    ("<minTlsVersion>1.2</minTlsVersion>", "<minTlsVersion>1.0</minTlsVersion>"),
    ("<allowUpload>false</allowUpload>", ""),
    ("<authenticate>strong</authenticate>", "<authenticate>weak</authenticate>"),
    ("<ip>10.0.0.1</ip>", "<ip>10.0.0.0/8</ip>"),
    ("<whitelist><entry>10.0.0.1</entry></whitelist>", "<whitelist><entry>*</entry></whitelist>"),
    ("<userType>normal</userType>", "<userType>admin</userType>"),
    ("<class>user</class>", "<class>admin</class>"),
    ("<keys><k>a</k></keys>", "<keys><k>b</k></keys>"),
    ("<root path='x' flags='1'/>", "<root path='x' flags='255'/>"),
    ("<root path='x' mode='ro'/>", "<root path='x' mode='rw'/>"),
    ("<item name='email'><enabled>false</enabled></item>", "<item name='email'><enabled>true</enabled></item>"),
    (
        "<permissions><e name='allowed network'>0</e></permissions>",
        "<permissions><e name='allowed network'>1</e></permissions>",
    ),
    ("<loginHours>8-17</loginHours>", "<loginHours>0-24</loginHours>"),
    ("<minPasswordLength>12</minPasswordLength>", "<minPasswordLength>4</minPasswordLength>"),
    ("<minPasswordLength>12</minPasswordLength>", ""),
    ("<maxLoginAttempts>3</maxLoginAttempts>", "<maxLoginAttempts>900</maxLoginAttempts>"),
    ("<homePath>a</homePath>", ""),
    ("<requireFrob>yes</requireFrob>", "<requireFrob>no</requireFrob>"),
    ("<rule type='deny' what='x'/>", "<rule type='allow' what='x'/>"),
    ("<denyRule name='x'><path>p</path></denyRule>", ""),
    (
        "<permission name='denyDelete'><on>true</on></permission>",
        "<permission name='denyDelete'><on>false</on></permission>",
    ),
    ("<permissions>755</permissions>", "<permissions>766</permissions>"),
    *(
        (
            f"<{section}><e name='upload' value='{one}'/></{section}>",
            f"<{section}><e name='upload' value='{other}'/></{section}>",
        )
        for section in ("restrictions", "uploadLimits", "actionRestrictions")
        for one, other in (("1", "0"), ("0", "1"))
    ),
]


def test_what_is_not_understood_in_a_place_that_matters_is_told(make_plan_between: PlanFactory) -> None:
    kinds = kinds_by_user(make_plan_between, UNKNOWN)
    assert {n: said for n, said in kinds.items() if said <= {K.MAY_WIDEN, K.PERMISSION_ADDED, K.ADMIN_GRANTED}} == kinds
    assert [UNKNOWN[n] for n in range(len(UNKNOWN)) if n not in kinds] == []


NARROWER = [
    ("rights", "RW", "RO"), ("rights", "all", "read"), ("rights", "*", "read"), ("permissions", "rwx", "r.."),
    ("allowed ips", "any", "10.0.0.1"), ("allowed ips", "*", "10.0.0.0/8"), ("blocked ips", "10.0.0.1", "any"),
    ("is disabled", "0", "-1"), ("is disabled", "0", "2"), ("expires", "31.12.2030", "31.12.2025"),
    ("expires", "12/31/2030", "11/30/2025"), ("auth method", "password", "key"), ("ssl", "allowed", "required"),
    ("role", "standard", "readonly"), ("quota", "100 MB", "1 GB"), ("max files", "10", "unlimited"),
    ("phone number", "+49 30 12", "+49 30 13"), ("allowed ips", "10.0.0.0/24", "10.0.0.0/24,!10.0.0.5"),
]  # fmt: skip
"""Changes that give nobody more, however they are written."""


def test_what_gives_nobody_more_is_not_told(make_plan_between: PlanFactory) -> None:
    cells = [
        (f"{name}: {before} -> {after}, {spelling}, {style}", write(spelled, before), write(spelled, after))
        for (name, before, after), (spelling, spell), (style, write) in product(
            NARROWER, SPELLINGS.items(), STYLES.items()
        )
        for spelled in [spell(name.split())]
    ]
    kinds = kinds_by_user(make_plan_between, [(before, after) for _, before, after in cells])
    wrong = [f"{said}: {kinds[n]}" for n, (said, _, _) in enumerate(cells) if n in kinds]
    assert not wrong, f"{len(wrong)} of {len(cells)}:\n" + "\n".join(wrong[:60])


WHEN_CHANGED = ["last password change", "password changed at", "pwd last change", "password date", "password timestamp"]
MOMENTS = [
    ("2020-01-01T00:00:00", "2026-11-01T08:15:00Z"), ("01.02.2020", "3.4.2026"), ("1577836800", "1793520000"),
    ("132223104000000000", "134000000000000000"), ("2020-01-01", "2026-11-01"),
]  # fmt: skip
PASSWORDS = ("<passwordHash>{}</passwordHash>", "<password value='{}'/>", "<password><hash>{}</hash></password>")


def test_a_user_who_changes_the_password_is_not_told_of(make_plan_between: PlanFactory) -> None:
    """When it was changed, and what it was before, goes with it. The moment alone is told: it makes the end later."""
    cells = [
        (PASSWORDS[n % 3], write(spell(name.split()), before), write(spell(name.split()), after))
        for n, (name, (before, after), spell, write) in enumerate(
            product(WHEN_CHANGED, MOMENTS, SPELLINGS.values(), STYLES.values())
        )
    ]
    former = ("<passwordHistory><h>aaa</h>{}</passwordHistory>", "<oldPasswords><item>aaa</item>{}</oldPasswords>")
    cells += [(PASSWORDS[0], one.format(""), one.format("<item>bbb</item>")) for one in former]
    changed = [(one.format("$5$a$aaaa") + before, one.format("$5$b$bbbb") + after) for one, before, after in cells]
    kinds = kinds_by_user(make_plan_between, changed)
    assert {n: changed[n] for n in kinds} == {}
    alone = kinds_by_user(make_plan_between, [(before, after) for _, before, after in cells])
    assert [cell for n, cell in enumerate(cells) if n not in alone and "changed" not in cell[1].lower()] == []


@pytest.mark.parametrize(
    "other", ["<passwordNeverExpires>{}</passwordNeverExpires>", "<passwordExpires>{}</passwordExpires>",
              "<password><required>{}</required></password>", "<passwordEnabled>{}</passwordEnabled>"]
)  # fmt: skip
def test_a_new_password_hides_nothing_else_of_passwords(make_plan_between: PlanFactory, other: str) -> None:
    days = ("2026-01-01", "2036-01-01")
    sides = ("false", "true") if "Never" in other else days if "Expires" in other else ("1", "0")
    hashes = ("<passwordHash>$5$a$aaaa</passwordHash>", "<passwordHash>$5$b$bbbb</passwordHash>")
    before, after = (held + other.format(side) for held, side in zip(hashes, sides, strict=True))
    assert kinds_by_user(make_plan_between, [(before, after)])


@pytest.mark.parametrize("name", ["is disabled", "locked", "account suspended", "enabled", "login allowed", "status"])
@pytest.mark.parametrize("style", STYLES)
def test_a_second_word_on_an_account_that_is_disabled_is_told(
    make_plan_between: PlanFactory, name: str, style: str
) -> None:
    means_enabled = name in ("enabled", "login allowed", "status")
    dead, live = ("off", "on") if means_enabled else ("on", "off")
    cells = [
        (said, said + STYLES[other](spell(name.split()), live))
        for spell in SPELLINGS.values()
        for said in [STYLES[style](spell(name.split()), dead)]
        for other in STYLES
    ]
    kinds = kinds_by_user(make_plan_between, cells)
    assert [cell for n, cell in enumerate(cells) if K.ACCOUNT_ENABLED not in kinds.get(n, ())] == []
    again = [(said, said + said) for said, _ in cells]
    assert not any(K.ACCOUNT_ENABLED in kinds for kinds in kinds_by_user(make_plan_between, again).values())


@pytest.mark.parametrize("named", ["memberOf", "parentGroup", "primaryGroup", "<groups><group>{}</group></groups>"])
def test_a_group_that_joins_another_one_is_told(make_plan_between: PlanFactory, named: str) -> None:
    shape = named if named.startswith("<") else f"<{named}>{{}}</{named}>"
    own, source = ({"groups": f"<g><group name='a'><x/>{shape.format(one)}</group></g>"} for one in ("b", "bosses"))
    increases = access_increases(make_plan_between(own, source, ACCOUNTS))
    assert [(one.kind, one.item) for one in increases] == [(K.MAY_WIDEN, "groups/a")]


VOCABULARY = sorted({word for spelled in MEANINGS.values() for word in spelled.split()})


@given(
    st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=4).map(" ".join),
    st.sampled_from(
        ["<root name={0}>{1}</root>", "<drive><name>{0}</name>{1}</drive>", "<folder key={0}>{1}</folder>"]
    ),
    st.sampled_from([(style, write) for style, write in STYLES.items() if style != "attribute"]),
)
@settings(max_examples=150)
def test_no_name_that_people_give_changes_what_is_told(
    make_plan_between: PlanFactory, name: str, container: str, style: tuple[str, Callable[[str, str], str]]
) -> None:
    """Whatever words of access a directory is called by."""
    changes = [("requireTls", "true", "false"), ("delete", "false", "true"), ("denyUpload", "true", "false")]
    changes += [("restrictByIp", "yes", "no"), ("email", "a", "b"), ("permissions", "R", "RW"), ("frobbed", "0", "1")]
    changes += [(what, after, before) for what, before, after in changes]

    def increases(given: str) -> dict[int, set[AccessIncreaseKind]]:
        text = given if "<name>" in container else quoteattr(given)
        return kinds_by_user(
            make_plan_between,
            [
                (container.format(text, style[1](what, before)), container.format(text, style[1](what, after)))
                for what, before, after in changes
            ],
        )

    assert increases(name) == increases("x")


HARMLESS = [
    ("<email>a@example</email>", "<email>b@example</email>"),
    ("<emailDisabled>true</emailDisabled>", "<emailDisabled>false</emailDisabled>"),
    ("<notificationsEnabled>false</notificationsEnabled>", "<notificationsEnabled>true</notificationsEnabled>"),
    ("<notifications enabled='false'/>", "<notifications enabled='true'/>"),
    ("<maxLoginsAllowed value='1'/>", "<maxLoginsAllowed value='5'/>"),
    ("<maxLoginsAllowed value='0'/>", "<maxLoginsAllowed value='1'/>"),
    ("<desc>allow all</desc>", "<desc>deny all</desc>"),
    ("<title>user</title>", "<title>Administrator</title>"),
    ("<quota>1</quota>", "<quota>0</quota>"),
    ("<minSize>1</minSize>", "<minSize>0</minSize>"),
    ("<password value='a' type='sha256'/>", "<password value='b' type='sha512'/>"),
    ("<language>de</language>", "<language>no</language>"),
    ("<displayName>a</displayName>", "<displayName>b</displayName>"),
    ("<emailSignature>a</emailSignature>", "<emailSignature>b</emailSignature>"),
    ("<notifyOnLogin>false</notifyOnLogin>", "<notifyOnLogin>true</notifyOnLogin>"),
]


def test_what_is_no_access_is_not_told_in_neither_direction(make_plan_between: PlanFactory) -> None:
    assert kinds_by_user(make_plan_between, HARMLESS + [(after, before) for before, after in HARMLESS]) == {}


@pytest.mark.parametrize("name", ["emailDisabled", "isEmailDisabled", "notifyDisabled", "homeDisabled", "sshDisabled"])
def test_a_disabled_thing_of_a_user_is_no_disabled_user(make_plan_between: PlanFactory, name: str) -> None:
    users = [f"<u><user name='ann'><{name}>{said}</{name}></user></u>" for said in ("false", "true")]
    plan = make_plan_between({"users": users[0]}, {"users": users[1]}, ACCOUNTS)
    differences = [difference for part in plan.parts for item in part.items() for difference in item.find()]
    assert differences
    assert not any(map(disables, differences))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<isDisabled>0</isDisabled>", "<isDisabled>1</isDisabled>"),
        ("", "<disabled value='true'/>"),
        ("<status>active</status>", "<status>disabled</status>"),
        ("<account><enabled>yes</enabled></account>", "<account><enabled>no</enabled></account>"),
        ("<e><key>lockedOut</key><value>false</value></e>", "<e><key>lockedOut</key><value>true</value></e>"),
    ],
)
def test_a_user_is_disabled_in_many_words(make_plan_between: PlanFactory, before: str, after: str) -> None:
    users = [f"<u><user name='ann'>{inner}</user></u>" for inner in (before, after)]
    plan = make_plan_between({"users": users[0]}, {"users": users[1]}, ACCOUNTS)
    differences = [difference for part in plan.parts for item in part.items() for difference in item.find()]
    assert any(map(disables, differences))


def test_another_way_to_store_a_password_is_no_wider_access_unless_it_is_plain_text(
    make_plan_between: PlanFactory,
) -> None:
    before = "<password salt='a' type='sha256'>x</password>"
    assert kinds_by_user(make_plan_between, [(before, "<password type='argon2'>y</password>")]) == {}
    plain = kinds_by_user(make_plan_between, [(before, "<password type='plaintext'>y</password>")])
    assert plain == {0: {K.AUTHENTICATION_WEAKENED}}


def test_a_longer_password_is_no_wider_access(make_plan_between: PlanFactory) -> None:
    longer = ("<minPasswordLength>4</minPasswordLength>", "<minPasswordLength>12</minPasswordLength>")
    assert kinds_by_user(make_plan_between, [longer, ("", longer[1])]) == {}
