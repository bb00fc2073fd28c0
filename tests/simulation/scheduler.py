"""Runs several processes one call at a time, in an order and with faults that a schedule decides.

A process is an invocation of a function, or a person's request. Its code runs until it makes a remote call; there the
scheduler decides whose call is made next, and whether it fails. Between two calls nothing else runs, so a schedule
determines everything that happens. Greenlets hold the stacks: switching between them costs microseconds, while threads
that hand over to each other cost up to a hundred times as much.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import greenlet
from botocore.exceptions import ClientError

from common.errors import Failure
from common.runtime import UNFINISHED, Unfinished
from local.fakes.runtime import Killed
from tests.simulation.calls import Call, Deviation, Fault

SECONDS_PER_CALL = 0.01
_START = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Step:
    """A step as it was made. ``can_switch``: something else could have gone on instead."""

    number: int
    process: "Process"
    call: "Call"
    can_switch: bool


@dataclass(eq=False)
class Process:
    """A running invocation or request. ``skew`` is by how many seconds its wall clock is ahead; at ``ends_at`` it is
    killed.
    """

    name: str
    ends_at: float
    skew: float = 0.0
    is_dead: bool = False
    disturbed: set[str] = field(default_factory=set)
    """The methods of its calls that a fault has hit; ``stall`` if it stood still."""
    tasks: list["Task"] = field(default_factory=list)

    @property
    def main(self) -> "Task":
        return self.tasks[0]


@dataclass(eq=False)
class _Join:
    """Waits until all ``children`` are done, or until a time."""

    children: list["Task"]
    most: int
    until: float


@dataclass(eq=False)
class Task:
    """One thread of a process. Before ``stalls_until`` it makes no call."""

    process: Process
    greenlet: "greenlet.greenlet"
    waits_for: Call | _Join | None = None
    parent: _Join | None = None
    stalls_until: float = 0.0
    has_begun: bool = False
    is_done: bool = False
    result: Any = None
    error: BaseException | None = None


class Scheduler:
    """Runs processes by one schedule. ``decide`` says what differs at a step, None for nothing.

    ``next_action`` begins the next action of the world and returns False if there is none left; ``has_action`` says
    whether there is one. ``after_call`` is called when a call has taken effect, ``tell`` with one line for every step.
    ``enter`` is called before the code of a process goes on, ``ended`` when a process has ended by itself. ``trace``
    has every step.
    """

    def __init__(self, decide: Callable[[Step], Deviation | None] = lambda _: None) -> None:
        self.clock = 0.0
        self.steps = 0
        self.decide = decide
        self.next_action: Callable[[], bool] = lambda: False
        self.has_action: Callable[[], bool] = lambda: False
        self.trace: list[Step] = []
        self.tell: Callable[[str], None] = lambda _: None
        self.enter: Callable[[Process], None] = lambda _: None
        self.ended: Callable[[Process], None] = lambda _: None
        self.after_call: Callable[[Process], None] = lambda _: None
        self.processes: list[Process] = []
        self.kills_at = ""
        """The next process that makes a call that is meant by this (``Call.is_meant``) is killed after it."""
        self.stalls_at = ("", 0.0)
        """The next call that is meant by the text is held up for so many seconds."""
        self.acting: Process | None = None
        """The process whose call takes effect at this moment."""
        self._late: list[tuple[str, Callable[[], object]]] = []
        self._current: Task | None = None
        self._suspended: list[Task] = []
        self._random = Random(0)  # noqa: S311 # identifiers of a simulation
        self._main = greenlet.getcurrent()

    # For processes

    @property
    def now(self) -> datetime:
        """The true time."""
        return _START + timedelta(seconds=self.clock)

    @property
    def process(self) -> Process | None:
        """The process whose code is running, None for the world itself."""
        running = greenlet.getcurrent()
        task = self._current
        return task.process if task and task.greenlet is running else None

    def start(self, name: str, work: Callable[[], object], *, seconds: float, skew: float = 0.0) -> Process:
        """Begin a process that is killed after ``seconds``."""
        process = Process(name, self.clock + seconds, skew)
        self.processes.append(process)
        task = self._new_task(process, work)
        if self._current and not self._current.is_done:
            self._suspended.append(self._current)
        self._current = task
        return process

    def call(self, call: Call) -> Any:
        """Make a remote call from the running process. The world's own calls are made at once."""
        process, task = self.process, self._current
        if process is None or task is None:
            return call.do()
        if process.is_dead:  # code that unwinds the stack of a dead process does nothing
            raise Killed
        task.waits_for = call
        return self._main.switch()

    def sleep(self, seconds: float) -> None:
        """Let the running process wait."""
        end = self.clock + seconds
        if self.process:
            self.call(Call("clock", "sleep", lambda: None))
        self.clock = max(self.clock, end)

    def run_parallel(
        self, works: Sequence[Callable[[], Any]], *, max_workers: int, timeout: float
    ) -> list[Any | Unfinished]:
        """As ``Runtime.run_parallel``, with tasks of the running process."""
        process, task = self.process, self._current
        if process is None or task is None:
            raise RuntimeError("only processes have threads")
        if process.is_dead:
            raise Killed
        if not works:
            return []
        children = [self._new_task(process, work) for work in works]
        join = _Join(children, max_workers, self.clock + timeout)
        for child in children:
            child.parent = join
        task.waits_for = join
        self._main.switch()
        for child in children:
            if not child.has_begun:
                child.is_done, child.result = True, UNFINISHED
        done = [child.is_done for child in children]
        for child in children:
            if child.is_done and child.error:
                raise child.error
        return [child.result if ended else UNFINISHED for child, ended in zip(children, done, strict=True)]

    def new_id(self) -> str:
        return f"{self._random.getrandbits(128):032x}"

    def uniform(self, low: float, high: float) -> float:
        return self._random.uniform(low, high)

    # The schedule

    def run(self) -> None:
        """Run until no process and no action is left."""
        while True:
            task = self._next()
            if task is not None:
                self._step(task)
            elif self._wait():
                continue
            elif self._late:
                self._land()
            elif not self.next_action():
                return

    def _next(self) -> Task | None:
        """The task that goes on undisturbed: the current one, another one of its process, or whoever waits longest for
        an end of those who came in between.
        """
        if self._current is None or not self._is_enabled(self._current):
            own = self._current.process.tasks if self._current else ()
            waiting = (*own, *reversed(self._suspended))
            self._current = next(filter(self._is_enabled, waiting), None) or next(self._enabled(), None)
            self._suspended = [task for task in self._suspended if task is not self._current and not task.is_done]
        return self._current

    def _enabled(self) -> Iterator[Task]:
        for process in self.processes:
            for task in process.tasks:
                if self._is_enabled(task):
                    yield task

    def _wait(self) -> bool:
        """Let time pass until a stall, a time-out or the time of a process is over; False if nothing stalls."""
        stalled = [task for process in self.processes for task in process.tasks if self._is_stalled(task)]
        if not stalled:
            return False
        ends = [task.stalls_until for task in stalled]
        for process in {task.process for task in stalled}:
            joins = (task.waits_for for task in process.tasks if not task.is_done)
            ends += [join.until for join in joins if isinstance(join, _Join)]
            ends.append(process.ends_at)
        self.clock = min(end for end in ends if end > self.clock)
        return True

    def _is_stalled(self, task: Task) -> bool:
        is_over = task.is_done or task.process.is_dead or self.clock >= task.process.ends_at
        return self.clock < task.stalls_until and not is_over

    def _is_enabled(self, task: Task) -> bool:
        if task.is_done or task.process.is_dead or self._is_stalled(task):
            return False
        waits_for = task.waits_for
        if isinstance(waits_for, _Join):
            return self.clock >= waits_for.until or all(child.is_done for child in waits_for.children)
        if task.has_begun or task.parent is None:
            return True
        active = sum(child.has_begun and not child.is_done for child in task.parent.children)
        return active < task.parent.most and self.clock < task.parent.until

    def _step(self, task: Task) -> None:
        is_held_up = self.clock < task.stalls_until
        if self.clock >= task.process.ends_at and (is_held_up or not task.process.main.is_done):
            self.tell(f"{task.process.name} is killed: its time is over")
            self._kill(task.process)
            return
        call = task.waits_for
        if not isinstance(call, Call):
            self._go_on(task, None)
            return
        others = any(other is not task for other in self._enabled())
        step = Step(self.steps, task.process, call, others or bool(self._late) or self.has_action())
        self.trace.append(step)
        self.steps += 1
        deviation = self.decide(step)
        if call.is_meant(self.kills_at):
            deviation, self.kills_at = Deviation(fault=Fault.DIES_AFTER), ""
        if call.is_meant(self.stalls_at[0]):
            deviation, self.stalls_at = Deviation(stall=self.stalls_at[1]), ("", 0.0)
        if deviation and deviation.switch is not None and self._switch(task, deviation.switch):
            return
        if deviation and deviation.stall:
            self.tell(f"{task.process.name} stalls for {deviation.stall:g} s before {call}")
            task.stalls_until = self.clock + deviation.stall
            task.process.disturbed.add("stall")
            self._suspended.append(task)
            return
        self._make(task, call, deviation.fault if deviation else None)

    def _switch(self, task: Task, number: int) -> bool:
        """Let another task go on, or begin the next action; False if there is nothing else."""
        others = [other for other in self._enabled() if other is not task]
        choice = number % (len(others) + 1 + len(self._late))
        self._suspended.append(task)
        self._current = None
        if choice < len(others):
            self._current = others[choice]
            self.tell(f"{task.process.name} waits before {task.waits_for}, {others[choice].process.name} goes on")
            return True
        if choice < len(others) + len(self._late):
            self._land(choice - len(others))
            return True
        self.tell(f"{task.process.name} waits before {task.waits_for}")
        if self.next_action():
            return True
        self._suspended.pop()
        self._current = task
        return False

    def _make(self, task: Task, call: Call, fault: Fault | None) -> None:
        """Let a call take effect, or what the fault makes of it, and let its caller go on."""
        process = task.process
        self.clock += SECONDS_PER_CALL
        if fault is Fault.DIES:
            self.tell(f"{process.name} dies before {call}")
            self._kill(process)
            return
        disturbance = call.faults.get(fault) if fault else None
        if disturbance:
            process.disturbed.add(call.method)
        if fault is Fault.LATE and disturbance:
            self._late.append((f"{call} of {process.name}", call.do))
        do = disturbance.do if disturbance else call.do
        answer, error = self._done(process, do) if do else (None, None)
        self.after_call(process)
        happened = f" ({fault})" if disturbance or fault is Fault.DIES_AFTER else ""
        self.tell(f"{process.name}: {call}{f' raises {error}' if error else ''}{happened}")
        if fault is Fault.DIES_AFTER:
            self._kill(process)
            return
        if disturbance and disturbance.error and error is None:
            error = disturbance.error()
        self._go_on(task, answer, error)

    def _done(self, process: Process, do: Callable[[], Any]) -> tuple[Any, Exception | None]:
        self.acting = process
        try:
            return do(), None
        except (Failure, ClientError) as error:  # raised where the call was made; any other is a defect of a double
            return None, error
        finally:
            self.acting = None

    def _land(self, number: int = 0) -> None:
        what, do = self._late.pop(number)
        self.tell(f"{what} takes effect now")
        with suppress(Failure):  # the server refuses it by now, and nobody hears of that
            do()

    def _go_on(self, task: Task, answer: Any, error: BaseException | None = None) -> None:
        task.waits_for, task.has_begun = None, True
        self._current = task
        self.enter(task.process)
        if error:
            task.greenlet.throw(error)
        else:
            task.greenlet.switch(answer)
        if task is task.process.main and task.is_done:
            self.ended(task.process)

    def _kill(self, process: Process) -> None:
        process.is_dead = True
        for task in process.tasks:
            if task.has_begun and not task.is_done:
                self._current = task
                self.enter(process)
                task.greenlet.throw(Killed())
        self._current = None

    def _new_task(self, process: Process, work: Callable[[], object]) -> Task:
        def body(*_: object) -> None:
            try:
                task.result = work()
            except Killed as killed:
                task.error = killed
            except Exception as error:  # noqa: BLE001 # the world looks at it
                task.error = error
            task.is_done = True

        task = Task(process, greenlet.greenlet(body, self._main))
        process.tasks.append(task)
        return task
