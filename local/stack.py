"""``make stack``: a local cloud with the deployed stack, a primary and a backup, until Ctrl-C.

The program writes two files for ``sam local invoke``, which runs a function in this cloud. One is a template that
declares the local cloud's variables, because the SAM CLI passes on no others. The other has the values of these
variables.
"""

import json
import signal
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

from local.build import BUILT_TEMPLATE, ROOT, build
from local.cloud import LocalCloud
from local.events import BACKUP
from local.fleet import Deployment, start_servers

INVOKED_TEMPLATE = BUILT_TEMPLATE.with_name("local.yaml")
"""The template for ``sam local invoke``. It is beside the built template, because the path of the code is relative to
the template.
"""
VARIABLES = ROOT / ".local" / "env.json"
FUNCTIONS = ("SyncFunction", "AdminApiFunction")

_DECLARED = "    Environment:\n      Variables:\n"


def main() -> None:
    """Build, start, deploy, register, print instructions, and wait."""
    build()
    with ExitStack() as stack:
        servers = start_servers(stack, (BACKUP,), users=50, groups=5)
        servers.backups[BACKUP].drift("everywhere")
        cloud = stack.enter_context(LocalCloud(ROOT / ".local" / "cloud"))
        deployment = Deployment(cloud, "cerberus-sync", servers, SyncEnabled="false")
        deployment.register()
        prepare_invocations(cloud, deployment.outputs, INVOKED_TEMPLATE, VARIABLES)
        _explain(cloud, deployment.outputs)
        with suppress(KeyboardInterrupt):
            signal.pause()


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


def _explain(cloud: LocalCloud, outputs: Mapping[str, str]) -> None:
    lines = ["", "A primary and the backup ftp2, which has drifted, are registered. The stack's outputs:"]
    lines += [f"  {key} = {value}" for key, value in outputs.items()]
    lines += ["", "To use it from another terminal:"]
    lines += [f"  export {name}={value}" for name, value in cloud.environment.items()]
    lines += [f"  export API={cloud.endpoint}/restapis/{outputs['ApiId']}/v1/_user_request_"]
    lines += ["", "To run a function in a container against it (Docker):"]
    lines += [
        f"  sam local invoke SyncFunction --template {INVOKED_TEMPLATE.relative_to(ROOT)} --docker-network host \\",
        f"      --env-vars {VARIABLES.relative_to(ROOT)} --event events/sync/on-demand-dry-run.json",
    ]
    lines += ["", f"Its log is {cloud.log_file.relative_to(ROOT)}. Ctrl-C ends it."]
    print("\n".join(lines), flush=True)


if __name__ == "__main__":
    main()
