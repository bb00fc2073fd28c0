"""The local cloud for its callers: they start it, deploy into it, read from it and stop it."""

import os
import secrets
import signal
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import boto3
from botocore.config import Config

from local.build import ARCHITECTURE, RUNTIME, sam_environment
from local.cloud import bridge
from local.cloud.api import ManagementApi
from local.cloud.ministack import ACCOUNT, CloudFailed, MiniStack
from local.cloud.stacks import Stacks

REGION = "eu-central-1"

__all__ = ["ACCOUNT", "REGION", "CloudFailed", "LocalCloud"]


class LocalCloud:
    """A local cloud that runs as long as the ``with`` block lasts.

    Logs and data are in ``folder``, which is kept; without it, they are in a
    temporary folder that is removed. Known differences from AWS that concern
    this product:

    - a secret without a value in the template has an empty string as its value;
      AWS answers ResourceNotFoundException until the secret has a value;
    - TTL, point-in-time recovery and encryption of a table made by a stack
      are not switched on: expired items stay;
    - a ``rate(1 minute)`` rule first fires 60 to 70 s after its creation, then
      every minute; ``let_a_minute_pass`` brings this forward;
    - a shorter interval of a rule counts from the last time the rule fired;
    - retries and age of asynchronous invocations are taken from the
      template's default parameters;
    - the local cloud uses plain HTTP, so ``deploy`` removes the bucket policies that demand TLS;
    - AWS/Lambda's metrics count only invocations that wait for an answer, and no metrics are read from log lines;
    - ``sqs:SendMessageBatch`` is required, which in AWS is part of ``sqs:SendMessage``; ``deploy`` adds it;
    - reserved concurrency in a template is ignored; memory is not limited;
    - a function's log lines are stored when the function has answered; its last
      lines can appear with the next invocation.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="local-cloud-") if folder is None else None
        self.folder = Path(self._temporary.name) if self._temporary else cast(Path, folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._access_key = "LOCALADMINISTRATOR"
        self._secret_key = secrets.token_hex(20)
        self._ministack = MiniStack(
            self.folder, region=REGION, access_key=self._access_key, secret_key=self._secret_key
        )
        self._clients: dict[tuple[str, float], Any] = {}
        self._stacks = Stacks(self.folder, self.sam_environment, self.client)

    def __enter__(self) -> Self:
        self._ministack.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ministack.stop()
        if self._temporary:
            self._temporary.cleanup()

    @property
    def endpoint(self) -> str:
        """The URL at which all services of the local cloud answer."""
        return self._ministack.endpoint

    @property
    def log_file(self) -> Path:
        """The file with the local cloud's own log, which includes the functions' log lines."""
        return self._ministack.log_file

    @property
    def environment(self) -> dict[str, str]:
        """Exactly the environment variables that make an AWS SDK or tool use this cloud, as its administrator."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self._access_key,
            "AWS_SECRET_ACCESS_KEY": self._secret_key,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    @property
    def sam_environment(self) -> dict[str, str]:
        """The environment variables for a SAM CLI that deploys into this cloud."""
        direct = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
        return {**sam_environment(), **self.environment, **direct, "SAM_CLI_POLL_DELAY": "0.1"}

    @property
    def packed_template(self) -> Path:
        """The built template with the locations of the uploaded code; the file exists once a stack is deployed."""
        return self._stacks.packed

    def kill_function(self, function_name: str) -> int:
        """Kill all processes of a function with SIGKILL; return their number.

        The invocations in progress count as failed, and the next invocation starts a new process.
        """
        processes = self._ministack.function_processes(function_name)
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        return len(processes)

    def let_a_minute_pass(self) -> None:
        """Let every schedule advance by a minute, at once. Before this returns, the targets of due rules are called."""
        self._ministack.let_a_minute_pass()

    def client(self, service: str, *, read_timeout: float = 60) -> Any:
        """A boto3 client of ``service`` as the administrator. The type is Any, so annotate the variable.

        ``read_timeout`` in seconds: how long an invocation may take, for example.
        """
        client = self._clients.get((service, read_timeout))
        if client is None:
            session = boto3.Session(
                aws_access_key_id=self._access_key, aws_secret_access_key=self._secret_key, region_name=REGION
            )
            config = Config(proxies={}, read_timeout=read_timeout, retries={"total_max_attempts": 1})
            make = cast(Any, session.client)  # the type stubs accept only literal names
            client = self._clients[service, read_timeout] = make(service, endpoint_url=self.endpoint, config=config)
        return client

    def deploy(
        self, stack_name: str, parameters: Mapping[str, str] | None = None, *, sam: bool = False
    ) -> dict[str, str]:
        """Create or update a stack from the built template; return the stack's outputs.

        ``sam deploy`` creates the first stack of a cloud, and every stack if
        ``sam`` is True. CloudFormation creates all others from the template that
        the SAM CLI packed. Raises CloudFailed with the message of the tool that
        failed.
        """
        print(f"Deploying the stack {stack_name} ...", flush=True)
        started = time.monotonic()
        given = {"Runtime": RUNTIME, "Architecture": ARCHITECTURE, **(parameters or {})}
        self._stacks.deploy(stack_name, given, sam=sam)
        bridge.accept_plain_http(self.client("cloudformation"), self.client("s3"), stack_name)
        bridge.name_sessions_of_roles(self.client("cloudformation"), self.client("s3"), stack_name)
        bridge.let_batches_be_sent(self.client("cloudformation"), self.client("iam"), stack_name)
        bridge.make_concurrency_a_number(self.client("cloudformation"), self.client("lambda"), stack_name)
        print(f"Deployed in {time.monotonic() - started:.0f} s.", flush=True)
        return self.outputs(stack_name)

    def outputs(self, stack_name: str) -> dict[str, str]:
        """The outputs of a deployed stack by their keys."""
        stacks = self.client("cloudformation").describe_stacks(StackName=stack_name)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in stacks[0].get("Outputs", [])}

    def management_api(self, outputs: Mapping[str, str]) -> ManagementApi:
        """The management API of the stack with these outputs, called as the administrator."""
        base = f"{self.endpoint}/restapis/{outputs['ApiId']}/v1/_user_request_"
        return ManagementApi(base, REGION, self._access_key, self._secret_key)

    def log_messages(self, log_group: str | None = None) -> list[str]:
        """The log messages of the functions, of one log group or of all; each group is in order."""
        logs = self.client("logs")
        groups = [log_group] if log_group else self._log_groups(logs)
        pages = (
            page for group in groups for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group)
        )
        return [event["message"] for page in pages for event in page["events"]]

    def _log_groups(self, logs: Any) -> list[str]:
        pages = logs.get_paginator("describe_log_groups").paginate()
        return [group["logGroupName"] for page in pages for group in page["logGroups"]]
