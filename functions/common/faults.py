"""Unforeseen errors, described without their texts, which could hold what was sent or received."""

import traceback
from pathlib import Path


def places(error: BaseException) -> str:
    """Where an error passed through, the innermost place first."""
    return " < ".join(
        f"{Path(frame.filename).name}:{frame.lineno} {frame.name}"
        for frame in reversed(traceback.extract_tb(error.__traceback__))
    )
