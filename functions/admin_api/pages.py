"""Pages of lists, and the size of answers: what goes through Lambda and API Gateway, and nothing larger.

Lambda passes an answer of 6 MB on. Its JSON is a text within another JSON then,
in which each quotation mark takes two bytes.

Separate from ``admin_api.views``, because the limit holds for every answer, also for one that is no view.
"""

import json
from collections.abc import Iterable, Iterator

from pydantic import BaseModel

from common.errors import Failure, Reason

LARGEST_ANSWER = 5_800_000
"""Bytes of an answer as Lambda passes it on; it refuses one of more than 6,291,556."""
_LARGEST_PAGE = 4_000_000
"""Bytes that the entries of a list take of it."""


def page[View: BaseModel](views: Iterable[View], limit: int) -> tuple[list[View], bool]:
    """The first views, at most ``limit`` of them and not more than an answer can hold; whether any are left.

    One is there in any case. Views are asked for as they are needed.
    """
    left: Iterator[View] = iter(views)
    shown: list[View] = []
    room = _LARGEST_PAGE
    for view in left:
        room -= passed_on(view.model_dump_json())
        if shown and (len(shown) >= limit or room < 0):
            return shown, True
        shown.append(view)
    return shown, False


def passed_on(text: str) -> int:
    """Bytes that a text takes within the JSON of an answer."""
    return len(json.dumps(json.dumps(text))) - 4


def refuse_too_large(body: str) -> str:
    """The body. Raises Failure(INTERNAL_ERROR) for one that Lambda would lose: pages and cuts keep any from that."""
    if 12 * len(body) > LARGEST_ANSWER and len(json.dumps(body)) > LARGEST_ANSWER:  # an emoji takes 12 bytes
        raise Failure(Reason.INTERNAL_ERROR, f"the answer has {len(body)} characters, which are too many")
    return body
