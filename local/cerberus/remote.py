"""A server in its own process, controlled through its control endpoint.

``RemoteServer`` has the methods of ``LocalServer`` that make sense across processes.
"""

import http.client
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

from local.cerberus.faults import Fault, Kind
from local.cerberus.server import HOST, Request, RunningServer
from local.cerberus.state import Snapshot

_ROOT = Path(__file__).resolve().parents[2]
PASSWORD_VARIABLE = "LOCAL_CERBERUS_PASSWORD"  # noqa: S105  the name of a variable
_TIMEOUT = 120.0
"""Time-out in seconds for the control endpoint: a snapshot of 50,000 users takes long."""


class RemoteServer(RunningServer):
    """A running server process, created by ``start`` or from the addresses of one that is already running."""

    def __init__(self, ready: dict[str, Any], process: subprocess.Popen[str] | None = None) -> None:
        """``ready`` is the line of JSON that the process prints when it is ready."""
        self.name: str = ready["name"]
        self.port: int = ready["port"]
        self.control_port: int = ready["control_port"]
        self.fingerprint: str = ready["fingerprint"]
        self.ca_pem: str = ready["ca_pem"]
        self.user: str = ready["user"]
        self._process = process

    @classmethod
    def start(cls, name: str, *arguments: str, password: str = "") -> Self:
        """Start ``python -m local.cerberus --name name arguments...`` and wait until it serves.

        The administrator's ``password`` is passed in the environment, not on the command line. Raises RuntimeError if
        the process ends instead.
        """
        environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
        if password:
            environment[PASSWORD_VARIABLE] = password
        process = subprocess.Popen(
            [sys.executable, "-m", "local.cerberus", "--name", name, *arguments],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=_ROOT,
        )
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            code = process.wait()
            if process.stdout:
                process.stdout.close()
            raise RuntimeError(f"the server {name} ended with status {code}")
        return cls(json.loads(line), process)

    @property
    def requests(self) -> list[Request]:
        return [Request(**each) for each in self._ask("GET", "/requests")]

    def forget_requests(self) -> None:
        self._ask("DELETE", "/requests")

    def summary(self) -> dict[str, Any]:
        return dict(self._ask("GET", "/summary"))

    def snapshot(self) -> Snapshot:
        return Snapshot.from_json(self._ask("GET", "/snapshot"))

    def fault(self, kind: Kind, operation: str = "*", **details: Any) -> None:
        """Add one fault; the keywords are those of ``Fault``."""
        self._ask("POST", "/faults", Fault(kind, operation, **details).to_json())

    def faults(self) -> list[Fault]:
        return [Fault.from_json(each) for each in self._ask("GET", "/faults")]

    def clear_faults(self) -> None:
        self._ask("DELETE", "/faults")

    def refuse_connections(self) -> None:
        self._ask("POST", "/refuse")

    def accept_connections(self) -> None:
        self._ask("DELETE", "/refuse")

    def drift(self, action: str, **arguments: Any) -> None:
        """Apply one of ``drift.ACTIONS``. Raises ValueError with the server's message if that fails."""
        self._ask("POST", "/drift", {"action": action, **arguments})

    def stop(self) -> None:
        """End the process and wait for it; kill it if it does not end within ten seconds."""
        if self._process is None:
            self._ask("POST", "/stop")
            return
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        connection = http.client.HTTPConnection(HOST, self.control_port, timeout=_TIMEOUT)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None)
            reply = connection.getresponse()
            result = json.loads(reply.read())
        finally:
            connection.close()
        if reply.status != http.client.OK:
            raise ValueError(result["error"])
        return result
