"""Simulated Cerberus servers at the interfaces of ``replication.ports``, and the connections that runs open to them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from common.deadline import Deadline
from common.errors import Failure, Reason
from common.server_types import Content, Listener, as_text
from fleet.servers import PRIMARY_ID
from local.fakes.servers import FleetServer
from registry.fleet_records import Backup, Credentials, Primary, destination_of, password_needed
from tests.simulation.calls import Call, Disturbance, Fault, Footprint
from tests.simulation.scheduler import Process

if TYPE_CHECKING:  # the world has servers
    from tests.simulation.world import SimulatedWorld

HOST = "10.0.0.{}"
SPARE = 8
"""The number of a server that is not registered."""
ALIAS = 10
"""Other addresses of servers have numbers from here on: that of the first one this, that of another one its number
more.
"""


class SimulatedServer(FleetServer):
    """A Cerberus server. ``password`` is the one that it accepts; with the greeting ``shut_by`` it accepts nobody.

    ``ignores_writes``: it acknowledges what is written and does nothing. Its listener has a welcome text, which runs
    replicate, and addresses of its machine.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"server-{number}.", 443)
        self.number = number
        self.address = (HOST.format(number), 443)
        self.label = f"server-{number}"
        self.password = f"password-of-{number}"
        self.shut_by = ""
        self.ignores_writes = False
        host = self.address[0]
        options = {"listenPort": 21, "welcome": "hello", "passiveSettings": {"mode": "DirectIP", "ipAddress": host}}
        self.content["listeners"] = self.lasting = (Listener(1, host, 1, options),)

    @property
    def state(self) -> tuple[object, ...]:
        """What runs replicate."""
        return self.greeting, self.people, self.teams, welcomes(self.content["listeners"])

    @property
    def own(self) -> tuple[object, ...]:
        """What belongs to its machine."""
        settings: str = self.content["settings"]
        licence = settings.partition("<licence>")[2].partition("</licence>")[0]
        listeners: tuple[Listener, ...] = self.content["listeners"]
        return licence, [(one.id, one.address, one.protocol, one.options["passiveSettings"]) for one in listeners]

    def welcome(self, text: str) -> None:
        """A person gives its listener another welcome text."""
        (listener,) = self.content["listeners"]
        self.content["listeners"] = (replace(listener, options={**listener.options, "welcome": text}),)
        self.lasting = self.content["listeners"]

    def commit_listeners(self, listeners: tuple[Listener, ...], settings: Content) -> None:
        """Store what is sent, as a server does: it may be older than what the server has by then."""
        self.content["listeners"], self.content["settings"] = listeners, as_text(settings)
        super().commit_listeners(listeners, settings)

    def add_default(self) -> None:
        """Add a value of its own to its settings."""
        settings: str = self.content["settings"]
        if "<port>" not in settings:
            self.content["settings"] = settings.replace("</settings>", "<port>21</port></settings>")

    def is_open(self) -> bool:
        return not self.shut_by or self.greeting != self.shut_by


def welcomes(listeners: tuple[Listener, ...]) -> tuple[object, ...]:
    """The welcome texts of listeners."""
    return tuple(one.options["welcome"] for one in listeners)


class Watching(Protocol):
    """Is told of every call to a server. See ``tests.simulation.invariants``."""

    def opened(self, session: "Session") -> None: ...
    def called(self, process: Process, session: "Session", method: str, answer: Any) -> None: ...
    def writing(self, process: Process | None, session: "Session", method: str, given: tuple[Any, ...]) -> None: ...
    def written(self, process: Process | None, session: "Session", method: str) -> None: ...


class Nobody:
    """Watches nothing."""

    def opened(self, session: "Session") -> None: ...
    def called(self, process: Process, session: "Session", method: str, answer: Any) -> None: ...
    def writing(self, process: Process | None, session: "Session", method: str, given: tuple[Any, ...]) -> None: ...
    def written(self, process: Process | None, session: "Session", method: str) -> None: ...


class SimulatedServers:
    """``fleet.servers.Servers`` of the simulated world."""

    def __init__(self, world: "SimulatedWorld") -> None:
        self._world = world

    @contextmanager
    def primary(
        self, primary: Primary, credentials: Credentials, settings: object, deadline: Deadline
    ) -> Iterator[Any]:
        yield self._opened(primary, credentials, deadline)

    @contextmanager
    def backup(
        self,
        backup: Backup,
        credentials: Credentials,
        settings: object,
        deadline: Deadline,
        not_at: tuple[str, int] | None = None,
        *_: object,
    ) -> Iterator[Any]:
        if not_at == (backup.host, backup.port):
            raise Failure(Reason.SAME_AS_PRIMARY, "its address leads to the primary itself; nobody has logged in")
        yield self._opened(backup, credentials, deadline)

    def is_same(self, one: tuple[str, int], other: tuple[str, int], _: object) -> bool:
        return one == other

    def _opened(self, registered: Primary | Backup, credentials: Credentials, deadline: Deadline) -> "Session":
        deadline.check()
        if credentials.destination != destination_of(registered):
            raise password_needed(credentials.destination, destination_of(registered))
        return Session(self._world, registered, credentials, deadline.copy())


class Session:
    """A connection to a server, in which every call is a step of the schedule."""

    def __init__(
        self,
        world: "SimulatedWorld",
        registered: Primary | Backup,
        credentials: Credentials,
        deadline: Deadline,
    ) -> None:
        self._world = world
        self.registered = registered
        self.registered_id = registered.id if isinstance(registered, Backup) else PRIMARY_ID
        self.server = world.server_of(registered)
        self.credentials = credentials
        self.deadline = deadline
        self.label, self.list_room = self.server.label, self.server.list_room
        self.address = (registered.host, registered.port)
        world.watch.opened(self)

    def __getattr__(self, method: str) -> Any:
        member = getattr(self.server, method)

        def through(*given: Any, **named: Any) -> Any:
            self.deadline.check()

            def do() -> Any:
                self.deadline.check()  # a call that was held up until its time was over is not sent any more
                process = self._world.scheduler.acting
                self._world.scheduler.clock += self._world.pace_of(self.server)
                self._refuse()
                self._world.watch.writing(process, self, method, given)
                is_ignored = self.server.ignores_writes and method.startswith("write_")
                answer = None if is_ignored else member(*given, **named)
                self._world.watch.written(process, self, method)
                if process:
                    self._world.watch.called(process, self, method, answer)
                return answer

            faults, touches = _server_faults(self.server, method, do), _documents(self.server, method)
            call = Call(self.label, method, do, faults, touches)
            return self._world.scheduler.call(call)

        return through

    def _refuse(self) -> None:
        if not self.server.is_open():
            raise Failure(Reason.CONNECTION_REFUSED, "nothing listens on this port")
        if self.credentials.password != self.server.password:
            raise Failure(Reason.AUTHENTICATION_FAILED, "the server refused the log-in")


def _refused() -> Exception:
    return Failure(Reason.CONNECTION_REFUSED, "nothing listens on this port")


def _silent() -> Exception:
    return Failure(Reason.READ_TIMEOUT, "the server went silent")


def _server_faults(server: SimulatedServer, method: str, do: Callable[[], Any]) -> Mapping[Fault, Disturbance]:
    faults = {Fault.LOST: Disturbance(None, _refused), Fault.UNHEARD: Disturbance(do, _silent)}
    if method == "commit_listeners":
        return {**faults, Fault.LATE: Disturbance(None, _silent)}
    if not method.startswith("write_"):
        return faults

    def keeps() -> None:
        before = server.people
        do()
        server.people = tuple(dict.fromkeys((*before, *server.people)))

    def adds() -> None:
        do()
        server.add_default()

    faults = {**faults, Fault.LATE: Disturbance(None, _silent), Fault.IGNORED: Disturbance()}
    if method == "write_listener":
        return faults
    return {**faults, Fault.PARTLY: Disturbance(keeps), Fault.ADDED: Disturbance(adds)}


_WRITTEN = {
    "write_settings": ("settings",),
    "write_accounts": ("users", "groups"),
    "write_listener": ("listeners",),
    "commit_listeners": ("listeners", "settings"),
}


def _documents(server: SimulatedServer, method: str) -> Footprint:
    names = frozenset(f"server/{server.number}/{name}" for name in _WRITTEN.get(method, (method,)))
    if method in ("facts", "fresh_facts", "security"):  # settings decide who may log in
        names = frozenset({f"server/{server.number}/settings"})
    return Footprint(writes=names) if method.startswith(("write_", "commit_")) else Footprint(reads=names)


def copied_server(server: SimulatedServer) -> SimulatedServer:
    other = SimulatedServer(server.number)
    other.content, other.lasting = dict(server.content), server.lasting
    other.password, other.shut_by = server.password, server.shut_by
    return other
