from dataclasses import replace

import pytest

from local.costs import FLEETS, PAGE, Fleet, Prices, monthly, renewed

FREE = Prices(**dict.fromkeys(vars(Prices()), 0.0))


def test_the_guide_shows_what_the_program_calculates() -> None:
    page = PAGE.read_text()
    assert renewed(page) == page
    assert page.count("| 500 | 10 | 1 min |") == 1


def test_every_price_is_part_of_it() -> None:
    for name in set(vars(FREE)) - {"alarm"}:
        assert sum(monthly(FLEETS[1], replace(FREE, **{name: 1.0})).values()) > 0, name


def test_secrets_and_metrics_do_not_depend_on_the_interval_and_work_does() -> None:
    often, seldom = monthly(Fleet(500, 10, 1)), monthly(Fleet(500, 10, 15))
    assert often["Lambda"] == pytest.approx(15 * seldom["Lambda"])
    assert often["Metrics"] == seldom["Metrics"]
