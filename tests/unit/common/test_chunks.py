"""Texts taken piece by piece are the texts they are."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import chunks
from common.server_types import as_bytes, as_text

ANY = st.text(alphabet=st.characters(blacklist_categories=[]) | st.sampled_from('"\\\n\ud800\udc00😀日ä'), max_size=60)


@pytest.fixture(autouse=True, scope="module")
def _small_pieces() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "PIECE", 7)
        yield


@given(ANY)
def test_pieces_make_the_whole(text: str) -> None:
    assert "".join(chunks.pieces_of(text)) == text


@given(ANY)
def test_bytes_are_decoded_as_in_one_go(text: str) -> None:
    assert "".join(chunks.decoded(as_bytes(text))) == as_text(as_bytes(text))


@given(ANY)
def test_a_json_string_is_what_json_makes_of_the_whole(text: str) -> None:
    assert "".join(chunks.json_string(chunks.pieces_of(text))) == json.dumps(text)
