"""The SOAP contract as data: the operations, and the fields of their types.

The data is in ``contract.json`` beside this file, as the WSDL of servers of
versions 6 to 8 declares it.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

SERVICE = "http://cerberusllc.com/service/cerberusftpservice"
COMMON = "http://cerberusllc.com/common"
_NAMESPACES = {"svc": SERVICE, "com": COMMON}


@dataclass(frozen=True)
class Field:
    """One field of a type.

    ``kind`` is element, attribute or text. ``namespace`` is the namespace of the type that declares it. ``item`` names
    the elements inside a wrapper.
    """

    name: str
    type: str
    kind: str
    namespace: str
    repeated: bool
    required: bool
    item: str
    item_namespace: str

    @property
    def tag(self) -> str:
        """The field's name in Clark notation."""
        return f"{{{self.namespace}}}{self.name}"

    @property
    def item_tag(self) -> str:
        """The name of a wrapped item in Clark notation."""
        return f"{{{self.item_namespace}}}{self.item}"

    @property
    def is_list(self) -> bool:
        """Whether the field's value is a list, wrapped or not."""
        return self.repeated or bool(self.item)


@dataclass(frozen=True)
class Operation:
    """One operation with the names of its request and reply elements (and types)."""

    name: str
    request: str
    response: str


def _field(declaring: dict[str, Any], raw: dict[str, Any]) -> Field:
    attribute = raw["kind"] == "attribute"
    return Field(
        name=raw["name"],
        type=raw["type"],
        kind=raw["kind"],
        namespace=_NAMESPACES[raw.get("ns") or declaring["ns"]],
        repeated=raw.get("repeated", False),
        required=raw.get("use") == "required" if attribute else not raw.get("optional", False),
        item=raw.get("wrapped_item", ""),
        item_namespace=_NAMESPACES[raw.get("item_ns") or declaring["ns"]],
    )


_CONTRACT: dict[str, Any] = json.loads(Path(__file__).with_name("contract.json").read_text("utf-8"))

OPERATIONS: dict[str, Operation] = {
    raw["name"]: Operation(raw["name"], raw["request"], raw["response"]) for raw in _CONTRACT["operations"]
}
BY_REQUEST: dict[str, Operation] = {operation.request: operation for operation in OPERATIONS.values()}
PATHS = (_CONTRACT["binding"]["default_path"], _CONTRACT["binding"]["wsdl_path"])


@cache
def fields(type_name: str) -> tuple[Field, ...]:
    """The fields of a type in their order, those of its base first."""
    raw = _CONTRACT["types"][type_name]
    inherited = fields(raw["base"]) if "base" in raw else ()
    return inherited + tuple(_field(raw, field) for field in raw.get("fields", ()))


@cache
def field(type_name: str, name: str) -> Field | None:
    """One field of a type by its name, None if it has no such field."""
    return next((each for each in fields(type_name) if each.name == name), None)


@cache
def enumeration(type_name: str) -> tuple[str, ...]:
    """The values of an enumerated type; empty for any other."""
    return tuple(_CONTRACT["types"].get(type_name, {}).get("enum", ()))


def is_simple(type_name: str) -> bool:
    """Whether a value of this type is a single text: an XSD type or an enumeration."""
    return type_name.startswith("xsd:") or bool(enumeration(type_name))
