"""A module is neither a heap nor a crumb: what is small joins the module that it serves, or says why it does not.

The reason is one sentence at the head of the file. It names the module in which a reader would look first:
"This module is separate from ``registry.aws``, because ...".
"""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
FOLDERS = (ROOT / "functions", ROOT / "cerbsync", ROOT / "local")
MOST = 450
"""Lines of a module: what is longer has two ideas in it."""
LEAST = 60
"""Lines of a module that needs no reason of its own."""
PARTS = ROOT / "functions" / "replication" / "parts"
"""One file for each part, however short: a new part is found there by its name."""
_REASON = re.compile(r"This module is separate from (``[\w.]+``(?:(?:, | and )``[\w.]+``)*), because [\w`][^.]* \w")
"""The sentence, with the modules from which a file is apart."""


def modules() -> list[Path]:
    """Every Python file of what is deployed and of the local world."""
    return sorted(path for folder in FOLDERS for path in folder.rglob("*.py"))


def lines_of(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines())


def apart_from(path: Path) -> list[str]:
    """The modules from which a file says that it is apart, with a reason."""
    head = " ".join((ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").split())
    return [name for names in _REASON.findall(head) for name in re.findall(r"``([\w.]+)``", names)]


def is_module(name: str) -> bool:
    place = ROOT.joinpath(*name.split("."))
    in_folders = [folder.joinpath(*name.split(".")) for folder in FOLDERS]
    return any(path.with_suffix(".py").is_file() or (path / "__init__.py").is_file() for path in (place, *in_folders))


def crumbs() -> list[Path]:
    """The small files, but for those whose place is given."""
    return [
        path
        for path in modules()
        if lines_of(path) < LEAST and path.name not in ("__init__.py", "__main__.py") and PARTS not in path.parents
    ]


def test_no_module_is_a_heap() -> None:
    assert {str(path.relative_to(ROOT)): lines_of(path) for path in modules() if lines_of(path) > MOST} == {}


def test_a_crumb_says_from_which_module_it_is_apart_and_why() -> None:
    assert [str(path.relative_to(ROOT)) for path in crumbs() if not apart_from(path)] == []


def test_the_module_from_which_a_file_is_apart_is_there() -> None:
    named = {(str(path.relative_to(ROOT)), name) for path in modules() for name in apart_from(path)}
    assert [one for one in sorted(named) if not is_module(one[1])] == []


@pytest.mark.parametrize(
    "head",
    [
        "Tables for people.",
        "This module is separate from other modules, because it is small.",
        "This module is separate from ``local.demo``.",
        "This module is separate from ``local.demo``, because.",
    ],
)
def test_what_gives_no_module_or_no_reason_is_no_reason(head: str, tmp_path: Path) -> None:
    file = tmp_path / "crumb.py"
    file.write_text(f'"""{head}"""\n', "utf-8")
    assert apart_from(file) == []
    file.write_text(
        '"""Tables.\n\nThis module is separate from ``local.demo``,\nbecause costs print\ntables too.\n"""\n', "utf-8"
    )
    assert apart_from(file) == ["local.demo"]
