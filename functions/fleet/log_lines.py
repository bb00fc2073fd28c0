"""Log lines as both functions write them: JSON of Powertools, and never longer than CloudWatch takes in one piece.

Each names the product's version, so that a line in a report says which code wrote it.
"""

import json
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from aws_lambda_powertools.logging.types import LogRecord

from common.fitting import fitted
from common.version import VERSION

LONGEST_LINE = 240 * 1024
"""Bytes of one line. Lambda splits a line at 256 KB, wherever that is."""


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
