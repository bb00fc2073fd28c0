"""One replication as it is asked for, and the one way to its plan, for a run, the API and the command line."""

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
"""Raises Failure unless a server may be written to; returns warnings, one sentence each."""


@dataclass(frozen=True)
class Restore:
    """What is different when a backup gets back what was there before.

    ``check`` is asked instead of the comparison with the primary; it is given
    what the server says of itself, its address and the name for messages.
    ``pause`` is called when the backup holds it already: from then on no run may
    undo the restore. Where there is something to write, ``begin`` of ``replicate`` pauses it.
    ``then`` is what the backup said of itself when it held what it gets back,
    None where that was not its own.
    """

    check: Check
    pause: Callable[[], None] = lambda: None
    then: ServerFacts | None = None


@dataclass(frozen=True)
class ReplicationJob:
    """What one backup is to be made equal to, and what holds for it, gathered before the backup is asked anything.

    ``guard`` says what must not go through before somebody has approved it. ``previous`` is what was seen of the
    backup's parts when they were last found equal; ``pending_access_proof`` is set when settings were written whose
    proof was not heard of. With ``write`` False nothing is written and differences are only named. With ``restore``
    the ``primary`` is an earlier state, of the primary or of the backup itself (``Policy.exact``): it goes through
    whole or not at all, and what is verified is not that the backup is equal to the primary.
    """

    primary: PrimaryState
    policy: Policy
    guard: Guard
    previous: Mapping[PartName, PartFingerprints] = field(default_factory=dict)
    pending_access_proof: PendingAccessProof | None = None
    write: bool = True
    restore: Restore | None = None

    def plan(self, server: ReadableServer, facts: ServerFacts) -> tuple[Plan, tuple[str, ...]]:
        """Read the backup, which says ``facts`` of itself: a plan that no guard has judged yet, and warnings.

        Raises Failure when it may not be written to, and when it cannot be read or understood.
        """
        check = self.restore.check if self.restore else partial(check_backup, self.primary.facts, self.primary.address)
        warnings = check(facts, server.address, server.label)
        # A restore is what mends settings that nobody has proved.
        suspect = "" if self.restore else suspicion(facts, self.pending_access_proof)
        return make_plan(self.primary, server, facts.features, self.policy, self.previous, suspect), warnings


def exact_policy(state: PrimaryState, *, auto_block_list: bool) -> Policy:
    """To give a backup back its own earlier state: what is in it, all of it, and nothing else.

    ``auto_block_list`` says whether the list of automatically blocked addresses goes back too.
    """
    return Policy(frozenset(state.states), Rules([]), auto_block_list, exact=True, whole=True)
