"""What holds for all tests: the same examples every time, or new ones on request; any order on request.

A generated test (Hypothesis, or one marked ``generated``) draws its examples from a seed. In the profile ``steady``
that seed follows from the test itself: it tries the same examples today and tomorrow, alone and beside others.
``--explore new`` runs the generated tests alone with a new seed, ``--explore SEED`` with one that was printed before.
"""

import random
import secrets
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants

FIXED_SEED = 1
"""Of generated tests whose library wants a number."""

# A busy machine is not a fault of the product: nothing judges how long examples take to make or to try.
settings.register_profile(
    "steady",
    derandomize=True,
    database=None,
    deadline=None,
    print_blob=False,
    # Fixtures of a function are not made anew for each example: tests that use them make what changes themselves.
    # Mutation testing runs a test of a class several times in one process.
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)
settings.register_profile("explore", settings.get_profile("steady"), derandomize=False)
settings.load_profile("steady")


# Hypothesis mixes constants of the loaded modules into what it draws, so that a test's examples would depend on which
# tests ran before it. There is no setting against that; tests/unit/project/test_steady_examples.py notices when this
# has stopped working.
providers._get_local_constants = Constants


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--explore", metavar="SEED", help="run the generated tests alone, with this seed or a 'new' one")
    parser.addoption("--shuffle", metavar="SEED", type=int, help="run the tests in another order")


@pytest.hookimpl(tryfirst=True)  # before the plugin of Hypothesis reads its options
def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "generated: its examples come from a seed, without Hypothesis' decorator")
    if config.option.explore is None:
        return
    if config.option.explore == "new":
        config.option.explore = str(secrets.randbelow(10**9))  # the workers of pytest-xdist are handed this one
    config.option.hypothesis_profile = "explore"
    config.option.hypothesis_seed = config.option.explore


def pytest_report_header(config: pytest.Config) -> str:
    if config.option.explore is None:
        return f"generated tests: fixed seeds (profile steady; {FIXED_SEED} where a number is wanted)"
    return f"generated tests: seed {config.option.explore}; again: make explore SEED={config.option.explore}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.option.explore is not None:
        rest = [item for item in items if not _is_generated(item)]
        config.hook.pytest_deselected(items=rest)
        items[:] = [item for item in items if _is_generated(item)]
    if config.option.shuffle is not None:
        random.Random(config.option.shuffle).shuffle(items)  # noqa: S311 - an order, not a secret


def _is_generated(item: pytest.Item) -> bool:
    test: Callable[..., object] | None = getattr(item, "obj", None)
    return bool(getattr(test, "is_hypothesis_test", False)) or item.get_closest_marker("generated") is not None


@pytest.fixture(scope="session")
def seed(pytestconfig: pytest.Config) -> int:
    """The seed of generated tests whose library wants a number."""
    return FIXED_SEED if pytestconfig.option.explore is None else int(pytestconfig.option.explore)
