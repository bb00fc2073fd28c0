"""What a value inside a document is about: decided by what its place is, never by a name that people give.

A path mixes names of settings, which are the server's, with names of things,
which are people's: a directory, a key, a group. Both can be words of access: a
directory may be called "allowed network". So the name of an element or
attribute counts. The name an element bears counts only where the element says
nothing itself: a key beside a value (``<entry name="isDisabled" value=…>``),
or a section (``<section name="twoFactor">``) whose name is written as a
setting's. Where it cannot be told, both are asked.
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
"""Elements of these meanings are things of which a user has several, each with a name that people give."""
VALUES = frozenset({"value", "val", "text", "string", "data", "content", "flag", *NAME_KEYS})
"""Names that only say that here is the value, or the name, of what is around them."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a value is about, as meanings of words (see ``access_words``).

    ``own`` is what its own name says; ``about`` the same together with what is
    around it, as far as its own name says only *enabled* or the like; ``names``
    what every step of its path says, the outermost first. ``doubt`` is what the
    element's given name would say besides, where it cannot be told whether
    people gave it. ``of_account``: it speaks of nothing but the account itself.
    ``is_name``: it is what something is called; ``is_identity``: and no more than that.
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
        """What any step says."""
        return frozenset().union(*self.names)

    def with_doubt(self) -> "Place":
        """The same, if the given name were a setting's."""
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
    """What the value at the end of a path is about."""
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
    """Whether an element's own name means nothing: ``entry``, ``param``, ``e``."""
    return all(one in FILLERS or not is_known(one) for one in meanings(step.name))


def is_thing(step: Step) -> bool:
    """Whether a step is one of several things that people name: a directory, a key, a group, an address."""
    said = frozenset(meanings(step.name))
    return (
        not said.isdisjoint(_THINGS | {"address"}) and said <= _THINGS | {"address", "public", "ssh", "path"} | FILLERS
    )


def _said(step: Step, *, holds_value: bool) -> tuple[Meanings, bool]:
    """What a step says, and whether it bears a name that people may have given."""
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
    """What a value is about, how many steps lie outside of that, and whether it is the account itself."""
    about: Meanings = frozenset()
    for depth in range(len(said) - 1, -1, -1):
        name, given = said[depth]
        about |= name
        if given or not about <= FILLERS | SWITCHES:
            return about, depth, False
    return about, 0, True


def _is_nameable(step: Step) -> bool:
    """Whether an element is a thing or an entry, so that its name is no value."""
    return says_nothing(step) or not {"directory", "key"}.isdisjoint(meanings(step.name))
