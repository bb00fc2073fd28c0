import json
from pathlib import Path
from typing import Any

import pytest

from admin_api import openapi
from admin_api.app import api
from local.openapi import text

ROOT = Path(__file__).parents[3]
COPY = ROOT / "docs" / "openapi.json"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi.document(api)


def _operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for path in document["paths"].values() for operation in path.values()]


def test_the_copy_in_the_documentation_is_the_generated_one() -> None:
    assert COPY.read_text() == text(), "run: make pages"


def test_the_api_serves_it(world: Any, document: dict[str, Any]) -> None:
    answer = world.call("GET", "/openapi.json")
    assert (answer.status, answer.body) == (200, document)


def test_every_body_has_examples_that_are_valid(world: Any, document: dict[str, Any]) -> None:
    checked = 0
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if "requestBody" not in operation:
                continue
            examples = operation["requestBody"]["content"]["application/json"]["examples"]
            for example in examples.values():
                answer = world.call(method.upper(), path.replace("{backup_id}", "ftp2"), example["value"])
                assert answer.status != 422, answer.body
                checked += 1
    assert checked >= 6


def test_every_operation_is_secured_and_its_refusals_are_problem_documents(document: dict[str, Any]) -> None:
    assert document["security"] == [{"sigv4": []}]
    for operation in _operations(document):
        assert "security" not in operation
        for status, answer in operation["responses"].items():
            if not status.startswith("2") and status != "403":
                assert list(answer["content"]) == ["application/problem+json"], (operation["operationId"], status)


def test_bodies_take_nothing_unknown_and_bound_every_text_and_list(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for operation in _operations(document):
        if "requestBody" in operation:
            reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
            _assert_bounded(schemas[reference.rpartition("/")[2]], schemas)


def test_a_password_is_write_only_and_in_no_answer(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    with_password = {name for name, schema in schemas.items() if "password" in schema.get("properties", {})}
    assert with_password == {"NewPrimary", "PrimaryChange", "NewBackup", "BackupChange"}
    for name in with_password:
        assert schemas[name]["properties"]["password"]["writeOnly"] is True
    answers = json.dumps([operation["responses"] for operation in _operations(document)])
    assert not any(f'/{name}"' in answers for name in with_password)


def _assert_bounded(schema: dict[str, Any], schemas: dict[str, Any]) -> None:
    if "$ref" in schema:
        _assert_bounded(schemas[schema["$ref"].rpartition("/")[2]], schemas)
        return
    for branch in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        _assert_bounded(branch, schemas)
    match schema.get("type"):
        case "object":
            assert schema.get("additionalProperties") is not True
            assert "properties" in schema or "maxProperties" in schema
            for inner in (*schema.get("properties", {}).values(), *schema.get("patternProperties", {}).values()):
                _assert_bounded(inner, schemas)
        case "array":
            assert "maxItems" in schema
            _assert_bounded(schema["items"], schemas)
        case "string":
            assert {"maxLength", "enum", "const", "pattern"} & set(schema), schema
        case "integer" | "number":
            assert {"minimum", "maximum"} <= set(schema), schema
