"""Writing a plan to a backup, part by part, and looking again after each.

A writer's "true" proves nothing: a part counts only when it was read back and
is what was sent. After ``settings`` the way in is proved as well, because that
is the part that can lock everybody out: the typed answers about SOAP, TLS and
licence must be what they were, over a new connection with a new log-in. If
they are not, the part is put back at once. Where a backup gets its own earlier
settings back, what it said of itself when it held them is as right.
"""

from dataclasses import replace
from datetime import datetime

from common.errors import Failure, Reason
from common.runtime import Runtime
from replication.access_proof import changed
from replication.model import NOT_DONE, PartName, PartOutcome, PartStatus
from replication.plan import PartPlan, Plan
from replication.plan_items import changes_of
from replication.ports import ServerFacts, WritableServer

PAUSES = (1.0, 2.0, 4.0)
"""Seconds between attempts to log in again after new settings."""

_UNREACHABLE = frozenset(
    {
        Reason.CONNECTION_REFUSED,
        Reason.CONNECTION_FAILED,
        Reason.CONNECTION_CLOSED,
        Reason.CONNECT_TIMEOUT,
        Reason.READ_TIMEOUT,
    }
)

_FATE_UNKNOWN = frozenset({Reason.CONNECTION_CLOSED, Reason.CONNECTION_FAILED, Reason.READ_TIMEOUT})
"""Reasons after which a write may or may not have been done."""

_STOPS_A_BACKUP = _UNREACHABLE | frozenset(
    {
        Reason.NAME_NOT_RESOLVED,
        Reason.ADDRESS_FORBIDDEN,
        Reason.CERTIFICATE_UNTRUSTED,
        Reason.CERTIFICATE_PIN_MISMATCH,
        Reason.TLS_FAILED,
        Reason.AUTHENTICATION_FAILED,
        Reason.DEADLINE,
        Reason.ACCESS_LOST,
        Reason.MACHINE_VALUES_CHANGED,
        Reason.ROLLBACK_NOT_EFFECTIVE,
    }
)
"""Reasons that concern the server as a whole: after one of them the remaining parts are not tried."""


class Push:
    """One plan on its way to one backup. ``facts`` are what the server said of itself before.

    ``then`` is what it said of itself when it held what is put back, None where nothing of its own is.
    """

    def __init__(
        self,
        plan: Plan,
        server: WritableServer,
        facts: ServerFacts,
        runtime: Runtime,
        then: ServerFacts | None = None,
    ) -> None:
        self._plan = plan
        self._server = server
        self._facts = facts
        self._right = (facts, then) if then else (facts,)
        self._runtime = runtime
        self._stopped: Failure | None = None
        self.pushed_at: datetime | None = None
        self.outcomes: list[PartOutcome] = []

    def run(self) -> None:
        """Go through all parts; ``outcomes`` and ``pushed_at`` tell what came of it."""
        for part in self._plan.parts:
            due = self._after_failures(part)
            self.outcomes.append(due.settled or self._push(due))

    def _after_failures(self, part: PartPlan) -> PartPlan:
        """The part, settled where writing another one has failed and it cannot go without that."""
        if self._stopped and not part.settled:
            message = "not tried after the server failed"
            return part.settled_as(PartStatus.SKIPPED, self._stopped.reason, message)
        return part.hindered({outcome.part for outcome in self.outcomes if outcome.status in NOT_DONE})

    def _push(self, part: PartPlan) -> PartOutcome:
        try:
            self._write(part)
            return self._compared(part, part.part.read(self._server))
        except Failure as failure:
            self._stopped = failure if failure.reason in _STOPS_A_BACKUP else None
            rolled_back = failure.reason is Reason.MACHINE_VALUES_CHANGED
            status = PartStatus.ROLLED_BACK if rolled_back else PartStatus.FAILED
            return PartOutcome(part.name, status, part.changes, failure.reason, failure.message)

    def _write(self, part: PartPlan) -> None:
        """Write the part. Raises Failure; that of settings whose fate is unknown says first whether access was lost."""
        proves_access = part.name is PartName.SETTINGS
        try:
            part.part.write(self._server, part.own, part.desired, self._plan.policy)
        except Failure as failure:
            if proves_access and failure.reason in _FATE_UNKNOWN:
                self._prove_access(part)
            raise
        self.pushed_at = self._runtime.now()
        if proves_access:
            self._prove_access(part)

    def _compared(self, part: PartPlan, held: object) -> PartOutcome:
        """What the read-back says: it took, it did not, or the server keeps it in words of its own."""
        policy = self._plan.policy
        if part.part.same(held, part.desired, policy):
            fingerprints = part.fingerprints(held, policy)
            return PartOutcome(part.name, PartStatus.PUSHED, part.changes, fingerprints=fingerprints)
        if part.part.same(held, part.own, policy):
            message = f"it acknowledged the new {part.name}, but still holds what it held before"
            return PartOutcome(part.name, PartStatus.FAILED, part.changes, Reason.WRITE_NOT_EFFECTIVE, message)
        added = part.part.additions(held, part.desired, part.own)
        if added is not None:
            message = f"the server added {added} values of its own"
            fingerprints = part.fingerprints(held, policy)
            return PartOutcome(part.name, PartStatus.PUSHED, part.changes, message=message, fingerprints=fingerprints)
        left = changes_of(replace(part, own=held))
        message = (
            f"it acknowledged the new {part.name}, but what it holds now is something else "
            f"({len(left.added)} missing, {len(left.changed)} changed, {len(left.removed)} added by the server)"
        )
        return PartOutcome(part.name, PartStatus.FAILED, part.changes, Reason.WRITE_NOT_EFFECTIVE, message)

    def _prove_access(self, part: PartPlan) -> None:
        """Raise Failure when the way in has changed, after putting the part back.

        MACHINE_VALUES_CHANGED: it was put back, and read back as it was.
        ROLLBACK_NOT_EFFECTIVE: the way in is as before, the part is not.
        ACCESS_LOST: putting it back did not help.
        """
        found = self._changed_facts(*self._right)
        if not found:
            return
        try:
            part.part.write(self._server, part.desired, part.own, self._plan.policy)
            still_changed = self._changed_facts(self._facts)
        except Failure as failure:
            still_changed = str(failure.reason)
        if not still_changed:
            self._read_back_rollback(part, found)
            raise Failure(
                Reason.MACHINE_VALUES_CHANGED,
                f"after the new settings {found}; they were put back",
                server=self._server.label,
            )
        raise Failure(
            Reason.ACCESS_LOST,
            f"after the new settings {found}, and putting them back did not help ({still_changed}); "
            "nobody may be able to log in to this server",
            server=self._server.label,
        )

    def _read_back_rollback(self, part: PartPlan, found: str) -> None:
        """Raise Failure(ROLLBACK_NOT_EFFECTIVE) unless the server holds what it held before the push."""
        try:
            same = part.part.same(part.part.read(self._server), part.own, self._plan.policy)
            seen = "holds something else than before"
        except Failure as failure:
            same, seen = False, f"cannot be read back ({failure.reason})"
        if not same:
            raise Failure(
                Reason.ROLLBACK_NOT_EFFECTIVE,
                f"after the new settings {found}; they were put back, but the server {seen}",
                server=self._server.label,
            )

    def _changed_facts(self, *right: ServerFacts) -> str:
        """What of the proof of access is as in none of ``right``, in words; empty when all is."""
        try:
            return changed(self._facts_again(), *right)
        except Failure as failure:
            if failure.reason is Reason.DEADLINE:
                raise
            return f"a new log-in fails ({failure.reason})"

    def _facts_again(self) -> ServerFacts:
        """The facts over a new connection. A server may need a moment after new settings, its listener most of all."""
        for pause in PAUSES:
            try:
                return self._server.fresh_facts()
            except Failure as failure:
                if failure.reason not in _UNREACHABLE:
                    raise
            self._runtime.sleep(pause)
        return self._server.fresh_facts()
