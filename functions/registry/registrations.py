"""Changes to registrations and their dependent rows, each in one transaction.

A registration consists of its BACKUP row and the ADDRESS rows that the backup owns. The backup's status and approval
are removed with its registration. A BACKUP row may be from a newer version or damaged, so this module reads only single
attributes of that row.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from boto3.dynamodb.conditions import Attr, ConditionBase

from common.errors import Failure, Reason
from registry.claims import lease_in_the_way, nobody_holds_lease
from registry.fleet_records import Backup, DiscardedSecret, Primary, address_key
from registry.run_records import Approval, BackupResult
from registry.serialization import Row, to_row
from registry.store import AlreadyRegistered, VersionConflict
from registry.store_rules import Promotion, registration_gone
from registry.table import (
    ADDRESS,
    APPROVAL,
    BACKUP,
    DISCARDED,
    LEASE,
    PRIMARY,
    STATUS,
    AddressRow,
    Check,
    ConditionsFailed,
    Delete,
    Put,
    Table,
    counts,
    keys,
    known_format,
    next_version,
    number,
    read_row,
    unchanged,
)

_WITH_A_REGISTRATION = (STATUS, APPROVAL)
"""The kinds of rows that are removed with a registration."""


def promote(table: Table, promotion: Promotion, former: Backup, now: datetime) -> None:
    """Implements ``registry.store.Store.promote``; ``former`` is the new registration of the old primary."""
    old, backup = promotion.old, promotion.backup
    as_seen = Attr("version").eq(old.version) if old.version else Attr("pk").not_exists()
    try:
        table.transact(
            Check(*LEASE, nobody_holds_lease(now)),
            Put({**keys(*PRIMARY), **to_row(promotion.primary)}, as_seen),
            Delete(BACKUP, backup.id, registered_as(backup.registration, backup.version)),
            Put(backup_row(former), Attr("pk").not_exists()),
            Put(_address_row(former), Attr("pk").not_exists()),
            *_releases(table, backup.id),
            *(Delete(kind, one.id) for one in (backup, former) for kind in _WITH_A_REGISTRATION),
        )
    except ConditionsFailed as failed:
        if 0 in failed.rows:
            raise lease_in_the_way(failed.rows[0]) from None
        if failed.rows.keys() & {1, 2}:
            raise VersionConflict from None
        raise AlreadyRegistered(former.id if 3 in failed.rows else _owner_in_the_way(failed)) from None


def add(table: Table, backup: Backup) -> Backup:
    """Implements ``registry.store.Store.add_backup`` for a backup with a new registration."""
    try:
        table.transact(
            Put(backup_row(backup), Attr("pk").not_exists()),
            Put(_address_row(backup), Attr("pk").not_exists()),
            *(Delete(kind, backup.id) for kind in _WITH_A_REGISTRATION),
        )
    except ConditionsFailed as failed:
        raise AlreadyRegistered(backup.id if 0 in failed.rows else _owner_in_the_way(failed)) from None
    return backup


def update(table: Table, backup: Backup, expected_version: int | None, new_id: Callable[[], str]) -> Backup:
    """Implements ``registry.store.Store.update_backup``; ``new_id`` creates a registration id."""
    stored = _registered(table, backup.id)
    if expected_version is not None and backup.registration != registration_in(stored):
        raise VersionConflict
    stays, is_trusted_alike = is_at(stored, backup), stored.get("trust") == backup_row(backup)["trust"]
    updated = replace(
        backup,
        version=next_version(stored, expected_version),
        registration=registration_in(stored) if stays else new_id(),
    )
    void = [] if stays and is_trusted_alike else [APPROVAL] if stays else _WITH_A_REGISTRATION
    address = _address_row(updated)
    try:
        table.transact(
            Put(backup_row(updated), _unchanged(stored)),
            Put(address, Attr("pk").not_exists() | (Attr("backup_id").eq(updated.id) & known_format(AddressRow))),
            *_releases(table, updated.id, but=address["sk"]),
            *(Delete(kind, updated.id) for kind in void),
        )
    except ConditionsFailed as failed:
        if 0 in failed.rows:
            raise VersionConflict from None
        raise AlreadyRegistered(_owner_in_the_way(failed)) from None
    return updated


def delete(table: Table, backup_id: str, expected: Backup | None) -> None:
    """Implements ``registry.store.Store.delete_backup``."""
    stored = _registered(table, backup_id)
    if expected and (expected.registration, expected.version) != (
        registration_in(stored),
        number(stored, "version"),
    ):
        raise VersionConflict
    secret = stored.get("secret")
    discarded = DiscardedSecret(secret if isinstance(secret, str) and secret else backup_id, backup_id)
    try:
        table.transact(
            Delete(BACKUP, backup_id, _unchanged(stored)),
            Put({**keys(DISCARDED, discarded.secret_id), **to_row(discarded)}),
            *_releases(table, backup_id),
            *(Delete(kind, backup_id) for kind in _WITH_A_REGISTRATION),
        )
    except ConditionsFailed as failed:
        if 0 not in failed.rows:
            _owner_in_the_way(failed)
        raise VersionConflict from None


def approve(
    table: Table,
    approval: Approval,
    expected_version: int | None,
    seconds: Approval | None,
    last: BackupResult | None,
) -> None:
    """Implements ``registry.store.Store.approve``."""
    as_seen = registered_as(approval.registration, expected_version)
    row = {**keys(APPROVAL, approval.backup_id), **to_row(approval)}
    try:
        table.transact(
            Check(BACKUP, approval.backup_id, as_seen),
            Put(row, _is_this(seconds) if seconds else None),
            *([Check(STATUS, approval.backup_id, Attr("run_id").eq(last.run_id))] if last else []),
        )
    except ConditionsFailed as failed:
        if 0 not in failed.rows:
            raise VersionConflict from None
        if failed.rows[0] and registration_in(failed.rows[0]) == approval.registration:
            raise VersionConflict from None
        raise registration_gone(approval.backup_id) from None


def ending(approval: Approval) -> Delete:
    """The removal of this approval, on the condition that no other approval has replaced it."""
    return Delete(APPROVAL, approval.backup_id, _is_this(approval))


def registered_as(registration: str, version: int | None = None) -> ConditionBase:
    """The condition that a backup has this registration. Rows of older versions lack the attribute."""
    named = Attr("registration").eq(registration)
    same = named if registration else Attr("pk").exists() & (named | Attr("registration").not_exists())
    return same if version is None else same & counts("version", version)


def registration_in(row: Row) -> str:
    """The registration in a backup's row, which may be unreadable."""
    return str(row.get("registration", ""))


def is_at(row: Row, server: Backup | Primary) -> bool:
    """Whether a registration's row, which may be unreadable, has the host and port of ``server``."""
    host = row.get("host")
    return isinstance(host, str) and address_key(host, number(row, "port")) == address_key(server.host, server.port)


def backup_row(backup: Backup) -> Row:
    """The row of a registration."""
    return {**keys(BACKUP, backup.id), **to_row(backup)}


def _address_row(backup: Backup) -> Row:
    return {**keys(ADDRESS, address_key(backup.host, backup.port)), **to_row(AddressRow(backup.id))}


def _registered(table: Table, backup_id: str) -> Row:
    row = table.get(BACKUP, backup_id)
    if row is None:
        raise Failure(Reason.UNKNOWN_BACKUP, f"no backup is registered as {backup_id}")
    return row


def _releases(table: Table, backup_id: str, *, but: str = "") -> list[Delete]:
    """Removals of every address that the backup owns, except ``but`` and except rows of a newer version.

    The addresses come from the address rows, because the backup's own row may be unreadable. The address rows are read
    after the backup's row, so they are current as long as the backup's row has the same version.
    """
    owned = (row["sk"] for row in table.rows(ADDRESS) if row.get("backup_id") == backup_id)
    return [Delete(ADDRESS, address, known_format(AddressRow)) for address in owned if address != but]


def _owner_in_the_way(failed: ConditionsFailed) -> str:
    """The id of the backup that owns the address on which a transaction failed; empty if none does. Raises
    Failure(RECORD_UNREADABLE) for a row of a newer version.
    """
    owners = [read_row(AddressRow, row).backup_id for row in failed.rows.values() if row.get("pk") == ADDRESS]
    return owners[0] if owners else ""


def _unchanged(registered: Row) -> ConditionBase:
    """The condition that a registration is unchanged; both attributes are compared, because each registration counts
    its own versions.
    """
    return unchanged(registered, "version") & unchanged(registered, "registration")


def _is_this(approval: Approval) -> ConditionBase:
    """The condition that this approval is stored."""
    row = to_row(approval)
    return Attr("plan_hash").eq(row["plan_hash"]) & Attr("at").eq(row["at"])
