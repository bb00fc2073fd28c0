import json
from functools import partial
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fleet.log_lines import CUT, fitted


def texts(longest: int) -> st.SearchStrategy[str]:
    return st.builds(str.__mul__, st.sampled_from(["x", '"', "😀", "\x00", "ä\n"]), st.integers(0, longest))


def values(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    scalars = st.one_of(st.none(), st.booleans(), st.integers(), leaves)
    nested = partial(_nested, st.text(max_size=5))
    return st.recursive(scalars, nested, max_leaves=8)


def _nested(keys: st.SearchStrategy[str], inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=4))


# Long lists are repeated values. They are not repeated themselves: written down that would take all memory there is.
LISTS = st.builds(list.__mul__, st.lists(values(texts(200)), min_size=1, max_size=2), st.integers(0, 400))
TOLD = values(st.one_of(texts(30_000), LISTS))
LINES = st.dictionaries(st.sampled_from(["message", "run_id", "detail", "notices", "parts", "warnings"]), TOLD)
LIMIT = 20_000


def _size(record: Any) -> int:
    return len(json.dumps(record))


@given(LINES)
def test_whatever_is_told_fits_and_keeps_its_keys(record: dict[str, Any]) -> None:
    shorter = fitted(record, _size, LIMIT)
    assert _size(shorter) <= LIMIT
    if _size(record) <= LIMIT:
        assert shorter == record
    else:
        assert (set(shorter), shorter[CUT]) == ({*record, CUT}, True)


def test_what_comes_first_stays_and_what_is_left_out_is_counted() -> None:
    record = {"message": "run finished", "notices": [{"n": number, "text": "x" * 900} for number in range(500)]}
    shorter = fitted(record, _size, LIMIT)
    assert shorter["message"] == "run finished"
    *kept, more = shorter["notices"]
    assert [entry["n"] for entry in kept] == list(range(len(kept)))
    assert more == f"and {500 - len(kept)} more"


def test_a_structure_without_a_bottom_is_told_by_its_size() -> None:
    deep: list[Any] = []
    for _ in range(500):
        deep = [deep, "x" * 100]
    assert _size(fitted({"detail": deep}, _size, LIMIT)) <= LIMIT
