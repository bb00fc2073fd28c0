"""Writing settings so that nobody is locked out: the way in is proved after it, or the old ones are put back.

New settings can end every log-in. So they are written only while there is time
to write them, to prove access over a new connection, and to undo them: the time
for undoing is set aside before the write, and no slow call can use it up. The
first complaint is carried to the end. What was not proved and not put back is
a lock-out, and is called one. The proof: the typed answers about SOAP, TLS and
licence are what they were, over a new connection with a new log-in. Where a
backup gets its own earlier settings back, what it said then is as right.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from common.errors import Failure, Reason
from common.runtime import Runtime
from replication.model import Policy
from replication.plan import PartPlan
from replication.ports import ServerFacts, WritableServer

PAUSES = (1.0, 2.0, 4.0)
"""Seconds between attempts to log in again after new settings."""
_LOOKS = 4
"""Writing, a new log-in with its answers, and reading back, each taken to last no longer than the facts did before;
and one more."""

UNREACHABLE = frozenset(
    {
        Reason.CONNECTION_REFUSED,
        Reason.CONNECTION_FAILED,
        Reason.CONNECTION_CLOSED,
        Reason.CONNECT_TIMEOUT,
        Reason.READ_TIMEOUT,
    }
)

_FATE_UNKNOWN = frozenset({Reason.CONNECTION_CLOSED, Reason.CONNECTION_FAILED, Reason.READ_TIMEOUT, Reason.DEADLINE})
"""Reasons after which a write may or may not have been done."""


@dataclass(frozen=True)
class PendingAccessProof:
    """New settings were written to a backup, and the end of their proof was not heard of.

    ``snapshot`` is what it held before, ``facts`` what it said of itself then.
    """

    snapshot: str
    facts: ServerFacts


def _changed(now: ServerFacts, *right: ServerFacts) -> str:
    """What of the proof of access is as in none of ``right``, in words; empty when all is."""
    if all(now.security != before.security for before in right):
        return "its answers about SOAP and TLS are not what they were"
    # The days that are left may tick over while we work.
    if all(replace(now.licence, days_left=0) != replace(before.licence, days_left=0) for before in right):
        return "its licence is not what it was"
    return ""


def suspicion(now: ServerFacts, pending_access_proof: PendingAccessProof | None) -> str:
    """Why its settings must not pass for good without a look, in words; empty when nothing speaks against them."""
    change = _changed(now, pending_access_proof.facts) if pending_access_proof else ""
    if not pending_access_proof or not change:
        return ""
    return (
        f"new settings were written to it in a run that did not see the end, and since then {change}; "
        f"restore {pending_access_proof.snapshot}, or approve this if it was meant"
    )


@dataclass(frozen=True)
class _Complaint:
    """Why access counts as lost: in words, and whether time alone was missing."""

    text: str
    is_late: bool = False


@dataclass(frozen=True)
class SettingsWrite:
    """Writes the settings of one backup.

    ``facts`` are what the server said of itself before, ``then`` what it said
    when it held what is put back (None: nothing of its own is). ``pace`` is how
    many seconds the facts took: how fast the server is.
    """

    server: WritableServer
    policy: Policy
    facts: ServerFacts
    then: ServerFacts | None
    pace: float
    runtime: Runtime

    def write(self, part: PartPlan, written: Callable[[], None]) -> None:
        """Write, and prove that the way in is as before. ``written`` is called when the server has taken it.

        Raises Failure, DEADLINE: nothing was written, or what was is put back,
        or the server can be logged in to as before. MACHINE_VALUES_CHANGED: it
        was put back, and read back as it was. ROLLBACK_NOT_EFFECTIVE: the way
        in is as before, the part is not. ACCESS_LOST: putting it back did not help.
        """
        aside = sum(PAUSES) + _LOOKS * self.pace
        left = self.server.deadline.remaining()
        if left < 2 * aside:
            raise Failure(
                Reason.DEADLINE,
                f"its settings were not written: {left:.0f} seconds are left, and writing them, proving access and "
                f"undoing them may take {2 * aside:.0f}",
            )
        unanswered: Failure | None = None
        with self.server.deadline.reserving(aside):
            try:
                part.part.write(self.server, part.own, part.desired, self.policy)
            except Failure as failure:
                if failure.reason not in _FATE_UNKNOWN:
                    raise
                unanswered = failure
            else:
                written()
            complaint = self._complaint(self.facts, *([self.then] if self.then else []))
        if complaint:
            self._put_back(part, complaint)
        if unanswered:
            raise unanswered

    def _put_back(self, part: PartPlan, complaint: _Complaint) -> None:
        """Undo the write, and raise the Failure that says what came of it."""
        try:
            part.part.write(self.server, part.desired, part.own, self.policy)
            still = self._complaint(self.facts)
        except Failure as failure:
            still = _Complaint(str(failure.reason))
        if still:
            raise self._failure(
                Reason.ACCESS_LOST,
                f"after the new settings {complaint.text}, and putting them back did not help ({still.text}); "
                "nobody may be able to log in to this server",
            )
        self._read_back(part, complaint)
        reason = Reason.DEADLINE if complaint.is_late else Reason.MACHINE_VALUES_CHANGED
        raise self._failure(reason, f"after the new settings {complaint.text}; they were put back")

    def _read_back(self, part: PartPlan, complaint: _Complaint) -> None:
        """Raise Failure(ROLLBACK_NOT_EFFECTIVE) unless the server holds what it held before the push."""
        try:
            same = part.part.same(part.part.read(self.server), part.own, self.policy)
            seen = "holds something else than before"
        except Failure as failure:
            same, seen = False, f"cannot be read back ({failure.reason})"
        if not same:
            raise self._failure(
                Reason.ROLLBACK_NOT_EFFECTIVE,
                f"after the new settings {complaint.text}; they were put back, but the server {seen}",
            )

    def _complaint(self, *right: ServerFacts) -> _Complaint | None:
        """What of the proof of access is as in none of ``right``; None when all is."""
        try:
            change = _changed(self._facts_again(), *right)
        except Failure as failure:
            if failure.reason is Reason.DEADLINE:
                return _Complaint("no new log-in was proved in time", is_late=True)
            return _Complaint(f"a new log-in fails ({failure.reason})")
        return _Complaint(change) if change else None

    def _facts_again(self) -> ServerFacts:
        """The facts over a new connection. A server may need a moment after new settings, its listener most of all.

        When the time ends, the failure is that of the last attempt that the server itself let fail.
        """
        heard: Failure | None = None
        for pause in (*PAUSES, 0.0):
            try:
                return self.server.fresh_facts()
            except Failure as failure:
                heard = heard if heard and failure.reason is Reason.DEADLINE else failure
                if failure.reason not in UNREACHABLE or self.server.deadline.remaining() <= pause:
                    break
            if pause:
                self.runtime.sleep(pause)
        if heard is None:
            raise AssertionError("no attempt was made")
        raise heard

    def _failure(self, reason: Reason, message: str) -> Failure:
        return Failure(reason, message, server=self.server.label)
