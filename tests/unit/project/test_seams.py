"""Clocks, pauses, chance, threads and AWS clients have one place each: everything else is given them."""

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

FUNCTIONS = Path(__file__).resolve().parents[3] / "functions"

RUNTIME = "common/runtime.py"
AWS = "registry/aws.py"

WHOLE_MODULES = frozenset(
    {
        "_datetime",
        "_random",
        "_thread",
        "asyncio",
        "concurrent",
        "email.utils",
        "importlib",
        "multiprocessing",
        "posix",
        "queue",
        "random",
        "sched",
        "secrets",
        "select",
        "selectors",
        "signal",
        "subprocess",
        "tempfile",
        "threading",
        "time",
        "uuid",
    }
)
"""Modules that only the runtime may use: with them time passes, chance decides, or any other module is loaded."""

SINGLE_NAMES = frozenset(
    {
        *(f"datetime.datetime.{name}" for name in ("now", "utcnow", "today")),
        "datetime.date.today",
        "os.urandom",
        "os.getrandom",
        "os.times",
        "os.fork",
        "ssl.RAND_bytes",
        "socket.setdefaulttimeout",
    }
)
"""Names that only the runtime may use, of modules that others need for something else."""

CLIENTS = (
    "boto3.client",
    "boto3.resource",
    "boto3.Session",
    "boto3.session",
    "boto3.setup_default_session",
    "botocore.session",
)
"""What opens a client of AWS."""

ALLOWED = {
    "threading.Lock": "it decides who waits, not how long, and a run without threads never waits for it",
    "threading.get_ident": "a client tells that a second thread uses it, which is an error in the program",
}
"""Names of forbidden modules that change nothing about what a run does, each with the reason."""


@cache
def origins_of(module: str) -> dict[str, str]:
    """``origins`` of a module of functions/, by its name; empty for any other."""
    path = FUNCTIONS / f"{module.replace('.', '/')}.py"
    return origins(ast.parse(path.read_text("utf-8"))) if path.is_file() else {}


def origins(tree: ast.AST) -> dict[str, str]:
    """By the name that a module gives it, where everything it imports comes from; assigned to another name as well.

    What one of our modules has imported from elsewhere comes from there.
    """
    imported = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname:
                    imported[alias.asname] = alias.name
                else:
                    imported[alias.name.partition(".")[0]] = alias.name.partition(".")[0]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            own = origins_of(node.module)
            imported |= {
                alias.asname or alias.name: own.get(alias.name, f"{node.module}.{alias.name}") for alias in node.names
            }
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name) and node.value.id in imported:
            imported |= {target.id: imported[node.value.id] for target in node.targets if isinstance(target, ast.Name)}
    return imported


def used_names(source: str) -> Iterator[str]:
    """Every name of another module that a module uses, spelt in full; the longest spelling only."""
    tree = ast.parse(source)
    imported = origins(tree)
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute) and id(node) not in inner:
            steps: list[str] = []
            start: ast.AST = node
            while isinstance(start, ast.Attribute):
                steps.insert(0, start.attr)
                start = start.value
            if isinstance(start, ast.Name) and start.id in imported:
                yield ".".join([imported[start.id], *steps])
    # What is imported and never named, or imported whole, is used as well.
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            own = origins_of(node.module)
            yield from (own.get(alias.name, f"{node.module}.{alias.name}") for alias in node.names)


def begins_with(name: str, prefixes: Iterable[str]) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def forbidden(names: Iterable[str]) -> set[str]:
    """The names that take something from the machine that should be given."""
    taken = WHOLE_MODULES | SINGLE_NAMES
    return {
        name for name in names if name.endswith(".*") or (begins_with(name, taken) and not begins_with(name, ALLOWED))
    }


def opening_clients(names: Iterable[str]) -> set[str]:
    """The names that open clients of AWS."""
    return {name for name in names if begins_with(name, CLIENTS)}


@cache
def modules() -> dict[str, frozenset[str]]:
    """The names that each module of functions/ uses, by its path."""
    return {
        str(path.relative_to(FUNCTIONS)): frozenset(used_names(path.read_text("utf-8")))
        for path in sorted(FUNCTIONS.rglob("*.py"))
    }


def test_only_the_runtime_takes_time_chance_and_threads_from_the_machine() -> None:
    breaches = {path: forbidden(names) for path, names in modules().items() if path != RUNTIME}
    assert {path: names for path, names in breaches.items() if names} == {}


def test_clients_of_aws_are_opened_in_one_module() -> None:
    breaches = {path: opening_clients(names) for path, names in modules().items() if path != AWS}
    assert {path: names for path, names in breaches.items() if names} == {}


def test_the_two_modules_do_what_nobody_else_may() -> None:
    assert forbidden(modules()[RUNTIME])
    assert opening_clients(modules()[AWS])


def test_what_is_allowed_is_used() -> None:
    assert ALLOWED.keys() <= frozenset().union(*modules().values())


def test_only_the_entries_create_the_production_runtime() -> None:
    creating = {path for path, names in modules().items() if "common.runtime.SystemRuntime" in names}
    assert creating == {"sync/app.py", "admin_api/dependencies.py"}


@pytest.mark.parametrize(
    "source",
    [
        "import time\ntime.sleep(1)",
        "import time as clock\nclock.monotonic()",
        "from time import perf_counter as now\nnow()",
        "from time import sleep",
        "import datetime\ndatetime.datetime.now()",
        "from datetime import datetime as moment\nmoment.utcnow()",
        "from datetime import date\nfield(default_factory=date.today)",
        "def stamp():\n    from datetime import datetime\n    return datetime.now(UTC)",
        "import uuid\nuuid.uuid4().hex",
        "from uuid import uuid4",
        "import random\nrandom.Random(1).random()",
        "import secrets\nsecrets.token_hex()",
        "import os\nos.urandom(16)",
        "from os import urandom\nurandom(16)",
        "import threading\nthreading.Thread(target=f).start()",
        "from threading import Timer",
        "from threading import Event",
        "import concurrent.futures\nconcurrent.futures.ThreadPoolExecutor()",
        "import concurrent.futures as futures\nfutures.wait([])",
        "from concurrent.futures import wait",
        "import queue\nqueue.Queue()",
        "import asyncio\nasyncio.run(f())",
        "import ssl\nssl.RAND_bytes(8)",
        "from datetime import datetime\nclock = datetime\nclock.now()",
        "import os\nsystem = os\nsystem.urandom(4)",
        "from common.runtime import time\ntime.sleep(1)",
        "from cerberus.transport import threading\nthreading.Thread(target=f)",
        "import importlib\nimportlib.import_module('time')",
        "import select\nselect.select([], [], [], 1)",
        "import tempfile\ntempfile.mkdtemp()",
        "import subprocess\nsubprocess.run(['date'])",
        "from email.utils import formatdate",
        "from os import *",
    ],
)
def test_what_is_taken_from_the_machine_is_found(source: str) -> None:
    assert forbidden(used_names(source))


@pytest.mark.parametrize(
    "source",
    [
        "from datetime import UTC, datetime, timedelta\ndatetime.min.replace(tzinfo=UTC) + timedelta(seconds=1)",
        "from datetime import time\ntime(12, 0)",
        "import threading\nthreading.get_ident()",
        "from threading import Lock\nLock()",
        "runtime.now()\nruntime.sleep(1)\nself._runtime.uniform(0, 1)",
        "from common.runtime import Runtime",
        "import os\nos.environ",
        "import time_machine\ntime_machine.travel()",
    ],
)
def test_what_is_given_and_what_is_allowed_is_left_alone(source: str) -> None:
    assert not forbidden(used_names(source))


@pytest.mark.parametrize(
    "source",
    [
        "import boto3\nboto3.client('s3')",
        "import boto3 as aws\naws.Session().client('s3')",
        "from boto3 import client",
        "from boto3.session import Session\nSession()",
        "import boto3.session\nboto3.session.Session()",
        "import botocore.session\nbotocore.session.get_session()",
        "def late():\n    from boto3 import resource\n    return resource('dynamodb')",
    ],
)
def test_what_opens_a_client_is_found(source: str) -> None:
    assert opening_clients(used_names(source))


@pytest.mark.parametrize(
    "source",
    [
        "from boto3.dynamodb.conditions import Attr\nAttr('pk')",
        "from botocore.exceptions import ClientError",
        "from registry.aws import open_clients\nopen_clients()",
    ],
)
def test_what_opens_none_is_left_alone(source: str) -> None:
    assert not opening_clients(used_names(source))
