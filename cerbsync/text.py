"""Texts for a terminal: without what a terminal would obey, times as people say them, numbers with their noun."""

import re
from datetime import UTC, datetime, timedelta

# Control characters, and characters that change the direction of a text (Unicode TR 36): a name on a server must
# neither move the cursor nor reorder what is shown. A line break and a tabulator are left.
_ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def plain(value: object) -> str:
    """The value as text, in which ``\\ufffd`` stands for every character that a terminal would obey."""
    return _ACTING.sub("\ufffd", str(value))


def one_line(value: object) -> str:
    """The value as plain text in one line."""
    return " ".join(plain(value).split())


def time_of(value: object) -> datetime | None:
    """The time in a document of the API (ISO 8601, UTC), None for null or what is no time."""
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def local_time(value: object) -> str:
    """The time on the user's own clock, to the second."""
    time = time_of(value)
    return f"{time.astimezone():%Y-%m-%d %H:%M:%S}" if time else "-"


_STEPS = ((timedelta(days=2), timedelta(days=1), "days"), (timedelta(hours=2), timedelta(hours=1), "h"))


def ago(value: object, now: datetime) -> str:
    """How long ago: "just now", "3 min ago", "5 h ago", "4 days ago"; "never" for null."""
    time = time_of(value)
    if time is None:
        return "never"
    passed = now - time
    for least, unit, name in _STEPS:
        if passed >= least:
            return f"{passed // unit} {name} ago"
    minutes = passed // timedelta(minutes=1)
    return f"{minutes} min ago" if minutes >= 1 else "just now"


def count(number: int, noun: str, plural: str = "") -> str:
    """ "1 backup", "2 backups"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def joined(names: list[str], most: int = 5) -> str:
    """The names with commas; of more than ``most`` the others are counted."""
    shown = ", ".join(one_line(name) for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def address_of(server: dict[str, object]) -> str:
    """``host:port``, with brackets around an IPv6 address."""
    host = one_line(server.get("host", ""))
    return f"[{host}]:{server.get('port')}" if ":" in host else f"{host}:{server.get('port')}"
