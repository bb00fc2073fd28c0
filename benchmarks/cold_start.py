"""How long a new execution environment takes before the first event. ``python -m benchmarks.cold_start``.

The built artifact, bytecode included, under Lambda's Runtime Interface
Emulator, against a handler that imports boto3, opens two clients and imports
zeep, all from the same places and with bytecode too. What an empty handler
takes (the process, the run-time's own client) is taken off both.
"""

import tempfile
import time
from pathlib import Path

from benchmarks.measuring import ratio, table
from local.build import build
from local.emulator import Emulator

NAME = "cold-start"
TITLE = "Cold start"
ARTIFACT = "SyncFunction"
_ANSWER = "def handler(event, context):\n    return {}\n"
_HANDLERS = {
    "empty": _ANSWER,
    "bare": (
        "import boto3, zeep\nsession = boto3.session.Session()\n"
        "clients = session.client('dynamodb'), session.client('secretsmanager')\n" + _ANSWER
    ),
    "imports": "import boto3, zeep\n" + _ANSWER,
    "imported": "import sync.app\n" + _ANSWER,
    "opened": "import sync.app\nsync.app._run_context()\n" + _ANSWER,
}
_ENVIRONMENT = {
    "AWS_REGION": "eu-central-1",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "AWS_EC2_METADATA_DISABLED": "true",
    "POWERTOOLS_SERVICE_NAME": "benchmark",
    "POWERTOOLS_METRICS_NAMESPACE": "benchmark",
    "MALLOC_ARENA_MAX": "1",
    "TABLE_NAME": "table",
    "SECRET_PREFIX": "prefix",
    "SNAPSHOT_BUCKET": "bucket",
    "HISTORY_DAYS": "90",
    "SNAPSHOT_DAYS": "90",
    "LEASE_SECONDS": "960",
    "QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/0/queue",
    "FAN_OUT_ABOVE": "100",
    "FAN_OUT_MINUTES": "60",
    "BACKUPS_WITH_METRICS": "50",
}


def measure(repetitions: int = 7) -> str:
    """The table. Raises RuntimeError when a handler does not come up."""
    artifact = build().parent / ARTIFACT
    best: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, source in _HANDLERS.items():
            Path(folder, f"handler_{name}.py").write_text(source)
        for _ in range(repetitions):
            for name in _HANDLERS:
                best[name] = min(best.get(name, 1e9), _first_answer(name, Path(folder), artifact))
    empty = best.pop("empty")
    bare = best["bare"] - empty
    said = {
        "bare": "boto3, two clients, zeep",
        "imports": "boto3 and zeep imported, no client",
        "imported": "the product, imported",
        "opened": "the product, its clients opened",
    }
    rows = [
        (said[name], f"{(taken - empty) * 1000:.0f}", ratio((taken - empty) / bare)) for name, taken in best.items()
    ]
    caption = (
        f"The best of {repetitions}, without the {empty * 1000:.0f} ms of an empty handler (the start of the process "
        "and of the run-time's client). The product opens its three clients at the first event; the third row is its "
        "initialization, the fourth what the first event adds to that."
    )
    return f"{caption}\n\n{table(('what', 'ms', 'of the first row'), rows)}"


def _first_answer(name: str, folder: Path, artifact: Path) -> float:
    """Seconds until the first answer of a new environment."""
    environment = _ENVIRONMENT | {"PYTHONPATH": f"{folder}:{artifact}"}
    with Emulator(ARTIFACT, f"handler_{name}.handler", environment) as emulator:
        emulator.wait()
        started = time.perf_counter()
        answer = emulator.invoke({})
        taken = time.perf_counter() - started
    if answer != {}:
        raise RuntimeError(f"the handler {name} failed: {answer}")
    return taken


def main() -> None:
    """Print the table."""
    print(measure())


if __name__ == "__main__":
    main()
