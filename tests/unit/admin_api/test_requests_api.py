"""What happens to a request before and after its route: bodies, media types, paths, audit, errors nobody foresaw."""

import base64
import io
import json
import logging
from typing import Any

import pytest

from common.errors import Failure, Reason

REGISTRATION = {"id": "ftp2", "host": "ftp2.example", "port": 8443, "username": "admin", "password": "PLANTED-first"}


def test_a_path_that_does_not_exist_is_not_found(world: Any) -> None:
    answer = world.call("GET", "/elsewhere")
    assert (answer.status, answer.body["reason"]) == (404, "route_unknown")


def test_a_method_that_a_path_does_not_have_names_those_it_has(world: Any) -> None:
    answer = world.call("PUT", "/backups/ftp2")
    assert (answer.status, answer.headers["Allow"]) == (405, "DELETE, GET, PATCH")


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '[{"host": "ftp2.example"}]',
        "null",
        '"text"',
        "7",
        '{"port": NaN}',
        '{"port": 1, "port": 2}',
        "[" * 100_000,
        '{"port": ' + "9" * 5000 + "}",
    ],
)
def test_a_body_that_is_not_one_json_object_is_refused(world: Any, text: str) -> None:
    answer = world.send("POST", "/backups", text)
    assert (answer.status, answer.body["reason"]) == (400, "body_malformed")


def test_a_missing_body_is_refused(world: Any) -> None:
    for text in (None, ""):
        assert world.send("POST", "/backups", text).status == 422


@pytest.mark.parametrize("media_type", ["text/xml", "application/x-www-form-urlencoded", "multipart/form-data", "json"])
def test_another_media_type_is_refused(world: Any, media_type: str) -> None:
    answer = world.send("POST", "/backups", json.dumps(REGISTRATION), {"Content-Type": media_type})
    assert (answer.status, answer.body["reason"]) == (415, "media_type_unsupported")


@pytest.mark.parametrize("media_type", ["application/json", "application/json; charset=UTF-8", "Application/JSON"])
def test_json_is_accepted_in_its_spellings(world: Any, media_type: str) -> None:
    assert world.send("POST", "/backups", json.dumps(REGISTRATION), {"content-type": media_type}).status == 201


def test_the_largest_body_is_256_kib(world: Any) -> None:
    text = json.dumps({"x": ""})
    exact = json.dumps({"x": "y" * (256 * 1024 - len(text))})
    assert world.send("POST", "/backups", exact).status == 422
    answer = world.send("POST", "/backups", exact + " ")
    assert (answer.status, answer.body["reason"]) == (413, "body_too_large")
    assert world.send("POST", "/backups", json.dumps({"x": "ä" * 131_072}, ensure_ascii=False)).status == 413


def test_a_body_in_base64_is_decoded_and_measured_decoded(world: Any) -> None:
    event = _event(world, json.dumps(REGISTRATION).encode())
    assert world.resolve(event).status == 201
    assert world.resolve(_event(world, b" " * 262_145)).status == 413
    for bad in ("no base64!", base64.b64encode(b"\xff\xfe").decode()):
        answer = world.resolve(_event(world, b"") | {"body": bad})
        assert (answer.status, answer.body["reason"]) == (400, "body_malformed")


def test_problem_documents_are_complete(world: Any) -> None:
    document = world.call("GET", "/primary").body
    assert set(document) == {"type", "title", "status", "detail", "reason", "remedy", "errors"}
    assert (document["status"], document["type"]) == (404, "urn:cerberus-sync:problem:primary_not_registered")


# ---------------------------------------------------------------- audit


def test_every_change_is_recorded_with_who_when_and_what(world: Any) -> None:
    world.call("POST", "/backups", REGISTRATION)
    world.call("PATCH", "/backups/ftp2", {"password": "PLANTED-second", "enabled": False})
    world.call("PATCH", "/backups/ftp2", {"port": 1}, If_Match='"1"')
    world.call("DELETE", "/backups/ftp2")
    recorded = [(r.method, r.route, r.resource, r.fields, r.status) for r in world.audit.records]
    assert recorded == [
        ("POST", "/backups", "/backups/ftp2", ("host", "id", "password", "port", "username"), 201),
        ("PATCH", "/backups/{backup_id}", "/backups/ftp2", ("enabled", "password"), 200),
        ("PATCH", "/backups/{backup_id}", "/backups/ftp2", ("port",), 412),
        ("DELETE", "/backups/{backup_id}", "/backups/ftp2", (), 204),
    ]
    first = world.audit.records[0]
    assert first.who == "arn:aws:sts::123456789012:assumed-role/administrators/alex"
    assert first.source == "198.51.100.7"
    assert first.at < world.now


_UNREACHED = {
    "no such path": ("POST", "/elsewhere", None, {}),
    "another spelling": ("DELETE", "/backups/ftp2/", None, {}),
    "no such method": ("PUT", "/backups/ftp2", None, {}),
    "no JSON": ("POST", "/backups", "{", {}),
    "too large": ("POST", "/backups", " " * 262_145, {}),
    "another media type": ("POST", "/backups", "{}", {"Content-Type": "text/xml"}),
    "not as described": ("POST", "/backups", "{}", {}),
    "an unknown parameter": ("DELETE", "/backups/ftp2?force=true", None, {}),
    "an unknown backup": ("DELETE", "/backups/ftp9", None, {}),
    "an unknown kind of id": ("DELETE", "/backups/-", None, {}),
}


@pytest.mark.parametrize("what", _UNREACHED)
def test_every_request_but_get_is_recorded_whatever_becomes_of_it(world: Any, what: str) -> None:
    method, target, text, headers = _UNREACHED[what]
    answer = world.send(method, target, text, headers)
    (record,) = world.audit.records
    assert answer.status >= 400
    assert (record.method, record.resource, record.status) == (method, target.partition("?")[0], answer.status)


def test_of_a_refused_body_only_names_that_the_route_knows_are_recorded(world: Any) -> None:
    world.call("POST", "/backups", REGISTRATION | {"port": "PLANTED-number", "PLANTED-name": 1, "plan_hash": "x"})
    world.send("POST", "/elsewhere\x1b[2J" + "x" * 5000, None)
    refused, nowhere = world.audit.records
    assert (refused.fields, refused.status) == (("host", "id", "password", "port", "username"), 422)
    assert (nowhere.resource[:15], len(nowhere.resource)) == ("/elsewhere?[2Jx", 1000)


def test_somebody_of_a_user_pool_is_recorded_by_the_subject(world: Any) -> None:
    event = _event(world, json.dumps(REGISTRATION).encode())
    event["requestContext"]["authorizer"] = {"claims": {"sub": "8f2c", "iss": "https://pool.example"}}
    world.resolve(event)
    assert world.audit.records[0].who == "https://pool.example#8f2c"


def test_a_name_that_was_sent_is_shown_without_what_acts_on_a_terminal(world: Any) -> None:
    answer = world.call("POST", "/backups", REGISTRATION | {"\x1b[2J\u202eemit": 1})
    assert answer.body["errors"][0]["field"] == "?[2J?emit"


def test_reading_is_not_recorded(world: Any) -> None:
    world.call("GET", "/backups")
    assert world.audit.records == ()


def test_what_cannot_be_recorded_is_not_done(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise Failure(Reason.REGISTRY_UNAVAILABLE, "DynamoDB PutItem failed: Throttled")

    monkeypatch.setattr(world.audit, "write", fail)
    assert world.call("POST", "/backups", REGISTRATION).status == 503
    assert world.store.backups() == ()


def test_a_change_stands_when_only_its_answer_cannot_be_recorded(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    write = world.audit.write

    def fail_after_the_first(record: Any) -> None:
        if record.status:
            raise Failure(Reason.REGISTRY_UNAVAILABLE, "DynamoDB PutItem failed: Throttled")
        write(record)

    monkeypatch.setattr(world.audit, "write", fail_after_the_first)
    assert world.call("POST", "/backups", REGISTRATION).status == 201
    assert [record.status for record in world.audit.records] == [0]


# ---------------------------------------------------------------- secrets and surprises


def test_no_answer_log_or_record_holds_a_password(
    world: Any, caplog: pytest.LogCaptureFixture, logged: io.StringIO
) -> None:
    caplog.set_level(logging.DEBUG)
    answers = [
        world.call("POST", "/backups", REGISTRATION),
        world.call("POST", "/backups", REGISTRATION | {"port": "PLANTED-number", "surprise": "PLANTED-surprise"}),
        world.call("POST", "/backups", REGISTRATION | {"password": "PLANTED-\x00"}),
        world.call("POST", "/backups", REGISTRATION | {"tls": {"mode": "PLANTED-mode"}}),
        world.send("POST", "/backups", '{"password": "PLANTED-cut'),
        world.send("POST", "/backups", "PLANTED", {"Content-Type": "PLANTED/type"}),
        world.call("PATCH", "/backups/ftp2", {"password": "PLANTED-second"}),
        world.call("PUT", "/primary", {"host": "p.example", "port": 1, "username": "u", "password": "PLANTED-primary"}),
        world.call("POST", "/backups/import", {"passwords": {"ftp3.example:1": "PLANTED-import"}}),
        world.call("POST", "/backups/import", {"passwords": {"ftp3.example:1": ["PLANTED-import"]}}),
        world.call("GET", "/backups"),
        world.call("GET", "/backups/ftp2"),
        world.call("GET", "/primary"),
        world.call("GET", "/openapi.json"),
    ]
    assert "/backups/ftp2" in logged.getvalue()
    places = [answer.text + str(answer.headers) for answer in answers]
    places += [caplog.text, logged.getvalue(), repr(world.audit.records), repr(world.store.backups())]
    assert not [place[:300] for place in places if "PLANTED" in place]
    assert world.log_in("ftp2").password == "PLANTED-second"


def test_an_error_nobody_foresaw_is_told_without_its_text(
    world: Any, monkeypatch: pytest.MonkeyPatch, logged: io.StringIO
) -> None:
    def fail() -> None:
        raise ValueError("PLANTED-text")

    monkeypatch.setattr(world.store, "statuses", fail)
    answer = world.call("GET", "/backups")
    assert (answer.status, answer.body["reason"]) == (500, "internal_error")
    (line,) = [json.loads(line) for line in logged.getvalue().splitlines()]
    assert (line["reason"], line["detail"]) == ("internal_error", "the program failed (ValueError)")
    assert "backups.py" in line["fault"]
    assert "PLANTED" not in answer.text + logged.getvalue()


@pytest.mark.parametrize("event", [{}, {"httpMethod": "GET"}, {"path": None, "httpMethod": None}, {"body": 5}])
def test_an_event_of_another_shape_is_answered_too(world: Any, event: dict[str, Any]) -> None:
    assert world.resolve(event).status in (404, 405)


def _event(world: Any, body: bytes) -> dict[str, Any]:
    return {
        "resource": "/backups",
        "path": "/backups",
        "httpMethod": "POST",
        "headers": {"Content-Type": "application/json"},
        "multiValueHeaders": {"Content-Type": ["application/json"]},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "requestContext": {"stage": "v1", "path": "/v1/backups", "requestId": "r-1", "identity": {}},
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }
