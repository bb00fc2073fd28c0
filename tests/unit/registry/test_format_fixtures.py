"""What was ever stored is read; what is stored now is kept as a fixture of its format."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer

from common.errors import Failure, Reason
from local.format_fixtures import EXAMPLES, FIXTURES, SNAPSHOT_KEYS, stored_now, write_missing
from registry.backup_queue import Message
from registry.snapshots import decode
from registry.table import read_row
from tests.support.formats import kinds_in, meaning

FILES = sorted(FIXTURES.glob("*/*.json"))


def read_fixture(kind: str, text: str) -> object:
    if kind in SNAPSHOT_KEYS:
        return decode(SNAPSHOT_KEYS[kind], text.encode()).content
    if kind == "message":
        return Message.read(text)
    deserializer = TypeDeserializer()
    row = {name: deserializer.deserialize(value) for name, value in json.loads(text).items()}
    return read_row(type(EXAMPLES[kind]), row)


class TestFixtures:
    @pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
    def test_every_format_that_was_ever_written_is_read(self, path: Path) -> None:
        assert read_fixture(path.stem, path.read_text("utf-8")) == meaning(path.parent.name, path.stem)

    @pytest.mark.parametrize("kind", EXAMPLES)
    def test_what_is_written_is_as_the_newest_fixture(self, kind: str) -> None:
        newest = FIXTURES / str(EXAMPLES[kind].FORMAT) / f"{kind}.json"
        folders = [int(path.parent.name) for path in FILES if path.stem == kind]
        assert newest.exists(), "run python -m local.format_fixtures"
        assert max(folders) == EXAMPLES[kind].FORMAT
        assert stored_now()[kind] == newest.read_text("utf-8"), (
            f"what is stored of {type(EXAMPLES[kind]).__name__} has changed: raise its FORMAT, give a new field a "
            "default and a renamed one its former names, and run python -m local.format_fixtures"
        )

    def test_each_kind_is_there_from_the_first_format_on(self) -> None:
        assert {path.stem for path in FILES if path.parent.name == "0"} == kinds_in("0")
        assert {path.stem for path in FILES if path.parent.name == "1"} == kinds_in("1") == set(EXAMPLES)
        assert set(stored_now()) == set(EXAMPLES)

    def test_every_field_of_an_example_can_be_told_from_its_default(self) -> None:
        places = [
            (f"{kind}.{one.name}", getattr(inner, one.name), one)
            for kind, example in EXAMPLES.items()
            for inner in dataclasses_in(example)
            for one in fields(inner)
        ]
        assert len(places) > 100
        for where, value, one in places:
            assert value not in ("", None, (), {}), where
            assert value != one.default, where

    def test_a_fixture_that_is_there_is_never_written_again(self, tmp_path: Path) -> None:
        assert len(write_missing(tmp_path)) == len(EXAMPLES)
        kept, gone = tmp_path / str(EXAMPLES["run"].FORMAT) / "run.json", tmp_path / "1" / "lease.json"
        kept.write_text("as it was")
        gone.unlink()
        assert write_missing(tmp_path) == [gone]
        assert kept.read_text() == "as it was"


def dataclasses_in(value: object) -> Iterator[Any]:
    if is_dataclass(value):
        yield value
        for one in fields(value):
            yield from dataclasses_in(getattr(value, one.name))
    elif isinstance(value, Mapping | tuple):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from dataclasses_in(inner)


class TestMessages:
    @pytest.mark.parametrize(
        ("change", "complaint"),
        [
            ({"format": 2}, "format: 2 is not known here"),
            ({"format": "1"}, "format: should be a whole number"),
            ({"dry_run": True}, "dry_run: is not known here"),
            ({"run_id": 7}, "run_id: should be a text"),
        ],
    )
    def test_one_that_is_not_understood_is_refused_with_the_field(
        self, change: dict[str, object], complaint: str
    ) -> None:
        body = json.loads(Message("r1", "planted-value").text()) | change
        with pytest.raises(Failure, match=complaint) as failed:
            Message.read(json.dumps(body))
        assert failed.value.reason is Reason.EVENT_INVALID
        assert "planted" not in str(failed.value)


class TestSnapshots:
    @pytest.mark.parametrize("kind", SNAPSHOT_KEYS)
    @pytest.mark.parametrize(
        ("place", "change", "complaint"),
        [
            ((), {"format": 2}, "format: 2 is not known here"),
            ((), {"patterns": []}, "patterns: is not known here"),
            (("facts", "licence"), {"seats": 5}, r"facts\.licence\.seats: is not known here"),
        ],
    )
    def test_one_that_is_not_understood_is_refused_with_the_field(
        self, kind: str, place: tuple[str, ...], change: dict[str, object], complaint: str
    ) -> None:
        data = json.loads(stored_now()[kind])
        inner = data
        for step in place:
            inner = inner[step]
        inner |= change
        with pytest.raises(Failure, match=complaint) as failed:
            decode(SNAPSHOT_KEYS[kind], json.dumps(data).encode())
        assert failed.value.reason is Reason.SNAPSHOT_UNREADABLE

    def test_there_was_never_one_without_a_number(self) -> None:
        data = json.loads(stored_now()["snapshot"])
        del data["format"]
        with pytest.raises(Failure, match="damaged"):
            decode(SNAPSHOT_KEYS["snapshot"], json.dumps(data).encode())
