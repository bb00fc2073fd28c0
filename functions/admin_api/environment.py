"""What the template hands to the function, read once and checked."""

import os
from dataclasses import dataclass
from pathlib import Path

from fleet.environment import Variables, entries, number, package_file, required, stack_primary
from registry.models import Primary


@dataclass(frozen=True)
class Environment:
    """The function's configuration. ``primary`` is None when the stack's parameters name none."""

    table_name: str
    secret_prefix: str
    snapshot_bucket: str
    sync_function: str
    interval_rule: str
    polling_rule: str
    primary: Primary | None
    allowed_networks: tuple[str, ...]
    history_days: int
    secret_key: str = ""
    wsdl: Path | None = None

    @classmethod
    def read(cls, variables: Variables = os.environ) -> "Environment":
        """Read the variables; raise Failure(CONFIGURATION_INVALID) naming the one that is missing or wrong."""
        return cls(
            table_name=required(variables, "TABLE_NAME"),
            secret_prefix=required(variables, "SECRET_PREFIX"),
            snapshot_bucket=required(variables, "SNAPSHOT_BUCKET"),
            sync_function=required(variables, "SYNC_FUNCTION"),
            interval_rule=required(variables, "INTERVAL_RULE"),
            polling_rule=required(variables, "POLLING_RULE"),
            primary=stack_primary(variables),
            allowed_networks=entries(variables.get("ALLOWED_NETWORKS", "")),
            history_days=number(variables, "HISTORY_DAYS"),
            secret_key=variables.get("SECRET_KEY", "").strip(),
            wsdl=package_file(variables, "WSDL_FILE"),
        )
