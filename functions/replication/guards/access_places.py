"""Determines what a value in a document is about, by its place and never by a name that people give.

A path mixes names of settings, defined by the server, with names of things, chosen by people: a directory, a key, a
group. Both can contain words about access: a directory may be called "allowed network". So the name of an element or
attribute counts. The given name of an element counts only if its tag has no meaning. Then the
name is a key beside a value (``<entry name="isDisabled" value=…>``), or a section's name that looks like a setting's
(``<section name="twoFactor">``). If people may have chosen a name or not, both possibilities are checked.
"""

from dataclasses import dataclass
from functools import lru_cache

from replication.documents.canonical import plain
from replication.documents.diff import Step, Steps
from replication.documents.entry_names import NAME_KEYS
from replication.documents.keep_patterns import words
from replication.guards.access_words import FILLERS, HARMLESS, SWITCHES, is_known, meanings

type Meanings = frozenset[str]

_THINGS = frozenset({"directory", "group", "key"})
"""Elements with these meanings are things that a user has several of, each with a name chosen by people."""
VALUES = frozenset({"value", "val", "text", "string", "data", "content", "flag", *NAME_KEYS})
"""Names of attributes and children that only hold the value, or the name, of the element around them."""


@dataclass(frozen=True, slots=True)
class Place:
    """The subject of a value, as meanings of words (see ``access_words``).

    ``own`` has the meanings of the value's own name. If they say only *enabled* or similar, ``about`` adds the meanings
    of the elements around the value, up to the first one that says more. ``names`` has the meanings of each step of the
    path, the outermost first. ``doubt`` has the meanings of a name that people may or may not have chosen.

    ``of_account``: the value concerns only the account itself. ``is_name``: the value is the name of an element.
    ``is_identity``: it is the name of a thing or an entry, so it sets nothing.
    """

    own: Meanings
    about: Meanings
    names: tuple[Meanings, ...]
    doubt: Meanings
    of_account: bool
    is_name: bool
    is_identity: bool

    @property
    def anywhere(self) -> Meanings:
        """The meanings of all steps."""
        return frozenset().union(*self.names)

    def with_doubt(self) -> "Place":
        """The place under the assumption that the doubtful name is a setting's."""
        return Place(
            self.own | self.doubt,
            self.about | self.doubt,
            (*self.names[:-1], *({self.names[-1] | self.doubt} if self.names else ())),
            frozenset(),
            of_account=False,
            is_name=self.is_name,
            is_identity=self.is_identity,
        )


@lru_cache(maxsize=8192)
def place_of(steps: Steps) -> Place:
    """The subject of the value with this path."""
    held = len(steps)
    while held > 1 and plain(steps[held - 1].name) in VALUES:
        held -= 1
    said = [_said(step, holds_value=False) for step in steps[: held - 1]]
    inside = any("permission" in name for name, _ in said)
    said += [_said(step, holds_value=not (inside and " " in step.shown)) for step in steps[max(held - 1, 0) :]]
    names = tuple(name for name, _ in said)
    about, depth, of_account = _about(said)
    doubt = [
        _given(step)
        for step, (name, given) in list(zip(steps, said, strict=True))[depth:]
        if given and name.isdisjoint(_THINGS)
    ]
    is_name = held < len(steps) and plain(steps[-1].name) in NAME_KEYS
    return Place(
        names[held - 1] if names else frozenset(),
        about,
        names,
        frozenset().union(*doubt),
        of_account,
        is_name,
        is_name and _is_nameable(steps[held - 1]),
    )


def says_nothing(step: Step) -> bool:
    """Whether a tag says nothing about its content: ``entry``, ``param``, ``e``."""
    return all(one in FILLERS or not is_known(one) for one in meanings(step.name))


def is_thing(step: Step) -> bool:
    """Whether a step is one of several things that people name: a directory, a key, a group, an address."""
    said = frozenset(meanings(step.name))
    return (
        not said.isdisjoint(_THINGS | {"address"}) and said <= _THINGS | {"address", "public", "ssh", "path"} | FILLERS
    )


def _said(step: Step, *, holds_value: bool) -> tuple[Meanings, bool]:
    """The meanings of a step, and whether it has a name that people may have chosen."""
    own, given = frozenset(meanings(step.name)), _given(step)
    if not given:
        return own, False
    if says_nothing(step):
        if holds_value:
            return given, False
        if " " not in step.shown and all(map(is_known, given)) and given.isdisjoint(HARMLESS | {"inherit"}):
            return given, False
    return own, True


def _given(step: Step) -> Meanings:
    return frozenset(one for label in step.labels - {words(step.name)} for one in meanings(label))


def _about(said: list[tuple[Meanings, bool]]) -> tuple[Meanings, int, bool]:
    """The subject of a value, the number of steps outside of the subject, and whether it is the account itself."""
    about: Meanings = frozenset()
    for depth in range(len(said) - 1, -1, -1):
        name, given = said[depth]
        about |= name
        if given or not about <= FILLERS | SWITCHES:
            return about, depth, False
    return about, 0, True


def _is_nameable(step: Step) -> bool:
    """Whether an element is a thing or an entry, whose name is not a value."""
    return says_nothing(step) or not {"directory", "key"}.isdisjoint(meanings(step.name))
