"""Remembering what was made of a text, from one server to the next, without keeping what a server makes long."""

from collections.abc import Callable
from functools import lru_cache, wraps

from common.budgets import REMEMBERED


def remembered(maxsize: int) -> Callable[[Callable[[str], str]], Callable[[str], str]]:
    """``lru_cache`` for a function of one text; one of more than ``REMEMBERED`` characters is looked at anew."""

    def decorated(function: Callable[[str], str]) -> Callable[[str], str]:
        cached = lru_cache(maxsize)(function)

        @wraps(cached)
        def asked(text: str) -> str:
            return cached(text) if len(text) <= REMEMBERED else function(text)

        return asked

    return decorated
