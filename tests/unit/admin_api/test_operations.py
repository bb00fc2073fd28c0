"""The table of operations says what the routes say, which the library does not show."""

from typing import Any

from admin_api import openapi
from admin_api.app import api

DOCUMENT = openapi.document(api)
DOCUMENTED: dict[str, tuple[str, str, dict[str, Any]]] = {
    operation["operationId"]: (method.upper(), path, operation)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
}


def test_it_has_every_operation_once_with_its_method_path_and_query_parameters() -> None:
    ids = [operation.id for operation in api.operations]
    assert sorted(ids) == sorted(DOCUMENTED)
    for operation in api.operations:
        method, path, documented = DOCUMENTED[operation.id]
        query = frozenset(one["name"] for one in documented.get("parameters", ()) if one["in"] == "query")
        assert (operation.method, operation.path, operation.query_parameters) == (method, path, query)


def test_it_has_the_fields_of_every_body() -> None:
    for operation in api.operations:
        body = DOCUMENTED[operation.id][2].get("requestBody")
        fields: set[str] = set()
        if body:
            name = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
            fields = set(DOCUMENT["components"]["schemas"][name]["properties"])
        assert operation.body_fields == fields, operation.id


def test_a_path_that_is_named_as_a_whole_goes_before_one_with_a_placeholder() -> None:
    assert next(operation.id for operation in api.at("/backups/import")) == "importBackups"
    assert {operation.id for operation in api.at("/backups/import")} > {"importBackups", "getBackup"}


def test_a_path_of_more_or_fewer_segments_is_another() -> None:
    assert api.at("/backups/ftp2/plan/more") == api.at("/backup") == []
