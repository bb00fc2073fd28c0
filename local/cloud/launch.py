"""The program that runs as the local cloud, in an environment of its own: MiniStack with two changes.

- ``POST /_minute`` shortens the waiting time of every rule with a rate by a
  minute, calls the targets of due rules, and then answers. Otherwise the
  schedules follow the real time.
- A function's package is unpacked once. Every process of a function has a
  folder of its own, as in Lambda, but its files are links. Unpacking takes half
  a second of processor time, and a function that fails is started anew each
  time.

Both changes replace internal code of MiniStack, which has no settings for them.
So its version is pinned (requirements-cloud.txt).
"""

import asyncio
import hashlib
import os
import shutil
import tempfile
import threading
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ministack import app
from ministack.core import lambda_runtime
from ministack.services import eventbridge

_MINUTE = 60.0
_one_sweep = threading.Lock()
_sweep = eventbridge._tick_scheduled_rules
_answer = app.app


def _sweep_alone() -> None:
    with _one_sweep:
        _sweep()


def _let_a_minute_pass() -> None:
    fired = eventbridge._rule_last_fired
    with _one_sweep:
        for key, rule in list(eventbridge._rules._data.items()):
            fired[key] = fired.get(key, rule.get("CreationTime", time.time())) - _MINUTE
        _sweep()


async def _answer_or_let_pass(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http" and scope["path"] == "/_minute":
        await asyncio.to_thread(_let_a_minute_pass)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})
    else:
        await _answer(scope, receive, send)


class _Package(zipfile.ZipFile):
    """A package that is unpacked once; later copies are links to the files of the first copy."""

    _unpacked = Path(tempfile.mkdtemp(prefix="packages-"))
    _one_package = threading.Lock()

    def extractall(self, path: Any = None, members: Any = None, pwd: Any = None) -> None:
        with Path(str(self.filename)).open("rb") as package:
            files = self._unpacked / hashlib.file_digest(package, "sha256").hexdigest()
        with self._one_package:
            if not files.is_dir():
                unfinished = files.with_suffix(".unfinished")
                super().extractall(unfinished, members, pwd)
                unfinished.rename(files)
        shutil.copytree(files, path, copy_function=os.link, dirs_exist_ok=True)


if __name__ == "__main__":
    eventbridge._tick_scheduled_rules = _sweep_alone
    app.app = _answer_or_let_pass
    lambda_runtime.zipfile = SimpleNamespace(**{**vars(zipfile), "ZipFile": _Package})
    app.main()
