"""What a month costs, from measured figures and listed prices. ``python -m benchmarks.cost``."""

from dataclasses import asdict, dataclass

from benchmarks.measuring import AS_DEPLOYED, in_own_process, table
from benchmarks.servers import Layout, running

NAME = "cost"
TITLE = "Cost per month"


@dataclass(frozen=True)
class Prices:
    """USD, list prices without free tiers, of one region at one time: compare them with the current list."""

    region: str = "eu-central-1"
    at: str = "2026-11"
    lambda_gigabyte_second: float = 0.0000166667
    lambda_request: float = 0.0000002
    dynamodb_write_unit: float = 0.0000007625
    dynamodb_read_unit: float = 0.0000001525
    secret_month: float = 0.40
    secret_call: float = 0.000005
    kms_key_month: float = 1.0
    alarm_month: float = 0.10
    metric_month: float = 0.30
    log_gigabyte: float = 0.63


PRICES = Prices()
MEMORY_GB = 1.0
INTERVAL_MINUTES = 15
HOURS = 730
ALARMS = 12
METRICS = 30
WRITES_PER_RESULT = 8
"""Write units: three rows of up to 1 KB and the check of the lease, in a transaction, which counts double."""
READS_PER_RESULT = 3
LOG_BYTES_PER_RESULT = 600
SECRET_MINUTES = 5
"""For so long a function keeps the credentials it has read."""


def measure(fleets: tuple[int, ...] = (3, 10, 100), users: int = 640, latency: float = 0.05) -> str:
    """The table: unchanged fleets at the default interval, every backup read in full in every run."""
    rows = []
    for backups in fleets:
        with running(Layout(backups, users, latency)) as fleet:
            asked = {"access": asdict(fleet.access), "runs": 2}
            seconds = in_own_process("benchmarks.ours", asked, **AS_DEPLOYED)[1]["wall"]
        items = _month(backups, seconds)
        rows.append((str(backups), f"{seconds:.1f}", *(f"{amount:.2f}" for amount in items), f"{sum(items):.2f}"))
    heads = ("backups", "run s", "Lambda", "DynamoDB", "secrets", "KMS, alarms, metrics", "logs", "USD in all")
    caption = (
        f"A run every {INTERVAL_MINUTES} minutes over an unchanged fleet, every backup read in full, function of "
        f"{MEMORY_GB:.0f} GB, {latency * 1000:.0f} ms per call; the seconds are measured on this machine, "
        f"{ALARMS} alarms and {METRICS} metrics assumed. List prices of {PRICES.region}, {PRICES.at}, in USD, without "
        "free tiers, data transfer, a VPC's endpoints and tax. What grows with the fleet is "
        "mostly its secrets, one per server."
    )
    return f"{caption}\n\n{table(heads, rows)}"


def _month(backups: int, seconds: float) -> tuple[float, ...]:
    runs = HOURS * 60 / INTERVAL_MINUTES
    results = runs * backups
    fresh = HOURS * 60 / max(SECRET_MINUTES, INTERVAL_MINUTES)
    return (
        runs * (seconds * MEMORY_GB * PRICES.lambda_gigabyte_second + PRICES.lambda_request),
        results * (WRITES_PER_RESULT * PRICES.dynamodb_write_unit + READS_PER_RESULT * PRICES.dynamodb_read_unit),
        (backups + 1) * (PRICES.secret_month + fresh * PRICES.secret_call),
        PRICES.kms_key_month + ALARMS * PRICES.alarm_month + METRICS * PRICES.metric_month,
        results * LOG_BYTES_PER_RESULT / 1e9 * PRICES.log_gigabyte,
    )


def main() -> None:
    """Print the table."""
    print(measure())


if __name__ == "__main__":
    main()
