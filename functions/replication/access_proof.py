"""Answers of a server that new settings must not change: the way in, and the licence. They need no schema."""

from dataclasses import dataclass, replace

from replication.ports import ServerFacts


@dataclass(frozen=True)
class PendingAccessProof:
    """New settings were written to a backup, and the end of their proof was not heard of.

    ``snapshot`` is what it held before, ``facts`` what it said of itself then.
    """

    snapshot: str
    facts: ServerFacts


def changed(now: ServerFacts, *right: ServerFacts) -> str:
    """What of the proof of access is as in none of ``right``, in words; empty when all is."""
    if all(now.security != before.security for before in right):
        return "its answers about SOAP and TLS are not what they were"
    # The days that are left may tick over while we work.
    if all(replace(now.licence, days_left=0) != replace(before.licence, days_left=0) for before in right):
        return "its licence is not what it was"
    return ""


def suspicion(now: ServerFacts, pending_access_proof: PendingAccessProof | None) -> str:
    """Why its settings must not pass for good without a look, in words; empty when nothing speaks against them."""
    change = changed(now, pending_access_proof.facts) if pending_access_proof else ""
    if not pending_access_proof or not change:
        return ""
    return (
        f"new settings were written to it in a run that did not see the end, and since then {change}; "
        f"restore {pending_access_proof.snapshot}, or approve this if it was meant"
    )
