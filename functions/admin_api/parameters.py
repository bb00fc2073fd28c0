"""Parameters that several routes share, and the handling of credentials and addresses for all servers."""

from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Header, Path, Query
from pydantic import Secret

from admin_api import views
from admin_api.dependencies import Services
from admin_api.problems import Refused
from admin_api.request import etag
from admin_api.schemas.backups import BackupView
from admin_api.schemas.fields import DIGEST_PATTERN, ID_PATTERN, RUN_ID_PATTERN
from admin_api.timeouts import address_problems
from common.errors import Failure, Reason, suppressed
from registry.fleet_records import Backup, Credentials, Primary, destination_of

MAX_PAGE = 200

BackupIdParameter = Annotated[str, Path(pattern=ID_PATTERN, description="The backup's id.")]
RunIdParameter = Annotated[str, Path(pattern=RUN_ID_PATTERN, description="The run's id.")]
DigestParameter = Annotated[str, Path(pattern=DIGEST_PATTERN, description="The state's digest.")]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Maximum number of entries in the reply.")]


_NEXT = "The value of next in an earlier answer: the id after which the list continues."
NextBackups = Annotated[str | None, Query(pattern=ID_PATTERN, max_length=63, description=_NEXT)]
NextResults = Annotated[
    str | None,
    Query(
        pattern=r"^[0-9]-[a-z0-9][a-z0-9-]{0,62}$", max_length=65, description="The value of next in an earlier answer."
    ),
]
NextRuns = Annotated[str | None, Query(pattern=RUN_ID_PATTERN, description=_NEXT)]
IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        max_length=200,
        description="The ETag of the version that the change is based on; 412 if it is not the current one.",
    ),
]


def refuse_forbidden_address(host: str, services: Services) -> None:
    """Raise Refused if the host is, or resolves to, a forbidden address."""
    (problem,) = address_problems([host], services.addresses, services.runtime)
    if problem:
        raise Refused.field("host", problem.message, problem.reason)


def username_of(secret_id: str, services: Services) -> str | None:
    """The stored user name, None if there are no credentials."""
    with suppressed(Reason.CREDENTIALS_MISSING):
        return services.credentials.username(secret_id)
    return None


def credentials_for[Server: (Primary, Backup)](
    wanted: Server, registered: Server | None, username: str | None, password: Secret[str] | None, services: Services
) -> Credentials | None:
    """The credentials to store for a changed registration, completed from the stored ones; None for no change.

    Raises Refused. PASSWORD_NEEDED: the stored password was given for another host, port or trust.
    CREDENTIALS_MISSING: only user name or password is sent, and the other is not stored.
    """
    destination = destination_of(wanted)
    moves = registered is not None and destination_of(registered) != destination
    if registered and moves:
        services.log_ins.bind(registered)
    if password is not None:
        name = username_of(wanted.secret_id, services) if username is None else username
        if name is None:
            raise _missing("username")
        return Credentials(name, password.get_secret_value(), destination)
    if username is None and registered and not moves:
        return None
    try:
        stored = services.log_ins.permitted(wanted, asked_for=True)
    except Failure as failure:
        if failure.reason is Reason.PASSWORD_NEEDED:
            raise Refused.field("password", f"It is needed: {failure.message}", Reason.PASSWORD_NEEDED) from None
        if failure.reason is not Reason.CREDENTIALS_MISSING:
            raise
        if username is not None:
            raise _missing("password") from None
        return None
    return None if username is None else Credentials(username, stored.password, destination)


def _missing(half: str) -> Refused:
    return Refused.field(half, "It is required, because none is stored", Reason.CREDENTIALS_MISSING)


def registered_backup(backup_id: str, services: Services) -> Backup:
    """The registration of a backup. Raises Failure(UNKNOWN_BACKUP)."""
    backup = services.store.backup(backup_id)
    if backup is None:
        raise Failure(Reason.UNKNOWN_BACKUP, f"no backup is registered as {backup_id}")
    return backup


def shown_backup(backup: Backup, services: Services) -> Response[BackupView]:
    """The reply that shows a backup, with its version as ETag."""
    view = views.backup_view(
        backup, services.last_result(backup), username_of(backup.secret_id, services), services.approval(backup)
    )
    return Response(200, "application/json", view, {"ETag": etag(backup.version, backup.registration)})
