"""Approving plans: each is read, shown and confirmed; exactly its hash is approved, and one run carries it out."""

import hashlib
from collections.abc import Sequence

from cerbsync.display import is_empty, show_plan
from cerbsync.errors import Exit, worst
from cerbsync.follow import conclude, followed
from cerbsync.session import Session
from cerbsync.states import Document
from cerbsync.text import count, joined, one_line


def joint_hash(pairs: Sequence[tuple[str, str]]) -> str:
    """One hash over the plans of several backups, given as pairs of id and hash; of one plan its own hash."""
    if len(pairs) == 1:
        return pairs[0][1]
    return hashlib.sha256("\n".join(f"{name} {value}" for name, value in sorted(pairs)).encode()).hexdigest()


def approve_plans(session: Session, names: Sequence[str], *, yes: str, everything: bool) -> Exit:
    """Show what waits for each backup, ask once, approve, run and follow.

    Raises CommandFailed if nobody confirms, or if the API refuses.
    """
    output = session.output
    pending: list[tuple[str, str]] = []
    for name in names:
        plan = _current_plan(session, name)
        show_plan(output, plan, everything=everything)
        if is_empty(plan):
            output.say(f"{name} is equal; there is nothing to approve.", "good")
        else:
            pending.append((name, plan["hash"]))
    if not pending:
        output.document({"approvals": []})
        return Exit.OK
    whole = joint_hash(pending)
    listed = f"{count(len(pending), 'backup')}: {joined([name for name, _ in pending])}"
    if len(pending) > 1:
        output.show(f"Hash of these plans: {whole}", "quiet")
    output.confirm(
        f"Approve and write to {listed}?",
        hash_given=yes,
        hash_wanted=whole,
        repeat=f"cerbsync approve {' '.join(names)} --yes {whole[:12]}",
    )
    ready, missing = [], []
    for name, value in pending:
        approval = session.api.post("backups", name, "approve", body={"hash": value})
        output.event({"event": "approval", "approval": approval})
        if approval["in_force"]:
            ready.append((name, value, str(approval["snapshot"])))
        else:
            missing.append(name)
    if missing:
        output.say(
            f"Somebody else has to approve as well, because the settings want two people: {joined(missing)}", "warn"
        )
    return _carry_out(session, ready, waits=bool(missing))


def _carry_out(session: Session, ready: Sequence[tuple[str, str, str]], *, waits: bool) -> Exit:
    """Run what was approved: one run over all backups, or the restore that the approval is for."""
    outcomes = [Exit.WAITS] if waits else []
    restores = [entry for entry in ready if entry[2]]
    pushes = [entry for entry in ready if not entry[2]]
    if len(pushes) == 1:
        name, value, _ = pushes[0]
        outcomes.append(_followed(session, session.api.post("sync-runs", body={"backups": [name], "plan_hash": value})))
    elif pushes:
        outcomes.append(
            _followed(session, session.api.post("sync-runs", body={"backups": [name for name, _, _ in pushes]}))
        )
    for name, value, snapshot in restores:
        body = {"snapshot": snapshot, "plan_hash": value}
        outcomes.append(_followed(session, session.api.post("backups", name, "restore", body=body)))
    for name, _, _ in ready:
        session.output.advise(f"To undo this on {one_line(name)}:", f"cerbsync restore {one_line(name)} latest")
    return worst(outcomes)


def _followed(session: Session, started: Document) -> Exit:
    session.output.say(f"Run {started['id']} has been requested.")
    return conclude(session, *followed(session, started["id"]))


def _current_plan(session: Session, name: str) -> Document:
    """The present plan. If the last result has another one, a dry run comes first: only that one is approved."""
    output = session.output
    output.say(f"Reading the primary and {name} ...")
    backup = session.api.get("backups", name)
    result = backup.get("last_result") or {}
    restoring = _waiting_restore(backup)
    plan = session.api.get("backups", name, "plan", snapshot=restoring or None)
    if is_empty(plan) or result.get("plan_hash") == plan["hash"] or restoring:
        return plan
    output.say(f"Something has changed since the last run over {name}: comparing again ...")
    run, _ = followed(session, session.api.post("sync-runs", body={"backups": [name], "dry_run": True})["id"])
    output.say(f"Run {run['id']}: {one_line(run['status'])}")
    return session.api.get("backups", name, "plan")


def _waiting_restore(backup: Document) -> str:
    """The key of the snapshot whose restore waits for a second person's approval, empty if none does."""
    approval = backup.get("approval")
    return str(approval["snapshot"]) if approval and not approval["in_force"] else ""
