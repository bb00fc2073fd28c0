"""Environment variables that the template sets, read with a complaint that names the wrong one."""

from collections.abc import Mapping
from pathlib import Path

from common.errors import Failure, Reason
from registry.fleet_records import Primary, TlsTrust

PACKAGE = Path(__file__).resolve().parent.parent

Variables = Mapping[str, str]


def required(variables: Variables, name: str) -> str:
    """The text of a variable. Raises Failure(CONFIGURATION_INVALID) when it is not set or blank."""
    value = variables.get(name, "").strip()
    if not value:
        raise Failure(Reason.CONFIGURATION_INVALID, f"the variable {name} is not set")
    return value


def number(variables: Variables, name: str) -> int:
    """A positive whole number. Raises Failure(CONFIGURATION_INVALID)."""
    value = required(variables, name)
    if not value.isdecimal() or int(value) < 1:
        raise Failure(Reason.CONFIGURATION_INVALID, f"the variable {name} is not a positive whole number")
    return int(value)


def memory_megabytes(variables: Variables) -> int | None:
    """What the process may take: Lambda itself says it, nobody elsewhere. Raises Failure(CONFIGURATION_INVALID)."""
    name = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"
    return number(variables, name) if name in variables else None


def entries(value: str) -> tuple[str, ...]:
    """What a list with commas holds."""
    return tuple(entry.strip() for entry in value.split(",") if entry.strip())


def stack_primary(variables: Variables) -> Primary | None:
    """The primary of the stack's parameters, None when they name none."""
    host = variables.get("PRIMARY_HOST", "").strip()
    if not host:
        return None
    trust = TlsTrust(
        ca_pem=variables.get("PRIMARY_CA_PEM", "").strip(), pins=entries(variables.get("PRIMARY_FINGERPRINTS", ""))
    )
    return Primary(host=host, port=number(variables, "PRIMARY_PORT"), trust=trust)


def package_file(variables: Variables, name: str) -> Path | None:
    """A file of the package that a variable names, None for none. Raises Failure(CONFIGURATION_INVALID)."""
    value = variables.get(name, "").strip()
    if not value:
        return None
    path = (PACKAGE / value).resolve()
    if not (path.is_file() and path.is_relative_to(PACKAGE)):
        raise Failure(Reason.CONFIGURATION_INVALID, f"the variable {name} names a file that is not in the package")
    return path
