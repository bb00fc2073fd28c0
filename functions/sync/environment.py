"""What the template hands to the function, read once and checked."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from common.reasons import Failure, Reason
from registry.models import Primary, TlsTrust

PACKAGE = Path(__file__).parent.parent


@dataclass(frozen=True)
class Environment:
    """The function's configuration. ``primary`` is None when the stack's parameters name none.

    ``lease_seconds`` is longer than the function can live, so that a lease
    whose holder was killed delays the next run by no more than that. ``wsdl``
    is a file inside the package, of the servers' own version.
    """

    table_name: str
    secret_prefix: str
    primary: Primary | None
    allowed_networks: tuple[str, ...]
    history_days: int
    lease_seconds: int
    wsdl: Path | None = None

    @classmethod
    def read(cls, variables: Mapping[str, str] = os.environ) -> "Environment":
        """Read the variables; raise Failure(CONFIGURATION_INVALID) naming the one that is missing or wrong."""
        return cls(
            table_name=_required(variables, "TABLE_NAME"),
            secret_prefix=_required(variables, "SECRET_PREFIX"),
            primary=_primary(variables),
            allowed_networks=_list(variables.get("ALLOWED_NETWORKS", "")),
            history_days=_number(variables, "HISTORY_DAYS"),
            lease_seconds=_number(variables, "LEASE_SECONDS"),
            wsdl=_file(variables, "WSDL_FILE"),
        )


def _primary(variables: Mapping[str, str]) -> Primary | None:
    host = variables.get("PRIMARY_HOST", "").strip()
    if not host:
        return None
    trust = TlsTrust(
        ca_pem=variables.get("PRIMARY_CA_PEM", "").strip(), pins=_list(variables.get("PRIMARY_FINGERPRINTS", ""))
    )
    return Primary(host=host, port=_number(variables, "PRIMARY_PORT"), trust=trust)


def _required(variables: Mapping[str, str], name: str) -> str:
    value = variables.get(name, "").strip()
    if not value:
        raise Failure(Reason.CONFIGURATION_INVALID, f"the variable {name} is not set")
    return value


def _number(variables: Mapping[str, str], name: str) -> int:
    value = _required(variables, name)
    if not value.isdecimal() or int(value) < 1:
        raise Failure(Reason.CONFIGURATION_INVALID, f"the variable {name} is not a positive whole number")
    return int(value)


def _list(value: str) -> tuple[str, ...]:
    return tuple(entry.strip() for entry in value.split(",") if entry.strip())


def _file(variables: Mapping[str, str], name: str) -> Path | None:
    value = variables.get(name, "").strip()
    if not value:
        return None
    path = PACKAGE / value
    if not path.is_file():
        raise Failure(Reason.CONFIGURATION_INVALID, f"the variable {name} names a file that is not in the package")
    return path
