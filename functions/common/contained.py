"""The one boundary of what only tells: warnings, texts for people, log lines, figures.

A defect in such work must not end what it tells of. So it runs in here, and
what is left of a defect is a notice with a reason and the place in the
program. The error's own text could quote a document, and goes no further.

Apart from ``common.errors``, because no error ends there, and each one ends here.
"""

from collections.abc import Callable
from dataclasses import dataclass

from common.errors import Failure, Reason, places


@dataclass(frozen=True)
class Defect:
    """Why something could not be reported. ``text`` has no content of a document in it."""

    reason: Reason
    text: str

    def of(self, what: str, server: str = "") -> Failure:
        """The notice that ``what`` is missing; ``server`` as in ``Failure``."""
        return Failure(self.reason, f"{what} could not be made: {self.text}", server=server)


def contained[Result](work: Callable[[], Result], otherwise: Callable[[Defect], Result]) -> Result:
    """What ``work`` gives; where it fails, what ``otherwise`` makes of the defect."""
    try:
        return work()
    except Failure as failure:
        return otherwise(Defect(failure.reason, failure.message))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is no failure of what is reported on
        return otherwise(Defect(Reason.REPORT_INCOMPLETE, defect_of(error)))


def defect_of(error: Exception) -> str:
    """What went wrong in the program and where, without any content."""
    return f"{type(error).__name__} at {places(error)}"
