"""Remote calls, what each reads and writes, what can go wrong at it, and how a schedule deviates at a step."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Fault(StrEnum):
    """What can happen at a call instead of its success."""

    LOST = "lost"
    """The call fails without having had an effect."""
    UNHEARD = "unheard"
    """The call takes effect, and its reply is lost."""
    DIES = "dies"
    """The process is killed before the call."""
    DIES_AFTER = "dies after"
    """The process is killed after the call has taken effect."""
    LATE = "late"
    """The call fails, and takes effect later."""
    IGNORED = "ignored"
    """The call succeeds without having had an effect."""
    CONFLICT = "conflict"
    """A transaction is cancelled because of another one."""
    PARTLY = "partly"
    """Only a part of the call takes effect: a queue refuses a message, a server keeps what was to go."""
    ADDED = "added"
    """A server adds a value of its own to what is written."""


@dataclass(frozen=True)
class Disturbance:
    """What a fault makes of a call: what is done instead, and the error that the caller gets; None for nothing."""

    do: Callable[[], Any] | None = None
    error: Callable[[], Exception] | None = None


@dataclass(frozen=True)
class Deviation:
    """What differs from the undisturbed order at one step. Only one of the fields is used.

    ``switch``: another process goes on, or the next action begins; the number chooses among them. ``stall``: seconds
    for which the call is held up; whatever else is under way goes on meanwhile.
    """

    fault: Fault | None = None
    switch: int | None = None
    stall: float = 0.0

    def __str__(self) -> str:
        if self.fault:
            return str(self.fault)
        return f"switch {self.switch}" if self.switch is not None else f"stall {self.stall:g} s"


@dataclass(frozen=True)
class Footprint:
    """What a call reads and writes: names of rows, objects and documents. A name that ends with ``/`` stands for all
    that begin with it.
    """

    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()

    def conflicts(self, other: "Footprint") -> bool:
        """Whether the order of two calls can matter."""
        return _meet(self.writes, other.writes) or _meet(self.writes, other.reads) or _meet(self.reads, other.writes)

    def __or__(self, other: "Footprint") -> "Footprint":
        return Footprint(self.reads | other.reads, self.writes | other.writes)


def _meet(some: frozenset[str], others: frozenset[str]) -> bool:
    if some & others:
        return True
    ranges = [name for name in (*some, *others) if name.endswith("/")]
    return any(
        any(name.startswith(one) for name in some) and any(name.startswith(one) for name in others) for one in ranges
    )


@dataclass(frozen=True)
class Call:
    """A remote call that is about to be made, and what each possible fault makes of it."""

    target: str
    method: str
    do: Callable[[], Any]
    faults: Mapping[Fault, Disturbance] = field(default_factory=dict)
    touches: "Footprint | None" = None

    def __str__(self) -> str:
        return f"{self.target}.{self.method}"

    def is_meant(self, by: str) -> bool:
        """Whether its method, its target or a row that it writes begins with this text. An empty text means no call."""
        names = (self.method, self.target, *(self.touches.writes if self.touches else ()))
        return bool(by) and any(name.startswith(by) for name in names)
