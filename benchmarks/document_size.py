"""Time and peak memory by the size of the documents, of one drifted backup. ``python -m benchmarks.document_size``."""

from dataclasses import asdict

from benchmarks.measuring import AS_DEPLOYED, in_own_process, table
from benchmarks.servers import Layout, running

NAME = "document-size"
TITLE = "The size of the documents"
USERS = (640, 6_400, 32_000, 50_000)
"""About 1, 10, 50 and 78 MB."""
MEMORY = 1024
"""Megabytes of the function the run believes to be in."""


def measure(users: tuple[int, ...] = USERS) -> str:
    """The table. Raises RuntimeError if a backup was not replicated to."""
    rows = []
    empty = _one_run(1)
    for number in users:
        figures = _one_run(number)
        size = figures["documents"]
        rows.append(
            (
                f"{number:,}",
                f"{size / 1e6:.1f}",
                f"{figures['wall']:.1f}",
                f"{figures['cpu'] / (size / 1e6):.2f}",
                f"{figures['peak'] / 1e6:.0f}",
                f"{figures['peak'] / size:.1f}",
                f"{(figures['peak'] - empty['peak']) / size:.1f}",
            )
        )
    heads = (
        "users",
        "MB",
        "wall s",
        "CPU s per MB",
        "peak MB of the process",
        "peak / size",
        "the same beyond the program",
    )
    caption = (
        "One primary and one backup in which five users differ, no latency. The program without documents takes "
        f"{empty['peak'] / 1e6:.0f} MB. The peak is the kernel's (VmHWM) of a process of its own."
    )
    return f"{caption}\n\n{table(heads, rows)}"


def _one_run(users: int) -> dict[str, float]:
    with running(Layout(1, users, 0.0, min(5, users))) as fleet:
        asked = {"access": asdict(fleet.access), "runs": 1, "memory_megabytes": MEMORY}
        (figures,) = in_own_process("benchmarks.ours", asked, **AS_DEPLOYED)
        if users > 1 and figures["statuses"] != {"updated": 1}:
            raise RuntimeError(f"the product did not replicate: {figures}")
        return {**figures, "documents": fleet.access.documents}


def main() -> None:
    """Print the table."""
    print(measure())


if __name__ == "__main__":
    main()
