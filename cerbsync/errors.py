"""How a command ends: its exit status, and an error that names the server and the next command to type."""

from collections.abc import Iterable
from enum import IntEnum, StrEnum


class Exit(IntEnum):
    """The exit statuses of all commands."""

    OK = 0
    FAILED = 1
    USAGE = 2
    PARTIAL = 3
    """Some servers are as wanted, others are not."""
    NOT_ALLOWED = 4
    """Not authenticated, or not allowed."""
    WAITS = 5
    """A plan waits for an approval."""
    DIFFERS = 6
    """A server differs, and the command was asked for an exit status with ``--exit-code``."""
    NOT_CONFIRMED = 7
    """Nothing was done, because nobody confirmed it."""
    INTERRUPTED = 130


_FIRST = (Exit.NOT_ALLOWED, Exit.FAILED, Exit.PARTIAL, Exit.WAITS, Exit.DIFFERS)


def worst(statuses: Iterable[Exit]) -> Exit:
    """The exit status to report where several are true, ``OK`` where none is."""
    given = set(statuses)
    return next((status for status in _FIRST if status in given), Exit.OK)


class Problem(StrEnum):
    """The reason codes of the command line itself. Errors of the API keep the API's own code."""

    USAGE = "usage"
    NO_CREDENTIALS = "no_credentials"
    NO_REGION = "no_region"
    NOT_PERMITTED = "not_permitted"
    NO_KEY_STORE = "no_key_store"
    PORT_TAKEN = "port_taken"
    STACK_NOT_FOUND = "stack_not_found"
    STACK_UNREADABLE = "stack_unreadable"
    API_UNREACHABLE = "api_unreachable"
    API_REPLY_INVALID = "api_reply_invalid"
    FILE_MISSING = "file_missing"
    FILE_EXISTS = "file_exists"
    FILE_INVALID = "file_invalid"
    FILE_UNWRITABLE = "file_unwritable"
    PASSWORD_NEEDED = "password_needed"  # noqa: S105 - a reason, not a password
    UNKNOWN_NAME = "unknown_name"
    AMBIGUOUS_NAME = "ambiguous_name"
    NOTHING_TO_DO = "nothing_to_do"
    NEEDS_CONFIRMATION = "needs_confirmation"
    NOT_CONFIRMED = "not_confirmed"
    HASH_DIFFERS = "hash_differs"
    NOT_FINISHED = "not_finished"
    INTERRUPTED = "interrupted"
    INTERNAL_ERROR = "internal_error"


class CommandFailed(Exception):
    """Ends a command. ``next_step`` is a sentence or a command to type, ``details`` are further lines.

    ``server`` is the id of the server that the error is about, empty if it is about none. ``reason`` is a ``Problem``,
    or the code that the API gave.
    """

    def __init__(
        self,
        reason: str,
        message: str,
        next_step: str,
        *,
        server: str = "",
        status: Exit = Exit.FAILED,
        details: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.reason = str(reason)
        self.message = message
        self.next_step = next_step
        self.server = server
        self.status = status
        self.details = details

    def document(self) -> dict[str, object]:
        """The error as JSON, for ``--json``."""
        return {
            "error": {
                "reason": self.reason,
                "server": self.server,
                "message": self.message,
                "next_step": self.next_step,
                "details": list(self.details),
                "status": int(self.status),
            }
        }
