"""Values that a server changes by itself for each account and that do not count as a difference.

A name alone does not show that a value is one of them, because an administrator may call a folder "lastAccess". So a
value with a name of ``RUNTIME_NAMES`` is ignored only if it is a time, an address or a count.
"""

from common.patterns import Whole, Within

RUNTIME_NAMES = frozenset(
    {
        "lastlogin",
        "lastlogindate",
        "lastlogintime",
        "lastloginip",
        "lastloginaddress",
        "lastlogon",
        "lastlogontime",
        "lastaccess",
        "lastaccesstime",
        "lastactivity",
        "lastseen",
        "logincount",
        "failedlogins",
        "failedlogincount",
        "failedloginattempts",
        "lastfailedlogin",
    }
)
"""The names, without case and punctuation, of values that a server changes by itself for each account.

User records of newer servers show last log-in time and last log-in IP (documentation.cerberusftp.com, "Adding/Modifying
User Settings"); the other names are variants. The time of the last password change is not included, because it
determines when a password expires.
"""
RUNTIME_PARTS = frozenset({"date", "time", "ip", "address", "count"})
"""The parts of a run-time value: ``<lastLogin><date>…</date><time>…</time></lastLogin>``."""
DATA_TYPES = frozenset(
    {"string", "str", "text", "int", "integer", "long", "number", "uint", "dword", "qword", "date", "time", "datetime"}
)
"""Words that state the type of a run-time value."""

_NUMBER = r"[+-]?[0-9][0-9:./+-]*(?:T[0-9:./+-]*)?Z?"
_IPV6 = r"\[?[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:\.[0-9]{1,3}){0,3}\]?(?::[0-9]{1,5})?"
_WORDS = (
    r"(?i:am|pm|utc|gmt|never|now|none|unknown"
    r"|(?:mon|tue|wed|thu|fri|sat|sun)(?:day|s?day|nesday|rsday|urday)?"
    r"|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)(?:uary|ruary|ch|il|e|y|ust|tember|ober|ember)?)"
)
_TOKEN = rf"(?>(?:{_NUMBER}|{_IPV6}|{_WORDS})(?![^\s,;<]))"
"""One token up to its end; possessive, so that it is never matched in another way."""
_RUNTIME_VALUE = rf"\s*+(?:{_TOKEN}(?:[\s,;]++{_TOKEN})*+\s*+)?"
_VALUE = Whole(_RUNTIME_VALUE)


def is_runtime_value(value: str) -> bool:
    """Whether a value is empty or consists only of a time, an address or a count."""
    return _VALUE.fullmatch(value) is not None


def written_runtime_values(names: bytes) -> Within[bytes]:
    """An expression for elements without attributes that have one of the ``names`` (an expression) and a run-time
    value.
    """
    return Within(rb"<(" + names + rb")>" + _RUNTIME_VALUE.encode() + rb"</\1>", is_made=True)
