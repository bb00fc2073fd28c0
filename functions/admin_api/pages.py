"""Pages of lists, and the size limit of replies in Lambda and API Gateway.

Lambda accepts a reply of up to 6 MB. The reply's JSON is embedded as a string in another JSON document, in which each
quotation mark takes two bytes.

This module is separate from ``admin_api.views``, because the limit applies to every reply, and views are only a part of
the replies.
"""

import json
from collections.abc import Iterable, Iterator

from pydantic import BaseModel

from common.errors import Failure, Reason

LARGEST_ANSWER = 5_800_000
"""Maximum size of a reply in bytes; Lambda rejects more than 6,291,556."""
_LARGEST_PAGE = 4_000_000
"""Maximum size of the list entries in a reply, in bytes."""


def page[View: BaseModel](views: Iterable[View], limit: int) -> tuple[list[View], bool]:
    """The first views, at most ``limit`` of them and no more than a reply can hold, and whether more are left.

    At least one view is returned. Views are taken from the iterable only as needed.
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
    """The number of bytes that a text takes inside the JSON of a reply."""
    return len(json.dumps(json.dumps(text))) - 4


def refuse_too_large(body: str) -> str:
    """Return the body. Raises Failure(INTERNAL_ERROR) if it is too large for Lambda, which pages and truncation
    normally prevent.
    """
    if 12 * len(body) > LARGEST_ANSWER and len(json.dumps(body)) > LARGEST_ANSWER:  # an emoji takes 12 bytes
        raise Failure(Reason.INTERNAL_ERROR, f"the answer has {len(body)} characters, which are too many")
    return body
