"""How long ``cerbsync --help`` takes, against a program that imports typer and rich: ``python -m benchmarks.start_up``.

Both are processes of their own, with bytecode, started in turn. The best of
several counts, because other work on the machine only adds to a time.
"""

import subprocess
import sys
import time

from benchmarks.measuring import ROOT, ratio, table

NAME = "start-up"
TITLE = "Start-up of the command line"
_PROGRAMS = {
    "imports typer and rich": "import rich.console, rich.table, rich.text, typer",
    "`cerbsync --help`": "import sys; from cerbsync.app import main; sys.exit(main(['--help']))",
    "`cerbsync status --help`": "import sys; from cerbsync.app import main; sys.exit(main(['status', '--help']))",
}


def measure(repetitions: int = 15) -> str:
    """The table. Raises subprocess.CalledProcessError when a program fails."""
    best: dict[str, float] = {}
    for _ in range(repetitions):
        for name, program in _PROGRAMS.items():
            begun = time.perf_counter()
            subprocess.run([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
            best[name] = min(best.get(name, 60.0), time.perf_counter() - begun)
    plain = best["imports typer and rich"]
    rows = [(name, f"{seconds * 1000:.0f}", ratio(seconds / plain)) for name, seconds in best.items()]
    return f"The best of {repetitions}.\n\n{table(('program', 'ms', 'of the first row'), rows)}"


if __name__ == "__main__":
    print(measure())
