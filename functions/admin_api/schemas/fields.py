"""The base of all requests and replies, and the fields that several requests share.

Unknown fields are rejected, values are not converted, exclusive fields are declared. Every text, number and list is
bounded.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
    ValidationInfo,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from common.errors import Failure
from common.plain_text import ACTING, PLAIN_OR_EMPTY, is_plain
from fleet.servers import PRIMARY_ID
from replication.documents.keep_patterns import RULE_FORM, Rules
from replication.model import PartName

LEFT_OUT: Any = Field(default=None)
"""The default of a field that may be omitted but not null. An omitted field has the value None."""


@dataclass(frozen=True)
class NotBeside:
    """A flag that cannot be true if the field ``other`` is given, which has to be declared before the flag.

    From this declaration, both the validator and the JSON schema are made.
    """

    other: str
    why: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_after_validator_function(self._checked, handler(source))

    def _checked(self, flag: bool, info: ValidationInfo) -> bool:
        if flag and info.data.get(self.other) is not None:
            raise ValueError(self.why)
        return flag

    def describe(self, name: str, schema: JsonSchemaValue) -> None:
        """Add the rule to the schema of the model whose field ``name`` is the flag."""
        beside = schema.setdefault("dependentSchemas", {}).setdefault(self.other, {"properties": {}})
        beside["properties"][name] = {"const": False, "description": self.why}


class Model(BaseModel):
    """Rejects unknown fields and converts no values."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The schema without the null default of fields that cannot be null, and with the exclusion rules."""
        schema = handler(core_schema)
        whole = handler.resolve_ref_schema(schema)
        for described in whole.get("properties", {}).values():
            if described.get("default", ...) is None and {"type": "null"} not in described.get("anyOf", ()):
                del described["default"]
        for name, field in cls.model_fields.items():
            for mark in field.metadata:
                if isinstance(mark, NotBeside):
                    mark.describe(name, whole)
        return schema


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
