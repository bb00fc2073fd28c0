"""What was found out about short texts is remembered; a long one, which a server chooses, takes no room for ever."""

from common.budgets import REMEMBERED, remembered
from replication.documents import canonical, keep_patterns


def test_only_short_texts_are_remembered() -> None:
    asked: list[str] = []

    @remembered(maxsize=4)
    def upper(text: str) -> str:
        asked.append(text)
        return text.upper()

    short, long = "x" * REMEMBERED, "x" * (REMEMBERED + 1)
    assert [upper(short), upper(short), upper(long), upper(long)] == [short.upper()] * 2 + [long.upper()] * 2
    assert asked == [short, long, long]


def test_names_that_people_or_servers_give_are_remembered_in_this_way() -> None:
    for function in (canonical.plain, keep_patterns.words):
        held = function.__wrapped__.cache_info  # type: ignore[attr-defined]  # functools.wraps sets it
        before = held().currsize
        for number in range(20):
            function(f"{number}{'n' * REMEMBERED}")
        assert held().currsize == before
