"""Runs MiniStack as a process group that ends with the process that started it."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

from local.build import ROOT

_PYTHON = ROOT / ".tools" / "cloud" / "bin" / "python"
_PROGRAM = Path(__file__).with_name("launch.py")
ACCOUNT = "123456789012"

# The pipe on standard input closes when the starting process ends, for any
# reason. Then the whole group ends too, including the functions' processes.
_END_WITH_STARTER = 'exec 3<&0; (cat <&3 >/dev/null; kill -TERM 0) & exec "$0" "$@" 3<&- </dev/null'
_START_SECONDS = 30.0
_STOP_SECONDS = 5.0


class CloudFailed(Exception):
    """The local cloud did not carry out a command. The text says which command failed, with the end of the log."""


class MiniStack:
    """One MiniStack process on a free port of 127.0.0.1, with IAM enforced.

    MiniStack's log and data are in ``folder``. ``access_key`` and ``secret_key`` are
    those of its administrator, who may do everything.
    """

    def __init__(self, folder: Path, *, region: str, access_key: str, secret_key: str) -> None:
        self._folder = folder
        self._region = region
        self._access_key = access_key
        self._secret_key = secret_key
        self._scratch = folder / "scratch"
        self.log_file = folder / "ministack.log"
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start MiniStack and wait until it answers. Raises CloudFailed if it does not answer in time."""
        self._scratch.mkdir(parents=True, exist_ok=True)
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _END_WITH_STARTER, _PYTHON, "-P", _PROGRAM],
                cwd=self._folder,
                env=self._environment(),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait_until_ready(self._process)
        except BaseException:  # no process remains, even after Ctrl-C
            self.stop()
            raise

    def stop(self) -> None:
        """End MiniStack and every process that it started. Nothing happens if MiniStack is not running."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdin:
            process.stdin.close()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def let_a_minute_pass(self) -> None:
        """Let every schedule advance by a minute, at once. Before this returns, the targets of due rules are called."""
        self._direct.open(f"{self.endpoint}/_minute", data=b"", timeout=_START_SECONDS).close()

    def function_processes(self, function_name: str) -> list[int]:
        """The ids of the processes that run a function at the moment, busy or waiting."""
        if self._process is None:
            return []
        mark = f"AWS_LAMBDA_FUNCTION_NAME={function_name}".encode()
        process_ids = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # the process has ended or is not ours
                own = os.getpgid(int(folder.name)) == self._process.pid
                if own and mark in (folder / "environ").read_bytes().split(b"\0"):
                    process_ids.append(int(folder.name))
        return process_ids

    def _environment(self) -> dict[str, str]:
        # The environment starts empty, because functions inherit it: this machine's
        # proxies, CA bundles, profiles and keys must not reach them.
        return {
            "PATH": os.defpath,
            "HOME": str(self._scratch),
            "TMPDIR": str(self._scratch),
            "LANG": "C.UTF-8",
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "AUTH": "true",
            "LAMBDA_EXECUTOR": "local",
            "IOT_MTLS_ENABLED": "false",  # the default is every interface
            "SFTP_ENABLED": "false",
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "MINISTACK_REGION": self._region,
            "AWS_ACCESS_KEY_ID": self._access_key,  # MiniStack treats this key as the account's root
            "AWS_SECRET_ACCESS_KEY": self._secret_key,
        }

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise CloudFailed(f"MiniStack ended with status {process.returncode}:\n{self._end_of_log()}")
            with (
                suppress(urllib.error.URLError, ConnectionError, TimeoutError),
                self._direct.open(f"{self.endpoint}/_ministack/ready", timeout=2),
            ):
                return
            time.sleep(0.05)
        raise CloudFailed(f"MiniStack did not answer within {_START_SECONDS:.0f} s:\n{self._end_of_log()}")

    def _end_of_log(self) -> str:
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-15:])


def free_port() -> int:
    """A port of 127.0.0.1 on which no process listens at the moment.

    The port is outside of the range from which systems assign free ports, so that no
    other process gets the port before it is used.
    """
    while True:
        port = 10_000 + secrets.randbelow(20_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
