"""HTTP has one way out of the functions: requests, in the cerberus room."""

import ast
from collections.abc import Iterator
from pathlib import Path

FUNCTIONS = Path(__file__).resolve().parents[3] / "functions"


def imported(source: str) -> Iterator[str]:
    """Every module that ``source`` imports, and every name it imports from one, dotted."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield str(node.module)
            yield from (f"{node.module}.{name.name}" for name in node.names)


def importers(module: str) -> set[str]:
    """The files of the functions that import ``module`` or something in it."""
    return {
        str(path.relative_to(FUNCTIONS))
        for path in FUNCTIONS.rglob("*.py")
        if any(name == module or name.startswith(f"{module}.") for name in imported(path.read_text("utf-8")))
    }


def test_the_import_of_a_module_is_seen_however_it_is_written() -> None:
    for source in (
        "import http.client",
        "import http.client as c",
        "from http import client",
        "from http.client import A",
    ):
        assert "http.client" in set(imported(source)) or "http.client.A" in set(imported(source))
    assert set(imported("from http import HTTPStatus\nfrom .http import client")) == {"http", "http.HTTPStatus"}


def test_no_function_uses_http_client() -> None:
    assert importers("http.client") == set()
    assert importers("urllib.request") == set()


def test_requests_is_what_carries_soap() -> None:
    assert importers("requests") == {"cerberus/checked_connection.py", "cerberus/transport.py"}
    assert importers("urllib3") == {"cerberus/checked_connection.py", "cerberus/transport.py"}
