"""Making a backup the primary: what speaks against it, and what becomes of the old primary."""

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
"""How old a verification may be. A backup that has not been looked at for longer can hold anything."""


def former_id(wanted: str | None, primary: Primary, backup: Backup, services: Services) -> str:
    """The id the old primary gets as a backup: the wanted one, the one it had as a backup, or one of its host.

    Raises Refused (ALREADY_REGISTERED) for the id of the backup that is promoted: two servers would share a history.
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
    """Raise Failure(PROMOTION_UNSAFE) when anything speaks against it, unless it is forced."""
    if concerns and not force:
        raise Failure(Reason.PROMOTION_UNSAFE, f"{backup.id} is not fit to be the primary: {'; '.join(concerns)}")


def concerns_about(backup: Backup, primary: Primary, check: CheckReport, services: Services) -> Iterator[str]:
    """Everything that speaks against this backup, one half-sentence each."""
    if not backup.enabled:
        yield "it is disabled"
    if backup.paused:
        yield f"it is paused ({backup.paused})"
    try:
        last = of_registration(services.store.status(backup.id), backup.registration)
        if last and last.settings_before:
            yield f"new settings were written to it, and nobody has proved its access since ({last.settings_before})"
        yield from _unverified(of_primary(last, primary), services)
    except Failure as failure:  # in an emergency a person may overrule it
        if failure.reason is not Reason.RECORD_UNREADABLE:
            raise
        yield failure.message
    yield from _partial(backup, services)
    for requirement in check.requirements:
        if requirement.result == "fail":
            yield f"it fails the check {requirement.id} now ({requirement.detail})"


def _unverified(last: BackupResult | None, services: Services) -> Iterator[str]:
    """What is not known of it: whether it holds what the primary held when that was last read."""
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
        yield f"it was never given {', '.join(missing)}: what it holds of these would be pushed to the fleet"


def warnings_about(backup: Backup, services: Services) -> Iterator[str]:
    """What to see to on the promoted server itself."""
    last = of_registration(services.store.statuses([backup.id]).get(backup.id), backup.registration)
    native = last.condition.native_sync if last else None
    if native is None:
        yield f"Nobody has seen whether {backup.id}'s own Synchronization Manager is off. It must be."
    elif native:
        yield f"The own Synchronization Manager of {backup.id} is on. Switch it off there: both would push."


def _text(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
