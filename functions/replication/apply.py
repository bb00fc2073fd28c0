"""Writes a plan to a backup, part by part; reads each part back after its write, and all parts at the end.

A success reported by a write proves nothing: a part counts only if it was read back and equals what was sent. Writing
one part may change another, so all parts are read again after the last write. ``settings_write`` writes the part
``settings``, because settings can lock everybody out.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from common.errors import Failure, Reason
from common.runtime import Runtime
from replication.guards.approval import Guard
from replication.model import NOT_DONE, NOT_VERIFIED, PartName, PartOutcome, PartStatus
from replication.plan import PartPlan, Plan, changes_of
from replication.ports import WritableServer
from replication.settings_write import UNREACHABLE, SettingsWrite

_STOPS_A_BACKUP = UNREACHABLE | frozenset(
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
        Reason.PRIMARY_REPLACED,
        Reason.REGISTRATION_CHANGED,
    }
)
"""Reasons that concern the whole server: after one of them the remaining parts are not tried."""


class Push:
    """Carries out one plan on one backup. ``settings`` writes the settings, the part that can make every log-in fail.

    ``check_target`` is called before each further part is written; it raises Failure if the server must not be written
    to any more. ``guard`` decides whether a part may count as equal although the server added values to it.
    """

    def __init__(
        self,
        plan: Plan,
        server: WritableServer,
        settings: SettingsWrite,
        guard: Guard,
        runtime: Runtime,
        check_target: Callable[[], None],
    ) -> None:
        self.plan = plan
        self._guard = guard
        self._check_target = check_target
        self._server = server
        self._settings = settings
        self.runtime = runtime
        self._stopped: Failure | None = None
        self._has_begun = False
        self.pushed_at: datetime | None = None
        self.outcomes: list[PartOutcome] = []
        self.with_additions: list[PartPlan] = []

    def run(self) -> None:
        """Process all parts; the results are in ``outcomes`` and ``pushed_at``.

        ``with_additions`` has the parts to which the server added values.
        """
        for part in self.plan.parts:
            due = self._after_failures(part)
            self.outcomes.append(due.settled or self._push(due))
        if not any(outcome.status in NOT_VERIFIED for outcome in self.outcomes):
            self._look_again()

    def _look_again(self) -> None:
        """Read all parts again, except the part written last, and record a failure for each that has changed."""
        pushed = [outcome.part for outcome in self.outcomes if outcome.status is PartStatus.PUSHED]
        for place, (part, outcome) in enumerate(zip(self.plan.parts, self.outcomes, strict=True)):
            if not pushed or not outcome.fingerprints or part.name == pushed[-1]:
                continue
            try:
                self._check_same(part, outcome.fingerprints.held)
            except Failure as failure:
                message = f"read again after the last write: {failure.message}"
                self.outcomes[place] = PartOutcome(
                    part.name, PartStatus.FAILED, outcome.changes, failure.reason, message
                )
                if failure.reason in _STOPS_A_BACKUP:
                    return

    def _check_same(self, part: PartPlan, held: str) -> None:
        """Raise Failure unless the part still has the fingerprint ``held``."""
        if part.part.fingerprint(part.part.read(self._server), self.plan.policy) != held:
            raise Failure(Reason.CHANGED_DURING_PUSH, "its content was equal after its write, and has changed since")

    def _after_failures(self, part: PartPlan) -> PartPlan:
        """The plan for ``part`` after earlier parts were pushed. It writes nothing if the push was stopped, or if a
        part on which ``part`` depends was not written.
        """
        if self._stopped and not part.settled:
            is_other = self._stopped.reason in (Reason.PRIMARY_REPLACED, Reason.REGISTRATION_CHANGED)
            message = (
                "not tried: the registration or the primary has changed"
                if is_other
                else "not tried after the server failed"
            )
            return part.settled_as(PartStatus.SKIPPED, self._stopped.reason, message)
        return part.hindered({outcome.part for outcome in self.outcomes if outcome.status in NOT_DONE})

    def _push(self, part: PartPlan) -> PartOutcome:
        try:
            if self._has_begun:
                self._check_target()
            self._has_begun = True
            self._write(part)
            return self._compared(part, part.part.read(self._server))
        except Failure as failure:
            self._stopped = failure if failure.reason in _STOPS_A_BACKUP else None
            status = PartStatus.ROLLED_BACK if failure.reason is Reason.MACHINE_VALUES_CHANGED else PartStatus.FAILED
            return PartOutcome(part.name, status, part.changes, failure.reason, failure.message)

    def _write(self, part: PartPlan) -> None:
        """Write the part; after settings, also prove that access still works. Raises Failure."""
        if part.name is PartName.SETTINGS:
            self._settings.write(part, self._record_push)
        else:
            part.part.write(self._server, part.own, part.desired, self.plan.policy)
            self._record_push()

    def _record_push(self) -> None:
        self.pushed_at = self.runtime.now()

    def _compared(self, part: PartPlan, held: object) -> PartOutcome:
        """The outcome of a part's write. ``held`` is the content that was read back: the desired content, the old one,
        the desired one with values that the server added, or any other.
        """
        policy = self.plan.policy
        if part.part.same(held, part.desired, policy):
            fingerprints = part.fingerprints(held, policy)
            return PartOutcome(part.name, PartStatus.PUSHED, part.changes, fingerprints=fingerprints)
        if part.part.same(held, part.own, policy):
            message = f"it acknowledged the new {part.name}, but still has its previous content"
            return PartOutcome(part.name, PartStatus.FAILED, part.changes, Reason.WRITE_NOT_EFFECTIVE, message)
        added = part.part.additions(held, part.desired, part.own)
        if added is not None:
            with_additions = replace(part, own=held, desired=None, added_to=part.desired)
            self.with_additions.append(with_additions)
            fingerprints = part.fingerprints(held, policy)
            if block := self._guard.block_of_additions(with_additions, policy):
                return PartOutcome(
                    part.name, PartStatus.BLOCKED, part.changes, block.reason, block.message, fingerprints
                )
            message = f"the server added {added} values of its own"
            return PartOutcome(part.name, PartStatus.PUSHED, part.changes, message=message, fingerprints=fingerprints)
        left = changes_of(replace(part, own=held))
        message = (
            f"it acknowledged the new {part.name}, but its content now differs from what was sent "
            f"({len(left.added)} missing, {len(left.changed)} changed, {len(left.removed)} added by the server)"
        )
        return PartOutcome(part.name, PartStatus.FAILED, part.changes, Reason.WRITE_NOT_EFFECTIVE, message)
