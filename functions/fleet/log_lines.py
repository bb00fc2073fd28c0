"""The log lines of both functions, and the truncation of log lines and function results to a size limit.

CloudWatch splits a log line that is too long at an arbitrary byte, and Lambda discards a result that is too large. So
texts and lists are shortened evenly, and each shortened value is marked. Callers put the most urgent entries first.
Each line contains the product's version, so that a bug report shows which code wrote it.
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
"""Maximum size of a log line in bytes. Lambda splits lines at 256 KB, regardless of their content."""
_CUTS = ((4_000, 400), (1_000, 100), (400, 50), (200, 20), (100, 10), (40, 4), (20, 1))
"""Maximum characters of each text and entries of each collection, from the mildest to the strongest shortening."""
_DEEPEST = 8

CUT = "cut"
"""The key that marks a shortened record."""


class _FittedLines(LambdaPowertoolsFormatter):
    def serialize(self, log: LogRecord) -> str:
        def size(line: Any) -> int:
            return len(self._text(line).encode())

        return self._text(fitted(log, size, LONGEST_LINE))

    @staticmethod
    def _text(line: Any) -> str:
        return json.dumps(line, default=str, separators=(",", ":"))


def new_logger() -> Logger:
    """The function's logger. Other modules use child loggers of it."""
    return Logger(logger_formatter=_FittedLines(version=VERSION))


def fitted(record: Mapping[str, Any], size: Callable[[Mapping[str, Any]], int], limit: int) -> Mapping[str, Any]:
    """Return ``record`` if its ``size`` is at most ``limit``, otherwise a shortened copy marked with ``CUT``.

    All top-level keys of ``record`` are kept, so there must be few of them.
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
