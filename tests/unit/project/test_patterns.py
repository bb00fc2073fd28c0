"""No expression over foreign text takes more than linear time, and none stands outside of the list that says so."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from common.patterns import LISTED, Within
from replication.documents.runtime_values import RUNTIME_NAMES, is_runtime_value, written_runtime_values
from tests.support.linear_patterns import NotLinear, check_linear

FUNCTIONS = Path(__file__).resolve().parents[3] / "functions"
THE_LIST = "common/patterns.py"
OF_REPLIES = frozenset(
    {
        "cerberus/decoder.py",
        "cerberus/faults.py",
        "common/forbidden_characters.py",
        "common/safe_xml.py",
        "common/xml_costs.py",
    }
)
"""They look at the bytes of a reply before anything is built of it. What they have is judged as well."""


@cache
def sources() -> dict[str, str]:
    return {str(path.relative_to(FUNCTIONS)): path.read_text("utf-8") for path in sorted(FUNCTIONS.rglob("*.py"))}


def modules() -> Iterator[str]:
    return (path.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in sources())


def of_replies() -> Iterator[tuple[re.Pattern[str] | re.Pattern[bytes], bool]]:
    """The expressions of the modules that have some of their own, as if all were looked for anywhere."""
    for path in OF_REPLIES:
        module = import_module(path.removesuffix(".py").replace("/", "."))
        yield from ((one, True) for one in vars(module).values() if isinstance(one, re.Pattern))


def uses_re(source: str) -> bool:
    """Whether a module imports the library for expressions, or another one that does the same."""
    for node in ast.walk(ast.parse(source)):
        names = (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
        if {name.partition(".")[0] for name in names} & {"re", "regex", "sre_compile", "re2"}:
            return True
    return False


def test_expressions_stand_in_one_list() -> None:
    assert {path for path, source in sources().items() if uses_re(source)} == {THE_LIST, *OF_REPLIES}


def test_every_listed_expression_is_linear() -> None:
    for name in modules():
        import_module(name)
    refused = {}
    for pattern, within in [*((one.pattern, isinstance(one, Within)) for one in LISTED), *of_replies()]:
        try:
            check_linear(pattern, within=within)
        except NotLinear as why:
            refused[pattern.pattern] = str(why)
    assert refused == {}
    assert len(LISTED) > 60


@pytest.mark.parametrize("names", [b"lastLogin", b"|".join(sorted(one.encode() for one in RUNTIME_NAMES))])
def test_what_is_made_of_a_documents_names_is_linear(names: bytes) -> None:
    check_linear(written_runtime_values(names).pattern, within=True)


@pytest.mark.parametrize(
    "expression",
    [
        r"(a+)+",
        r"(a|a)*b",
        r"(?:a*)*",
        r"\s*(?:x(?:[\s,]+x)*\s*)?\s*y",
        r"[a-z]+[a-z0-9]+!",
        r".*=.*",
        r"(?:[a-z]{1,10}){1,10}!",
        r"(?:ab?|a)+c",
        r"a*a*",
    ],
)
def test_nested_and_overlapping_repetition_is_refused(expression: str) -> None:
    with pytest.raises(NotLinear):
        check_linear(re.compile(expression), within=False)


@pytest.mark.parametrize(
    "expression", [r"[a-z][a-z0-9]*://", r"\s*,", r"a+b", r"(?:^|x)[\w.]+/", r"\w{1,2000}!", r"(?=.*a)b"]
)
def test_what_begins_anew_at_every_character_is_refused_within_a_text(expression: str) -> None:
    with pytest.raises(NotLinear):
        check_linear(re.compile(expression), within=True)


@pytest.mark.parametrize(
    "expression",
    [
        r"[^0-9a-z]+",
        r"%\w+%",
        r"(?<![\w.-])[^\W\d][\w.-]*:",
        r"<(a|b)>[0-9: ]*</\1>",
        r"(?i)\b(?:pin|tan)\b\W{1,3}[0-9]{4,12}",
    ],
)
def test_what_is_linear_is_taken(expression: str) -> None:
    check_linear(re.compile(expression), within=True)


@pytest.mark.parametrize(
    ("value", "is_one"),
    [
        ("", True),
        (" ", True),
        ("2026-03-01 12:00:00", True),
        ("Mon, 01 Mar 2026 12:00:00 GMT", True),
        ("2026-03-01T12:00:00Z", True),
        ("::1", True),
        ("[2001:db8::1]:21", True),
        ("fe80::1, 10.0.0.1", True),
        ("never", True),
        ("17", True),
        ("12<", False),
        ("C:\\", False),
        ("monday-list", False),
        ("1::1 " * 40 + "x!", False),
        ("Mon " * 5_000, True),
    ],
)
def test_a_run_time_value_is_read_in_one_way(value: str, is_one: bool) -> None:
    assert is_runtime_value(value) is is_one
