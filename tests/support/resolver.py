"""A resolver that asks no network, for tests that make their world themselves."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def no_names() -> Iterator[None]:
    """No name resolves inside the block."""

    def nobody(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", nobody)
        yield
