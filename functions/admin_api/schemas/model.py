"""The base of all requests and replies: unknown fields are rejected, values are not converted, and exclusive fields are
declared.

This module is separate from ``admin_api.schemas.fields``, because that module limits single values, and this one whole
models.
"""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

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
