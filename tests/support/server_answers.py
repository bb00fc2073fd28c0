"""What servers make of a list that they are sent: they merge, sort, add defaults, drop and normalise."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

NAMES = ("notify", "archive", "exfiltrate", "deny", "allow")
FIELDS = ("enabled", "action", "target", "order")
VALUES = ("", "true", "5", "x y")
TELLING_VALUES = {"x y"}
STYLES = ("element", "attribute", "wrapped")

type Entry = tuple[str, tuple[tuple[str, str], ...]]
type Model = tuple[Entry, ...]
"""Named entries in their order, each with its fields in their order."""


@dataclass(frozen=True)
class Rendering:
    """How a document writes entries down, each an element of this name."""

    style: str
    namespace: str = ""
    entry: str = "rule"

    def document(self, model: Model) -> str:
        inner = "".join(self._entry(*entry) for entry in model)
        if self.style == "wrapped":
            inner = f"<{self.entry}s>{inner}</{self.entry}s>"
        return f'<all xmlns="{self.namespace}">{inner}</all>'

    def _entry(self, name: str, fields: tuple[tuple[str, str], ...]) -> str:
        if self.style == "attribute":
            return f'<{self.entry} name="{name}"{"".join(f' {field}="{value}"' for field, value in fields)}/>'
        inner = f"<name>{name}</name>{''.join(f'<{f}>{v}</{f}>' for f, v in fields)}"
        return f"<{self.entry}>{inner}</{self.entry}>"


entries = st.tuples(
    st.sampled_from(NAMES),
    st.lists(st.tuples(st.sampled_from(FIELDS), st.sampled_from(VALUES)), max_size=3, unique_by=lambda one: one[0]).map(
        tuple
    ),
)
models = st.lists(entries, min_size=1, max_size=4, unique_by=lambda entry: entry[0]).map(tuple)


def exact(_: st.DrawFn, held: list[Entry], before: Model) -> list[Entry]:
    return held


def adds_defaults(draw: st.DrawFn, held: list[Entry], before: Model) -> list[Entry]:
    field, value = draw(st.sampled_from(("priority", "enabled"))), draw(st.sampled_from(VALUES))
    return [(name, fields if field in dict(fields) else (*fields, (field, value))) for name, fields in held]


def adds_first(draw: st.DrawFn, held: list[Entry], before: Model) -> list[Entry]:
    return [(name, fields if "uid" in dict(fields) else (("uid", "7"), *fields)) for name, fields in held]


def merges_entries(draw: st.DrawFn, held: list[Entry], before: Model) -> list[Entry]:
    names = {name for name, _ in held}
    kept = [entry for entry in before if entry[0] not in names]
    return [*held, *kept] if draw(st.booleans()) else [*kept, *held]


def merges_fields(_: st.DrawFn, held: list[Entry], before: Model) -> list[Entry]:
    old = dict(before)
    return [
        (name, (*fields, *(one for one in old.get(name, ()) if one[0] not in dict(fields)))) for name, fields in held
    ]


def sorts(_: st.DrawFn, held: list[Entry], before: Model) -> list[Entry]:
    return sorted(held)


def drops_an_entry(_: st.DrawFn, held: list[Entry], before: Model) -> list[Entry]:
    return held[1:]


def drops_a_field(_: st.DrawFn, held: list[Entry], before: Model) -> list[Entry]:
    return [(name, fields[1:]) for name, fields in held]


def normalises(_: st.DrawFn, held: list[Entry], before: Model) -> list[Entry]:
    return [(name, tuple((field, value.strip().title()) for field, value in fields)) for name, fields in held]


def adds_an_entry(draw: st.DrawFn, held: list[Entry], before: Model) -> list[Entry]:
    names = {name for name, _ in held}
    return [*held, next((name, ()) for name in (*NAMES, "sixth", "seventh", "eighth") if name not in names)]


def reorders_fields(_: st.DrawFn, held: list[Entry], before: Model) -> list[Entry]:
    return [(name, fields[::-1]) for name, fields in held]


def shuffles(draw: st.DrawFn, held: list[Entry], before: Model) -> list[Entry]:
    return draw(st.permutations(held))


def capitalises(_: st.DrawFn, held: list[Entry], before: Model) -> list[Entry]:
    return [(name.upper(), fields) for name, fields in held]


def counts_log_ins(draw: st.DrawFn, held: list[Entry], before: Model) -> list[Entry]:
    time = draw(st.sampled_from(("0", "2026-03-01 12:00:00")))
    return [(name, (*fields, ("lastLogin", time))) for name, fields in held if "lastLogin" not in dict(fields)]


type Habit = Callable[[st.DrawFn, list[Entry], Model], list[Entry]]
HABITS: tuple[Habit, ...] = (
    exact,
    adds_defaults,
    adds_first,
    merges_entries,
    merges_fields,
    sorts,
    drops_an_entry,
    drops_a_field,
    normalises,
    adds_an_entry,
    reorders_fields,
)


def fields_of(model: Model) -> list[tuple[str, str]]:
    return [field for _, fields in model for field in fields]


def folded(field: tuple[str, str]) -> tuple[str, str]:
    return field[0], field[1].lower()


@st.composite
def answers(draw: st.DrawFn, habits: Sequence[Habit] = HABITS) -> tuple[Model, Model, Model]:
    """What a server held, what it was sent, and what it then holds, by one to three of the habits."""
    before, sent = draw(models), draw(models)
    held = list(sent)
    for habit in draw(st.lists(st.sampled_from(habits), min_size=1, max_size=3)):
        held = habit(draw, held, before)
    return before, sent, tuple(held)
