"""A path has one spelling: what IAM denies by its text is not reached by another text."""

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.fakes.management_api import ApiWorld

PATHS = ("/backups/ftp2", "/backups", "/backups/ftp2/approve", "/primary", "/sync-settings", "/openapi.json")


def _chosen(path: str, position: int, letters: str) -> int:
    """Where one of the letters is in the path; its beginning where none is left."""
    places = [index for index, letter in enumerate(path) if letter in letters]
    return places[position % len(places)] if places else 0


def _doubled(path: str, position: int) -> str:
    at = _chosen(path, position, "/")
    return f"{path[:at]}/{path[at:]}"


def _encoded(path: str, position: int) -> str:
    at = position % len(path)
    return f"{path[:at]}%{ord(path[at]):02X}{path[at + 1 :]}"


def _with_dots(path: str, position: int) -> str:
    at = _chosen(path, position, "/")
    return f"{path[:at]}{('/.', '/x/..')[position % 2]}{path[at:]}"


def _in_another_case(path: str, position: int) -> str:
    at = _chosen(path, position, string.ascii_lowercase)
    return path[:at] + (path[at].upper() if path[at].islower() else "X") + path[at + 1 :]


def _with_more(path: str, position: int) -> str:
    return path + ("/", "//", "/.", "/..", "%2F", "%2f", "%20", " ", "\n", "\x00", ";x", "?", "#", "\\")[position % 14]


SPELLINGS = [_doubled, _encoded, _with_dots, _in_another_case, _with_more]


@pytest.mark.parametrize("method", ["GET", "PATCH", "POST", "PUT", "DELETE"])
@given(
    st.sampled_from(PATHS), st.lists(st.tuples(st.sampled_from(SPELLINGS), st.integers(0, 99)), min_size=1, max_size=3)
)
def test_no_other_spelling_of_a_path_reaches_its_route(
    world: ApiWorld, method: str, path: str, changes: list[tuple[Any, int]]
) -> None:
    spelled = path
    for change, position in changes:
        spelled = change(spelled, position)
    for event in (
        world.event(method, spelled, "", {}, None),  # as API Gateway hands it on
        _as_sent(world.event(method, path, "", {}, None), f"/v1{spelled}"),  # what it made of another spelling
    ):
        answer = world.resolve(event)
        assert answer.body["reason"] in ("route_unknown", "method_not_allowed", "request_invalid"), spelled
        assert world.store.backups() == ()


def _as_sent(event: dict[str, Any], path: str) -> dict[str, Any]:
    event["requestContext"]["path"] = path
    return event


def test_a_stage_or_a_base_path_before_it_changes_nothing(world: ApiWorld) -> None:
    for before in ("/v1", "/v1/manager", ""):
        assert world.resolve(_as_sent(world.event("GET", "/health", "", {}, None), f"{before}/health")).status == 200
