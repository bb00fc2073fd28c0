"""Where the API is, who signs, and what goes wrong on the way to it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from boto3 import Session
from botocore.stub import Stubber

from cerbsync.api import Api
from cerbsync.errors import CommandFailed, Exit, worst
from cerbsync.stack import checked_url, find, signer
from tests.support.command_line import Unsigned

REGION = "eu-central-1"


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Session:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    return Session(aws_access_key_id="AKIATEST", aws_secret_access_key="PLANTED-secret", region_name=REGION)


@pytest.mark.parametrize(
    "url",
    [
        "http://a1b2.execute-api.eu-central-1.amazonaws.com/v1",
        "https://user:secret@example.com/v1",
        "https://example.com/v1?a=b",
        "ftp://example.com",
        "example.com",
        "https://",
        "https://[::1",
    ],
)
def test_signed_requests_go_to_https_or_to_this_machine(url: str) -> None:
    with pytest.raises(CommandFailed) as refused:
        checked_url(url)
    assert refused.value.status is Exit.USAGE
    assert "secret" not in refused.value.message


def test_an_address_on_this_machine_may_be_plain() -> None:
    assert checked_url("http://127.0.0.1:4566/v1/") == "http://127.0.0.1:4566/v1"


def test_the_region_is_that_of_the_api_itself(session: Session) -> None:
    assert find(session, "", "https://a1b2.execute-api.us-west-2.amazonaws.com/v1").region == "us-west-2"
    assert find(session, "", "https://sync.example.com/v1").region == REGION


def test_without_a_region_the_command_says_how_to_give_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "nowhere")
    with pytest.raises(CommandFailed, match="no AWS region"):
        find(Session(aws_access_key_id="AKIATEST", aws_secret_access_key="x"), "cerberus-sync", "")


@pytest.fixture
def cloudformation(session: Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    client = session.client("cloudformation")
    monkeypatch.setattr(Session, "client", lambda *_, **__: client)
    with Stubber(client) as stub:
        yield stub


@pytest.mark.parametrize(
    ("code", "status", "message", "next_step"),
    [
        ("ValidationError", Exit.FAILED, "there is no stack cerberus-sync in eu-central-1", "--stack"),
        ("AccessDenied", Exit.NOT_ALLOWED, "cannot be looked at (AccessDenied)", "cloudformation:DescribeStacks"),
    ],
)
def test_a_stack_that_cannot_be_read_is_named_with_what_to_do(
    session: Session, cloudformation: Stubber, code: str, status: Exit, message: str, next_step: str
) -> None:
    cloudformation.add_client_error("describe_stacks", code)
    with pytest.raises(CommandFailed) as refused:
        find(session, "cerberus-sync", "")
    assert refused.value.status is status
    assert message in refused.value.message
    assert next_step in refused.value.next_step


def test_the_address_comes_from_the_outputs_of_the_stack(session: Session, cloudformation: Stubber) -> None:
    url = "https://a1b2.execute-api.eu-central-1.amazonaws.com/v1"
    described = {
        "StackName": "cerberus-sync",
        "CreationTime": datetime(2026, 12, 1, tzinfo=UTC),
        "StackStatus": "CREATE_COMPLETE",
    }
    with_url = {**described, "Outputs": [{"OutputKey": "ApiUrl", "OutputValue": url}]}
    cloudformation.add_response("describe_stacks", {"Stacks": [with_url]})
    assert find(session, "cerberus-sync", "").url == url
    cloudformation.add_response("describe_stacks", {"Stacks": [described]})
    with pytest.raises(CommandFailed, match="has no output ApiUrl"):
        find(session, "cerberus-sync", "")


def test_a_request_is_signed_for_the_api_and_bears_no_secret(session: Session) -> None:
    request = requests.Request(
        "POST",
        "https://a1b2.execute-api.eu-central-1.amazonaws.com/v1/sync-runs",
        data=b"{}",
        headers={"Content-Type": "application/json"},
    ).prepare()
    signed = signer(session, REGION)(request)
    authorization = signed.headers["Authorization"]
    assert authorization.startswith("AWS4-HMAC-SHA256 Credential=AKIATEST/")
    assert "/eu-central-1/execute-api/aws4_request" in authorization
    assert "SignedHeaders=content-type;host;x-amz-date" in authorization
    assert "PLANTED" not in str(signed.headers)


class _Broken(requests.adapters.BaseAdapter):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def send(self, *_: Any, **__: Any) -> requests.Response:
        raise self.error

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (requests.exceptions.SSLError("PLANTED"), "its certificate is not trusted"),
        (requests.exceptions.ConnectTimeout("PLANTED"), "no connection within 10 seconds"),
        (requests.exceptions.ReadTimeout("PLANTED"), "no reply within 40 seconds"),
        (requests.exceptions.ProxyError("PLANTED"), "the proxy refused"),
        (requests.exceptions.ConnectionError("PLANTED"), "no connection"),
        (requests.exceptions.ChunkedEncodingError("PLANTED"), "ChunkedEncodingError"),
    ],
)
def test_an_api_that_does_not_answer_is_told_without_the_librarys_text(error: Exception, message: str) -> None:
    session = requests.Session()
    session.mount("https://", _Broken(error))
    with pytest.raises(CommandFailed) as failed:
        Api("https://sync.example.com/v1", Unsigned(), session).get("health")
    assert message in failed.value.message
    assert "PLANTED" not in str(failed.value.document())


def test_of_several_exit_statuses_the_gravest_is_reported() -> None:
    order = [Exit.NOT_ALLOWED, Exit.FAILED, Exit.PARTIAL, Exit.WAITS, Exit.DIFFERS]
    for index, status in enumerate(order):
        assert worst(reversed(order[index:])) is status
    assert worst([]) is Exit.OK
    assert worst([Exit.OK]) is Exit.OK
