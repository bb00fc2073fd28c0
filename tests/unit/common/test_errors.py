"""Reason codes and the failure that carries them."""

import re

import pytest

from common.errors import REASONS_OF_THE_RUN, REMEDIES, Failure, Reason


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_a_remedy_of_one_or_two_sentences(reason: Reason) -> None:
    remedy = REMEDIES[reason]
    assert remedy[0].isupper()
    assert remedy.endswith(".")
    assert Failure(reason, "x").remedy == remedy


@pytest.mark.parametrize("reason", [*REASONS_OF_THE_RUN, Reason.LEASE_HELD, Reason.LEASE_LOST, Reason.PART_NOT_READ])
def test_where_a_run_has_left_something_undone_nobody_is_told_that_there_is_nothing_to_do(reason: Reason) -> None:
    """No scheduled run comes for a restore, a dry run, or a run that was given a hash."""
    assert "othing to do" not in REMEDIES[reason]


@pytest.mark.parametrize("reason", list(Reason))
def test_a_reason_is_stored_as_lower_case_words(reason: Reason) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", reason.value)
    assert reason.value == reason.name.lower()


def test_a_failure_shows_where_what_why_and_what_to_do() -> None:
    failure = Failure(Reason.READ_TIMEOUT, "no answer in 60 s", server="backup b1")
    assert str(failure) == f"backup b1: no answer in 60 s [read_timeout] {REMEDIES[Reason.READ_TIMEOUT]}"
    assert str(Failure(Reason.DEADLINE, "late")).startswith("late [deadline]")


def test_a_failure_is_given_a_server_once() -> None:
    nameless = Failure(Reason.DEADLINE, "late")
    named = nameless.at("backup b1")
    assert (named.reason, named.message, named.server) == (Reason.DEADLINE, "late", "backup b1")
    assert named.at("backup b2") is named
    assert nameless.server == ""
