"""Plans and reports of checks, as a person reads them: coloured by sign, long lists folded."""

from collections.abc import Iterator
from typing import Any

from cerbsync.output import Output, folded
from cerbsync.session import Session
from cerbsync.states import Document
from cerbsync.text import local_time, one_line, plain

_MOST_LINES = 30
"""Lines of one part that are shown without ``--all``."""
_STYLES = {"+": "added", "-": "removed", "~": "changed", "!": "bad", "=": "quiet"}


def show_plan(output: Output, plan: Document, *, everything: bool) -> None:
    """Show the plan's text."""
    for section in _sections(plain(plan["text"])):
        head, *lines = section
        output.show(head, "name" if lines else "")
        for line in folded(lines, _MOST_LINES, everything=everything):
            output.show(line, _STYLES.get(line.strip()[:1], ""))
        output.show()
    for warning in plan.get("warnings") or ():
        output.say(f"Note: {one_line(warning)}", "warn")
    for block in plan.get("blocked") or ():
        output.show(f"Waits: {one_line(block['part'])}: {one_line(block['message'])}", "bad")
        output.say(f"  {one_line(block['remedy'])}")


def is_empty(plan: Document) -> bool:
    """Whether nothing would be written."""
    return not plan["hash"] or all(part["state"] == "equal" for part in plan["parts"])


def _sections(text: str) -> Iterator[list[str]]:
    section: list[str] = []
    for line in text.splitlines():
        if line.strip():
            section.append(line)
        elif section:
            yield section
            section = []
    if section:
        yield section


def show_report(session: Session, report: dict[str, Any]) -> None:
    """Show the result of one check: a line for each requirement, and the certificate to compare."""
    output = session.output
    output.show(
        f"{one_line(report['server'])}: {'passed' if report['passed'] else 'NOT PASSED'}",
        "good" if report["passed"] else "bad",
    )
    styles = {"pass": "good", "fail": "bad", "warning": "warn", "skipped": "quiet"}
    for requirement in report["requirements"]:
        result = one_line(requirement["result"])
        detail = one_line(requirement["detail"])
        name = one_line(requirement["id"]).replace("_", " ")
        output.show(f"  {result:8}{name}{': ' if detail else ''}{detail}", styles.get(result, ""))
        if result in ("fail", "warning") and requirement["remedy"]:
            output.say(f"          {one_line(requirement['remedy'])}")
    certificate = report.get("certificate")
    if certificate:
        output.show(
            f"  certificate of {one_line(certificate['subject'])}, valid until {local_time(certificate['not_after'])}"
        )
        output.show(f"  fingerprint {one_line(certificate['fingerprint'])}")


def tell_certificate(output: Output, server: str, report: dict[str, Any]) -> None:
    """Tell whether the stack reaches a server and trusts its certificate."""
    failed = [step for step in report["requirements"] if step["result"] == "fail"]
    certificate = report.get("certificate")
    if certificate and certificate["trusted"]:
        output.say(f"  reached; its certificate is trusted ({one_line(certificate['fingerprint'])})", "good")
    for step in failed:
        output.say(
            f"  {one_line(step['id']).replace('_', ' ')}: {one_line(step['detail'])} {one_line(step['remedy'])}", "bad"
        )
    if certificate and not certificate["trusted"]:
        output.say(
            "  Compare this fingerprint with the one that the server's own console shows; if it is equal, write", "warn"
        )
        output.say(f"  `pins: [{one_line(certificate['fingerprint'])}]` below {server} in the file.", "warn")
