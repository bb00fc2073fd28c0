"""``python -m local.cerberus``: one server in its own process.

Prints one line of JSON when it serves (name, port, control_port, fingerprint, ca_pem, user) and runs until it is
terminated or told to stop.
"""

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace

from local.cerberus.certificates import Authority, Identity, self_signed
from local.cerberus.control import ControlServer
from local.cerberus.faults import Fault, Kind
from local.cerberus.generate import generate
from local.cerberus.machine import SECTIONS, Machine
from local.cerberus.remote import PASSWORD_VARIABLE
from local.cerberus.server import HOST, LocalServer, Options
from local.cerberus.soap import Behaviour
from local.cerberus.state import EDITIONS, ServerState


def main(arguments: list[str]) -> int:
    """Run until told to stop; return the exit status of the process."""
    given = _parser().parse_args(arguments)
    options = Options(
        behaviour=Behaviour(anonymous_answers=given.anonymous_answers, c_style_faults=given.c_style_faults),
        latency=given.latency,
        wsdl_notice=given.wsdl_notice,
    )
    with LocalServer(_state(given), identity=_identity(given.certificate), options=options, port=given.port) as server:
        for kind in given.fault:
            server.faults.add(Fault(Kind(kind)))
        control = ControlServer(server, given.control_port)
        control.start()
        for ending in (signal.SIGTERM, signal.SIGINT):  # Ctrl-C reaches every process of the terminal
            signal.signal(ending, lambda *_: control.ended.set())
        print(json.dumps(_ready_message(given.name, server, control)), flush=True)
        control.ended.wait()
        control.stop()
    return 0


def _state(given: argparse.Namespace) -> ServerState:
    machine = Machine.named(given.name, absent=tuple(given.without))
    if password := os.environ.get(PASSWORD_VARIABLE):
        machine = replace(machine, admin_password=password)
    return generate(
        given.seed,
        users=given.users,
        groups=given.groups,
        machine=machine,
        version=given.version,
        edition=given.edition,
    )


def _identity(kind: str) -> Identity:
    makers: dict[str, Callable[[], Identity]] = {
        "self-signed": self_signed,
        "self-signed-without-san": lambda: self_signed(san=False),
        "signed": lambda: Authority.create().issue(),
        "expired": lambda: self_signed(days=-1),
    }
    return makers[kind]()


def _ready_message(name: str, server: LocalServer, control: ControlServer) -> dict[str, object]:
    return {
        "name": name,
        "host": HOST,
        "port": server.port,
        "control_port": control.port,
        "fingerprint": server.fingerprint,
        "ca_pem": server.ca_pem,
        "user": server.state.machine.admin_user,
    }


def _version(text: str) -> tuple[int, int, int, int]:
    major, minor, maintenance, build = (int(part) for part in text.split("."))
    return major, minor, maintenance, build


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local.cerberus", description=__doc__)
    parser.add_argument("--name", default="server", help="name of the machine, from which its values are derived")
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--groups", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--port", type=int, default=0, help="HTTPS; 0 takes a free one")
    parser.add_argument("--control-port", type=int, default=0, help="plain HTTP; 0 takes a free one")
    parser.add_argument("--version", type=_version, default=(12, 11, 6, 0), help="four numbers with dots")
    parser.add_argument("--edition", choices=sorted(EDITIONS), default="Enterprise")
    parser.add_argument(
        "--without", action="append", choices=SECTIONS, default=[], help="a section that this server lacks"
    )
    parser.add_argument(
        "--certificate",
        choices=("self-signed", "self-signed-without-san", "signed", "expired"),
        default="self-signed",
    )
    parser.add_argument("--latency", type=float, default=0.0, help="seconds per call")
    parser.add_argument("--fault", action="append", choices=[kind.value for kind in Kind], default=[])
    parser.add_argument("--anonymous-answers", action="store_true")
    parser.add_argument("--c-style-faults", action="store_true")
    parser.add_argument("--wsdl-notice", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
