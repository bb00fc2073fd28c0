"""Runs a built function under Lambda's own Runtime Interface Emulator, which is part of the SAM CLI.

No Docker is needed: the emulator and the run-time interface client run as
processes of this machine, with the packaged code and a Lambda's environment.
"""

import json
import platform
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from local.build import BUILT_TEMPLATE, SAM
from local.cloud.ministack import free_port

_PYTHON = SAM.with_name("python")
_MACHINES = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


class Emulator:
    """One execution environment of a function. Only one invocation at a time is possible, as in the emulator.

    ``artifact`` is the folder's name below the build, ``handler`` as in the template. ``environment`` is the function's
    whole environment.
    """

    def __init__(self, artifact: str, handler: str, environment: Mapping[str, str], timeout: int = 60) -> None:
        self._folder = BUILT_TEMPLATE.parent / artifact
        self._handler = handler
        self._environment = dict(environment)
        self._timeout = timeout
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        packages = next(SAM.parents[1].glob("lib/python3.*/site-packages"))
        binary = packages / "samcli" / "local" / "rapid" / f"aws-lambda-rie-{_MACHINES[platform.machine()]}"
        addresses = ["--runtime-interface-emulator-address", f"127.0.0.1:{self._port}"]
        addresses += ["--runtime-api-address", f"127.0.0.1:{free_port()}"]
        self._process = subprocess.Popen(
            [binary, *addresses, _PYTHON, "-m", "awslambdaric", self._handler],
            cwd=self._folder,
            env={
                "PATH": "/usr/bin:/bin",
                "LAMBDA_TASK_ROOT": str(self._folder),
                "PYTHONPATH": str(self._folder),
                "AWS_LAMBDA_FUNCTION_NAME": self._folder.name,
                "AWS_LAMBDA_FUNCTION_TIMEOUT": str(self._timeout),
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
                **self._environment,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait()

    def wait(self, seconds: float = 10.0) -> None:
        """Wait until the emulator listens; the first event starts the function itself. Raises TimeoutError."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise TimeoutError("the emulator does not listen")

    def invoke(self, event: object) -> Any:
        """The function's answer, or the emulator's error (errorMessage and errorType)."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._port}/2015-03-31/functions/function/invocations", json.dumps(event).encode()
        )
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        last: Exception | None = None
        for _ in range(100):
            try:
                with direct.open(request, timeout=self._timeout + 10) as reply:
                    return json.loads(reply.read())
            except urllib.error.URLError as error:  # the emulator does not listen yet
                if self._process is None or self._process.poll() is not None:
                    raise
                last = error
                time.sleep(0.05)
        raise TimeoutError("the emulator does not answer") from last
