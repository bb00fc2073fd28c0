"""Log lines as both functions write them, and what is told at all made to fit.

A line that is too long is split by CloudWatch, wherever that is, and the answer
of an invocation that is too long is lost. So texts and lists are cut instead,
evenly, and each says that it was. Whoever tells something puts what is urgent
first. Each line names the product's version: a line in a report says which code wrote it.
"""

import json
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from aws_lambda_powertools.logging.types import LogRecord

from common.version import VERSION

LONGEST_LINE = 240 * 1024
"""Bytes of one line. Lambda splits a line at 256 KB, wherever that is."""
_CUTS = ((4_000, 400), (1_000, 100), (400, 50), (200, 20), (100, 10), (40, 4), (20, 1))
"""Characters of each text and entries of each list and mapping that are left, from mild to hard."""
_DEEPEST = 8

CUT = "cut"
"""The key that says that something was left out."""


class _FittedLines(LambdaPowertoolsFormatter):
    def serialize(self, log: LogRecord) -> str:
        def size(line: Any) -> int:
            return len(self._text(line).encode())

        return self._text(fitted(log, size, LONGEST_LINE))

    @staticmethod
    def _text(line: Any) -> str:
        return json.dumps(line, default=str, separators=(",", ":"))


def new_logger() -> Logger:
    """The function's logger. Its modules take children of it."""
    return Logger(logger_formatter=_FittedLines(version=VERSION))


def fitted(record: Mapping[str, Any], size: Callable[[Mapping[str, Any]], int], limit: int) -> Mapping[str, Any]:
    """``record`` if its ``size`` is at most ``limit``, else as much of it as is, marked with ``CUT``.

    The keys of ``record`` itself are all kept, so there must be few of them.
    """
    if size(record) <= limit:
        return record
    shorter: dict[str, Any] = {}
    for characters, entries in _CUTS:
        shorter = {key: _shortened(value, characters, entries, 1) for key, value in record.items()} | {CUT: True}
        if size(shorter) <= limit:
            break
    return shorter


def _shortened(value: Any, characters: int, entries: int, depth: int) -> Any:
    match value:
        case str():
            return value if len(value) <= characters else f"{value[:characters]}… ({len(value)} characters)"
        case Mapping() | list() | tuple() if depth > _DEEPEST:
            return f"… ({len(value)} entries)"
        case Mapping():
            left = {
                _shortened(str(key), characters, entries, depth): _shortened(inner, characters, entries, depth + 1)
                for key, inner in islice(value.items(), entries)
            }
            return left if len(value) <= entries else {**left, "…": f"and {len(value) - entries} more"}
        case list() | tuple():
            some = [_shortened(inner, characters, entries, depth + 1) for inner in value[:entries]]
            return some if len(value) <= entries else [*some, f"and {len(value) - entries} more"]
        case _:
            return value
