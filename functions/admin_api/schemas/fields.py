"""Fields that several requests share. Every text, number and list is bounded."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints

from common.errors import Failure
from common.plain_text import ACTING, PLAIN_OR_EMPTY, is_plain
from fleet.servers import PRIMARY_ID
from replication.documents.keep_patterns import RULE_FORM, Rules
from replication.model import PartName

ID_PATTERN = r"^[a-z0-9][a-z0-9-]{0,62}$"
RUN_ID_PATTERN = r"^[0-9]{8}T[0-9]{6}\.[0-9]{6}Z-[0-9a-f]{8}$"
DIGEST_PATTERN = r"^[0-9a-f]{64}$"
_RUN = RUN_ID_PATTERN[1:-1]
_DIGEST = DIGEST_PATTERN[1:-1]
SNAPSHOT_PATTERN = (
    rf"^({_RUN}|{_DIGEST}|primary/{_DIGEST}|backups/{ID_PATTERN[1:-1]}/{_RUN}/([a-z0-9-]{{1,63}}/)?[a-z_.]{{1,150}})$"
)
MAX_BACKUPS = 1000


def accepted(check: Any, value: str) -> object:
    """The result of ``check`` for the value; its Failure becomes an error that pydantic understands."""
    try:
        return check(value)
    except Failure as failure:
        complaint = failure.message
    raise ValueError(complaint)


def whole_number(value: object) -> object:
    """Convert an integral float to an integer: in JSON, 5.0 is the integer 5."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _rule(value: str) -> str:
    if not is_plain(value):
        raise ValueError("It holds a control or bidirectional character")
    accepted(lambda pattern: Rules([pattern]), value)
    return value


def _backup_id(value: str) -> str:
    if value == PRIMARY_ID:
        raise ValueError(f"{PRIMARY_ID} is the primary's own id")
    return value


Part = Annotated[PartName, Field(strict=False)]
Parts = Annotated[list[Part], Field(min_length=1, max_length=len(PartName))]
Rule = Annotated[
    str,
    Field(
        min_length=1,
        max_length=256,
        description=(
            "A keep pattern for paths in the settings; each step between slashes matches a name. A pattern that "
            "begins with `!/` is an exception: this exact path is replicated anyway. A pattern that can match nothing "
            "is refused."
        ),
        json_schema_extra={"format": "preservation-rule", "pattern": f"^{RULE_FORM}$", "not": {"pattern": ACTING}},
    ),
    AfterValidator(_rule),
]
RuleList = Annotated[list[Rule], Field(max_length=200, description="Keep patterns in addition to the product's own.")]
Tags = Annotated[
    dict[
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:/=+@-]{1,128}$")],
        Annotated[str, StringConstraints(max_length=256, pattern=PLAIN_OR_EMPTY)],
    ],
    Field(max_length=50, description="Free labels.", json_schema_extra={"additionalProperties": False}),
]
ReportOnly = Annotated[bool, Field(description="Differences are reported and never repaired.")]
SnapshotName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=300,
        pattern=SNAPSHOT_PATTERN,
        description="The key of a snapshot, the id of the run that kept it, or the digest of a state of the primary.",
    ),
]
BackupId = Annotated[
    str,
    Field(
        pattern=ID_PATTERN,
        max_length=63,
        description=f"Id of a backup. The id `{PRIMARY_ID}` is reserved for the primary.",
        json_schema_extra={"not": {"const": PRIMARY_ID}},
    ),
    AfterValidator(_backup_id),
]
