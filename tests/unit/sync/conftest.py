"""A fleet in memory, behind the same protocols as the real one."""

import pytest

from local.fakes.world import World


@pytest.fixture
def world() -> World:
    return World()
