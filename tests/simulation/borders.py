"""What stands between the product and its doubles: a runtime, and borders that hand every call to the scheduler."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from botocore.exceptions import ClientError

from common.runtime import Unfinished
from tests.simulation.calls import Call, Disturbance, Fault, Footprint
from tests.simulation.scheduler import Scheduler

type Do = Callable[[], Any]
type Faults = Mapping[Fault, Disturbance]


class SimulatedRuntime:
    """``common.runtime.Runtime`` of the process that is running."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def now(self) -> datetime:
        process = self._scheduler.process
        return self._scheduler.now + timedelta(seconds=process.skew if process else 0.0)

    def monotonic(self) -> float:
        return self._scheduler.clock

    def sleep(self, seconds: float) -> None:
        self._scheduler.sleep(seconds)

    def new_id(self) -> str:
        return self._scheduler.new_id()

    def new_token(self) -> str:
        return self._scheduler.new_id()

    def uniform(self, low: float, high: float) -> float:
        return self._scheduler.uniform(low, high)

    def run_parallel[Result](
        self, works: Sequence[Callable[[], Result]], *, max_workers: int, timeout: float
    ) -> list[Result | Unfinished]:
        return cast(
            "list[Result | Unfinished]", self._scheduler.run_parallel(works, max_workers=max_workers, timeout=timeout)
        )

    def run_with_timeout[Result](self, work: Callable[[], Result], timeout: float) -> Result | Unfinished:
        (result,) = self.run_parallel([work], max_workers=1, timeout=timeout)
        return result


class Border:
    """A double whose calls pass the scheduler.

    ``faults`` returns the possible faults of a call, from the method's name, the call itself and its arguments by name;
    ``touches`` what it reads and writes.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        name: str,
        target: object,
        faults: Callable[[str, Callable[[], Any], Mapping[str, Any]], Mapping[Fault, Disturbance]],
        touches: Callable[[str, Mapping[str, Any]], Footprint],
    ) -> None:
        self._scheduler = scheduler
        self._name = name
        self._target = target
        self._faults = faults
        self._touches = touches

    def __getattr__(self, method: str) -> Any:
        member = getattr(self._target, method)
        if not callable(member):
            return member

        def through(*given: Any, **named: Any) -> Any:
            def do() -> Any:
                return member(*given, **named)

            faults, touches = self._faults(method, do, named), self._touches(method, named)
            return self._scheduler.call(Call(self._name, method, do, faults, touches))

        return through


def _unavailable() -> Exception:
    return ClientError({"Error": {"Code": "InternalServerError", "Message": "no answer"}}, "Call")


def _conflict() -> Exception:
    answer: Any = {
        "Error": {"Code": "TransactionCanceledException", "Message": "conflict"},
        "CancellationReasons": [{"Code": "TransactionConflict"}],
    }
    return ClientError(answer, "TransactWriteItems")


def aws_faults(_: str, do: Do, __: object) -> Faults:
    return {Fault.LOST: Disturbance(None, _unavailable), Fault.UNHEARD: Disturbance(do, _unavailable)}


def table_faults(method: str, do: Do, named: object) -> Faults:
    conflict = {Fault.CONFLICT: Disturbance(None, _conflict)} if method == "transact_write_items" else {}
    return {**aws_faults(method, do, named), **conflict}


def function_faults(method: str, do: Do, named: object) -> Faults:
    return {**aws_faults(method, do, named), Fault.IGNORED: Disturbance()}  # an event that is never delivered


_READING = ("get_", "describe_", "query")


def footprint_of(kind: str, *parameters: str) -> Callable[[str, Mapping[str, Any]], Footprint]:
    """The footprint of calls about one thing that a parameter names."""

    def touches(method: str, named: Mapping[str, Any]) -> Footprint:
        names = frozenset(f"{kind}/{named[parameter]}" for parameter in parameters if parameter in named)
        names = names or frozenset({f"{kind}/"})
        return Footprint(reads=names) if method.startswith(_READING) else Footprint(writes=names)

    return touches


def footprint_in_table(method: str, named: Mapping[str, Any]) -> Footprint:
    """The rows that a call to the table reads, writes or has as conditions."""
    if method == "query":
        values = named["ExpressionAttributeValues"].values()
        return Footprint(reads=frozenset(f"row/{value['S']}/" for value in values))
    if method == "get_item":
        return Footprint(reads=frozenset({_row_name(named["Key"])}))
    if method == "put_item":
        return Footprint(writes=frozenset({_row_name(named["Item"])}))
    touched = [(action, content) for one in named["TransactItems"] for action, content in one.items()]
    rows = [(action, _row_name(content["Item"] if action == "Put" else content["Key"])) for action, content in touched]
    return Footprint(
        reads=frozenset(row for action, row in rows if action == "ConditionCheck"),
        writes=frozenset(row for action, row in rows if action != "ConditionCheck"),
    )


def _row_name(row: Mapping[str, Any]) -> str:
    return f"row/{row['pk']['S']}/{row['sk']['S']}"
