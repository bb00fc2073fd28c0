"""``make pages``: writes the monthly cost of a deployment into docs/guide.md between two marks.

The costs are computed from measured values, from the template and the metrics, and from AWS' list prices. Prices are
not queried: correct them here.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from local.tables import markdown
from sync.reporting import BACKUP, METRICS, REASON

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "guide.md"
_TEMPLATE = (ROOT / "infra" / "template.yaml").read_text()
_PLACE = re.compile(r"(?<=<!-- costs -->\n).*?(?=<!-- end of costs -->)", re.DOTALL)

HOURS = 730.0
"""Hours in a month."""


@dataclass(frozen=True)
class Prices:
    """List prices in USD for the region us-east-1 in November 2025, without free tiers."""

    gigabyte_second: float = 0.0000166667  # Lambda, x86_64
    invocation: float = 0.20e-6
    write: float = 0.625e-6  # DynamoDB on demand, 1 KB
    read: float = 0.125e-6
    secret: float = 0.40
    secret_call: float = 0.05e-4
    log_gigabyte: float = 0.50
    metric: float = 0.30
    alarm: float = 0.10
    trace: float = 5.0e-6
    queue_call: float = 0.40e-6  # SQS, standard queue


@dataclass(frozen=True)
class Fleet:
    """A fleet of a size: the primary's users, the backups, and the minutes between two runs."""

    users: int
    backups: int
    interval: int


FLEETS = (Fleet(500, 1, 15), Fleet(500, 10, 15), Fleet(5000, 10, 15), Fleet(500, 10, 1))

# Measured: seconds of processor time of a run that finds everything equal, by users and backups. The processor is one
# core of a 2-core x86_64 virtual machine; servers are local, and the process has done a run before.
CPU_SECONDS = {(500, 1): 0.10, (500, 10): 0.40, (5000, 1): 0.35, (5000, 10): 1.80}
# Measured: the first invocation of a new process in the local cloud, by an event that needs almost no work.
START_SECONDS = 1.5

MEMORY_GIGABYTES = 1.0
SHARE_OF_A_CORE = 1024 / 1769
"""The part of a core that Lambda provides with 1,024 MB; with 1,769 MB it provides a whole core."""
SERVER_SECONDS = 2.0
"""Assumed time that a run waits for servers' replies. Servers are contacted in parallel."""
LOG_KILOBYTES = (3.0, 1.5)
"""Kilobytes of log lines of a run, and of each backup in it, including metrics."""
WRITES = (12, 24)
"""Write units of 1 KB of a run, and of each backup in it; a transaction counts twice."""
POLLS = 5 / 20.0
"""Requests per second by which Lambda reads the queue, even an empty one: five pollers that wait 20 seconds each."""


def monthly(fleet: Fleet, prices: Prices = Prices()) -> dict[str, float]:
    """The monthly cost in USD by purpose, if every backup is equal in every run and each run uses a new process."""
    runs = HOURS * 60 / fleet.interval
    seconds = (CPU_SECONDS[fleet.users, fleet.backups] + START_SECONDS) / SHARE_OF_A_CORE + SERVER_SECONDS
    servers = fleet.backups + 1
    metrics = [metric for metric in METRICS if REASON not in metric.dimensions]
    of_backups = sum(1 for metric in metrics if BACKUP in metric.dimensions)
    return {
        "Lambda": runs * (seconds * MEMORY_GIGABYTES * prices.gigabyte_second + prices.invocation + prices.trace),
        "DynamoDB": runs * ((WRITES[0] + WRITES[1] * fleet.backups) * prices.write + 10 * servers * prices.read),
        "Secrets": servers * (prices.secret + runs * prices.secret_call),
        "Logs": runs * (LOG_KILOBYTES[0] + LOG_KILOBYTES[1] * fleet.backups) / 1024**2 * prices.log_gigabyte,
        "Metrics": (len(metrics) - of_backups + of_backups * min(fleet.backups, 10)) * prices.metric,
        "Queue": HOURS * 3600 * POLLS * prices.queue_call,
        "Alarms": _TEMPLATE.count("Type: AWS::CloudWatch::Alarm") * prices.alarm,
    }


def shown() -> str:
    """The table for the guide."""
    rows = []
    for fleet in FLEETS:
        parts = monthly(fleet)
        cells = [f"{fleet.users:,}", str(fleet.backups), f"{fleet.interval} min"]
        rows.append([*cells, *(f"{cost:.2f}" for cost in parts.values()), f"{sum(parts.values()):.2f}"])
    return markdown(["users", "backups", "every", *monthly(FLEETS[0]), "USD a month"], rows)


def renewed(page: str) -> str:
    """The page with the current table."""
    return _PLACE.sub(lambda _: shown(), page)


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text()))
