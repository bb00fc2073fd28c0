"""Detects values that look specific to one machine: addresses, hosts, paths on disk, ports, passwords, keys.

Found values that no keep pattern covers stop the first push. Which values always stay is in ``keep_list``.

The decision uses the words of the name and the form of the value; a boolean is never machine-specific.
"""

from collections.abc import Iterator
from ipaddress import ip_address, ip_interface

from common.patterns import Whole, Within
from replication.documents.canonical import plain
from replication.documents.diff import Difference, Steps
from replication.documents.entry_names import TYPED_VALUES
from replication.documents.secret_names import is_secret_name
from replication.documents.sensitive import looks_generated

_LAST_WORDS = frozenset(
    {"address", "addresses", "addr", "ip", "ips", "ipv4", "ipv6", "host", "hosts", "hostname", "hostnames", "fqdn"}
    | {"dns", "port", "ports", "path", "paths", "dir", "dirs", "directory", "directories", "folder", "folders"}
    | {"filename", "file", "url", "urls", "uri", "uris", "endpoint", "interface", "interfaces", "nic", "machine"}
    | {"computer", "guid", "uuid", "key", "keys", "thumbprint", "fingerprint", "keyfile", "logfile", "datadir"}
)
_SECRETS = (
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "pwd",
    "kennwort",
    "passwort",
    "secret",
    "credential",
    "token",
)
"""Endings of the last word in the name of a password or another secret, in the singular."""
_LAST_PAIRS = frozenset(
    {"host-name", "server-name", "computer-name", "machine-name", "domain-name", "file-name", "path-name"}
    | {"port-range", "ip-range", "address-range", "machine-id", "server-id", "instance-id"}
)
_HOLDERS = TYPED_VALUES | frozenset(
    {"value", "val", "method", "text", "string", "data", "content", "name", "setting", "flag"}
)
"""Names of attributes and children that contain the value of the element around them."""
_LABEL = Whole(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?")
_LAST_LABEL = Whole(r"[A-Za-z]{2,24}")
_PORT = Whole(r"[0-9]{1,5}")
_LONGEST_HOST = 260
"""Maximum length of a host name with a port."""
_FILE_TYPES = frozenset(
    {"txt", "log", "xml", "html", "htm", "png", "jpg", "jpeg", "gif", "ico", "svg", "css", "js", "csv", "zip", "ini"}
    | {"conf", "cfg", "bak", "tmp", "json", "pdf", "md"}
)
_PLACE = Within(
    r"""(?x)
      (?:^|[\s;,"'=]) [A-Za-z]:[\\/]                      # C:\ProgramData
    | (?:^|[\s;,"'=]) \\\\[\w.?-]                          # \\server\share
    | %[A-Za-z][\w()]{0,64}%                              # %ProgramData%
    | (?:^|[\s;,"'=]) ~?/[\w.-]{1,255}(?:/|$)             # /etc, /srv/ftp
    | [A-Za-z][A-Za-z0-9+.-]{0,32}://                     # https://files.example/
    """
)
_BETWEEN_WORDS = Within(r"[\s,;]+")
INSPECTED = 64 * 1024
"""Maximum number of characters of a value that are inspected: a longer value is text for people."""


def looks_machine_specific(difference: Difference) -> bool:
    """Whether a differing value looks specific to one machine, by its name or its content."""
    if _is_name_of_an_entry(difference):
        return False
    values = [value for value in (difference.before, difference.after) if value is not None and value.strip()]
    telling = [value for value in values if plain(value) not in {"true", "false", "yes", "no", "on", "off"}]
    return any(holds_machine_value(value) for value in telling) or (
        bool(telling) and (names_machine_value(difference.steps) or _names_secret(difference.steps, telling))
    )


def _names_secret(steps: Steps, values: list[str]) -> bool:
    """Whether the last word of a name denotes a password or a key, and the value is not a switch."""
    if all(value.strip() in {"0", "1"} for value in values):
        return False
    last = [name.rpartition("-")[2].removesuffix("s") for name in _names(steps)]
    return any(word.endswith(_SECRETS) or (word.endswith("key") and is_secret_name(word)) for word in last)


def _is_name_of_an_entry(difference: Difference) -> bool:
    """Whether the value is the name or key of an entry that is added or removed as a whole. In such an entry ``<key>``
    does not contain a cryptographic key.
    """
    steps = difference.steps
    is_inside = len(steps) > difference.new_from + 1
    return is_inside and bool(steps[-2].called) and steps[-2].called in (difference.before, difference.after)


def _names(steps: Steps) -> Iterator[str]:
    """The names of the value with the path ``steps``, as words: its own names and, for a name such as *value*, those of
    the element around it.
    """
    if not steps:
        return
    yield from steps[-1].labels
    if len(steps) > 1 and plain(steps[-1].name) in _HOLDERS:
        for label in steps[-2].labels:
            yield label
            yield f"{label}-{plain(steps[-1].name)}"


def names_machine_value(steps: Steps) -> bool:
    """Whether the last words of a name denote a value of one machine: ``listenPort``, ``log-directory``."""
    for name in _names(steps):
        said = [word for word in name.split("-") if not word.isdigit()]
        if said and (said[-1] in _LAST_WORDS or "-".join(said[-2:]) in _LAST_PAIRS):
            return True
    return False


def holds_machine_value(value: str) -> bool:
    """Whether a value is an address, a host name, a path on disk, a URL or a key."""
    text = value[:INSPECTED].strip()
    return (
        _PLACE.search(text) is not None
        or looks_generated(text)
        or any(_is_address(part) or _is_host(part) for part in _BETWEEN_WORDS.split(text))
    )


def _is_address(text: str) -> bool:
    """Whether the text is an IP address, also with a port or a prefix length. A plain number is not."""
    bare = text.strip("[]")
    if "." not in bare and ":" not in bare:
        return False
    host, _, port = bare.rpartition(":")
    candidates = [bare, host.strip("[]")] if host and port.isdigit() else [bare]
    return any(_parses(candidate) for candidate in candidates)


def _parses(text: str) -> bool:
    try:
        ip_interface(text) if "/" in text else ip_address(text)
    except ValueError:
        return False
    return True


def _is_host(text: str) -> bool:
    """Whether the text is a host name with several labels, also with a port; a file name is not."""
    if len(text) > _LONGEST_HOST or "." not in text:
        return False
    name, colon, port = text.partition(":")
    labels = name.removesuffix(".").split(".")
    return (
        len(labels) > 1
        and (not colon or _PORT.fullmatch(port) is not None)
        and _LAST_LABEL.fullmatch(labels[-1]) is not None
        and labels[-1].casefold() not in _FILE_TYPES
        and all(map(_LABEL.fullmatch, labels[:-1]))
    )
