"""Many small servers in few processes: a fleet of a thousand on one machine.

Each server is a complete stand-in with its own state and port; the servers of a process share its certificate. ``python
-m local.swarm`` is one such process: it reads one line of JSON at a time and answers with one line, until its input
ends.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from local.cerberus import LocalServer, Machine, Snapshot, generate, replicable_differences, self_signed
from local.cerberus.drift import ACTIONS

_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Place:
    """The address of one server of a swarm."""

    host: str
    port: int
    fingerprint: str


class Swarm:
    """Servers with these names and the content of a primary with the same numbers of users and groups, in
    ``processes``.
    """

    def __init__(self, names: Sequence[str], *, users: int, groups: int, processes: int = 2) -> None:
        self._shares = [names[number::processes] for number in range(processes)]
        self._size = {"users": users, "groups": groups}
        self._running: list[_Process] = []
        self.places: dict[str, Place] = {}

    def __enter__(self) -> Self:
        self._running = [_Process() for _ in self._shares]
        for process, names in zip(self._running, self._shares, strict=True):
            process.say({"start": names, **self._size})
        for process in self._running:
            ready = process.hear()
            self.places |= {
                name: Place(ready["host"], port, ready["fingerprint"]) for name, port in ready["ports"].items()
            }
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._running:
            process.stop()

    def drift(self, names: Iterable[str], action: str, **arguments: Any) -> None:
        """Apply one of ``drift.ACTIONS`` to some of the servers."""
        self._ask({"drift": list(names), "action": action, "arguments": arguments})

    def requests(self) -> dict[str, Counter[str]]:
        """How often each operation of each server was called since ``forget_requests``."""
        return {
            name: Counter(operations) for answer in self._ask({"requests": True}) for name, operations in answer.items()
        }

    def forget_requests(self) -> None:
        self._ask({"forget": True})

    def differing(self, primary: Snapshot) -> set[str]:
        """The names of servers that differ from the primary, according to the stand-in's own comparison."""
        return {name for answer in self._ask({"differing": primary.to_json()}) for name in answer}

    def _ask(self, question: Mapping[str, Any]) -> list[Any]:
        for process in self._running:
            process.say(question)
        return [process.hear() for process in self._running]


class _Process:
    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "local.swarm"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=_ROOT,
            env={**os.environ, "PYTHONPATH": str(_ROOT)},
        )
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("a process without pipes")
        self._questions, self._answers = self._process.stdin, self._process.stdout

    def say(self, question: Mapping[str, Any]) -> None:
        self._questions.write(json.dumps(question) + "\n")
        self._questions.flush()

    def hear(self) -> Any:
        line = self._answers.readline()
        if not line:
            raise RuntimeError(f"a swarm's process ended with status {self._process.wait()}")
        return json.loads(line)

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()


class _Servers:
    """The servers of one process."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._servers: dict[str, LocalServer] = {}

    def answer(self, question: Mapping[str, Any]) -> object:
        match question:
            case {"start": names, "users": users, "groups": groups}:
                return self._start(names, users, groups)
            case {"drift": names, "action": action, "arguments": arguments}:
                for name in names:
                    if name in self._servers:
                        ACTIONS[action](self._servers[name].state, **arguments)
                return True
            case {"requests": _}:
                return {
                    name: Counter(request.operation for request in server.requests)
                    for name, server in self._servers.items()
                }
            case {"forget": _}:
                for server in self._servers.values():
                    server.forget_requests()
                return True
            case {"differing": primary}:
                source = Snapshot.from_json(primary)
                return [
                    name for name, server in self._servers.items() if replicable_differences(source, server.snapshot())
                ]
        raise ValueError("not a question")

    def _start(self, names: Sequence[str], users: int, groups: int) -> object:
        identity = self_signed()
        for name in names:
            state = generate(users=users, groups=groups, machine=Machine.named(name))
            self._servers[name] = self._stack.enter_context(LocalServer(state, identity=identity))
        ports = {name: server.port for name, server in self._servers.items()}
        return {"host": "127.0.0.1", "fingerprint": identity.fingerprint, "ports": ports}


def _questions() -> Iterator[Mapping[str, Any]]:
    for line in sys.stdin:
        yield json.loads(line)


def main() -> None:
    """Answer commands until the input ends."""
    with ExitStack() as stack:
        servers = _Servers(stack)
        for question in _questions():
            print(json.dumps(servers.answer(question)), flush=True)


if __name__ == "__main__":
    main()
