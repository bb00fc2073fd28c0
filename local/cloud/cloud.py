"""The local cloud as its users see it: start, deploy, look inside, stop."""

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
    """A cloud of its own, for as long as the ``with`` block lasts.

    ``folder`` takes logs and data and is kept; without it a temporary one is
    used and removed. What differs from AWS, as far as this product sees it:

    - a secret that the template makes without a value has an empty string as
      its value; AWS answers ResourceNotFoundException until it has one;
    - TTL, point-in-time recovery and encryption of a table made by a stack
      are not switched on: expired items stay;
    - a ``rate(1 minute)`` rule first fires 60 to 70 s after it was made, then
      every minute; a shorter interval counts from the last time it fired;
      ``let_a_minute_pass`` brings that forward;
    - retries and age of asynchronous invocations are taken from the
      template's default parameters;
    - it speaks plain HTTP, so ``deploy`` takes the policies off that demand TLS of a stack's buckets;
    - it counts AWS/Lambda's metrics for invocations that wait for an answer, and takes no metrics out of log lines;
    - it asks for ``sqs:SendMessageBatch``, which in AWS is part of ``sqs:SendMessage``; ``deploy`` adds it;
    - reserved concurrency in a template is ignored; memory is not limited;
    - what a function logs is there when it has answered; lines it writes
      within the last moment before can appear with the next invocation.
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
        """Where all of its services answer."""
        return self._ministack.endpoint

    @property
    def log_file(self) -> Path:
        """Its own log, which repeats what the functions log."""
        return self._ministack.log_file

    @property
    def environment(self) -> dict[str, str]:
        """The variables that make an AWS SDK or tool use this cloud as its administrator, and nothing else."""
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
        """The variables of a SAM CLI that deploys into this cloud."""
        direct = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
        return {**sam_environment(), **self.environment, **direct, "SAM_CLI_POLL_DELAY": "0.1"}

    @property
    def packed_template(self) -> Path:
        """The built template with the places its code was uploaded to: there as soon as one stack is deployed."""
        return self._stacks.packed

    def kill_function(self, function_name: str) -> int:
        """End every process of a function at once and without a word (SIGKILL); how many there were.

        What they were doing counts as failed, and the next invocation starts new ones.
        """
        processes = self._ministack.function_processes(function_name)
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        return len(processes)

    def let_a_minute_pass(self) -> None:
        """For every schedule, at once. When this returns, the targets of the rules that are due have been called."""
        self._ministack.let_a_minute_pass()

    def client(self, service: str, *, read_timeout: float = 60) -> Any:
        """A boto3 client of ``service`` as the administrator. Annotate the variable with the type it has.

        ``read_timeout`` in seconds: how long an invocation may take, for example.
        """
        client = self._clients.get((service, read_timeout))
        if client is None:
            session = boto3.Session(
                aws_access_key_id=self._access_key, aws_secret_access_key=self._secret_key, region_name=REGION
            )
            config = Config(proxies={}, read_timeout=read_timeout, retries={"total_max_attempts": 1})
            make = cast(Any, session.client)  # its stubs know literal names only
            client = self._clients[service, read_timeout] = make(service, endpoint_url=self.endpoint, config=config)
        return client

    def deploy(
        self, stack_name: str, parameters: Mapping[str, str] | None = None, *, sam: bool = False
    ) -> dict[str, str]:
        """Make a stack of the built template, or change it; the stack's outputs.

        The first stack of a cloud is made by ``sam deploy``, and so are others
        with ``sam``. Without it CloudFormation makes them from the template that
        the SAM CLI packed. Raises CloudFailed with what either says when it fails.
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
        """All that functions have logged, in the order of each group; of one group or of all."""
        logs = self.client("logs")
        groups = [log_group] if log_group else self._log_groups(logs)
        pages = (
            page for group in groups for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group)
        )
        return [event["message"] for page in pages for event in page["events"]]

    def _log_groups(self, logs: Any) -> list[str]:
        pages = logs.get_paginator("describe_log_groups").paginate()
        return [group["logGroupName"] for page in pages for group in page["logGroups"]]
