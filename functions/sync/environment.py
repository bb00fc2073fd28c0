"""What the template hands to the function, read once and checked."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fleet.environment import entries, number, package_file, required, stack_primary
from registry.models import Primary

_MEMORY = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"


@dataclass(frozen=True)
class Environment:
    """The function's configuration. ``primary`` is None when the stack's parameters name none.

    ``lease_seconds`` is longer than the function can live, so that a lease
    whose holder was killed delays the next run by no more than that. ``wsdl``
    is a file inside the package, of the servers' own version.
    ``backups_with_metrics`` have figures of their own beside those of the fleet.
    ``queue_url``, ``fan_out_above`` and ``fan_out_minutes``: see ``sync.context.FanOutTerms``.
    ``memory_megabytes`` is set by Lambda itself, and None elsewhere.
    """

    table_name: str
    secret_prefix: str
    snapshot_bucket: str
    primary: Primary | None
    allowed_networks: tuple[str, ...]
    history_days: int
    snapshot_days: int
    lease_seconds: int
    queue_url: str
    fan_out_above: int
    fan_out_minutes: int
    wsdl: Path | None = None
    memory_megabytes: int | None = None
    backups_with_metrics: int = 10

    @classmethod
    def read(cls, variables: Mapping[str, str] = os.environ) -> "Environment":
        """Read the variables; raise Failure(CONFIGURATION_INVALID) naming the one that is missing or wrong."""
        return cls(
            table_name=required(variables, "TABLE_NAME"),
            secret_prefix=required(variables, "SECRET_PREFIX"),
            snapshot_bucket=required(variables, "SNAPSHOT_BUCKET"),
            primary=stack_primary(variables),
            allowed_networks=entries(variables.get("ALLOWED_NETWORKS", "")),
            history_days=number(variables, "HISTORY_DAYS"),
            snapshot_days=number(variables, "SNAPSHOT_DAYS"),
            lease_seconds=number(variables, "LEASE_SECONDS"),
            queue_url=required(variables, "QUEUE_URL"),
            fan_out_above=number(variables, "FAN_OUT_ABOVE"),
            fan_out_minutes=number(variables, "FAN_OUT_MINUTES"),
            wsdl=package_file(variables, "WSDL_FILE"),
            memory_megabytes=number(variables, _MEMORY) if _MEMORY in variables else None,
            backups_with_metrics=number(variables, "BACKUPS_WITH_METRICS"),
        )
