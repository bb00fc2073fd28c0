"""What a function is deployed with: the folder ``functions`` to the letter, the pinned libraries, and bytecode."""

import csv
from collections.abc import Iterator
from importlib.util import source_from_cache
from pathlib import Path

from local.build import FUNCTIONS, build, build_lock


def test_the_artifact_holds_the_product_and_its_libraries_and_nothing_else() -> None:
    folder = build().parent
    with build_lock(exclusive=False):
        artifacts = [path for path in folder.iterdir() if path.is_dir()]
        assert len(artifacts) == 2
        for artifact in artifacts:
            packaged = set(files(artifact))
            ours = {path for path in files(FUNCTIONS) if path.suffix != ".pyc"}
            assert {path for path in ours if not same(artifact / path, FUNCTIONS / path)} == set()
            assert [path for path in packaged - ours - of_libraries(artifact) if not compiled(path, packaged)] == []


def test_both_functions_are_deployed_with_the_same_bytes() -> None:
    folder = build().parent
    with build_lock(exclusive=False):
        one, other = (path for path in folder.iterdir() if path.is_dir())
        assert {path for path in {*files(one), *files(other)} if not same(one / path, other / path)} == set()


def files(folder: Path) -> Iterator[Path]:
    """All files below a folder, as paths from there."""
    yield from (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


def same(one: Path, other: Path) -> bool:
    """Whether there are two files with the same content."""
    return one.is_file() and one.read_bytes() == other.read_bytes()


def of_libraries(artifact: Path) -> set[Path]:
    """The files that the installed libraries say are theirs."""
    records = list(artifact.glob("*.dist-info/RECORD"))
    assert records
    return {Path(row[0]) for record in records for row in csv.reader(record.read_text("utf-8").splitlines())}


def compiled(path: Path, packaged: set[Path]) -> bool:
    """Whether this is the bytecode of a module that is packaged."""
    return path.suffix == ".pyc" and Path(source_from_cache(str(path))) in packaged
