"""A process that runs the sync function's handler in forks of itself, and lets one be killed after a remote call.

Reads one JSON object a line: ``{"event": ..., "kill_after": 7, "forward": 61}``, and answers each with one line:
how the fork ended, the remote calls it made, and what the handler returned. ``kill_after`` null lets it end by
itself; ``forward`` moves its clock by seconds.

The parent has one thread, has imported and read everything, and has opened no connection: a fork is the function as
it is after a cold start.
"""

from __future__ import annotations

import gc
import json
import os
import re
import signal
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

from botocore.httpsession import URLLib3Session

from cerberus.transport import Transport
from cerberus.wsdl import service
from local.fakes.runtime import WallClockRuntime
from sync import app

if TYPE_CHECKING:
    from collections.abc import Callable

REQUEST = re.compile(rb"Body>\s*<(?:\w+:)?(\w+)Request\b")


@dataclass
class Context:
    """What the platform tells a function about its invocation."""

    function_name: str = "sync"
    memory_limit_in_mb: int = 1024
    invoked_function_arn: str = "arn:aws:lambda:eu-central-1:123456789012:function:sync"
    aws_request_id: str = "52fdfc07-2182-454f-963f-5f0f9a621d72"

    def get_remaining_time_in_millis(self) -> int:
        return 600_000


class Calls:
    """Counts remote calls when their answers are there, tells each to ``pipe``, and kills the process after one."""

    def __init__(self, pipe: int, kill_after: int | None) -> None:
        self._pipe = pipe
        self._kill_after = kill_after
        self._count = 0

    def watch(self, owner: type, method: str, name: Callable[[tuple[Any, ...]], str]) -> None:
        original = getattr(owner, method)

        def watched(*arguments: Any, **named: Any) -> Any:
            answer = original(*arguments, **named)
            self._count += 1
            os.write(self._pipe, name(arguments).encode() + b"\n")
            if self._count == self._kill_after:
                os.kill(os.getpid(), signal.SIGKILL)
            return answer

        setattr(owner, method, watched)


def soap_name(arguments: tuple[Any, ...]) -> str:
    """Port and operation of a call of ``Transport.post``."""
    transport, body = arguments[:2]
    operation = REQUEST.search(b"".join(body))
    return f"{transport._endpoint.port} {operation[1].decode() if operation else ''}"


def aws_name(arguments: tuple[Any, ...]) -> str:
    """The operation of a request of botocore; one of S3 has none but its method and path."""
    request = arguments[1]
    target = request.headers.get("X-Amz-Target") or f"S3 {request.method}".encode()
    return target.decode().rpartition(".")[2]


def invoke(order: dict[str, Any], pipe: int) -> None:
    """In the fork: the handler, once."""
    calls = Calls(pipe, order["kill_after"])
    calls.watch(Transport, "post", soap_name)
    calls.watch(URLLib3Session, "send", aws_name)
    forward = timedelta(seconds=order["forward"])
    context = replace(app._run_context(), runtime=WallClockRuntime(lambda: datetime.now(UTC) + forward))
    setattr(app, app._run_context.__name__, lambda: context)
    reply = app.handler(order["event"], Context())  # type: ignore[arg-type]  # as far as it is used
    os.write(pipe, b"=" + json.dumps(reply).encode() + b"\n")


def end(status: int) -> NoReturn:
    """End the fork at once: to take down all that was imported takes as long as a run."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def serve(order: dict[str, Any]) -> dict[str, Any]:
    """In the parent: one fork, from its start to its end."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            invoke(order, writing)
        except app.RunFailedError:
            end(1)
        end(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        lines = pipe.read().splitlines()
    _, status = os.waitpid(child, 0)
    replies = [json.loads(line[1:]) for line in lines if line.startswith("=")]
    return {
        "status": os.waitstatus_to_exitcode(status),
        "calls": [line for line in lines if not line.startswith("=")],
        "reply": replies[0] if replies else None,
    }


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the function prints is not an answer
    app._run_context()
    service()
    import_module("cryptography.x509")  # which the product imports when it looks at a certificate
    gc.freeze()
    for line in sys.stdin:
        print(json.dumps(serve(json.loads(line))), file=answers, flush=True)
