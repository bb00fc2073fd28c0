"""Promotion of a backup to primary: concerns about it, and the new registration of the old primary."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from admin_api.dependencies import Services
from admin_api.problems import Refused
from admin_api.registration import new_backup_id, plain_id
from admin_api.schemas.servers import CheckReport
from common.errors import Failure, Reason
from fleet.primary import parts_of
from fleet.servers import PRIMARY_ID
from registry.fleet_records import Backup, Primary
from registry.run_records import BackupResult
from registry.store_rules import of_primary, of_registration
from replication.model import PartName, Status

RECENTLY = timedelta(days=1)
"""The maximum age of a verification. The content of a backup that has not been verified for longer is unknown."""


def former_id(wanted: str | None, primary: Primary, backup: Backup, services: Services) -> str:
    """The id of the old primary as a backup: the requested id, its former id as a backup, or one derived from its host.

    Raises Refused (ALREADY_REGISTERED) for the id of the promoted backup, because two servers would share a history.
    """
    if wanted is not None:
        if wanted == backup.id:
            raise Refused.field("former_id", "It is the id of the backup that is promoted", Reason.ALREADY_REGISTERED)
        return wanted
    own_id = primary.as_backup.id if primary.as_backup else plain_id(primary.host)
    taken = {PRIMARY_ID, backup.id, *(other.id for other in services.store.backups())}
    taken |= {unreadable for unreadable, _ in services.store.unreadable_backups()}
    return new_backup_id(primary.host, services.runtime) if own_id in taken else own_id


def refuse_unsafe(concerns: list[str], backup: Backup, *, force: bool) -> None:
    """Raise Failure(PROMOTION_UNSAFE) if there are concerns, unless the promotion is forced."""
    if concerns and not force:
        raise Failure(Reason.PROMOTION_UNSAFE, f"{backup.id} is not fit to be the primary: {'; '.join(concerns)}")


def concerns_about(backup: Backup, primary: Primary, check: CheckReport, services: Services) -> Iterator[str]:
    """All concerns about promoting this backup, each as a clause."""
    if not backup.enabled:
        yield "it is disabled"
    if backup.paused:
        yield f"it is paused ({backup.paused})"
    try:
        last = of_registration(services.store.status(backup.id), backup.registration)
        if last and last.settings_before:
            yield f"it has new settings, and access to it has not been proved since ({last.settings_before})"
        yield from _unverified(of_primary(last, primary), services)
    except Failure as failure:  # an unreadable history is a concern, which force overrules
        if failure.reason is not Reason.RECORD_UNREADABLE:
            raise
        yield failure.message
    yield from _partial(backup, services)
    for requirement in check.requirements:
        if requirement.result == "fail":
            yield f"it fails the check {requirement.id} now ({requirement.detail})"


def _unverified(last: BackupResult | None, services: Services) -> Iterator[str]:
    """Concerns that the backup may not have the primary's last known content."""
    if last is None or last.verified_at is None:
        yield "it was never found equal to this primary"
        return
    at = _text(last.verified_at)
    if last.status not in (Status.IN_SYNC, Status.UPDATED):
        yield f"its last result is {last.status}"
    if services.runtime.now() - last.verified_at > RECENTLY:
        yield f"it was last verified at {at}, more than a day ago"
    newest = services.store.newest_state()
    if newest and last.verified_at < newest.first_seen_at:
        yield f"it was last verified at {at}, before the primary's newest state, seen at {_text(newest.first_seen_at)}"
    if last.pushed_at and last.pushed_at > last.verified_at:
        yield f"it was last written to at {_text(last.pushed_at)}, and has not been found equal since"


def _partial(backup: Backup, services: Services) -> Iterator[str]:
    settings = services.store.settings()
    lacking = parts_of([Backup("", "", 0)], settings) - parts_of([backup], settings)
    if missing := [name for name in PartName if name in lacking]:
        yield f"it never received {', '.join(missing)}: its own content of these parts would be pushed to the fleet"


def warnings_about(backup: Backup, services: Services) -> Iterator[str]:
    """Tasks that remain on the promoted server itself."""
    last = of_registration(services.store.statuses([backup.id]).get(backup.id), backup.registration)
    native = last.condition.native_sync if last else None
    if native is None:
        yield f"It is unknown whether {backup.id}'s own Synchronization Manager is off. It must be off."
    elif native:
        yield f"The own Synchronization Manager of {backup.id} is on. Switch it off there: both would push."


def _text(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
