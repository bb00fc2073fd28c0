"""The passwords that a command needs: from a file descriptor, the environment, or a question; never from arguments."""

import getpass
import json
import os
from collections.abc import Mapping

from cerbsync.errors import CommandFailed, Exit, Problem
from cerbsync.output import Output

_LARGEST = 1_000_000
_FOR_ALL = "CERBSYNC_PASSWORD"


def variable_of(server: str) -> str:
    """The environment variable for a server's password, such as ``CERBSYNC_PASSWORD_FTP2``."""
    return f"{_FOR_ALL}_{server.upper().replace('-', '_')}"


def from_descriptor(descriptor: int) -> dict[str, str]:
    """The passwords by server, read as one JSON object from a file descriptor; 0 is standard input.

    Raises CommandFailed.
    """
    try:
        with os.fdopen(os.dup(descriptor), "rb") as file:
            text = file.read(_LARGEST + 1)
        document = json.loads(text) if len(text) <= _LARGEST else None
    except (OSError, ValueError, RecursionError):
        document = None
    if isinstance(document, dict) and all(isinstance(value, str) and value for value in document.values()):
        return document
    raise CommandFailed(
        Problem.USAGE,
        f"file descriptor {descriptor} holds no JSON object of passwords by server",
        'write for example {"primary": "...", "ftp2": "..."} to it',
        status=Exit.USAGE,
    ) from None


def passwords_for(servers: Mapping[str, str], output: Output, descriptor: int | None) -> dict[str, str]:
    """A password for each server; ``servers`` maps ids to descriptions for the question. Raises CommandFailed."""
    given = from_descriptor(descriptor) if descriptor is not None else {}
    passwords: dict[str, str] = {}
    missing = []
    for name in servers:
        value = given.get(name) or os.environ.get(variable_of(name)) or os.environ.get(_FOR_ALL)
        if value:
            passwords[name] = value
        else:
            missing.append(name)
    if missing and not output.asks:
        raise CommandFailed(
            Problem.PASSWORD_NEEDED,
            f"passwords are needed for {', '.join(missing)}, and nobody can be asked here",
            f"set {variable_of(missing[0])}, or {_FOR_ALL} for all servers, or give --passwords-fd",
            server=missing[0],
            status=Exit.USAGE,
        )
    for name in missing:
        output.say(f"{servers[name]}", "name")
        while not (value := getpass.getpass("  Password (not shown): ")):
            output.say("  A password is needed. Ctrl-C ends this; nothing has been changed.")
        passwords[name] = value
    return passwords
