"""The enumeration of all failure reasons, the exception that carries one, and the boundary around reporting code.

Status records, metrics, log lines and HTTP replies all use the same reason code. An administrator who sees
``certificate_pin_mismatch`` in an alarm finds the same word in the backup's history and in the runbook.

A defect in code that only reports (warnings, texts, log lines, metrics) must not abort the operation that it reports
on. Such code runs inside ``contained``, which turns a defect into a notice with a reason and the place in the program.
The text of the original exception is dropped because it could quote a document.
"""

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Reason(StrEnum):
    """The reason why an operation failed or was stopped. The value is stored and shown."""

    # Reaching a server
    NAME_NOT_RESOLVED = "name_not_resolved"
    ADDRESS_FORBIDDEN = "address_forbidden"
    CONNECTION_REFUSED = "connection_refused"
    CONNECTION_FAILED = "connection_failed"
    CONNECTION_CLOSED = "connection_closed"
    CONNECT_TIMEOUT = "connect_timeout"
    READ_TIMEOUT = "read_timeout"
    # TLS
    CERTIFICATE_UNTRUSTED = "certificate_untrusted"
    CERTIFICATE_PIN_MISMATCH = "certificate_pin_mismatch"
    TLS_FAILED = "tls_failed"
    # HTTP and SOAP replies
    REDIRECT_REFUSED = "redirect_refused"
    HTTP_ERROR = "http_error"
    NOT_SOAP = "not_soap"
    REPLY_EMPTY = "reply_empty"
    REPLY_MALFORMED = "reply_malformed"
    REPLY_FORBIDDEN_XML = "reply_forbidden_xml"
    REPLY_INCOMPLETE = "reply_incomplete"
    REPLY_TOO_LARGE = "reply_too_large"
    REPLY_TOO_COMPLEX = "reply_too_complex"
    SOAP_VERSION_UNSUPPORTED = "soap_version_unsupported"
    SOAP_FAULT = "soap_fault"
    OPERATION_UNSUPPORTED = "operation_unsupported"
    AUTHENTICATION_FAILED = "authentication_failed"
    READ_REFUSED = "read_refused"
    WRITE_REFUSED = "write_refused"
    CONTENT_UNSENDABLE = "content_unsendable"
    # Facts that a server reports about itself
    VERSION_MISMATCH = "version_mismatch"
    LICENCE_INVALID = "licence_invalid"
    LICENCE_SHARED = "licence_shared"
    EDITION_WITHOUT_SYNC = "edition_without_sync"
    FEATURE_MISSING = "feature_missing"
    SOAP_NOT_SECURE = "soap_not_secure"
    SAME_AS_PRIMARY = "same_as_primary"
    # Documents
    DOCUMENT_MALFORMED = "document_malformed"
    CHARACTER_FORBIDDEN = "character_forbidden"
    WRITE_NOT_EFFECTIVE = "write_not_effective"
    CHANGED_DURING_PUSH = "changed_during_push"
    LISTENERS_CHANGED = "listeners_changed"
    DEPENDENCY_FAILED = "dependency_failed"
    # The primary as a source
    PRIMARY_EMPTY = "primary_empty"
    PRIMARY_INCOMPLETE = "primary_incomplete"
    PRIMARY_SHRUNK = "primary_shrunk"
    PART_NOT_READ = "part_not_read"
    PRIMARY_REPLACED = "primary_replaced"
    PRIMARY_NOT_REGISTERED = "primary_not_registered"
    # Requests to the management API
    REQUEST_INVALID = "request_invalid"
    BODY_MALFORMED = "body_malformed"
    BODY_TOO_LARGE = "body_too_large"
    MEDIA_TYPE_UNSUPPORTED = "media_type_unsupported"
    ROUTE_UNKNOWN = "route_unknown"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    NOT_PERMITTED = "not_permitted"
    ALREADY_REGISTERED = "already_registered"
    VERSION_CONFLICT = "version_conflict"
    RULE_MISSING = "rule_missing"
    NOTHING_TO_APPROVE = "nothing_to_approve"
    PLAN_NOT_CURRENT = "plan_not_current"
    PLAN_TOO_SLOW = "plan_too_slow"
    PLAN_UNDER_WAY = "plan_under_way"
    COMPARISON_TOO_SLOW = "comparison_too_slow"
    APPROVAL_BY_ANOTHER = "approval_by_another"
    APPROVAL_CHANGED = "approval_changed"
    # The guards
    REMOVES_TOO_MUCH = "removes_too_much"
    DISABLES_TOO_MUCH = "disables_too_much"
    PART_MISSING_ON_PRIMARY = "part_missing_on_primary"
    MACHINE_SPECIFIC_UNRULED = "machine_specific_unruled"
    ENTRIES_AMBIGUOUS = "entries_ambiguous"
    NAMES_UNDECIDED = "names_undecided"
    ACCESS_WIDENED = "access_widened"
    ACCESS_NOT_JUDGED = "access_not_judged"
    ADDITION_WIDENS_ACCESS = "addition_widens_access"
    ACCESS_NOT_PROVED = "access_not_proved"
    # A promotion
    PROMOTION_UNSAFE = "promotion_unsafe"
    PUSHES_HELD = "pushes_held"
    # After a push
    ACCESS_LOST = "access_lost"
    INTERRUPTED = "interrupted"
    SNAPSHOT_MISSING = "snapshot_missing"
    SNAPSHOT_UNREADABLE = "snapshot_unreadable"
    SNAPSHOT_ALTERED = "snapshot_altered"
    SNAPSHOT_NOT_KEPT = "snapshot_not_kept"
    STATE_NOT_KEPT = "state_not_kept"
    SNAPSHOT_UNFIT = "snapshot_unfit"
    SNAPSHOT_OF_FORMER_SERVER = "snapshot_of_former_server"
    MACHINE_VALUES_CHANGED = "machine_values_changed"
    ROLLBACK_NOT_EFFECTIVE = "rollback_not_effective"
    # The run and its surroundings
    LEASE_HELD = "lease_held"
    LEASE_LOST = "lease_lost"
    CLAIM_LOST = "claim_lost"
    NOT_QUEUED = "not_queued"
    RUN_CUT_OFF = "run_cut_off"
    ALREADY_STARTED = "already_started"
    EVENT_DROPPED = "event_dropped"
    DEADLINE = "deadline"
    TOO_SLOW = "too_slow"
    ENDS_RUNS = "ends_runs"
    RUN_ABORTED = "run_aborted"
    NO_BACKUPS = "no_backups"
    UNKNOWN_BACKUP = "unknown_backup"
    UNKNOWN_RUN = "unknown_run"
    BACKUP_DISABLED = "backup_disabled"
    BACKUP_REPORT_ONLY = "backup_report_only"
    BACKUP_PAUSED = "backup_paused"
    CREDENTIALS_MISSING = "credentials_missing"
    PASSWORD_NEEDED = "password_needed"  # noqa: S105 - a reason, not a password
    REGISTRATION_INVALID = "registration_invalid"
    REGISTRATION_CHANGED = "registration_changed"
    SETTINGS_CHANGED = "settings_changed"
    EVENT_INVALID = "event_invalid"
    CONFIGURATION_INVALID = "configuration_invalid"
    REGISTRY_UNAVAILABLE = "registry_unavailable"
    RECORD_UNREADABLE = "record_unreadable"
    REPORT_INCOMPLETE = "report_incomplete"
    INTERNAL_ERROR = "internal_error"


_TOO_MUCH = "Check which program answers at this address; if it is the server, shorten its lists (docs/limits.md)."

REMEDIES: dict[Reason, str] = {
    Reason.NAME_NOT_RESOLVED: "Check the host name and that the function's network can resolve it.",
    Reason.ADDRESS_FORBIDDEN: "Register an address that is routable from the function's network.",
    Reason.CONNECTION_REFUSED: "Check that the server runs, its SOAP listener is on, and the port is right.",
    Reason.CONNECTION_FAILED: "Check the network path from the function to the server.",
    Reason.CONNECTION_CLOSED: "Check the server's log; it closed the connection before its reply was complete.",
    Reason.CONNECT_TIMEOUT: "Check firewalls and security groups between the function and the server.",
    Reason.READ_TIMEOUT: "Check the server's load, or raise the read time-out in the settings.",
    Reason.CERTIFICATE_UNTRUSTED: "Register the server's own CA, or pin its certificate's SHA-256 fingerprint.",
    Reason.CERTIFICATE_PIN_MISMATCH: "If it was renewed, confirm the new fingerprint by another channel and pin it.",
    Reason.TLS_FAILED: "Check that the port speaks HTTPS with TLS 1.2 or newer.",
    Reason.REDIRECT_REFUSED: "Register the address that serves SOAP itself; redirects are never followed.",
    Reason.HTTP_ERROR: "Check that the port and path serve Cerberus' SOAP service.",
    Reason.NOT_SOAP: "Check that the port serves SOAP, not the web pages.",
    Reason.REPLY_EMPTY: "Check the server's log; the reply had no content.",
    Reason.REPLY_MALFORMED: "Check the server's log; the reply was cut or is not well-formed XML.",
    Reason.REPLY_FORBIDDEN_XML: "A reply with a DTD or entities is never read; check which program answers there.",
    Reason.REPLY_INCOMPLETE: "Check that the server's version matches the WSDL in use.",
    Reason.REPLY_TOO_LARGE: _TOO_MUCH,
    Reason.REPLY_TOO_COMPLEX: _TOO_MUCH,
    Reason.SOAP_VERSION_UNSUPPORTED: "Supply the server's own WSDL: its binding says which version of SOAP is spoken.",
    Reason.SOAP_FAULT: "Check the server's log for the fault.",
    Reason.OPERATION_UNSUPPORTED: "The server does not know this operation; leave the part out or supply its own WSDL.",
    Reason.AUTHENTICATION_FAILED: "Store this server's administrator log-in again; a check tries the stored one once.",
    Reason.READ_REFUSED: "Check that the account may use SOAP and read this part.",
    Reason.WRITE_REFUSED: "Check the server's log; it reported that it rejected the change.",
    Reason.CONTENT_UNSENDABLE: "Fix the named item: it contains a control character, or the WSDL lacks the field.",
    Reason.VERSION_MISMATCH: "Install the same four-part version on both servers.",
    Reason.LICENCE_INVALID: "Install a valid licence on the server.",
    Reason.LICENCE_SHARED: "Install a licence of its own on the backup.",
    Reason.EDITION_WITHOUT_SYNC: "Use an edition that offers server synchronization.",
    Reason.FEATURE_MISSING: "Leave this part out for the backup, or use the same edition on both servers.",
    Reason.SOAP_NOT_SECURE: "Switch HTTPS on for SOAP on the server and restart its service.",
    Reason.SAME_AS_PRIMARY: "Remove this registration; it points to the primary itself.",
    Reason.DOCUMENT_MALFORMED: "Check this part on the server; its content is not well-formed XML.",
    Reason.CHARACTER_FORBIDDEN: "Enter the named value again on the server. Until then this part stays unchanged.",
    Reason.CHANGED_DURING_PUSH: "Start another run; if this recurs, find out who or what changes this part.",
    Reason.LISTENERS_CHANGED: "Start another run; somebody changed listeners while this one wrote.",
    Reason.WRITE_NOT_EFFECTIVE: "Check the server's disk and log: it acknowledged the change without storing it.",
    Reason.DEPENDENCY_FAILED: "Fix the part that this one depends on first.",
    Reason.PRIMARY_EMPTY: "Check the primary; if it is intended to be empty, start one run with accept_primary.",
    Reason.PRIMARY_INCOMPLETE: "Check the primary; its lists and documents disagree.",
    Reason.PRIMARY_SHRUNK: "Check the primary; if it is intended to be so small, start one run with accept_primary.",
    Reason.PRIMARY_REPLACED: "Review the differences that runs find, then resume pushes: POST /primary/resume.",
    Reason.PART_NOT_READ: "Start another run if none is scheduled: it reads the part and compares it.",
    Reason.PRIMARY_NOT_REGISTERED: "Set the primary's host in the stack's parameters or through the API.",
    Reason.REQUEST_INVALID: "Correct the named fields; /openapi.json describes every request.",
    Reason.BODY_MALFORMED: "Send one JSON object in UTF-8.",
    Reason.BODY_TOO_LARGE: "Send a smaller body; 256 KiB are accepted.",
    Reason.MEDIA_TYPE_UNSUPPORTED: "Send the body as application/json.",
    Reason.ROUTE_UNKNOWN: "Use a path of /openapi.json.",
    Reason.METHOD_NOT_ALLOWED: "Use one of the methods that the Allow header names.",
    Reason.NOT_PERMITTED: (
        "Use an ID token for a client in CognitoClientIds, of a user in the group of the route (/openapi.json)."
    ),
    Reason.ALREADY_REGISTERED: "Change the existing registration, or delete it first.",
    Reason.VERSION_CONFLICT: "Read the object again, and repeat the change with its new ETag if it still applies.",
    Reason.RULE_MISSING: "Create the EventBridge rule again with its name; the runbook has the commands.",
    Reason.NOTHING_TO_APPROVE: "Start a dry run over the backup; if that is blocked, approve the hash in its result.",
    Reason.PLAN_NOT_CURRENT: "Review the current plan; if it is intended, approve the hash of the last result.",
    Reason.PLAN_TOO_SLOW: "Start a dry run over this backup: it has more time, and its result has the plan's hash.",
    Reason.PLAN_UNDER_WAY: "Repeat the request after Retry-After seconds: one request reads a server at a time.",
    Reason.COMPARISON_TOO_SLOW: "Start a dry run, which stores the primary's state, and compare two stored states.",
    Reason.APPROVAL_BY_ANOTHER: "Ask somebody else to approve: the settings require two distinguishable people.",
    Reason.APPROVAL_CHANGED: "Start the run again if you still want it; a scheduled run uses the new approval.",
    Reason.REMOVES_TOO_MUCH: "Review the plan; approve its hash if so many removals are intended.",
    Reason.DISABLES_TOO_MUCH: "Review the plan; approve its hash if so many disabled accounts are intended.",
    Reason.PART_MISSING_ON_PRIMARY: "Check the part on the primary; approve the plan's hash if it should be empty.",
    Reason.MACHINE_SPECIFIC_UNRULED: "Add the message's lines to the keep patterns to keep values; approve the rest.",
    Reason.NAMES_UNDECIDED: "Add one line of the message to the keep patterns: with ! it replicates, without it keeps.",
    Reason.ENTRIES_AMBIGUOUS: "Make the named entries equal on both servers, or add a pattern that keeps their list.",
    Reason.ACCESS_WIDENED: "Review the changes that the plan marks; approve its hash if wider access is intended.",
    Reason.ACCESS_NOT_JUDGED: "Review the plan for wider access yourself, and report this defect.",
    Reason.ADDITION_WIDENS_ACCESS: "Set the named values on the primary, or correct them on the backup.",
    Reason.ACCESS_NOT_PROVED: "Log in to the server. If settings broke access, restore the snapshot; else approve.",
    Reason.PROMOTION_UNSAFE: "Fix the named problems or choose another backup; force overrides them.",
    Reason.PUSHES_HELD: "Review what differs in runs; then POST /primary/resume, or start a run over the fleet.",
    Reason.ACCESS_LOST: "Log in to the server by hand at once and restore its settings from the snapshot.",
    Reason.SNAPSHOT_MISSING: "Choose an existing snapshot: /backups/{id}/snapshots and /primary/states list them.",
    Reason.SNAPSHOT_ALTERED: "Find out who writes to the bucket; an earlier version of the object may be intact.",
    Reason.SNAPSHOT_UNREADABLE: "Choose another snapshot, or use the product version that wrote this one.",
    Reason.STATE_NOT_KEPT: "Check the snapshot bucket and the function's rights to it; the next run tries again.",
    Reason.SNAPSHOT_NOT_KEPT: "Check the snapshot bucket or folder: write permission, key, free space.",
    Reason.INTERRUPTED: "Wait for the run in progress; if there is none, start one: it checks the server again.",
    Reason.SNAPSHOT_UNFIT: "Choose a snapshot of this server with the same major version, edition and listeners.",
    Reason.SNAPSHOT_OF_FORMER_SERVER: "If it is the same machine, review the plan and restore with same_machine.",
    Reason.ROLLBACK_NOT_EFFECTIVE: "Restore the settings from the snapshot that the result names.",
    Reason.MACHINE_VALUES_CHANGED: "Add a keep pattern for the machine-specific setting, then start a run.",
    Reason.LEASE_HELD: "Repeat the request when the other run has ended; a scheduled run starts by itself.",
    Reason.ALREADY_STARTED: "Nothing to do: the run had already begun or ended, and its first record is kept.",
    Reason.EVENT_DROPPED: "Request the run again; the queue of failed events has the reason.",
    Reason.LEASE_LOST: "Start the run again, or wait for a scheduled one. Without a newer run, raise the time-out.",
    Reason.CLAIM_LOST: "Nothing to do: another worker took over and recorded the backup's result.",
    Reason.NOT_QUEUED: "Check the function's right to send to its queue, and AWS' health, then request the run again.",
    Reason.RUN_CUT_OFF: "Start the run again, or wait for a scheduled one. Check the log for time-outs and memory.",
    Reason.DEADLINE: "Start the run again, or wait for a scheduled one. If this recurs, raise the time-out.",
    Reason.ENDS_RUNS: "Check the function's log and the server's content; then start a run that names the backup.",
    Reason.TOO_SLOW: "Check the load of the server and the network path to it; the next run reads it last.",
    Reason.RUN_ABORTED: "Fix the failure of the run, then start the run again; nothing was written.",
    Reason.NO_BACKUPS: "Register a backup, or enable one.",
    Reason.UNKNOWN_BACKUP: "Use the id of a registered backup.",
    Reason.UNKNOWN_RUN: "Use the id of a stored run; GET /sync-runs lists them.",
    Reason.BACKUP_DISABLED: "Enable the backup to have it replicated.",
    Reason.BACKUP_REPORT_ONLY: "Switch report_only off, so that runs write to this backup.",
    Reason.BACKUP_PAUSED: "Name the paused backup in the restore to restore it anyway, or resume it.",
    Reason.CREDENTIALS_MISSING: "Store user name and password in the server's secret.",
    Reason.PASSWORD_NEEDED: "Supply the password for this destination: with the change, or in the secret by hand.",
    Reason.REGISTRATION_INVALID: "Correct the registration.",
    Reason.SETTINGS_CHANGED: "Start the run again if you still want it; a scheduled run uses the new settings.",
    Reason.REGISTRATION_CHANGED: "Repeat the request if you still want it; scheduled runs use the new registration.",
    Reason.EVENT_INVALID: "Correct the event; events/ has an example of each kind.",
    Reason.CONFIGURATION_INVALID: "Correct the function's configuration and deploy again.",
    Reason.REGISTRY_UNAVAILABLE: "Check the function's permissions and AWS' health; the next run tries again.",
    Reason.RECORD_UNREADABLE: "Deploy the version that wrote the named row, or a newer one; the runbook says more.",
    Reason.REPORT_INCOMPLETE: "The run itself is not affected; please report the defect with its place in the program.",
    Reason.INTERNAL_ERROR: "This is a defect of the product: please report it with the log lines of this run.",
}


REASONS_OF_THE_RUN = (
    Reason.DEADLINE,
    Reason.RUN_ABORTED,
    Reason.NOT_QUEUED,
    Reason.RUN_CUT_OFF,
    Reason.REGISTRATION_CHANGED,
    Reason.APPROVAL_CHANGED,
    Reason.SETTINGS_CHANGED,
    Reason.PRIMARY_REPLACED,
)
"""Reasons that concern the run, or a change that somebody made during the run, and not the backup itself."""


UNANSWERED = frozenset(
    {Reason.OPERATION_UNSUPPORTED, Reason.READ_REFUSED, Reason.SOAP_FAULT, Reason.HTTP_ERROR, Reason.NOT_SOAP}
    | {Reason.REPLY_EMPTY, Reason.REPLY_MALFORMED, Reason.REPLY_INCOMPLETE, Reason.REPLY_FORBIDDEN_XML}
    | {Reason.REPLY_TOO_LARGE, Reason.REPLY_TOO_COMPLEX, Reason.CHARACTER_FORBIDDEN}
)
"""Reasons for which one answer of a server is missing or unusable, while its other answers may be usable."""


class Failure(Exception):
    """An operation failed or was stopped, with a reason code.

    ``message`` says what happened. The message never contains a secret or content of a reply or document, because it is
    stored, logged and shown. ``server`` names the affected server (``"primary files.example:8443"``) and is empty if
    there is none.
    """

    def __init__(self, reason: Reason, message: str, *, server: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.server = server

    @property
    def remedy(self) -> str:
        """One sentence that says what to do about the failure."""
        return REMEDIES[self.reason]

    def __str__(self) -> str:
        where = f"{self.server}: " if self.server else ""
        return f"{where}{self.message} [{self.reason}] {self.remedy}"

    def at(self, server: str) -> "Failure":
        """A copy of the failure with ``server`` as its server, or the failure itself if it already names a server."""
        return self if self.server else Failure(self.reason, self.message, server=server)


@contextmanager
def suppressed(*reasons: Reason) -> Iterator[None]:
    """Suppress a Failure with one of these reasons inside the block. Any other Failure is raised."""
    try:
        yield
    except Failure as failure:
        if failure.reason not in reasons:
            raise


def places(error: BaseException) -> str:
    """The stack of functions that an exception passed through, the innermost first."""
    return " < ".join(
        f"{Path(frame.filename).name}:{frame.lineno} {frame.name}"
        for frame in reversed(traceback.extract_tb(error.__traceback__))
    )


@dataclass(frozen=True)
class Defect:
    """The reason why something could not be reported. ``text`` never quotes a document."""

    reason: Reason
    text: str

    def of(self, what: str, server: str = "") -> Failure:
        """The notice that ``what`` is missing from the report; ``server`` is the server that the report is about."""
        return Failure(self.reason, f"{what} could not be made: {self.text}", server=server)


def contained[Result](work: Callable[[], Result], otherwise: Callable[[Defect], Result]) -> Result:
    """Return the result of ``work``; if it fails, return the result of ``otherwise`` for the defect."""
    try:
        return work()
    except Failure as failure:
        return otherwise(Defect(failure.reason, failure.message))
    except Exception as error:  # noqa: BLE001 - a defect here must not fail the operation
        return otherwise(Defect(Reason.REPORT_INCOMPLETE, defect_of(error)))


def defect_of(error: Exception) -> str:
    """The type of an unexpected exception and where it was raised, without its message."""
    return f"{type(error).__name__} at {places(error)}"
