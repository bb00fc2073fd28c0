"""What a run over an unchanged fleet asks of a backup, read in full and spared. ``python -m benchmarks.no_change``."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from benchmarks.measuring import AS_DEPLOYED, in_own_process, table
from benchmarks.servers import PRIMARY, STORED, Layout, running

NAME = "no-change"
TITLE = "A run in which nothing has changed"


def measure(backups: int = 20, users: int = 640, latency: float = 0.05) -> str:
    """The table. Raises RuntimeError if anything was written."""
    rows = []
    with running(Layout(backups, users, latency)) as fleet:
        access = asdict(fleet.access)
        for name, minutes in (("every run verifies", 0), ("verified recently", 60)):
            asked = {"access": access, "runs": 2, "full_verification_minutes": minutes}
            before = fleet.counts()
            first, second = in_own_process("benchmarks.ours", asked, **AS_DEPLOYED)
            if set(second["statuses"]) != {"in_sync"}:
                raise RuntimeError(f"the fleet is not in sync: {first}, {second}")
            after_both = _of_backups(fleet.counts(), before)
            before = fleet.counts()
            in_own_process("benchmarks.ours", asked | {"runs": 1}, **AS_DEPLOYED)
            of_first = _of_backups(fleet.counts(), before)
            spent = {key: (after_both[key] - of_first[key]) / backups for key in after_both}
            rows.append(
                (
                    name,
                    f"{spent['calls']:.0f}",
                    f"{spent['writes']:.0f}",
                    f"{spent['documents']:.0f}",
                    f"{spent['sent'] / 1000:.1f}",
                    f"{spent['received'] / 1000:.1f}",
                    f"{second['cpu'] / backups * 1000:.0f}",
                    f"{second['wall']:.1f}",
                )
            )
    heads = (
        "full_verification_minutes", "calls", "writes", "documents read", "KB from it", "KB to it", "CPU ms", "run s"
    )  # fmt: skip
    caption = (
        f"Per backup, of {backups} with {fleet.access.documents / 1e6:.1f} MB of users and groups; the CPU is the "
        f"whole run's, the reading of the primary included, by backup. {latency * 1000:.0f} ms injected per call."
    )
    return f"{caption}\n\n{table(heads, rows)}"


def _of_backups(now: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, int]:
    """Calls and bytes of all backups since ``before``."""
    total = {"calls": 0, "writes": 0, "documents": 0, "sent": 0, "received": 0}
    for name, counts in now.items():
        if name == PRIMARY:
            continue
        earlier = before[name]
        calls = {call: number - earlier["calls"].get(call, 0) for call, number in counts["calls"].items()}
        total["calls"] += sum(calls.values())
        total["writes"] += sum(number for call, number in calls.items() if call in STORED)
        total["documents"] += sum(number for call, number in calls.items() if call in _DOCUMENTS)
        total["sent"] += counts["sent"] - earlier["sent"]
        total["received"] += counts["received"] - earlier["received"]
    return total


_DOCUMENTS = {read for fields in STORED.values() for read in fields.values()} | {"GetIPBlockList", "GetAutoBlockList"}


def main() -> None:
    """Print the table."""
    print(measure())


if __name__ == "__main__":
    main()
