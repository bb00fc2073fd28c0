"""A plan as a person reads it: coloured by sign, long lists folded, what is kept and what widens access after it."""

from collections.abc import Iterator

from cerbsync.api import Document
from cerbsync.output import Output, folded
from cerbsync.text import one_line, plain

_MOST_LINES = 30
"""Lines of one part that are shown without ``--all``."""
_STYLES = {"+": "added", "-": "removed", "~": "changed", "!": "bad", "=": "quiet"}


def show(output: Output, plan: Document, *, everything: bool) -> None:
    """Show the plan's text."""
    for section in _sections(plain(plan["text"])):
        head, *lines = section
        output.show(head, "name" if lines else "")
        for line in folded(lines, _MOST_LINES, everything=everything):
            output.show(line, _STYLES.get(line.strip()[:1], ""))
        output.show()
    for warning in plan.get("warnings") or ():
        output.say(f"Note: {one_line(warning)}", "warn")
    for block in plan.get("blocked") or ():
        output.show(f"Waits: {one_line(block['part'])}: {one_line(block['message'])}", "bad")
        output.say(f"  {one_line(block['remedy'])}")


def is_empty(plan: Document) -> bool:
    """Whether nothing would be written."""
    return not plan["hash"] or all(part["state"] == "equal" for part in plan["parts"])


def _sections(text: str) -> Iterator[list[str]]:
    section: list[str] = []
    for line in text.splitlines():
        if line.strip():
            section.append(line)
        elif section:
            yield section
            section = []
    if section:
        yield section
