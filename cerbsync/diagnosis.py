"""``cerbsync doctor``: looks at everything between this machine and the fleet, one finding a line, with its remedy."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Literal

from cerbsync import deployed, fleet_file
from cerbsync.changes import changes_of
from cerbsync.errors import CommandFailed, Exit
from cerbsync.session import Session, installed_version
from cerbsync.text import ago, count, one_line, time_of

_CLOCK_TOLERANCE = timedelta(minutes=4)
"""AWS refuses a signature whose time differs by more than five minutes (Signature Version 4)."""


@dataclass(frozen=True)
class Finding:
    """One line of the diagnosis. ``remedy`` is empty if nothing is to be done."""

    name: str
    result: Literal["good", "warn", "bad"]
    detail: str
    remedy: str = ""


def diagnose(session: Session, file: Path) -> Exit:
    """Look at everything that can be looked at; return ``FAILED`` if something is bad."""
    output = session.output
    findings = []
    for look in (_credentials, _stack, _api, _schedule, _last_run, _fleet_file(file)):
        try:
            made = list(look(session))
        except CommandFailed as error:
            made = [Finding(_name_of(look), "bad", error.message, error.next_step)]
            findings += made
            _tell(session, made)
            if error.status is Exit.NOT_ALLOWED or look in (_credentials, _stack, _api):
                break  # the following looks would fail for the same reason
            continue
        findings += made
        _tell(session, made)
    output.document({"findings": [asdict(finding) for finding in findings]})
    bad = sum(finding.result == "bad" for finding in findings)
    if bad:
        output.show(f"{count(bad, 'problem')} found.", "bad")
        return Exit.FAILED
    output.show("Nothing is wrong.", "good")
    return Exit.OK


def _tell(session: Session, findings: list[Finding]) -> None:
    marks = {"good": "ok", "warn": "note", "bad": "BAD"}
    for finding in findings:
        session.output.show(f"{marks[finding.result]:5}{finding.name}: {finding.detail}", finding.result)
        if finding.remedy:
            session.output.show(f"     {finding.remedy}")


def _name_of(look: Callable[[Session], Iterator[Finding]]) -> str:
    return look.__name__.strip("_").replace("_", " ")


def _credentials(session: Session) -> Iterator[Finding]:
    from cerbsync.stack import signer

    signer(session.aws, "us-east-1")
    made = session.aws.get_credentials()
    method = one_line(getattr(made, "method", "unknown"))
    yield Finding("credentials", "good", f"found by the AWS chain ({method})")


def _stack(session: Session) -> Iterator[Finding]:
    where = session.deployment
    detail = "given by --url" if not where.outputs else f"output ApiUrl of {session.common.stack}"
    yield Finding("stack", "good", f"{where.url} in {where.region} ({detail})")


def _api(session: Session) -> Iterator[Finding]:
    health = session.api.get("health")
    theirs, ours = one_line(health["version"]), installed_version()
    if theirs == ours:
        yield Finding("api", "good", f"answers; stack and command line are version {ours}")
    else:
        yield Finding(
            "api",
            "warn",
            f"answers; the stack is version {theirs}, the command line is {ours}",
            "install the command line of the stack's version",
        )
    if session.api.last_date:
        difference = abs(session.now - parsedate_to_datetime(session.api.last_date))
        if difference > _CLOCK_TOLERANCE:
            yield Finding(
                "clock",
                "bad",
                f"this machine's clock is wrong by {difference.seconds // 60} minutes",
                "set it: AWS refuses old requests",
            )
        else:
            yield Finding("clock", "good", "right to within a few minutes")


def _schedule(session: Session) -> Iterator[Finding]:
    settings = session.api.get("sync-settings")
    if settings["enabled"]:
        yield Finding("schedule", "good", f"runs come every {settings['interval_minutes'] or '?'} minutes")
    else:
        yield Finding("schedule", "warn", "scheduled runs are off", "`cerbsync schedule on` switches them on")
    for note in settings["schedule_notes"]:
        yield Finding("schedule", "warn", one_line(note), "`sam deploy` again brings the rules back")


def _last_run(session: Session) -> Iterator[Finding]:
    runs = session.api.entries("sync-runs", of="runs", most=1)
    if not runs:
        yield Finding("last run", "warn", "none yet", "`cerbsync run --wait` starts one")
        return
    last = runs[0]
    detail = f"{one_line(last['status'])}, {ago(last['started_at'], session.now)}"
    good = last["status"] in ("succeeded", "running", "queued", "not_run")
    yield Finding(
        "last run",
        "good" if good else "warn",
        detail,
        "" if good else f"`cerbsync history --run {last['id']}` shows it",
    )
    settings = session.api.get("sync-settings")
    begun, interval = time_of(last["started_at"]), settings["interval_minutes"]
    if settings["enabled"] and interval and begun and session.now - begun > timedelta(minutes=3 * interval + 5):
        yield Finding(
            "last run",
            "bad",
            "no run for three intervals",
            "look at the alarms, and at the rule in EventBridge (docs/runbook.md)",
        )


def _fleet_file(file: Path) -> Callable[[Session], Iterator[Finding]]:
    def fleet_file_(session: Session) -> Iterator[Finding]:
        if not file.exists():
            yield Finding("fleet file", "good", f"there is no {file}, so nothing is compared with it")
            return
        changes = changes_of(fleet_file.read(file), deployed.read(session.api), prune=True)
        if changes:
            yield Finding(
                "fleet file",
                "warn",
                f"{file} and the stack differ in {count(len(changes), 'change')}",
                "`cerbsync apply --dry-run` shows them",
            )
        else:
            yield Finding("fleet file", "good", f"the stack is as {file} says")

    return fleet_file_
