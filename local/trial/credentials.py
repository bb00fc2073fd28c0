"""User names and passwords from the environment or a prompt, never from the command line."""

import getpass
import os
import sys
from collections.abc import Mapping

from common.errors import Failure, Reason
from registry.fleet_records import Credentials

USUAL_NAME = "admin"


def log_in_of(server_id: str, variables: Mapping[str, str] = os.environ) -> Credentials:
    """The log-in of ``primary`` or ``backup``.

    Raises Failure(CREDENTIALS_MISSING) when the environment does not have it and nobody can be asked.
    """
    prefix = f"CERBERUS_{server_id.upper()}_"
    username, password = variables.get(f"{prefix}USERNAME", ""), variables.get(f"{prefix}PASSWORD", "")
    if password:
        return Credentials(username or USUAL_NAME, password)
    if not sys.stdin.isatty():
        raise Failure(
            Reason.CREDENTIALS_MISSING,
            f"{prefix}PASSWORD is not set and there is no terminal to ask at",
            server=server_id,
        )
    if not username:
        print(f"Administrator of the {server_id} [{USUAL_NAME}]: ", end="", file=sys.stderr, flush=True)
        username = sys.stdin.readline().strip() or USUAL_NAME
    return Credentials(username, getpass.getpass(f"Password of {username} on the {server_id}: "))
