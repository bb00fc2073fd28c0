"""The simulated queue delivers as SQS does: what moto's queue does with the same calls, it does as well."""

import json
from typing import Protocol

import boto3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

from local.fakes.sqs import FakeSqs
from registry.aws import open_sqs

VISIBILITY = 60
MOST_RECEIVES = 3


class Queue(Protocol):
    """What the tests do to a queue. Messages are named by their bodies."""

    def send(self, *bodies: str) -> None: ...
    def receive(self) -> list[str]: ...
    def delete(self, bodies: list[str]) -> None: ...
    def wait(self) -> None:
        """Let the visibility timeout of all received messages end."""

    def dead_letters(self) -> list[str]: ...


class SimulatedQueue:
    def __init__(self) -> None:
        self._queue = FakeSqs(visibility=VISIBILITY, most_receives=MOST_RECEIVES)
        self._now = 0.0

    def send(self, *bodies: str) -> None:
        entries = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)]
        self._queue.send_message_batch(QueueUrl="", Entries=entries)

    def receive(self) -> list[str]:
        return sorted(message.body for message in self._queue.receive(self._now))

    def delete(self, bodies: list[str]) -> None:
        batch = [message for message in self._queue.messages if message.body in bodies]
        self._queue.finish(batch, [])

    def wait(self) -> None:
        self._now += VISIBILITY + 1

    def dead_letters(self) -> list[str]:
        return sorted(message.body for message in self._queue.dead_letters)


class MotoQueue:
    def __init__(self) -> None:
        self._client = open_sqs()
        dead = self._client.create_queue(QueueName="dead")["QueueUrl"]
        arn = self._client.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": MOST_RECEIVES})
        self._dead = dead
        self._url = self._client.create_queue(
            QueueName="backups", Attributes={"RedrivePolicy": policy, "VisibilityTimeout": str(VISIBILITY)}
        )["QueueUrl"]
        self._receipts: dict[str, str] = {}
        self._dead_letters: set[str] = set()

    def send(self, *bodies: str) -> None:
        for body in bodies:
            self._client.send_message(QueueUrl=self._url, MessageBody=body)

    def receive(self) -> list[str]:
        got = self._client.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get("Messages", [])
        self._receipts |= {message["Body"]: message["ReceiptHandle"] for message in got}
        return sorted(message["Body"] for message in got)

    def delete(self, bodies: list[str]) -> None:
        for body in bodies:
            self._client.delete_message(QueueUrl=self._url, ReceiptHandle=self._receipts.pop(body))

    def wait(self) -> None:
        for handle in self._receipts.values():
            self._client.change_message_visibility(QueueUrl=self._url, ReceiptHandle=handle, VisibilityTimeout=0)
        self._receipts.clear()

    def dead_letters(self) -> list[str]:
        while got := self._client.receive_message(QueueUrl=self._dead, MaxNumberOfMessages=10).get("Messages"):
            self._dead_letters |= {message["Body"] for message in got}
        return sorted(self._dead_letters)


@pytest.fixture
def region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    boto3.DEFAULT_SESSION = None


STEPS = st.lists(st.sampled_from(("send", "receive", "delete", "wait")), min_size=4, max_size=25)


@settings(max_examples=30)
@given(STEPS)
def test_whatever_is_done_both_queues_deliver_the_same(region: None, steps: list[str]) -> None:
    with mock_aws():
        queues: tuple[Queue, Queue] = (SimulatedQueue(), MotoQueue())
        received: list[str] = []
        sent = 0
        for step in steps:
            if step == "send":
                for queue in queues:
                    queue.send(*(f"m{sent + number:03}" for number in range(3)))
                sent += 3
            elif step == "receive":
                simulated, real = (queue.receive() for queue in queues)
                assert simulated == real
                received = real
            elif step == "delete":
                for queue in queues:
                    queue.delete(received[:2])
                received = []
            else:
                for queue in queues:
                    queue.wait()
                received = []
            simulated_dead, real_dead = (queue.dead_letters() for queue in queues)
            assert simulated_dead == real_dead
