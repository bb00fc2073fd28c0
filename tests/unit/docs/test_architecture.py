"""The architecture page is a map: short, with the rooms, modules and arrows that there are."""

import re
import tomllib
from importlib.util import find_spec

from local.build import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
ROOMS = {folder.name for folder in (ROOT / "functions").iterdir() if (folder / "__init__.py").is_file()}
BLOCKS = re.findall(r"^```text\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def test_the_page_is_a_map() -> None:
    assert len(PAGE.splitlines()) <= 110


def test_every_room_has_a_line_and_no_other_folder_has_one() -> None:
    assert set(re.findall(r"^  ([a-z_]+)/ ", BLOCKS[0], re.MULTILINE)) == ROOMS
    folders = re.findall(r"^([a-z]+)/ ", BLOCKS[0], re.MULTILINE)
    assert all((ROOT / folder).is_dir() for folder in folders)


def test_the_arrows_are_those_of_the_import_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    drawn = BLOCKS[1].partition("\n\n")[0].splitlines()
    rows = [drawn_rooms for line in drawn if (drawn_rooms := ROOMS & set(re.findall("[a-z_]+", line)))]
    assert rows == [set(layer.split(" | ")) for layer in layers]


def test_every_module_that_the_page_names_exists() -> None:
    rooms = "|".join(sorted(ROOMS))
    dotted = re.findall(rf"\b((?:{rooms})\.[a-z_]+)\b(?!/)", "".join(BLOCKS))
    assert len(dotted) > 12
    assert [name for name in dotted if find_spec(name) is None] == []
    paths = re.findall(r"`((?:functions/)?[\w/]+\.(?:py|yaml|toml))`", PAGE)
    assert len(paths) > 6
    assert [path for path in paths if not ((ROOT / path).exists() or (ROOT / "functions" / path).exists())] == []
