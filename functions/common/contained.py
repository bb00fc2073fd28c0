"""The boundary around code that only reports: warnings, texts for people, log lines and metrics.

A defect in reporting code must not abort the operation that it reports on. Such code runs inside ``contained``, which
turns a defect into a notice with a reason and the place in the program. The text of the original exception is dropped
because it could quote a document.

This module is separate from ``common.errors``, because that module raises failures, and this one catches them.
"""

from collections.abc import Callable
from dataclasses import dataclass

from common.errors import Failure, Reason, places


@dataclass(frozen=True)
class Defect:
    """The reason why something could not be reported. ``text`` never quotes a document."""

    reason: Reason
    text: str

    def of(self, what: str, server: str = "") -> Failure:
        """The notice that ``what`` is missing from the report; ``server`` is the server that the report is about."""
        return Failure(self.reason, f"{what} could not be made: {self.text}", server=server)


def contained[Result](work: Callable[[], Result], otherwise: Callable[[Defect], Result]) -> Result:
    """Return the result of ``work``; if it fails, return the result of ``otherwise`` for the defect."""
    try:
        return work()
    except Failure as failure:
        return otherwise(Defect(failure.reason, failure.message))
    except Exception as error:  # noqa: BLE001 - a defect here must not fail the operation
        return otherwise(Defect(Reason.REPORT_INCOMPLETE, defect_of(error)))


def defect_of(error: Exception) -> str:
    """The type of an unexpected exception and where it was raised, without its message."""
    return f"{type(error).__name__} at {places(error)}"
