"""The control endpoint: plain HTTP on 127.0.0.1 for observing and controlling a server in another process.

The endpoint returns everything on a server, including secrets, so it is only for servers with generated content.

    GET    /summary     counts, names and settings that a person wants to see
    GET    /snapshot    everything that can be compared
    GET    /requests    what has arrived          DELETE  forget it
    GET    /faults      what has been set         POST    add one    DELETE  clear
    POST   /drift       {"action": "add_user", ...its arguments}
    POST   /refuse      close the port            DELETE  open it again
    POST   /stop        end the process
"""

import json
import threading
from collections.abc import Callable
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from local.cerberus.drift import ACTIONS
from local.cerberus.faults import Fault
from local.cerberus.server import HOST, LocalServer

type Route = Callable[[LocalServer, dict[str, Any]], Any]


def summary(server: LocalServer) -> dict[str, Any]:
    """A summary of a server for people."""
    state = server.state
    with state.lock:
        return {
            "name": state.machine.name,
            "hostname": state.machine.host,
            "version": list(state.version),
            "edition": state.edition,
            "users": len(state.names("profiles")),
            "groups": len(state.names("groups")),
            "mime_mappings": len(state.mime),
            "listeners": len(state.interfaces),
            "soap_port": state.setting("remote/soap/port"),
            "requests": len(server.requests),
            "writes": len(server.writes),
        }


def _drift(server: LocalServer, body: dict[str, Any]) -> None:
    arguments = dict(body)
    ACTIONS[arguments.pop("action")](server.state, **arguments)


def _add_fault(server: LocalServer, body: dict[str, Any]) -> None:
    server.faults.add(Fault.from_json(body))


_ROUTES: dict[tuple[str, str], Route] = {
    ("GET", "/summary"): lambda server, _: summary(server),
    ("GET", "/snapshot"): lambda server, _: server.snapshot().to_json(),
    ("GET", "/requests"): lambda server, _: [asdict(request) for request in server.requests],
    ("DELETE", "/requests"): lambda server, _: server.forget_requests(),
    ("GET", "/faults"): lambda server, _: [fault.to_json() for fault in server.faults.all()],
    ("POST", "/faults"): _add_fault,
    ("DELETE", "/faults"): lambda server, _: server.clear_faults(),
    ("POST", "/drift"): _drift,
    ("POST", "/refuse"): lambda server, _: server.refuse_connections(),
    ("DELETE", "/refuse"): lambda server, _: server.accept_connections(),
}


class ControlServer:
    """Serves the control endpoint of one server until ``/stop`` is called."""

    def __init__(self, server: LocalServer, port: int = 0) -> None:
        self.ended = threading.Event()
        self._http = ThreadingHTTPServer((HOST, port), _handler(server, self.ended))
        self._http.daemon_threads = True
        self.port: int = self._http.server_address[1]

    def start(self) -> None:
        threading.Thread(target=self._http.serve_forever, name="control", daemon=True).start()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()


def _handler(server: LocalServer, ended: threading.Event) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Maps method and path to a route; a caller's error gives status 400 with its text."""

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            if (self.command, self.path) == ("POST", "/stop"):
                self._send(200, None)
                ended.set()
                return
            route = _ROUTES.get((self.command, self.path))
            if route is None:
                self._send(404, {"error": "no such route"})
                return
            try:
                result = route(server, json.loads(body or b"{}"))
            except (LookupError, TypeError, ValueError) as error:
                self._send(400, {"error": f"{type(error).__name__}: {error}"})
                return
            self._send(200, result)

        def do_POST(self) -> None:
            self.do_GET()

        def do_DELETE(self) -> None:
            self.do_GET()

        def _send(self, status: int, result: object) -> None:
            body = json.dumps(result).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name in the standard library
            """Print nothing: standard output carries only the line that says where the server is."""

    return Handler
