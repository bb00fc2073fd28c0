from pathlib import Path
from typing import Any

import pytest

from local.cloud.stacks import Stacks


def test_a_file_of_an_earlier_cloud_is_not_deployed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``make stack`` keeps its folder, and the cloud in it begins with nothing."""
    (tmp_path / "packed.json").write_text("{}", "utf-8")
    done: list[str] = []

    def by_sam(_: Stacks, name: str, __: Any) -> None:
        done.append(f"sam deploy {name}")

    monkeypatch.setattr(Stacks, "_sam_deploy", by_sam)
    monkeypatch.setattr(Stacks, "_keep_packed", lambda _, name: done.append(f"keep {name}"))
    Stacks(tmp_path, {}, lambda _: None).deploy("first", {}, sam=False)
    assert done == ["sam deploy first", "keep first"]
