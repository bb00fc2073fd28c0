"""The queue for the backup servers of a run that one invocation cannot process alone.

A message contains only two ids: that of the run and that of one backup server.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import batched
from typing import TYPE_CHECKING, ClassVar, Protocol

from common.errors import Failure, Reason
from registry.aws_errors import calling
from registry.serialization import Unreadable, numbered, read

if TYPE_CHECKING:  # the stubs are not in the Lambda package
    from mypy_boto3_sqs import SQSClient

_AT_ONCE = 10
"""Maximum number of messages in one call, set by SQS."""


@dataclass(frozen=True)
class Message:
    """The ids of one backup that waits to be processed, and of its run."""

    FORMAT: ClassVar[int] = 1

    run_id: str
    backup_id: str

    def text(self) -> str:
        """The body of the message."""
        return json.dumps(numbered(self))

    @classmethod
    def read(cls, text: str) -> "Message":
        """Parse the body of a message. Raises Failure(EVENT_INVALID), also for an unknown format."""
        try:
            return read(cls, json.loads(text))
        except Unreadable as unreadable:
            raise Failure(Reason.EVENT_INVALID, f"a message in the queue cannot be read: {unreadable}") from None
        except (ValueError, RecursionError):  # the error's text would quote the message
            raise Failure(Reason.EVENT_INVALID, "a message in the queue was not sent by this product") from None


class BackupQueue(Protocol):
    """Stores messages until they are delivered to the sync function."""

    def send(self, messages: Sequence[Message]) -> Mapping[Message, str]:
        """Queue the messages in order; return the messages that the queue rejected, with the reason of each. Raises no
        Failure.
        """


class SqsQueue:
    """``BackupQueue`` on SQS. ``open_client`` is called when the first message is sent."""

    def __init__(self, url: str, open_client: "Callable[[], SQSClient]") -> None:
        self._url = url
        self._open_client = open_client

    def send(self, messages: Sequence[Message]) -> Mapping[Message, str]:
        refused: dict[Message, str] = {}
        for some in batched(messages, _AT_ONCE):
            refused |= self._send(some)
        return refused

    def _send(self, messages: Sequence[Message]) -> Mapping[Message, str]:
        try:
            with calling("SQS SendMessageBatch"):
                reply = self._client.send_message_batch(
                    QueueUrl=self._url,
                    Entries=[
                        {"Id": str(number), "MessageBody": message.text()} for number, message in enumerate(messages)
                    ],
                )
        except Failure as failure:
            return dict.fromkeys(messages, failure.message)
        return {messages[int(entry["Id"])]: f"SQS refused it: {entry['Code']}" for entry in reply.get("Failed", ())}

    @cached_property
    def _client(self) -> "SQSClient":
        return self._open_client()
