"""Each benchmark runs, at a tiny size, and its table has a place in the document. No figure is looked at."""

import pytest

from benchmarks import document_size, fleet, no_change, start_up
from benchmarks.__main__ import ALL, DOCUMENT, put
from benchmarks.cost import _month
from benchmarks.measuring import machine, table


def rows(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_a_fleet_is_measured_against_both_plain_scripts() -> None:
    lines = rows(fleet.measure(backups=2, users=20, latency=0.001, edited=2))
    assert [row[0].partition(",")[0] for row in lines] == ["product", "plain script", "plain script", "product"]
    assert all(float(row[1]) >= 0 for row in lines)


def test_a_fleet_without_changes_is_counted_by_calls_and_bytes() -> None:
    read, spared = rows(no_change.measure(backups=2, users=20, latency=0.0))
    assert (read[2], spared[1:4]) == ("0", ["1", "0", "0"])
    assert int(read[3]) >= 8


def test_documents_of_several_sizes_are_measured() -> None:
    assert [row[0] for row in rows(document_size.measure((20, 40)))] == ["20", "40"]


def test_the_start_up_is_measured_against_a_program_that_imports_the_same_libraries() -> None:
    first, *others = rows(start_up.measure(repetitions=1))
    assert first[2] == "1.0 x"
    assert [row[0] for row in others] == ["`cerbsync --help`", "`cerbsync status --help`"]


def test_the_cost_grows_with_the_fleet_and_the_time() -> None:
    assert sum(_month(10, 2.0)) < sum(_month(11, 2.0)) < sum(_month(11, 3.0))


@pytest.mark.parametrize("name", [str(each.NAME) for each in ALL])
def test_every_table_has_a_place_of_its_own_in_the_document(name: str) -> None:
    before = DOCUMENT.read_text("utf-8")
    after = put(put(before, name, "WRITTEN BEFORE"), name, table(("a", "b"), [("1", machine())]))
    assert "WRITTEN BEFORE" not in after
    assert after.count(f"<!-- {name} -->") == 1
    assert put(after, name, "x") == put(before, name, "x")
