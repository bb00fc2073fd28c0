"""Parses the event that starts a run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from common.errors import Failure, Reason
from common.patterns import Whole
from common.plain_text import is_plain
from registry.run_records import is_run_id
from registry.snapshots import backup_of, is_key

_HASH = Whole(r"[0-9a-f]{64}")
_MOST_BACKUPS = 1_000
"""Maximum number of backups in an event, as in the management API: their ids have to fit into the run's row."""
_LONGEST = 2_048
"""Maximum length of the requester's name; an ARN is shorter."""


class Trigger(StrEnum):
    """The kinds of events that start a run."""

    SCHEDULE = "schedule"
    ON_DEMAND = "on_demand"
    CHANGE = "change"
    """A comparison of the primary with its last state found changes."""
    RESTORE = "restore"
    """Somebody requested a restore."""


@dataclass(frozen=True)
class RunRequest:
    """The parameters of one run. ``backups`` empty means the whole fleet.

    ``accept_primary`` confirms that a primary without users, or one that shrank by half, is intended. ``run_id`` is an
    id that the requester has already assigned, empty for none. ``snapshot`` is the key of the snapshot to restore,
    empty for a replication. ``plan_hash`` is the hash of the plan to carry out, empty for any plan. ``same_machine``
    confirms that a snapshot of an earlier registration is of the machine that is registered now.
    """

    trigger: Trigger
    backups: tuple[str, ...] = ()
    dry_run: bool = False
    accept_primary: bool = False
    requested_by: str = ""
    run_id: str = ""
    snapshot: str = ""
    plan_hash: str = ""
    same_machine: bool = False


def read_request(event: object) -> RunRequest:
    """Parse an event: EventBridge's scheduled event, a look for changes, a run on demand, or a restore.

    A look for changes is exactly ``{"action": "poll"}``; if it starts a run, that run covers all backups.

    A run on demand is ``{"action": "sync"}`` with the optional fields ``backups`` (a list of ids), ``dry_run``,
    ``accept_primary`` (true or false), ``plan_hash``, ``requested_by`` and ``run_id`` (one that
    ``registry.run_records.new_run_id`` made).

    A restore is ``{"action": "restore", "snapshot": KEY}`` with the optional fields ``backups``, ``dry_run``,
    ``plan_hash``, ``same_machine``, ``requested_by`` and ``run_id``. A backup's own snapshot is restored to that backup
    only, and ``backups`` can name no other; a state of the primary is restored to the named backups, or to all.

    Raises Failure(EVENT_INVALID) for anything else, including unknown fields: a misspelt restriction must not start a
    run over all backups. An empty restriction is also rejected; an absent field means no restriction.
    """
    if not isinstance(event, Mapping):
        raise Failure(Reason.EVENT_INVALID, "the event is not an object")
    if event.get("source") == "aws.events" and event.get("detail-type") == "Scheduled Event":
        return RunRequest(Trigger.SCHEDULE)
    if event == {"action": "poll"}:
        return RunRequest(Trigger.CHANGE)
    if event.get("action") == "restore":
        return _restore(event)
    if event.get("action") != "sync":
        raise Failure(
            Reason.EVENT_INVALID, "the event is not a scheduled one, and its action is not sync, restore or poll"
        )
    _refuse_unknown(event, {"accept_primary"})
    return RunRequest(
        Trigger.ON_DEMAND,
        backups=_ids(event),
        dry_run=_flag(event, "dry_run"),
        accept_primary=_flag(event, "accept_primary"),
        plan_hash=_in_form(event, "plan_hash", _HASH.fullmatch, "the hash of a plan"),
        requested_by=_shown_text(event, "requested_by"),
        run_id=_in_form(event, "run_id", is_run_id, "the id of a run"),
    )


def _restore(event: Mapping[str, object]) -> RunRequest:
    _refuse_unknown(event, {"snapshot", "same_machine"})
    snapshot, backups = _text(event, "snapshot"), _ids(event)
    if not is_key(snapshot):
        raise Failure(Reason.EVENT_INVALID, "the field snapshot is not the key of a snapshot")
    owner = backup_of(snapshot)
    if owner and backups not in ((), (owner,)):
        raise Failure(Reason.SNAPSHOT_UNFIT, f"the snapshot is of {owner}, and cannot be restored to another backup")
    return RunRequest(
        Trigger.RESTORE,
        backups=(owner,) if owner else backups,
        dry_run=_flag(event, "dry_run"),
        requested_by=_shown_text(event, "requested_by"),
        run_id=_in_form(event, "run_id", is_run_id, "the id of a run"),
        snapshot=snapshot,
        plan_hash=_in_form(event, "plan_hash", _HASH.fullmatch, "the hash of a plan"),
        same_machine=_flag(event, "same_machine"),
    )


def _refuse_unknown(event: Mapping[str, object], own: set[str]) -> None:
    unknown = sorted(set(event) - {"action", "backups", "dry_run", "plan_hash", "requested_by", "run_id"} - own)
    if unknown:
        raise Failure(Reason.EVENT_INVALID, f"the event has an unknown field: {unknown[0]!r}")


def queued_messages(event: object) -> dict[str, str] | None:
    """The bodies of SQS messages by message id; None for an event of another source."""
    records = event.get("Records") if isinstance(event, Mapping) else None
    if not isinstance(records, list) or not records:
        return None
    if not all(isinstance(record, Mapping) and record.get("eventSource") == "aws:sqs" for record in records):
        return None
    return {str(record.get("messageId")): str(record.get("body")) for record in records}


def _ids(event: Mapping[str, object]) -> tuple[str, ...]:
    if "backups" not in event:
        return ()
    value = event["backups"]
    if not isinstance(value, list) or not all(isinstance(entry, str) and entry for entry in value):
        raise Failure(Reason.EVENT_INVALID, "the field backups is not a list of ids")
    if not value:
        raise Failure(
            Reason.EVENT_INVALID, 'the field "backups" is an empty list; for a run over all backups, omit the field'
        )
    if len(value) > _MOST_BACKUPS:
        raise Failure(Reason.EVENT_INVALID, f"the field backups names more than {_MOST_BACKUPS}")
    return tuple(dict.fromkeys(value))


def _flag(event: Mapping[str, object], name: str) -> bool:
    value = event.get(name, False)
    if not isinstance(value, bool):
        raise Failure(Reason.EVENT_INVALID, f"the field {name} is neither true nor false")
    return value


def _text(event: Mapping[str, object], name: str) -> str:
    value = event.get(name, "")
    if not isinstance(value, str):
        raise Failure(Reason.EVENT_INVALID, f"the field {name} is not a text")
    return value


def _shown_text(event: Mapping[str, object], name: str) -> str:
    value = _text(event, name)
    if len(value) > _LONGEST or not is_plain(value):
        raise Failure(Reason.EVENT_INVALID, f"the field {name} is too long, or holds a control character")
    return value


def _in_form(event: Mapping[str, object], name: str, is_valid: Callable[[str], object], form: str) -> str:
    """A text that has this form, or an empty text if the field is absent."""
    value = _text(event, name)
    if name in event and not is_valid(value):
        raise Failure(Reason.EVENT_INVALID, f"the field {name} is not {form}")
    return value
