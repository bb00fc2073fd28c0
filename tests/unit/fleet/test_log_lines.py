"""No log line is longer than CloudWatch takes in one piece, and what is urgent is in it."""

import io
import json
import logging
from datetime import UTC, datetime
from typing import Any

import pytest
from aws_lambda_powertools import Logger
from hypothesis import example, given
from hypothesis import strategies as st

from common.errors import Reason
from common.version import VERSION
from fleet.log_lines import LONGEST_LINE, new_logger
from registry.run_records import BackupResult, Notice, PartResult, Run
from sync.reporting import LoggedProgress

SPLIT_AT = 256 * 1024
AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
TEXTS = st.builds(str.__mul__, st.sampled_from(["x", '"', "😀", "\x00", "ä\n"]), st.integers(0, 200_000))


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> tuple[Logger, io.StringIO]:
    stream = io.StringIO()
    made = new_logger()
    made.setLevel(logging.INFO)
    monkeypatch.setattr(made.registered_handler, "stream", stream)
    return made, stream


def _last(stream: io.StringIO) -> dict[str, Any]:
    text = stream.getvalue().splitlines()[-1]
    assert len(text.encode()) <= LONGEST_LINE < SPLIT_AT
    line: dict[str, Any] = json.loads(text)
    return line


@given(detail=TEXTS, warnings=st.lists(TEXTS, max_size=20), parts=st.integers(0, 300), lost=st.booleans())
@example(detail="", warnings=["x" * 200_000] * 20, parts=8, lost=True)
def test_the_line_of_a_backup_fits_whatever_a_server_has_caused(
    lines: tuple[Logger, io.StringIO], detail: str, warnings: list[str], parts: int, lost: bool
) -> None:
    logger, stream = lines
    result = BackupResult(
        "ftp2",
        "r",
        "failed",
        AT,
        Reason.ACCESS_LOST if lost else Reason.SOAP_FAULT,
        detail,
        warnings=tuple(warnings),
        parts=tuple(PartResult(f"part{number}", "failed") for number in range(parts)),
    )
    LoggedProgress(logger).backup_done(Run("r", "schedule", AT), result, "")
    line = _last(stream)
    assert (line["message"], line["backup"], line["reason"]) == ("backup done", "ftp2", result.reason)
    assert line["level"] == ("ERROR" if lost else "WARNING")


@given(notices=st.lists(TEXTS, max_size=30), more=st.integers(0, 3000), message=TEXTS)
@example(notices=[], more=3000, message="x" * 2_300_000)
def test_the_line_of_a_run_fits_and_begins_with_who_is_locked_out(
    lines: tuple[Logger, io.StringIO], notices: list[str], more: int, message: str
) -> None:
    logger, stream = lines
    all_notices = [Notice(Reason.BACKUP_PAUSED, text) for text in [*notices, *["n" * 1000] * more]]
    urgent = Notice(Reason.ACCESS_LOST, "nobody may be able to log in any more: ftp2")
    run = Run("r", "schedule", AT, status="partial", message=message, notices=(*all_notices, urgent))
    LoggedProgress(logger).finished(run)
    line = _last(stream)
    assert (line["message"], line["run_id"]) == ("run finished", "r")
    assert line["notices"][0]["reason"] == "access_lost"
    assert line["notices"][0]["message"].startswith("nobody may be able")


def test_an_ordinary_line_is_as_it_was(lines: tuple[Logger, io.StringIO]) -> None:
    logger, stream = lines
    logger.info("change", extra={"who": "Zoë", "fields": ["a", "b"], "answer": 200})
    line = _last(stream)
    assert (line["message"], line["who"], line["fields"], "cut" in line) == ("change", "Zoë", ["a", "b"], False)


def test_every_line_names_the_version_also_when_keys_of_an_invocation_were_cleared(
    lines: tuple[Logger, io.StringIO],
) -> None:
    logger, stream = lines
    logger.append_keys(run="r")
    logger.info("before")
    assert (_last(stream)["version"], _last(stream)["run"]) == (VERSION, "r")
    logger.structure_logs()  # as at the beginning of each invocation, with clear_state
    logger.info("after")
    assert (_last(stream)["version"], "run" in _last(stream)) == (VERSION, False)
    logging.getLogger(f"{logger.name}.child").error("of a child")
    assert (_last(stream)["message"], _last(stream)["version"]) == ("of a child", VERSION)
