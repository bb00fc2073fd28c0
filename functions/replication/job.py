"""The inputs of one replication. Runs, the API and the command line all make their plans from them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from replication.documents.keep_patterns import Rules
from replication.guards.approval import Guard
from replication.guards.preflight import ServerAddress, check_backup
from replication.model import PartFingerprints, PartName, Policy, PrimaryState
from replication.plan import Plan, make_plan
from replication.ports import ReadableServer, ServerFacts
from replication.settings_write import PendingAccessProof, suspicion

type Check = Callable[[ServerFacts, ServerAddress, str], tuple[str, ...]]
"""A function that raises Failure unless a server may be written to, and returns warnings as sentences."""


@dataclass(frozen=True)
class Restore:
    """Everything in which a restore to one backup works differently from a replication. Record 54 lists what differs in
    the run.

    ``check`` replaces the comparison with the primary; it receives the server's facts, its address and its name for
    messages. ``pause`` pauses the backup, so that no run reverts the restore; it is called if the backup already has
    the content to restore. Otherwise the argument ``begin`` of ``replicate`` pauses the backup. ``then`` has the
    backup's facts at the time of its snapshot; None if no snapshot of this backup is restored.
    """

    check: Check
    pause: Callable[[], None] = lambda: None
    then: ServerFacts | None = None


@dataclass(frozen=True)
class ReplicationJob:
    """The content and the policy for one backup. Everything in it is known before the backup is contacted.

    ``source`` is the state to apply: the primary's state or, with ``restore``, an earlier state of the primary or of
    the backup itself (``Policy.exact``). An earlier state is applied completely or not at all, and the result is not
    verified as equal to the primary. ``guard`` decides what must not be written without an approval. ``previous`` has
    the fingerprints of the backup's parts when they were last equal; ``pending_access_proof`` is set if settings were
    written and the proof of access was not recorded. With ``write`` False nothing is written and differences are only
    listed.
    """

    source: PrimaryState
    policy: Policy
    guard: Guard
    previous: Mapping[PartName, PartFingerprints] = field(default_factory=dict)
    pending_access_proof: PendingAccessProof | None = None
    write: bool = True
    restore: Restore | None = None

    def plan(self, server: ReadableServer, facts: ServerFacts) -> tuple[Plan, tuple[str, ...]]:
        """Read the backup, which reported ``facts``; return a plan without the guards' decisions, and warnings.

        Raises Failure if the backup may not be written to, cannot be read, or has unreadable content.
        """
        check = self.restore.check if self.restore else partial(check_backup, self.source.facts, self.source.address)
        warnings = check(facts, server.address, server.label)
        # Settings without a proof of access do not stop a restore, because a restore repairs them.
        suspect = "" if self.restore else suspicion(facts, self.pending_access_proof)
        return make_plan(self.source, server, facts.features, self.policy, self.previous, suspect), warnings


def exact_policy(state: PrimaryState, *, auto_block_list: bool) -> Policy:
    """The policy for restoring a backup's own earlier state: all of its content and nothing else.

    ``auto_block_list`` says whether the list of automatically blocked addresses is restored too.
    """
    return Policy(frozenset(state.states), Rules([]), auto_block_list, exact=True, whole=True)
