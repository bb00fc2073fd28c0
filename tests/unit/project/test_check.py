"""Which unit tests a change concerns."""

import subprocess
from pathlib import Path

import pytest

from local import check
from local.check import unit_tests_for

ROOT = Path(__file__).resolve().parents[3]
ALL = sorted(
    f"tests/unit/{folder.name}" for folder in (ROOT / "tests" / "unit").iterdir() if any(folder.rglob("test_*.py"))
)


def concerned(*names: str) -> list[str]:
    return unit_tests_for(map(Path, names))


def test_a_room_concerns_itself_and_the_rooms_above_it() -> None:
    folders = concerned("functions/registry/dynamo.py")
    assert {"tests/unit/registry", "tests/unit/sync", "tests/unit/admin_api", "tests/unit/project"} <= {*folders}
    assert "tests/unit/replication" not in folders


@pytest.mark.parametrize(
    "name", ["functions/common/errors.py", "tests/conftest.py", "pyproject.toml", "local/build.py"]
)
def test_what_everything_may_depend_on_concerns_all(name: str) -> None:
    assert concerned(name) == ALL


@pytest.mark.parametrize("page", ["docs/guide.md", "README.md", "CONTRIBUTING.md"])
def test_a_page_concerns_the_tests_of_pages_and_template(page: str) -> None:
    assert concerned(page) == ["tests/unit/docs", "tests/unit/project", "tests/unit/template"]


def test_what_only_tests_of_the_project_look_at_concerns_them_alone() -> None:
    assert concerned(".github/workflows/ci.yml", "LICENSE") == ["tests/unit/project"]


def test_a_change_concerns_folders_of_tests_that_import_its_room() -> None:
    assert "tests/unit/template" in concerned("functions/sync/reporting.py"), "it reads the metrics' names"


def test_a_deletion_is_a_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def git(*arguments: str) -> None:
        command = ["/usr/bin/env", "git", "-c", "user.name=a", "-c", "user.email=a@b.example", *arguments]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)  # noqa: S603  (the commands below)

    (tmp_path / "gone.py").touch()
    git("init")
    git("add", ".")
    git("commit", "-m", "all")
    (tmp_path / "gone.py").unlink()
    monkeypatch.setattr(check, "ROOT", tmp_path)
    assert check.changed_files("HEAD") == [Path("gone.py")]
