"""The one boundary of what only tells: warnings, texts for people, log lines, figures.

A defect in such work must not end what it tells of. So it runs in here, and
what comes of a defect is a notice with the place in the program. The error's
own text could quote a document, and goes no further.
"""

from collections.abc import Callable

from common.errors import Failure, places


def contained[Result](work: Callable[[], Result], otherwise: Callable[[str], Result]) -> Result:
    """What ``work`` gives; where it fails, what ``otherwise`` gives for a description of the defect."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is no failure of what is told of
        return otherwise(defect_of(error))


def defect_of(error: Exception) -> str:
    """What went wrong and where, without any content."""
    if isinstance(error, Failure):
        return str(error.reason)
    return f"{type(error).__name__} at {places(error)}"
