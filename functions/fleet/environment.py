"""Environment variables that the template sets; errors name the invalid variable."""

from collections.abc import Mapping
from pathlib import Path

from common.errors import Failure, Reason
from registry.fleet_records import Primary, TlsTrust

PACKAGE = Path(__file__).resolve().parent.parent

Variables = Mapping[str, str]


def required(variables: Variables, name: str) -> str:
    """The value of a variable. Raises Failure(CONFIGURATION_INVALID) if the variable is missing or blank."""
    value = variables.get(name, "").strip()
    if not value:
        raise Failure(Reason.CONFIGURATION_INVALID, f"the variable {name} is not set")
    return value


def number(variables: Variables, name: str) -> int:
    """A variable that is a positive integer. Raises Failure(CONFIGURATION_INVALID)."""
    value = required(variables, name)
    if not value.isdecimal() or int(value) < 1:
        raise Failure(Reason.CONFIGURATION_INVALID, f"the variable {name} is not a positive whole number")
    return int(value)


def memory_megabytes(variables: Variables) -> int | None:
    """The memory limit of the process in MB, which Lambda sets; None outside Lambda. Raises
    Failure(CONFIGURATION_INVALID).
    """
    name = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"
    return number(variables, name) if name in variables else None


def entries(value: str) -> tuple[str, ...]:
    """The entries of a comma-separated list."""
    return tuple(entry.strip() for entry in value.split(",") if entry.strip())


def stack_primary(variables: Variables) -> Primary | None:
    """The primary that the stack's parameters name, None if they name none."""
    host = variables.get("PRIMARY_HOST", "").strip()
    if not host:
        return None
    trust = TlsTrust(
        ca_pem=variables.get("PRIMARY_CA_PEM", "").strip(), pins=entries(variables.get("PRIMARY_FINGERPRINTS", ""))
    )
    return Primary(host=host, port=number(variables, "PRIMARY_PORT"), trust=trust)


def package_file(variables: Variables, name: str) -> Path | None:
    """The path of a packaged file that a variable names, None if the variable is empty. Raises
    Failure(CONFIGURATION_INVALID).
    """
    value = variables.get(name, "").strip()
    if not value:
        return None
    path = (PACKAGE / value).resolve()
    if not (path.is_file() and path.is_relative_to(PACKAGE)):
        raise Failure(Reason.CONFIGURATION_INVALID, f"the variable {name} names a file that is not in the package")
    return path
