"""What holds for all integration tests."""

from collections.abc import Iterator

import pytest

from tests.support.lean_moto import lean_moto


@pytest.fixture(scope="session", autouse=True)
def _lean_moto() -> Iterator[None]:
    with lean_moto():
        yield
