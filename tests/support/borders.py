"""Doubles at the border of an invocation: every call passes a function, and an event begins its run at once."""

from collections.abc import Callable, Mapping
from typing import Any

from local.fakes.store import MemoryStore


class Starter:
    """``registry.schedule.Starter`` that hands each event over at once."""

    def __init__(self, begin: Callable[[Mapping[str, object]], None]) -> None:
        self.events: list[Mapping[str, object]] = []
        self._begin = begin

    def start(self, event: Mapping[str, object]) -> None:
        self.events.append(event)
        self._begin(event)


class Border:
    """A target whose calls go through ``called``, with their name and the call itself."""

    def __init__(self, target: object, called: Callable[..., Any]) -> None:
        self._target = target
        self._called = called

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._target, name)
        if not callable(member):
            return member
        return lambda *given, **named: self._through(name, lambda: member(*given, **named), given, named)

    def _through(self, name: str, do: Callable[[], Any], given: Any, named: Any) -> Any:
        if isinstance(self._target, MemoryStore):
            return self._called(name, do, *given, **named)
        return self._called(name, do)
