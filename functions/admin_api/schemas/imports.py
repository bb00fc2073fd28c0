"""The list of the primary's own Synchronization Manager, and the result of importing it.

This module is separate from ``admin_api.schemas.servers``, because no other route uses these schemas.
"""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from admin_api.schemas.fields import MAX_BACKUPS, Model
from admin_api.schemas.servers import Password, SystemTrust, Trust
from cerberus.address_policy import MAX_HOST


class ImportRequest(Model):
    """A request to import the list of the primary's own Synchronization Manager. A dry run only shows the list.

    The keys of ``passwords`` are ``host:port``; the primary does not reveal its passwords.
    """

    dry_run: bool = True
    passwords: Annotated[
        dict[Annotated[str, StringConstraints(min_length=3, max_length=MAX_HOST + 6)], Password],
        Field(max_length=MAX_BACKUPS),
    ] = {}
    tls: Annotated[Trust, Field(description="How the certificates of all imported servers are checked.")] = SystemTrust(
        mode="system"
    )


class ImportedBackup(Model):
    """The action planned or taken for one entry. ``id`` is the id of its registration."""

    host: str
    port: int
    username: str
    enabled: bool
    action: Literal["would_register", "registered", "needs_password", "already_registered", "refused"]
    id: str | None
    detail: str


class NativeSyncView(Model):
    """The primary's own Synchronization Manager."""

    enabled: bool
    interval_minutes: int
    on_change: bool


class ImportReport(Model):
    """The list found on the primary, and the actions taken. ``more`` is the number of entries that were not
    processed.
    """

    dry_run: bool
    native: NativeSyncView
    warnings: list[str]
    backups: list[ImportedBackup]
    more: int
