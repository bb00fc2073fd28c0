"""Which unit tests a change concerns."""

from pathlib import Path

import pytest

from local.check import ABOVE, unit_tests_for

ROOT = Path(__file__).resolve().parents[3]
ALL = sorted(
    f"tests/unit/{folder.name}" for folder in (ROOT / "tests" / "unit").iterdir() if any(folder.rglob("test_*.py"))
)


def concerned(*names: str) -> list[str]:
    return unit_tests_for(map(Path, names))


def test_a_room_concerns_itself_and_the_rooms_above_it() -> None:
    found = concerned("functions/registry/dynamo.py")
    assert {"tests/unit/registry", "tests/unit/sync", "tests/unit/admin_api", "tests/unit/project"} <= {*found}
    assert "tests/unit/replication" not in found


@pytest.mark.parametrize(
    "name", ["functions/common/errors.py", "tests/conftest.py", "pyproject.toml", "local/build.py"]
)
def test_what_everything_may_depend_on_concerns_all(name: str) -> None:
    assert concerned(name) == ALL


def test_a_page_concerns_the_tests_of_pages_and_template() -> None:
    assert concerned("docs/guide.md") == ["tests/unit/docs", "tests/unit/project", "tests/unit/template"]


def test_the_rooms_above_are_those_that_import_it() -> None:
    modules = {path: path.read_text("utf-8") for path in (ROOT / "functions").rglob("*.py")}
    imports = {room: {path.parts for path, text in modules.items() if f"from {room}." in text} for room in ABOVE}
    rooms = {"fleet", "sync", "admin_api"}
    for room, above in ABOVE.items():
        assert {one for one in rooms - {room} if any(one in parts for parts in imports[room])} <= {*above}
