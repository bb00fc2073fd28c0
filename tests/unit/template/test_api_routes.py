import json
from typing import Any

import pytest

from local.build import ROOT


def _chosen(value: Any, conditions: dict[str, bool]) -> Any:
    """``value`` with every Fn::If decided by ``conditions``."""
    match value:
        case {"Fn::If": [name, yes, no]}:
            return _chosen(yes if conditions[name] else no, conditions)
        case dict():
            return {key: _chosen(inner, conditions) for key, inner in value.items()}
        case list():
            return [_chosen(inner, conditions) for inner in value]
        case _:
            return value


@pytest.mark.parametrize(
    ("user_pool", "scheme", "kind"), [(False, "AWS_IAM", "awsSigv4"), (True, "UserPool", "cognito_user_pools")]
)
def test_in_both_modes_no_method_is_without_authentication(
    resources: dict[str, Any], user_pool: bool, scheme: str, kind: str
) -> None:
    body = _chosen(resources["Api"]["Properties"]["Body"], {"UsesUserPool": user_pool})
    operations = [operation for path in body["paths"].values() for operation in path.values()]
    assert operations
    assert all(operation["security"] == [{scheme: []}] for operation in operations)
    ((declared, described),) = body["components"]["securitySchemes"].items()
    assert (declared, described["x-amazon-apigateway-authtype"]) == (scheme, kind)


def test_the_routes_are_those_that_the_function_answers(resources: dict[str, Any]) -> None:
    paths = resources["Api"]["Properties"]["Body"]["paths"]
    described = json.loads((ROOT / "docs" / "openapi.json").read_text())["paths"]
    assert _routes(paths) == _routes(described)


def _routes(paths: dict[str, Any]) -> set[tuple[str, str]]:
    return {(path, method) for path, operations in paths.items() for method in operations}
