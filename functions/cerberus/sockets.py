"""A TLS socket on which no wait is longer than its owner allows."""

import ssl
from collections.abc import Callable
from typing import Any


class WatchedSocket(ssl.SSLSocket):
    """Asks ``patience`` before every wait how many seconds it may last.

    A time-out of the socket alone is counted from byte to byte, so a peer that
    drips its reply (headers included) could hold the caller for ever.
    ``patience`` may raise; it is None until the owner sets it.
    """

    patience: Callable[[], float] | None = None

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        self._limit()
        return super().recv_into(buffer, nbytes, flags)

    def send(self, data: Any, flags: int = 0) -> int:
        self._limit()
        return super().send(data, flags)

    def _limit(self) -> None:
        if self.patience is not None:
            self.settimeout(self.patience())
