"""One local cloud and one deployed stack for all end-to-end tests of a worker."""

from collections.abc import Iterator

import pytest

from local.build import build
from local.cloud import LocalCloud

WAITING = {"test_events", "test_failover", "test_fan_out", "test_platform_alarms", "test_replication"}


def pytest_itemcollected(item: pytest.Item) -> None:
    # Two workers of pytest-xdist take this folder, each with a cloud of its own. Both parts take about as long.
    item.add_marker(pytest.mark.xdist_group("e2e-waiting" if item.path.stem in WAITING else "e2e"))


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A running local cloud; the functions are built. Deploy further stacks into it under other names."""
    build()
    with LocalCloud(tmp_path_factory.mktemp("cloud")) as running:
        yield running


@pytest.fixture(scope="session")
def stack(cloud: LocalCloud) -> dict[str, str]:
    """The outputs of the real template, deployed with nothing but what running locally needs. Its rule is off."""
    return cloud.deploy("e2e", {"AllowedNetworks": "127.0.0.0/8", "SyncEnabled": "false"}, sam=True)
