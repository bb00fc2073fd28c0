"""Import of the backups that the primary's own Synchronization Manager lists."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from aws_lambda_powertools.event_handler.openapi.params import Body

from admin_api import examples, views
from admin_api.audit import note_destination
from admin_api.dependencies import Injected, Services
from admin_api.problems import problem_answers
from admin_api.registration import new_backup_id, refuse_known_server, register
from admin_api.request import new_router
from admin_api.schemas.imports import ImportedBackup, ImportReport, ImportRequest, NativeSyncView
from admin_api.timeouts import SameServers, address_problems
from cerberus.client import NativeSync, NativeTarget, PrimaryClient
from cerberus.endpoint import MAX_PORT
from cerberus.same_server import Address
from common.deadline import Deadline
from common.errors import Failure, Reason
from common.plain_text import is_plain, made_plain
from fleet.servers import endpoint_of
from registry.fleet_records import Backup, Credentials
from registry.store import AlreadyRegistered

_READ_SECONDS = 15.0
"""Time limit for reading the primary; the rest of the time is for resolving names and registering."""

_MOST_ENTRIES = 1_000
"""Maximum number of entries of the primary's list that are processed."""
_LONGEST_NAME = 256
_ITSELF = "Its address is the primary's own."
_TWICE = "The primary lists this server twice; this entry comes second."

type Action = Literal["would_register", "registered", "needs_password", "already_registered", "refused"]

router = new_router()


@dataclass(frozen=True)
class _Decision:
    """The decision about one entry of the primary's list."""

    target: NativeTarget
    action: Action
    detail: str = ""
    id: str | None = None


@router.post(
    "/backups/import",
    summary="Import the backups that the primary lists",
    tags=["backups"],
    operation_id="importBackups",
    responses=problem_answers(404, 409, 424),
)
def import_backups(
    body: Annotated[ImportRequest, Body(openapi_examples=examples.IMPORT)], services: Injected
) -> ImportReport:
    """List the targets of the primary's own Synchronization Manager and, unless this is a dry run, register them as
    backups.
    """
    native = _native_sync(services)
    decisions = list(_decided(native.targets[:_MOST_ENTRIES], body, services))
    if not body.dry_run:
        decisions = [_carried_out(decision, body, services) for decision in decisions]
    return ImportReport(
        dry_run=body.dry_run,
        native=NativeSyncView.model_validate(native, from_attributes=True),
        warnings=list(_warnings(native)),
        backups=[_shown(decision) for decision in decisions],
        more=max(0, len(native.targets) - _MOST_ENTRIES),
    )


def _native_sync(services: Services) -> NativeSync:
    primary = services.source.primary
    settings = services.store.settings()
    settings = replace(settings, connect_timeout=min(settings.connect_timeout, 5.0))
    deadline = Deadline(_READ_SECONDS, services.runtime.monotonic)

    def ask(credentials: Credentials) -> NativeSync:
        endpoint = endpoint_of(primary, credentials, settings, services.addresses, services.wsdl)
        with PrimaryClient(endpoint, deadline, services.runtime) as client:
            return client.native_sync()

    return services.log_ins.use(primary, ask)


def _decided(targets: Sequence[NativeTarget], body: ImportRequest, services: Services) -> Iterator[_Decision]:
    primary, backups = services.primary(), services.store.backups()
    hosts = [server.host for server in (primary, *backups, *targets) if server]
    same = SameServers(hosts, services.addresses, services.runtime)
    problems = address_problems([target.host for target in targets], services.addresses, services.runtime)
    earlier: list[Address] = []
    for target, problem in zip(targets, problems, strict=True):
        address = (target.host, target.port)
        existing = next((one.id for one in backups if same(address, (one.host, one.port))), None)
        if primary and same(address, (primary.host, primary.port)):
            yield _Decision(target, "refused", _ITSELF)
        elif existing:
            yield _Decision(
                target, "already_registered", "A server with this host and port is registered already.", existing
            )
        elif any(same(address, one) for one in earlier):
            yield _Decision(target, "refused", _TWICE)
        elif why := _unfit(target, problem):
            yield _Decision(target, "refused", why)
        else:
            earlier.append(address)
            if _key(target) in body.passwords:
                yield _Decision(target, "would_register")
            else:
                yield _Decision(
                    target, "needs_password", f"Add its password to passwords under the key {_key(target)}."
                )


def _unfit(target: NativeTarget, problem: Failure | None) -> str:
    """Why an entry cannot be registered, empty if it can; ``problem`` is the failure of its address."""
    if not target.secure:
        return "The primary replicates to it over plain HTTP, which this product never uses."
    if problem:
        return f"{problem.message[:1].upper()}{problem.message[1:]}."
    if not (target.username and 1 <= target.port <= MAX_PORT):
        return "The primary's list has no user name, or no valid port, for this server."
    if len(target.username) > _LONGEST_NAME or not is_plain(target.username):
        return "The primary has a user name for it that is too long, or holds a control or bidirectional character."
    return ""


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
        note_destination(None, backup)
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
        host=made_plain(decision.target.host, _LONGEST_NAME),
        port=decision.target.port,
        username=made_plain(decision.target.username, _LONGEST_NAME),
        enabled=decision.target.enabled,
        action=decision.action,
        id=decision.id,
        detail=decision.detail,
    )


def _key(target: NativeTarget) -> str:
    return f"{target.host}:{target.port}"
