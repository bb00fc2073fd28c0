"""The handler of the sync function: parses the event, starts the run and reports the result."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from functools import cache

from aws_lambda_powertools.utilities.typing import LambdaContext

from cerberus.address_policy import AddressPolicy
from common.deadline import Deadline
from common.errors import Failure
from common.runtime import SystemRuntime
from fleet.at_a_time import room_for_primary
from fleet.log_lines import fitted, new_logger
from fleet.servers import CerberusServers
from registry.aws import open_clients, open_sqs
from registry.backup_queue import Message, SqsQueue
from registry.credentials import SecretsManagerCredentials
from registry.dynamo import DynamoStore
from registry.snapshot_digests import DynamoSnapshotDigests
from registry.snapshots import S3Snapshots
from sync.backup_runner import GRACE
from sync.context import Environment, FanOutTerms, RunContext
from sync.events import Trigger, queued_messages, read_request
from sync.fan_out import process_batch
from sync.poll import Look, look_at_primary
from sync.reporting import LoggedProgress, emit_metrics
from sync.results import Report, RunStatus
from sync.run import run

LARGEST_REPLY = 5_800_000
"""Maximum size of the reply in bytes. Lambda loses a reply of more than 6,291,556."""

RECORDING_SECONDS = 5.0
"""Seconds reserved at the end of the function's time for storing the last records, because a killed function cannot
store any.
"""

logger = new_logger()


class RunFailedError(Exception):
    """The run failed as a whole. Raised after everything was recorded, so that Lambda counts an error."""


@logger.inject_lambda_context(clear_state=True)
def handler(event: object, context: LambdaContext) -> Mapping[str, object]:
    """Carry out one run, check whether one is needed, or process backups from the queue.

    Returns the run and its results, or the queue messages that SQS must deliver again. Raises RunFailedError if the run
    ended before any backup was touched.
    """
    try:
        run_context = _run_context()
        left = context.get_remaining_time_in_millis() / 1000
        deadline = Deadline(left - RECORDING_SECONDS - GRACE, run_context.runtime.monotonic)
        queued = queued_messages(event)
        if queued is not None:
            return _process_batch(queued, run_context, deadline, left)
        request = read_request(event)
        look = look_at_primary(run_context, deadline) if request.trigger is Trigger.CHANGE else Look(is_run_needed=True)
        if not look.is_run_needed:
            logger.info("primary unchanged")
            return {"status": "unchanged"}
        report = run(request, run_context, deadline, unread=look.unread)
    except Failure as failure:
        logger.error("run not possible", extra={"reason": failure.reason, "detail": str(failure)})  # noqa: TRY400 - the trace adds nothing
        raise RunFailedError(str(failure)) from None
    if report.recorded and report.run.status != RunStatus.RUNNING:
        _emit_metrics(report, run_context)
    if report.run.status == RunStatus.FAILED:
        raise RunFailedError(report.run.message)
    return _reply(report)


def _process_batch(
    bodies: Mapping[str, str], run_context: RunContext, deadline: Deadline, left: float
) -> dict[str, object]:
    """Process a batch of queue messages. ``left`` is the remaining time of the invocation in seconds.

    Returns SQS' partial batch response: SQS delivers the listed messages again, and moves a message to the dead-letter
    queue after too many deliveries. A message that cannot be parsed is listed as well.
    """
    messages: dict[str, Message] = {}
    again: set[str] = set()
    for message_id, body in bodies.items():
        try:
            messages[message_id] = Message.read(body)
        except Failure as failure:
            extra = {"reason": failure.reason, "detail": failure.message, "message_id": message_id}
            logger.error("message not understood", extra=extra)  # noqa: TRY400 - the trace adds nothing
            again.add(message_id)
    batch = process_batch(
        list(messages.values()), run_context, deadline, run_context.runtime.now() + timedelta(seconds=left)
    )
    for report in batch.reports:
        if report.recorded:
            _emit_metrics(report, run_context)
    again |= {message_id for message_id, message in messages.items() if message in batch.again}
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in sorted(again)]}


def _emit_metrics(report: Report, run_context: RunContext) -> None:
    """Emit the metrics; a failure is only logged, because the run is already complete and recorded."""
    try:
        emit_metrics(report, run_context)
    except Failure as failure:
        logger.warning("metrics incomplete", extra={"reason": failure.reason, "detail": str(failure)})


@cache
def _run_context() -> RunContext:
    """Build the context at the first invocation; later invocations in the same process reuse it."""
    environment = Environment.read()
    clients = open_clients()
    runtime = SystemRuntime()
    return RunContext(
        store=DynamoStore(environment.table_name, clients.dynamodb, runtime, environment.history_days),
        credentials=SecretsManagerCredentials(environment.secret_prefix, clients.secretsmanager, runtime),
        servers=CerberusServers(
            AddressPolicy.allowing(environment.allowed_networks, runtime),
            runtime,
            environment.wsdl,
            room_for_primary(environment.memory_megabytes),
        ),
        progress=LoggedProgress(logger),
        snapshots=S3Snapshots(
            environment.snapshot_bucket,
            clients.s3,
            DynamoSnapshotDigests(environment.table_name, clients.dynamodb, runtime),
        ),
        primary=environment.primary,
        lease_seconds=environment.lease_seconds,
        runtime=runtime,
        memory_megabytes=environment.memory_megabytes,
        snapshot_days=environment.snapshot_days,
        backups_with_metrics=environment.backups_with_metrics,
        fan_out=FanOutTerms(
            SqsQueue(environment.queue_url, open_sqs), environment.fan_out_above, environment.fan_out_minutes * 60
        ),
    )


def _reply(report: Report) -> Mapping[str, object]:
    """The return value of the function: the run's record and results, shortened to fit Lambda's limit."""
    reply = {
        "run_id": report.run.id,
        "status": report.run.status,
        "reason": report.run.reason,
        "message": report.run.message,
        "counts": dict(report.run.counts),
        "backups": [
            {
                "id": result.backup_id,
                "status": result.status,
                "reason": result.reason,
                "message": result.message,
                "verified_at": result.verified_at.isoformat() if result.verified_at else None,
                "parts": [asdict(part) for part in result.parts],
            }
            for result in report.results  # servers that nobody can log in to come first
        ],
    }
    return fitted(reply, lambda shorter: len(json.dumps(shorter)), LARGEST_REPLY)
