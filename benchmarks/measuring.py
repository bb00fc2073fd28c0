"""What all benchmarks share: processes of their own, the machine's size, tables."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
AS_DEPLOYED = {"MALLOC_ARENA_MAX": "1"}
"""Variables that the template sets for the function and that matter here."""


def peak_bytes() -> int:
    """The largest resident size of this process so far, as the kernel counts it (Linux)."""
    # Not getrusage: it counts what the process was before it became this program.
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def in_own_process(module: str, asked: object, **variables: str) -> Any:
    """Run ``python -m module`` with ``asked`` as a line of JSON on its input; the JSON it prints.

    Raises RuntimeError with what it said when it fails.
    """
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'functions'}{os.pathsep}{ROOT}"} | variables
    done = subprocess.run(
        [sys.executable, "-m", module],
        input=json.dumps(asked) + "\n",
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{module} failed: {done.stderr[-2000:]}")
    return json.loads(done.stdout)


def machine() -> str:
    """This machine in one line."""
    cpu = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    memory = next((int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    return (
        f"{os.cpu_count()} cores ({cpu}), {memory / 2**20:.0f} GB of memory, "
        f"{platform.system()}, Python {platform.python_version()}"
    )


def ratio(faster: float | None) -> str:
    """How many times, for a table."""
    return "-" if faster is None else f"{faster:.1f} x"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown, its columns aligned for reading as text too."""
    cells = [list(heads), *(list(row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heads))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    lines.insert(1, "| " + " | ".join("-" * width for width in widths) + " |")
    return "\n".join(lines)


def _lines(path: str) -> list[str]:
    return Path(path).read_text("utf-8").splitlines()
