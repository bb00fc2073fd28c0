"""A plan as text for people, in the style of Terraform: ``+`` adds, ``-`` removes, ``~`` changes."""

from collections.abc import Iterator, Sequence

from common.errors import contained
from common.patterns import Within
from replication.documents.diff import Kind
from replication.guards.access_watch import AccessIncrease
from replication.guards.approval import described
from replication.model import PartName
from replication.plan import Block
from replication.plan_details import FieldChange, ItemChange, PartDetails, PlanDetails, State

_SIGNS = {Kind.ADDED: "+", Kind.REMOVED: "-", Kind.CHANGED: "~"}
_HIDDEN = "(hidden)"


def render(
    details: PlanDetails, backup: str, *, blocks: Sequence[Block] = (), access_increases: Sequence[AccessIncrease] = ()
) -> str:
    """The plan of ``backup`` (a displayed name), with the given blocks and cases of wider access."""
    return contained(
        lambda: "\n".join(_lines(details, backup, blocks, access_increases)) + "\n",
        lambda defect: f"{defect.of('the text of this plan', backup)}\nHash: {details.hash}\n",
    )


def render_difference(details: PlanDetails, before: str, after: str) -> str:
    """The difference of two states in the form of a plan; ``before`` and ``after`` are displayed names."""
    return contained(
        lambda: "\n".join(_difference_lines(details, before, after)) + "\n",
        lambda defect: f"{defect.of('the text of this difference')}\n",
    )


def _difference_lines(details: PlanDetails, before: str, after: str) -> Iterator[str]:
    yield f"From {printable(before)}"
    yield f"to   {printable(after)}"
    yield from _items(details)
    yield ""
    width = max((len(part.part) for part in details.parts), default=0)
    yield from (f"{part.part:<{width}}  {_part_summary(part)}" for part in details.parts)
    yield ""
    added, changed, removed = _totals(details.parts)
    yield f"In all: {added} added, {changed} changed, {removed} removed."


def _part_summary(part: PartDetails) -> str:
    match part.state:
        case State.EQUAL:
            return "equal"
        case State.DIFFERENT:
            return f"{part.added} added, {part.changed} changed, {part.removed} removed"
    return printable(part.message)


def _lines(
    details: PlanDetails, backup: str, blocks: Sequence[Block], access_increases: Sequence[AccessIncrease]
) -> Iterator[str]:
    yield f"Plan for {printable(backup)}"
    yield from _items(details)
    yield from _kept(details)
    if access_increases:
        yield ""
        yield "Widens access (the runbook explains each kind):"
        yield from (f"  ! {printable(described(one))}" for one in access_increases)
    for title, approvable in (
        ("Blocked until approved:", True),
        ("Waits for a decision (an approval does not help):", False),
    ):
        if stopped := [block for block in blocks if block.approvable == approvable]:
            yield ""
            yield title
            yield from (f"  ! {one.part}: {printable(one.message)} [{one.reason}]" for one in stopped)
    if details.warnings:
        yield ""
        yield "Warnings:"
        yield from (f"  ! {printable(warning)}" for warning in details.warnings)
    yield ""
    width = max((len(part.part) for part in details.parts), default=0)
    yield from (f"{part.part:<{width}}  {_summary(part)}" for part in details.parts)
    yield ""
    yield f"Plan: {' '.join(_conclusion(details.parts))}"
    yield f"Hash: {details.hash}"


_NOT_WRITTEN = {
    State.BLOCKED: "Waits for an approval",
    State.UNDECIDED: "Waits for a decision",
    State.NOT_WRITTEN: "Not written",
}


def _conclusion(parts: Sequence[PartDetails]) -> Iterator[str]:
    """Sentences on what a run writes, what it does not write, and why."""
    written = [part for part in parts if part.state is State.DIFFERENT]
    # Parts that the edition does not have are left out of the counts.
    left = [part for part in parts if part.state in _NOT_WRITTEN and (part.reason or _counts(part))]
    if any(map(_counts, written)):
        added, changed, removed = _totals(written)
        yield f"{added} to add, {changed} to change, {removed} to remove."
    elif not written:
        yield "nothing is written." if left else "nothing to do."
    if again := [part.part for part in written if not _counts(part)]:
        yield f"Written once more: {', '.join(again)}."
    for state, title in _NOT_WRITTEN.items():
        if named := [f"{part.part}{_counts(part)}" for part in left if part.state is state]:
            yield f"{title}: {', '.join(named)}."


def _counts(part: PartDetails) -> str:
    """The number of differing items, in brackets; empty for none."""
    counts = {"to add": part.added, "to change": part.changed, "to remove": part.removed}
    said = ", ".join(f"{number} {what}" for what, number in counts.items() if number)
    return f" ({said})" if said else ""


def _items(details: PlanDetails) -> Iterator[str]:
    for part in details.parts:
        if part.items:
            yield ""
            yield f"{part.part}:"
            yield from _part(part)


def _kept(details: PlanDetails) -> Iterator[str]:
    if any(part.kept_different for part in details.parts):
        yield ""
        yield "Kept although it differs:"
        for part in details.parts:
            yield from (f"  = {line}" for line in kept_lines(part.kept_different, part.kept_different_paths))
    if details.exceptions:
        yield ""
        yield "Replicated because of exceptions to the keep patterns:"
        yield from (f"  ! {printable(exception)}" for exception in details.exceptions)


def kept_lines(count: int, paths: Sequence[str]) -> Iterator[str]:
    """The paths of values that are kept although they differ, ``count`` in total."""
    yield from map(printable, paths)
    if count > len(paths):
        yield f"... and {count - len(paths)} more"


def _totals(parts: Sequence[PartDetails]) -> tuple[int, int, int]:
    return sum(part.added for part in parts), sum(part.changed for part in parts), sum(part.removed for part in parts)


def _part(part: PartDetails) -> Iterator[str]:
    for item in part.items:
        if part.part is PartName.SETTINGS and len(item.fields) == 1:
            yield f"  {_SIGNS[item.kind]} {printable(item.key)}{_value(item.fields[0])}"
        else:
            yield f"  {_SIGNS[item.kind]} {printable(item.key)}"
            yield from _fields(item)
    if part.more_items:
        yield f"    ... and {part.more_items} more"


def _fields(item: ItemChange) -> Iterator[str]:
    width = max((len(printable(field.path)) for field in item.fields), default=0)
    for field in item.fields:
        yield f"      {_SIGNS[field.kind]} {printable(field.path):<{width}}{_value(field)}".rstrip()
    if item.more_fields:
        yield f"        ... and {item.more_fields} more"


def _value(field: FieldChange) -> str:
    if field.hidden:
        return f" = {_HIDDEN}"
    if field.kind is Kind.CHANGED:
        if field.before is None and field.after is None:
            return ""
        return f" = {_quoted(field.before)} -> {_quoted(field.after)}"
    return f" = {_quoted(field.after if field.kind is Kind.ADDED else field.before)}"


def _summary(part: PartDetails) -> str:
    counts = f"{part.added} to add, {part.changed} to change, {part.removed} to remove"
    match part.state:
        case State.EQUAL:
            but_for = f" but for {_kept_values(part)}" if part.kept_different else ""
            return f"equal{but_for}" + (f" ({printable(part.message)})" if part.message else "")
        case State.DIFFERENT:
            differ = "differs" if part.kept_different == 1 else "differ"
            kept = f"; {_kept_values(part)} {differ}" if part.kept_different else ""
            return f"{counts}{kept}" + (f"; {printable(part.message)}" if part.message else "")
    why = f"{printable(part.message)} [{part.reason}]" if part.reason else printable(part.message)
    return f"not written: {why}" + (f"; {counts}" if _counts(part) else "")


def _kept_values(part: PartDetails) -> str:
    return f"{part.kept_different} kept {'value' if part.kept_different == 1 else 'values'}"


def _quoted(value: str | None) -> str:
    """The value in quotes, escaped so that it cannot be confused with another value."""
    escaped = (value or "").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{printable(escaped)}"'


def printable(text: str) -> str:
    """The text on one line without control characters, so that a name cannot forge a line.

    Repeated blanks are escaped, because with them a name could fill a terminal's line.
    """
    escaped = (
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )
    return _MORE_BLANKS.sub(r"\\x20", "".join(escaped))


_MORE_BLANKS = Within(r"(?<= ) ")
