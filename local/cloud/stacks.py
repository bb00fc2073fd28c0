"""Deploys stacks into the local cloud: the first with ``sam deploy``, others from the template that it packed.

The SAM CLI takes eight seconds of processor time for a stack, mostly for packing
the code. CloudFormation creates another stack of the same template in one second.
"""

import json
import re
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from local.build import BUILT_TEMPLATE, ROOT, SAM, build_lock
from local.cloud.ministack import CloudFailed

_PATIENCE = 120.0
_NO_CHANGE = "didn't contain changes"


class Stacks:
    """The stacks of one cloud. ``environment`` is that of the SAM CLI, ``client`` makes a boto3 client of a service."""

    def __init__(self, folder: Path, environment: Mapping[str, str], client: Callable[[str], Any]) -> None:
        self._folder = folder
        self._environment = dict(environment)
        self._client = client
        self.packed = folder / "packed.json"
        """The built template with the locations of the uploaded code, once a stack is deployed. A file of an earlier
        cloud in this folder names a bucket that is gone.
        """
        self._packed_url = ""

    def deploy(self, name: str, parameters: Mapping[str, str], *, sam: bool) -> None:
        """Create or update the stack. ``sam``: the SAM CLI is used even if the template is packed already.

        An omitted parameter keeps its value, or gets its default. Raises CloudFailed.
        """
        if not sam and self._packed_url:
            self._change(name, parameters)
            return
        self._sam_deploy(name, parameters)
        if not self._packed_url:
            self._keep_packed(name)

    def _sam_deploy(self, name: str, parameters: Mapping[str, str]) -> None:
        # JSON is YAML, and a file keeps every character of a value.
        values = self._folder / f"{name}-parameters.yaml"
        values.write_text(json.dumps(parameters))
        template = self.packed if self._packed_url else BUILT_TEMPLATE
        command: list[str | Path] = [SAM, "deploy", "--template-file", template, "--stack-name", name]
        command += ["--parameter-overrides", f"file://{values}", "--resolve-s3", "--capabilities", "CAPABILITY_IAM"]
        command += ["--no-confirm-changeset", "--no-fail-on-empty-changeset", "--no-progressbar"]
        command += ["--use-json"]  # parsing this template as YAML takes a second
        log_file = self._folder / f"{name}-deploy.log"
        with build_lock(exclusive=False), log_file.open("wb") as log:
            if not BUILT_TEMPLATE.is_file():
                raise CloudFailed("there is nothing to deploy; run `make build`")
            done = subprocess.run(
                command,
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode:
            end = "\n".join(log_file.read_text().splitlines()[-25:])
            raise CloudFailed(f"sam deploy ended with status {done.returncode}:\n{end}")

    def _keep_packed(self, name: str) -> None:
        """Store the template that the SAM CLI packed, in a file and in its bucket, because it is too long for a
        request.
        """
        template = self._client("cloudformation").get_template(StackName=name, TemplateStage="Original")
        text = json.dumps(template["TemplateBody"])
        bucket = re.findall(r"s3://([^/]+)/", text)[0]
        self._client("s3").put_object(Bucket=bucket, Key=self.packed.name, Body=text.encode())
        self._packed_url = f"https://s3.amazonaws.com/{bucket}/{self.packed.name}"
        self.packed.write_text(text)

    def _change(self, name: str, parameters: Mapping[str, str]) -> None:
        cloudformation = self._client("cloudformation")
        existing = self._described(name)
        before = {parameter["ParameterKey"] for parameter in (existing or {}).get("Parameters", ())}
        values: list[dict[str, str | bool]] = [
            {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
        ]
        values += [{"ParameterKey": key, "UsePreviousValue": True} for key in before - set(parameters)]
        try:
            change = cloudformation.create_change_set(
                StackName=name,
                ChangeSetName=f"change-{time.monotonic_ns()}",
                ChangeSetType="UPDATE" if existing else "CREATE",
                TemplateURL=self._packed_url,
                Parameters=values,
                Capabilities=["CAPABILITY_IAM"],
            )["Id"]
        except ClientError as error:
            raise CloudFailed(f"the stack {name} was refused: {error}") from error
        made = cloudformation.describe_change_set(ChangeSetName=change, StackName=name)
        if made["Status"] == "FAILED" and _NO_CHANGE in made["StatusReason"]:
            return
        cloudformation.execute_change_set(ChangeSetName=change, StackName=name)
        self._wait(name)

    def _wait(self, name: str) -> None:
        end = time.monotonic() + _PATIENCE
        while (status := (self._described(name) or {})["StackStatus"]).endswith("IN_PROGRESS"):
            if time.monotonic() > end:
                raise CloudFailed(f"the stack {name} is still {status} after {_PATIENCE:.0f} s")
            time.sleep(0.02)
        if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            events = self._client("cloudformation").describe_stack_events(StackName=name)["StackEvents"]
            reasons = [event["ResourceStatusReason"] for event in events if "FAILED" in event["ResourceStatus"]]
            raise CloudFailed(f"the stack {name} is {status}:\n" + "\n".join(reasons))

    def _described(self, name: str) -> dict[str, Any] | None:
        try:
            stacks = self._client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
        return dict(stacks[0])
