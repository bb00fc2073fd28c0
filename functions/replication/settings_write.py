"""Writes settings without locking anybody out: access is proved afterwards, or the old settings are restored.

New settings can make every log-in fail. So they are written only if there is time to write them, to prove access over a
new connection, and to undo them. The time for undoing is reserved before the write, and no slow call can use it up. The
first problem found after the write is always reported. If access was neither proved nor restored, the result is
reported as a lock-out. The proof: the facts about SOAP, TLS and licence are unchanged, read over a new connection with
a new log-in. If a backup's own earlier settings are restored, the facts from that time are accepted as well.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from common.errors import Failure, Reason
from common.runtime import Runtime
from replication.model import Policy
from replication.plan import PartPlan
from replication.ports import ServerFacts, WritableServer

PAUSES = (1.0, 2.0, 4.0)
"""Seconds between attempts to log in after new settings."""
_LOOKS = 4
"""Number of steps for which time is reserved: writing, a new log-in with its calls, reading back, and one more to be
safe. Each step is assumed to take as long as reading the facts took.
"""

UNREACHABLE = frozenset(
    {
        Reason.CONNECTION_REFUSED,
        Reason.CONNECTION_FAILED,
        Reason.CONNECTION_CLOSED,
        Reason.CONNECT_TIMEOUT,
        Reason.READ_TIMEOUT,
    }
)

NO_LOG_IN = UNREACHABLE | frozenset({Reason.AUTHENTICATION_FAILED, Reason.TLS_FAILED})
"""Reasons why a log-in fails that new settings may have caused."""

_FATE_UNKNOWN = frozenset({Reason.CONNECTION_CLOSED, Reason.CONNECTION_FAILED, Reason.READ_TIMEOUT, Reason.DEADLINE})
"""Reasons after which a write may or may not have taken effect."""


@dataclass(frozen=True)
class PendingAccessProof:
    """New settings were written to a backup, and the result of the proof of access was not recorded.

    ``snapshot`` is the key of the backup's content before the write, ``facts`` are the backup's facts before the write.
    """

    snapshot: str
    facts: ServerFacts


def _changed(now: ServerFacts, *right: ServerFacts) -> str:
    """A clause that says whether SOAP and TLS, or the licence, differ from those in all of ``right``; empty if neither
    does.
    """
    if all(now.security != before.security for before in right):
        return "its answers about SOAP and TLS have changed"
    # The licence's remaining days are not compared, because they can change during the push.
    if all(replace(now.licence, days_left=0) != replace(before.licence, days_left=0) for before in right):
        return "its licence has changed"
    return ""


def suspicion(now: ServerFacts, pending_access_proof: PendingAccessProof | None) -> str:
    """The reason why a backup's settings need a review, as a clause; empty if they need none."""
    change = _changed(now, pending_access_proof.facts) if pending_access_proof else ""
    if not pending_access_proof or not change:
        return ""
    return (
        f"new settings were written to it in a run that did not finish, and since then {change}; "
        f"restore {pending_access_proof.snapshot}, or approve this if it was intended"
    )


def lock_out(reason: Reason, snapshot: str) -> str:
    """The message about a backup that lets nobody log in, although the proof of access to its new settings is pending.

    ``snapshot`` is the key of the content before.
    """
    return (
        f"new settings were written to it, access was not proved since, and a new log-in fails ({reason}); "
        f"nobody may be able to log in to this server; the settings before are in {snapshot}"
    )


@dataclass(frozen=True)
class _Complaint:
    """Why access counts as lost: a clause, and whether only the time ran out."""

    text: str
    is_late: bool = False


@dataclass(frozen=True)
class SettingsWrite:
    """Writes the settings of one backup.

    ``facts`` are the server's facts before the write. ``then`` are the facts from the time of the snapshot that is
    restored, None for any other source. ``pace`` is how many seconds reading the facts took, as a measure of the
    server's speed.
    """

    server: WritableServer
    policy: Policy
    facts: ServerFacts
    then: ServerFacts | None
    pace: float
    runtime: Runtime

    def write(self, part: PartPlan, written: Callable[[], None]) -> None:
        """Write the settings and prove that access still works. ``written`` is called when the server has acknowledged
        the write.

        Raises Failure. DEADLINE: nothing was written, or the write was undone, or it is unknown whether the write took
        effect, and log-in works. MACHINE_VALUES_CHANGED: the write was undone, which was verified by reading back.
        ROLLBACK_NOT_EFFECTIVE: log-in works, but reading back did not show the old settings. ACCESS_LOST: undoing the
        write did not help.
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
        """Undo the write, and raise the Failure that describes the result."""
        try:
            part.part.write(self.server, part.desired, part.own, self.policy)
            still = self._complaint(self.facts)
        except Failure as failure:
            still = _Complaint(str(failure.reason))
        if still:
            raise self._failure(
                Reason.ACCESS_LOST,
                f"after the new settings {complaint.text}, and restoring the old ones did not help ({still.text}); "
                "nobody may be able to log in to this server",
            )
        self._read_back(part, complaint)
        reason = Reason.DEADLINE if complaint.is_late else Reason.MACHINE_VALUES_CHANGED
        raise self._failure(reason, f"after the new settings {complaint.text}; the old ones were restored")

    def _read_back(self, part: PartPlan, complaint: _Complaint) -> None:
        """Raise Failure(ROLLBACK_NOT_EFFECTIVE) unless the server has the same content as before the push."""
        try:
            same = part.part.same(part.part.read(self.server), part.own, self.policy)
            seen = "has other content than before"
        except Failure as failure:
            same, seen = False, f"cannot be read back ({failure.reason})"
        if not same:
            raise self._failure(
                Reason.ROLLBACK_NOT_EFFECTIVE,
                f"after the new settings {complaint.text}; the old ones were written back, but the server {seen}",
            )

    def _complaint(self, *right: ServerFacts) -> _Complaint | None:
        """The complaint if the facts match none of ``right``; None if access works."""
        try:
            change = _changed(self._facts_again(), *right)
        except Failure as failure:
            if failure.reason is Reason.DEADLINE:
                return _Complaint("no new log-in succeeded in time", is_late=True)
            return _Complaint(f"a new log-in fails ({failure.reason})")
        return _Complaint(change) if change else None

    def _facts_again(self) -> ServerFacts:
        """The facts, read over a new connection. After new settings, a server may need a moment before it answers
        again.

        If the time runs out, the failure is that of the last attempt which the server itself caused to fail.
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
