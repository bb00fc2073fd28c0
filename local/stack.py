"""``make stack``: a local cloud with the deployed stack, a primary and a backup, until Ctrl-C.

The servers are registered by ``cerbsync apply`` from a fleet file, which stays for the reader to go on with. With
``BLOCKED=1`` the primary has lost people, and a run has been stopped, so that the page about blocked plans can be
practised.

The program writes two files for ``sam local invoke``, which runs a function in this cloud. One is a template that
declares the local cloud's variables, because the SAM CLI passes on no others. The other has the values of these
variables.
"""

import json
import os
import shlex
import signal
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

from local.build import BUILT_TEMPLATE, ROOT, build
from local.cloud import LocalCloud
from local.command_line import CommandLine, environment_of, fleet_document, passwords_of
from local.events import BACKUP
from local.fleet import Deployment, Servers, start_servers

INVOKED_TEMPLATE = BUILT_TEMPLATE.with_name("local.yaml")
"""The template for ``sam local invoke``. It is beside the built template, because the path of the code is relative to
the template.
"""
VARIABLES = ROOT / ".local" / "env.json"
FOLDER = ROOT / ".local" / "stack"
"""The folder with the fleet file, and with ``env.sh``, which another terminal reads."""
FUNCTIONS = ("SyncFunction", "AdminApiFunction")

_DECLARED = "    Environment:\n      Variables:\n"


def main() -> None:
    """Build, start, deploy, register, print instructions, and wait until Ctrl-C, a closed terminal or a kill."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    build()
    with ExitStack() as stack, suppress(KeyboardInterrupt):
        servers = start_servers(stack, (BACKUP,), users=50, groups=5)
        servers.backups[BACKUP].drift("everywhere")
        cloud = stack.enter_context(LocalCloud(ROOT / ".local" / "cloud"))
        deployment = Deployment(cloud, "cerberus-sync", servers, SyncEnabled="false")
        command_line = CommandLine(FOLDER, environment_of(cloud, deployment.outputs))
        register(command_line, servers)
        if os.environ.get("BLOCKED"):
            make_blocked(command_line, servers)
        prepare_invocations(cloud, deployment.outputs, INVOKED_TEMPLATE, VARIABLES)
        _explain(cloud, command_line, deployment.outputs, servers)
        while True:
            signal.pause()


def register(command_line: CommandLine, servers: Servers) -> None:
    """Register the primary and the backups from a fleet file."""
    command_line.write_fleet(fleet_document(servers))
    command_line.run("apply", "--yes", command_line.hash_of("apply", "--dry-run"), more=passwords_of(servers))


def make_blocked(command_line: CommandLine, servers: Servers) -> None:
    """Have a run write to the backup, remove a third of the primary's users, and have the next run stopped."""
    command_line.run("run", "--wait")
    for number in range(0, 50, 3):
        servers.primary.drift("remove_user", name=f"user{number:06}")
    command_line.run("run", "--wait", expected=(5,))


def prepare_invocations(cloud: LocalCloud, outputs: Mapping[str, str], template: Path, variables: Path) -> None:
    """Write the template and the values of the variables for ``sam local invoke``."""
    built = BUILT_TEMPLATE.read_text()
    if _DECLARED not in built:
        raise ValueError("the built template declares no variables for both functions")
    declared = "".join(f"        {name}: ''\n" for name in cloud.environment)
    template.write_text(built.replace(_DECLARED, _DECLARED + declared, 1))
    functions = cloud.client("lambda")
    values = {}
    for name in FUNCTIONS:
        deployed = functions.get_function_configuration(FunctionName=outputs[f"{name}Name"])
        values[name] = {**deployed["Environment"]["Variables"], **cloud.environment}
    variables.parent.mkdir(parents=True, exist_ok=True)
    variables.write_text(json.dumps(values, indent=1) + "\n")


def _explain(cloud: LocalCloud, command_line: CommandLine, outputs: Mapping[str, str], servers: Servers) -> None:
    variables = {**command_line.environment, **passwords_of(servers)}
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    script = command_line.folder / "env.sh"
    script.write_text("\n".join(lines) + "\n", "utf-8")
    script.chmod(0o600)
    shown = ["", f"A primary and the backup {BACKUP}, which has drifted, are registered. The stack's outputs:"]
    shown += [f"  {key} = {value}" for key, value in outputs.items()]
    shown += ["", "To use it from another terminal:"]
    shown += [
        f"  . {script.relative_to(ROOT)}",
        f"  cd {command_line.folder.relative_to(ROOT)}",
        f"  {ROOT / '.venv' / 'bin' / 'python'} -m pip install {ROOT}   # once; the command line",
        "  cerbsync status",
        f"  cerbsync plan {BACKUP}",
    ]
    shown += ["", "To run a function in a container against it (Docker):"]
    shown += [
        f"  sam local invoke SyncFunction --template {INVOKED_TEMPLATE.relative_to(ROOT)} --docker-network host \\",
        f"      --env-vars {VARIABLES.relative_to(ROOT)} --event events/sync/on-demand-dry-run.json",
    ]
    shown += ["", f"Its log is {cloud.log_file.relative_to(ROOT)}. Ctrl-C ends it."]
    print("\n".join(shown), flush=True)


if __name__ == "__main__":
    main()
