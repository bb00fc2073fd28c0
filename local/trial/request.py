"""Reads the command line, and asks for the log-ins, which are secret and so never on the command line."""

import argparse
import getpass
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from cerberus.address_policy import AddressPolicy, checked_host
from cerberus.endpoint import MAX_PORT
from common.errors import Failure, Reason
from common.runtime import SystemRuntime
from fleet.primary import policy_of
from fleet.servers import trust_of
from registry.fleet_records import Backup, Credentials, Primary, SyncSettings, TlsTrust
from replication.model import DEFAULT_PARTS, PartName

BACKUP_ID = "backup"
USUAL_NAME = "admin"
SNAPSHOTS = Path.home() / "cerberus-snapshots"


class Command(StrEnum):
    """The commands of the trial."""

    CHECK = "check"
    PLAN = "plan"
    SYNC = "sync"
    RESTORE = "restore"


_HELP = {
    Command.CHECK: "check whether both servers can be reached, trusted, logged in to and replicated; write nothing",
    Command.PLAN: "show what a synchronization would change on the backup; write nothing",
    Command.SYNC: "show the plan, ask, and make the backup equal to the primary",
    Command.RESTORE: "show the plan, ask, and restore the backup's content from before a sync",
}


@dataclass(frozen=True)
class Request:
    """The inputs of one trial. ``seconds`` is how long the servers may take in all.

    ``approved`` is the hash of an approved plan, or empty. ``snapshot`` is the file to restore; without one, the backup
    is made equal to the primary.
    """

    command: Command
    primary: Primary
    backup: Backup
    settings: SyncSettings
    addresses: AddressPolicy
    wsdl: Path | None
    seconds: float
    snapshots: Path = SNAPSHOTS
    unasked: bool = False
    approved: str = ""
    snapshot: Path | None = None


def read_request(arguments: Sequence[str]) -> Request:
    """Parse the command line. For a wrong one, end the program with status 2 and an explanation."""
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        request = _request(given)
    except Failure as failure:
        parser.error(failure.message)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    return request


def log_in_of(server_id: str, variables: Mapping[str, str] = os.environ) -> Credentials:
    """The user name and password for ``primary`` or ``backup``, from the environment or asked at the terminal.

    Raises Failure(CREDENTIALS_MISSING) if the environment has no password and there is no terminal.
    """
    prefix = f"CERBERUS_{server_id.upper()}_"
    username, password = variables.get(f"{prefix}USERNAME", ""), variables.get(f"{prefix}PASSWORD", "")
    if password:
        return Credentials(username or USUAL_NAME, password)
    if not sys.stdin.isatty():
        raise Failure(
            Reason.CREDENTIALS_MISSING,
            f"{prefix}PASSWORD is not set and there is no terminal to ask at",
            server=server_id,
        )
    if not username:
        print(f"Administrator of the {server_id} [{USUAL_NAME}]: ", end="", file=sys.stderr, flush=True)
        username = sys.stdin.readline().strip() or USUAL_NAME
    return Credentials(username, getpass.getpass(f"Password of {username} on the {server_id}: "))


def _request(given: argparse.Namespace) -> Request:
    host, port = _address(given.primary)
    primary = Primary(host, port, _trust(given.primary_ca, given.primary_fingerprint))
    host, port = _address(given.backup)
    backup = Backup(BACKUP_ID, host, port, _trust(given.backup_ca, given.backup_fingerprint))
    settings = SyncSettings(
        parts=None if given.parts is None else tuple(given.parts.split(",")),
        rules=tuple(given.rule),
        block_widened_access=given.block_widened_access,
        connect_timeout=given.connect_timeout,
        read_timeout=given.read_timeout,
    )
    policy_of(backup, settings)  # raises a Failure for invalid settings
    if given.wsdl and not given.wsdl.is_file():
        raise ValueError(f"there is no file {given.wsdl}")
    common = Request(
        Command(given.command),
        primary,
        backup,
        settings,
        AddressPolicy.allowing(given.allow_network, SystemRuntime()),
        given.wsdl,
        given.time_limit,
    )
    if common.command in (Command.CHECK, Command.PLAN):
        return common
    writing = replace(common, snapshots=given.snapshots, unasked=given.yes, approved=given.approve or "")
    return replace(writing, snapshot=given.snapshot) if common.command is Command.RESTORE else writing


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or not 1 <= int(port) <= MAX_PORT:
        raise ValueError(f"{text!r} is not HOST:PORT")
    return checked_host(host.removeprefix("[").removesuffix("]")), int(port)


def _hash(text: str) -> str:
    """The hash of a plan. An empty text is an error, because it usually comes from an unset shell variable."""
    stripped = text.strip()
    if not stripped:
        raise argparse.ArgumentTypeError("the hash is empty; omit the option to be asked")
    return stripped


def _trust(ca_file: Path | None, fingerprints: list[str]) -> TlsTrust:
    pins = tuple(pin.strip() for text in fingerprints for pin in text.split(","))
    trust = TlsTrust(ca_pem=ca_file.read_text() if ca_file else "", pins=pins)
    trust_of(trust)
    return trust


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local.trial",
        description="Try the synchronization from this machine, without AWS. The primary is never written to.",
        epilog="User names and passwords are asked for, or taken from CERBERUS_PRIMARY_USERNAME, "
        "CERBERUS_PRIMARY_PASSWORD, CERBERUS_BACKUP_USERNAME and CERBERUS_BACKUP_PASSWORD. "
        "Ends with 0: as it should be; 1: failed; 2: wrong use; 3: the backup differs; 4: blocked; 5: not confirmed.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="check | plan | sync | restore")
    for command, text in _HELP.items():
        one = commands.add_parser(command, help=text, description=text)
        _add_common(one)
        if command in (Command.SYNC, Command.RESTORE):
            _add_writing(one)
        if command is Command.RESTORE:
            one.add_argument("--snapshot", type=Path, required=True, metavar="FILE", help="file that a sync has stored")
    return parser


def _add_common(parser: argparse.ArgumentParser) -> None:
    for server in ("primary", "backup"):
        parser.add_argument(f"--{server}", required=True, metavar="HOST:PORT", help=f"SOAP service of the {server}")
        trust = parser.add_mutually_exclusive_group()
        trust.add_argument(f"--{server}-ca", type=Path, metavar="FILE", help="CA that signed its certificate, in PEM")
        trust.add_argument(
            f"--{server}-fingerprint",
            action="append",
            default=[],
            metavar="SHA256",
            help="SHA-256 fingerprint of its certificate; repeat the option, or use a comma, for two",
        )
    parts = ",".join(part for part in PartName if part in DEFAULT_PARTS)
    parser.add_argument("--parts", metavar="A,B", help=f"parts to replicate; {parts} unless given")
    parser.add_argument(
        "--rule",
        action="append",
        default=[],
        metavar="PATTERN",
        help="keep pattern: settings that the backup keeps; repeatable",
    )
    parser.add_argument(
        "--block-widened-access", action="store_true", help="changes that widen access wait for an approval"
    )
    parser.add_argument("--wsdl", type=Path, metavar="FILE", help="WSDL of the servers' own version")
    parser.add_argument(
        "--allow-network",
        action="append",
        default=[],
        metavar="CIDR",
        help="network that servers may be in although it is refused by default, such as 127.0.0.0/8",
    )
    parser.add_argument("--connect-timeout", type=float, default=10.0, metavar="SECONDS", help="10 unless given")
    parser.add_argument("--read-timeout", type=float, default=60.0, metavar="SECONDS", help="60 unless given")
    parser.add_argument(
        "--time-limit", type=float, default=900.0, metavar="SECONDS", help="limit for the whole work; 900 unless given"
    )


def _add_writing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--snapshots",
        type=Path,
        default=SNAPSHOTS,
        metavar="FOLDER",
        help=f"folder for the backup's content before a write; {SNAPSHOTS} unless given",
    )
    parser.add_argument("--yes", action="store_true", help="do not ask; blocked parts stay blocked")
    parser.add_argument(
        "--approve",
        type=_hash,
        metavar="HASH",
        help="carry out exactly the plan with this hash, including its blocked parts",
    )
