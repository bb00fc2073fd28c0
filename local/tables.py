"""Tables for people: columns as wide as their content, two blanks apart.

This module is separate from ``local.demo``, because the page of costs and the trial program print tables as well.
"""

from collections.abc import Iterable, Sequence


def table(rows: Iterable[Sequence[str]], *, indent: str = "") -> str:
    """The rows as lines; the first row is the heading. The last column is not padded."""
    lines = [list(row) for row in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]) - 1)]
    return "".join(
        indent
        + "  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[-1]]).rstrip()
        + "\n"
        for line in lines
    )


def markdown(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The rows as a Markdown table."""
    lines = [heading, ["---"] * len(heading), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
