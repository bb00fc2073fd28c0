"""The vocabulary about access: the meanings of names of settings, in any spelling.

``requireTLS``, ``require_tls``, ``RequireTls`` and ``requiretls`` all have the meanings *require* and *secure*.
Synonyms have one meaning. An unknown word is its own meaning.
"""

from functools import lru_cache

from common.patterns import Whole, Within
from replication.documents.keep_patterns import words

MEANINGS = {
    # Directions of a switch
    "enabled": "enabled enable enables active activated activate activates on",
    "disabled": "disabled deactivated suspended lockedout locked inactive",
    "not": "no not never non without dont off disable disables disabling skip skips bypass bypasses ignore ignores"
    " exempt exempts exempted optional",
    "empty": "blank empty passwordless",
    "allow": "allow allows allowed allowing can may permit permits permitted grant grants granted",
    "deny": "deny denies denied disallow disallows disallowed forbid forbids forbidden prohibit prohibits prohibited"
    " block blocks blocked blocking ban banned blacklist blacklisted blocklist denylist reject rejects rejected refuse"
    " refused",
    "readonly": "readonly",
    "require": "require requires required requirement force forces forced enforce enforces enforced only need needs"
    " needed mandatory must demand demands demanded redirect redirects",
    "any": "any all every everyone everywhere anywhere unrestricted",
    # Protections
    "version": "version versions",
    "cipher": "cipher ciphers ciphersuite ciphersuites kex macs hmac",
    "secure": "secure secured tls ssl starttls encrypted encrypt encryption hsts certificate certificates cert certs",
    "insecure": "insecure unsecure unsecured unencrypted cleartext plaintext plain",
    "security": "security",
    "factor": "2fa twofa mfa totp otp authenticator captcha",
    "lockout": "lockout bruteforce protection hammering",
    "address": "ip ips ipv4 ipv6 host hosts address addresses subnet subnets network networks cidr cidrs netmask"
    " netmasks",
    "restrict": "restrict restricts restricted restricting restriction restrictions filter filters filtering filtered",
    "listed": "white whitelist whitelisted allowlist trusted",
    "limit": "limit limits limited limiting",
    "rule": "rule rules policy policies",
    "expire": "expire expires expired expiry expiration",
    "schedule": "schedule schedules hours weekdays",
    "attempt": "attempt attempts tries retries failure failures threshold",
    # Identities and log-ins
    "anonymous": "anonymous anonymously anon guest guests",
    "admin": "admin admins administrator administrators administration superuser sysadmin sudo operator operators",
    "manage": "manage manages manager managers managing management",
    "role": "role roles",
    "level": "level levels",
    "auth": "auth authentication authenticate authenticates authenticated",
    "method": "method methods type types mode modes scheme schemes class kind",
    "group": "group groups memberof membership memberships",
    "key": "key keys fingerprint fingerprints thumbprint",
    "public": "public pub authorized",
    "recover": "recover recovery reset resets restore",
    "password": "password passwords pass pwd passwd hash hashes",
    "salt": "salt salts iterations",
    # Actions, and places for them
    "permission": "permission permissions perm perms right rights privilege privileges acl acls capability"
    " capabilities",
    "access": "access",
    "action": "action actions upload uploads download downloads delete deletes deletion rename renames list lists"
    " create creates creation read reads write writes zip unzip share shares execute append modify overwrite mkdir"
    " browse view hidden move copy fxp transfer transfers",
    "protocol": "protocol protocols",
    "ftp": "ftp ftps ftpes sftp scp http webdav",
    "https": "https",
    "ssh": "ssh",
    "directory": "root roots directory directories folder folders home homes homedir vdir virtualdirectory mount"
    " mounts dir dirs drive drives",
    "path": "path paths location locations target targets",
    # Words without a relation to access
    "inherit": "priority inherit inherits inherited override overrides overridden",
    "least": "min minimum least",
    "quantity": "max maximum count quota size filesize rate speed bandwidth timeout seconds minutes"
    " number length age days",
    "status": "status state",
    "time": "date time last timestamp",
    "change": "change changes",
    "plain talk": "name fname sname email mail mails tel telephone phone mobile fax desc description descriptions"
    " comment comments note notes title company department city street country language locale theme logo icon created"
    " modified changed color colour firstname lastname fullname surname"
    " nickname displayname initials salutation birthday employee job website homepage postal postcode avatar picture",
    "id": "id ids guid uuid",
    "notice": "notify notifies notification notifications notice notices message messages welcome banner",
    "login": "login logins logon",
    "account": "is has be was the a an of to by for from in at this when if user users account accounts entry"
    " entries item items value val text string data content flag flags property properties prop setting settings option"
    " options attribute attributes general profile param parameter parameters control connection connections session"
    " sessions channel client file files use uses used using end valid until till after",
}
"""The words of each meaning, in lower case."""
_ONE_MEANING = {word: meaning for meaning, spelled in MEANINGS.items() for word in spelled.split()}
_KEEP_APART = frozenset({"to", "valid", "until", "till", "after", "end", "name", "email", "mail"})
"""Words that are listed under a meaning above, but stand for a meaning of their own."""

FILLERS = frozenset({"account", "login", *_KEEP_APART} - {"email", "mail"})
"""Words that add nothing to the meaning of the elements around them."""
SWITCHES = frozenset(
    {
        "enabled",
        "disabled",
        "not",
        "allow",
        "deny",
        "require",
        "any",
        "restrict",
        "listed",
        "limit",
        "status",
        "method",
        "inherit",
    }
)
"""Words that only say in which direction a switch goes."""
DEFAULTS = frozenset({"default", "defaults"})
"""Words for settings that apply to people who have no setting of their own."""
NUMBERS = frozenset({"quantity", "least"})
HARMLESS = frozenset({"plain talk", "id", "notice", "email", "mail", "name", "salt"}) | NUMBERS
"""Meanings of words that do not concern access, unless a word about access is beside them."""

_TOGETHER = {
    ("read", "only"): "readonly",
    ("log", "in"): "login",
    ("log", "on"): "login",
    ("sign", "in"): "login",
    ("white", "list"): "whitelist",
    ("black", "list"): "blacklist",
    ("block", "list"): "blocklist",
    ("deny", "list"): "denylist",
    ("locked", "out"): "lockedout",
    ("lock", "out"): "lockout",
    ("two", "factor"): "2fa",
    ("multi", "factor"): "2fa",
    ("second", "factor"): "2fa",
    ("two", "step"): "2fa",
    ("start", "tls"): "tls",
    ("member", "of"): "memberof",
    ("net", "mask"): "netmask",
    ("sub", "net"): "subnet",
    ("super", "user"): "superuser",
    ("clear", "text"): "cleartext",
    ("plain", "text"): "plaintext",
    ("un", "encrypted"): "unencrypted",
    ("virtual", "directory"): "virtualdirectory",
}
_PIECES = frozenset(_ONE_MEANING) | DEFAULTS | {piece for pair in _TOGETHER for piece in pair}
_SECOND_FACTOR = Within(r"2[-_ ]?(?:FA|Fa|fa)")
_VERSION = Whole(r"([a-z]{0,60}(?:tls|ssl))v?[0-9]{1,3}")
_LONGEST = 60
_SHORTEST_PIECE = 2


@lru_cache(maxsize=8192)
def meanings(name: str) -> tuple[str, ...]:
    """The meanings of the words in a name, in order."""
    apart = [
        piece for word in words(_SECOND_FACTOR.sub(" 2fa ", name)).split("-") if word for piece in _taken_apart(word)
    ]
    return tuple(meaning_of(word) for word in _joined(apart))


def meaning_of(word: str) -> str:
    """The meaning that this vocabulary gives to one word of a setting's name. An unknown word is its own meaning."""
    return word if word in _KEEP_APART else _ONE_MEANING.get(word, word)


def is_known(meaning: str) -> bool:
    """Whether a meaning is in this vocabulary."""
    return meaning in MEANINGS or meaning in _KEEP_APART


def _taken_apart(word: str) -> tuple[str, ...]:
    """Split a joined word such as ``requiretls`` into the fewest known words; the word itself if that is impossible."""
    if word in _PIECES or len(word) > _LONGEST:
        return (word,)
    if version := _VERSION.fullmatch(word):
        return (*_taken_apart(version[1]), "version")
    best: list[tuple[str, ...] | None] = [(), *[None] * len(word)]
    for end in range(1, len(word) + 1):
        for start in range(end - _SHORTEST_PIECE + 1):
            before = best[start]
            shortest = best[end]
            if before is None or word[start:end] not in _PIECES:
                continue
            if shortest is None or len(before) + 1 < len(shortest):
                best[end] = (*before, word[start:end])
    return best[-1] or (word,)


def _joined(apart: list[str]) -> list[str]:
    """Join pairs of words that form one word, such as *read* and *only*."""
    joined: list[str] = []
    for word in apart:
        pair = (joined[-1], word) if joined else None
        if pair in _TOGETHER:
            joined[-1] = _TOGETHER[pair]
        else:
            joined.append(word)
    return joined
