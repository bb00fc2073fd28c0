"""A journal of all external calls of a run, in order. Equal runs have equal journals."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, cast

from common.budgets import AccountSizes
from common.deadline import Deadline
from common.errors import Failure
from common.runtime import Runtime
from fleet.servers import PRIMARY_ID, Servers
from registry.fleet_records import Backup, Credentials, Primary, SyncSettings
from replication.ports import ReadableServer, WritableServer


class Journal:
    """Records every call on the objects that it watches, with time, arguments and result."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self.lines: list[str] = []

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def note(self, what: str) -> None:
        self.lines.append(f"{self._runtime.now():%H:%M:%S.%f} {what}")

    def watch[Target](self, name: str, target: Target, methods: Collection[str] | None = None) -> Target:
        """Wrap ``target`` so that its calls are recorded; only those of ``methods``, if given."""
        return cast(Target, _Watched(self, name, target, methods))

    def call(self, what: str, do: Callable[..., Any], *given: object, **named: object) -> Any:
        """Call ``do``, and note the call before and its end after."""
        arguments = [as_text(one) for one in given] + [f"{key}={as_text(value)}" for key, value in named.items()]
        self.note(f"{what}({', '.join(arguments)})")
        try:
            answer = do(*given, **named)
        except Failure as failure:
            self.note(f"{what} failed: {failure.reason} {failure.message}")
            raise
        except BaseException as error:
            self.note(f"{what} raised {type(error).__name__}")
            raise
        if answer is not None:
            self.note(f"{what} = {as_text(answer)}")
        return answer


class _Watched:
    def __init__(self, journal: Journal, name: str, target: object, methods: Collection[str] | None) -> None:
        self._journal = journal
        self._name = name
        self._target = target
        self._methods = methods

    def __getattr__(self, attribute: str) -> Any:
        member = getattr(self._target, attribute)
        if not callable(member) or (self._methods is not None and attribute not in self._methods):
            return member
        what = f"{self._name}.{attribute}"
        return lambda *given, **named: self._journal.call(what, member, *given, **named)


class JournaledServers:
    """``fleet.servers.Servers`` whose servers' calls are recorded under their ids."""

    def __init__(self, servers: Servers, journal: Journal) -> None:
        self._servers = servers
        self._journal = journal

    def primary(
        self, primary: Primary, credentials: Credentials, settings: SyncSettings, deadline: Deadline
    ) -> AbstractContextManager[ReadableServer]:
        opened = self._servers.primary(primary, credentials, settings, deadline)
        return self._watched(PRIMARY_ID, credentials, opened)

    def backup(
        self,
        backup: Backup,
        credentials: Credentials,
        settings: SyncSettings,
        deadline: Deadline,
        not_at: tuple[str, int],
        beside: AccountSizes | None = None,
    ) -> AbstractContextManager[WritableServer]:
        opened = self._servers.backup(backup, credentials, settings, deadline, not_at, beside)
        return self._watched(backup.id, credentials, opened)

    def is_same(self, one: tuple[str, int], other: tuple[str, int], deadline: Deadline) -> bool:
        return self._servers.is_same(one, other, deadline)

    @contextmanager
    def _watched[Server](
        self, name: str, credentials: Credentials, opened: AbstractContextManager[Server]
    ) -> Iterator[Server]:
        self._journal.note(f"{name} is opened for {credentials.username}")
        with opened as server:
            yield self._journal.watch(name, server)


def as_text(value: object) -> str:
    """A value as a text that depends only on the value: sets are sorted, and object addresses are left out."""
    if is_dataclass(value) and not isinstance(value, type):
        inner = (f"{field.name}={as_text(getattr(value, field.name))}" for field in fields(value) if field.repr)
        return f"{type(value).__name__}({', '.join(inner)})"
    if isinstance(value, set | frozenset):
        return f"{{{', '.join(sorted(map(as_text, value)))}}}"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{as_text(key)}: {as_text(inner)}' for key, inner in value.items())}}}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(as_text, value))}]"
    if isinstance(value, Failure | StrEnum | datetime):
        return str(value)
    return repr(value)
