"""Messages on their way through SQS."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from registry.aws import open_sqs
from registry.backup_queue import Message, SqsQueue

MESSAGES = [Message("r1", f"b{number:02}") for number in range(25)]


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with mock_aws():
        yield boto3.client("sqs").create_queue(QueueName="backups")["QueueUrl"]


def test_what_is_sent_is_delivered_each_once(url: str) -> None:
    assert SqsQueue(url, open_sqs).send(MESSAGES) == {}
    client = open_sqs()
    got = []
    while received := client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        got += [Message.read(message["Body"]) for message in received]
    assert sorted(got, key=lambda message: message.backup_id) == MESSAGES


def test_the_client_is_opened_once_and_only_when_something_is_sent(url: str) -> None:
    opened = []

    def opening() -> object:
        opened.append(open_sqs())
        return opened[-1]

    queue = SqsQueue(url, opening)  # type: ignore[arg-type]  # it is the client of open_sqs
    assert opened == []
    queue.send(MESSAGES)
    queue.send(MESSAGES)
    assert len(opened) == 1


def test_a_queue_that_is_not_there_takes_none_and_says_why(url: str) -> None:
    refused = SqsQueue(f"{url}-other", open_sqs).send(MESSAGES)
    assert list(refused) == MESSAGES
    assert all("SQS SendMessageBatch failed" in why for why in refused.values())


def test_single_messages_that_it_does_not_take_are_told(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client = open_sqs()
    send = client.send_message_batch

    def losing_the_third(QueueUrl: str, Entries: list[Any]) -> object:  # noqa: N803 - boto3's own names
        reply = send(QueueUrl=QueueUrl, Entries=[entry for entry in Entries if entry["Id"] != "2"])
        return {**reply, "Failed": [{"Id": "2", "SenderFault": False, "Code": "InternalError"}]}

    monkeypatch.setattr(client, "send_message_batch", losing_the_third)
    refused = SqsQueue(url, lambda: client).send(MESSAGES)
    assert refused == dict.fromkeys([MESSAGES[2], MESSAGES[12], MESSAGES[22]], "SQS refused it: InternalError")
