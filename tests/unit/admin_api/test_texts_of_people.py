"""No text that is shown again holds a character that acts on how it is shown."""

import sys
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest

from common.errors import Failure
from common.plain_text import is_plain, made_plain
from sync.events import read_request

_OF_DIRECTION = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
_MARKS = "\u061c\u200e\u200f"
REGISTRATION = {"id": "ftp2", "host": "ftp2.example", "port": 8443, "username": "admin", "password": "PLANTED-first"}


def _acts(character: str) -> bool:
    return (
        unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
        or unicodedata.bidirectional(character) in _OF_DIRECTION
        or character in _MARKS
    )


ACTING = [chr(code) for code in range(sys.maxunicode + 1) if _acts(chr(code))]
ORDINARY = "Zoë Müller, 東京, עברית, العربية, 👩‍🔧, naïve — “quoted”"


def _register(**fields: object) -> tuple[str, str, dict[str, object]]:
    return "POST", "/backups", {**REGISTRATION, **fields}


TAKEN_FROM: dict[str, Callable[[str], tuple[str, str, Any]]] = {
    "user name": lambda text: _register(username=text),
    "tag": lambda text: _register(tags={"site": text}),
    "name of a tag": lambda text: _register(tags={f"site{text}": "x"}),
    "keep pattern": lambda text: _register(rules=[f"logo{text}"]),
    "host": lambda text: _register(host=f"ftp2{text}.example"),
    "id": lambda text: _register(id=f"ftp2{text}"),
    "pause": lambda text: ("POST", "/backups/ftp1/pause", {"why": f"x{text}"}),
    "role": lambda text: ("PUT", "/sync-settings", {"personal_roles": [f"arn:aws:iam::123456789012:role/a{text}"]}),
}


def test_the_characters_are_more_than_a_few() -> None:
    assert len(ACTING) > 2100  # 2048 of them are surrogates


@pytest.mark.parametrize("place", TAKEN_FROM)
def test_what_acts_is_refused_and_nothing_is_stored(world: Any, place: str) -> None:
    world.call("POST", "/backups", REGISTRATION | {"id": "ftp1", "host": "ftp1.example"})
    settings = world.call("GET", "/sync-settings").body
    before = world.store.backups()
    for character in [one for one in ACTING if not "\ud805" < one < "\udff0"]:  # surrogates are all alike
        method, path, body = TAKEN_FROM[place](character)
        answer = world.call(method, path, {**settings, **body} if method == "PUT" else body)
        assert answer.status == 422, ascii(character)
        assert not any(map(_acts, answer.text)), ascii(character)
    assert (world.store.backups(), world.call("GET", "/sync-settings").body) == (before, settings)


def test_ordinary_words_of_all_languages_are_taken(world: Any) -> None:
    sent = {"username": ORDINARY, "tags": {"site": ORDINARY}}
    assert world.call("POST", "/backups", REGISTRATION | sent).body["backup"]["tags"] == {"site": ORDINARY}
    assert world.call("POST", "/backups/ftp2/pause", {"why": ORDINARY}).status == 200


def test_who_asks_for_a_run_by_an_event_is_named_in_ordinary_letters() -> None:
    assert read_request({"action": "sync", "requested_by": ORDINARY}).requested_by == ORDINARY
    for text in (*(f"kim{character}" for character in ACTING), "k" * 2049):
        with pytest.raises(Failure, match="requested_by"):
            read_request({"action": "sync", "requested_by": text})


def test_what_is_shown_is_plain_and_short() -> None:
    for character in ACTING:
        assert not is_plain(f"a{character}b")
        assert made_plain(f"a{character}b", 3) == "a?b"
    assert (is_plain(ORDINARY), made_plain(ORDINARY, 100), made_plain("abcd", 3)) == (True, ORDINARY, "ab…")
