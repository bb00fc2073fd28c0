"""Taking over the list of the primary's own Synchronization Manager."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from aws_lambda_powertools.event_handler.openapi.params import Body

from admin_api import examples, views
from admin_api.dependencies import Injected, Services
from admin_api.registration import new_backup_id, refuse_known_server, register
from admin_api.request import new_router
from admin_api.schemas import ImportedBackup, ImportReport, ImportRequest, NativeSyncView
from admin_api.timeouts import address_problems
from cerberus.client import NativeSync, NativeTarget, PrimaryClient
from cerberus.endpoint import MAX_PORT
from common.deadline import Deadline
from common.errors import Failure, Reason
from fleet.servers import endpoint_of
from registry.models import Backup, Credentials, address_key
from registry.store import AlreadyRegistered

_READ_SECONDS = 15.0
"""For asking the primary; the rest of the time is for looking up names and registering."""

_ITSELF = "It leads to the primary itself."

type Action = Literal["would_register", "registered", "needs_password", "already_registered", "refused"]

router = new_router()


@dataclass(frozen=True)
class _Decision:
    """What is to become of one entry of the primary's list."""

    target: NativeTarget
    action: Action
    detail: str = ""
    id: str | None = None


@router.post(
    "/backups/import",
    summary="Take over the primary's own list",
    tags=["backups"],
    operation_id="importBackups",
)
def import_backups(
    body: Annotated[ImportRequest, Body(openapi_examples=examples.IMPORT)], services: Injected
) -> ImportReport:
    """Show what the primary's own Synchronization Manager replicates to and, unless dry, register it here."""
    native = _native_sync(services)
    decisions = list(_decided(native, body, services))
    if not body.dry_run:
        decisions = [_carried_out(decision, body, services) for decision in decisions]
    return ImportReport(
        dry_run=body.dry_run,
        native=NativeSyncView(
            enabled=native.enabled, interval_minutes=native.interval_minutes, on_change=native.on_change
        ),
        warnings=list(_warnings(native)),
        backups=[_shown(decision) for decision in decisions],
    )


def _native_sync(services: Services) -> NativeSync:
    primary = services.primary()
    if primary is None:
        raise Failure(Reason.PRIMARY_NOT_REGISTERED, "no primary is registered")
    settings = services.store.settings()
    settings = replace(settings, connect_timeout=min(settings.connect_timeout, 5.0))
    deadline = Deadline(_READ_SECONDS, services.runtime.monotonic)

    def ask(credentials: Credentials) -> NativeSync:
        endpoint = endpoint_of(primary, credentials, settings, services.addresses, services.wsdl)
        with PrimaryClient(endpoint, deadline, services.runtime) as client:
            return client.native_sync()

    return services.log_ins.use(primary, ask)


def _decided(native: NativeSync, body: ImportRequest, services: Services) -> Iterator[_Decision]:
    primary = services.primary()
    registered = {address_key(backup.host, backup.port): backup.id for backup in services.store.backups()}
    problems = address_problems([target.host for target in native.targets], services.addresses, services.runtime)
    for target, problem in zip(native.targets, problems, strict=True):
        address = address_key(target.host, target.port)
        existing = registered.get(address)
        if primary and address == primary.source:
            yield _Decision(target, "refused", _ITSELF)
        elif existing:
            yield _Decision(target, "already_registered", "Host and port are registered.", existing)
        elif not target.secure:
            yield _Decision(target, "refused", "It is replicated to over plain HTTP, which is never used here.")
        elif problem:
            yield _Decision(target, "refused", f"{problem.message[:1].upper()}{problem.message[1:]}.")
        elif not (target.username and 1 <= target.port <= MAX_PORT):
            yield _Decision(target, "refused", "The primary has no user name, or no valid port, for it.")
        elif _key(target) not in body.passwords:
            yield _Decision(target, "needs_password", f"Give it in passwords, as {_key(target)}.")
        else:
            yield _Decision(target, "would_register")


def _carried_out(decision: _Decision, body: ImportRequest, services: Services) -> _Decision:
    if decision.action != "would_register":
        return decision
    target = decision.target
    now = services.runtime.now()
    backup = Backup(
        id=new_backup_id(target.host, services.runtime),
        host=target.host,
        port=target.port,
        trust=views.trust(body.tls),
        enabled=target.enabled,
        created_at=now,
        updated_at=now,
    )
    password = body.passwords[_key(target)].get_secret_value()
    try:
        refuse_known_server(backup.host, backup.port, services)
        added = register(backup, target.username, password, services)
    except AlreadyRegistered as already:
        return replace(decision, action="already_registered", id=already.existing)
    except Failure as failure:
        if failure.reason is not Reason.SAME_AS_PRIMARY:
            raise
        return replace(decision, action="refused", detail=_ITSELF)
    return replace(decision, action="registered", id=added.id)


def _warnings(native: NativeSync) -> Iterator[str]:
    if native.enabled:
        yield (
            "The primary's own Synchronization Manager is still enabled. Disable it there before replication is "
            "enabled here: both would push to the same servers."
        )
    if native.on_change:
        yield "It also replicates on every change; on_change_polling in the settings comes nearest to that."


def _shown(decision: _Decision) -> ImportedBackup:
    return ImportedBackup(
        host=decision.target.host,
        port=decision.target.port,
        username=decision.target.username,
        enabled=decision.target.enabled,
        action=decision.action,
        id=decision.id,
        detail=decision.detail,
    )


def _key(target: NativeTarget) -> str:
    return f"{target.host}:{target.port}"
