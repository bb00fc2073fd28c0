"""What a server held before, as a source to replicate from."""

from collections.abc import Mapping

from common.errors import Failure, Reason
from replication.documents.keep_patterns import Rules
from replication.model import PartName, Policy, PrimaryState
from replication.parts import PARTS
from replication.ports import ServerFacts


def earlier_state(dumps: Mapping[str, str], facts: ServerFacts, address: tuple[str, int], label: str) -> PrimaryState:
    """The state that ``dumps`` are of, by the parts' names; ``facts`` is what the server said of itself then.

    ``label`` names it in messages. How many users and settings there are is not
    counted: nothing is compared with it. Raises Failure(SNAPSHOT_UNREADABLE)
    for a part that is not known or cannot be understood.
    """
    unknown = set(dumps) - set(PartName)
    if unknown:
        raise Failure(
            Reason.SNAPSHOT_UNREADABLE, f"it holds a part that is not known here: {min(unknown)}", server=label
        )
    states: dict[PartName, object] = {}
    for part in PARTS:
        if part.name in dumps:
            try:
                state = part.load(dumps[part.name], label)
                part.validate(state)
            except (ValueError, KeyError, TypeError, AttributeError, Failure):  # the text would quote the content
                raise Failure(
                    Reason.SNAPSHOT_UNREADABLE, f"what it holds of {part.name} cannot be understood", server=label
                ) from None
            states[part.name] = state
    return PrimaryState(label, address, facts, states, users=0, groups=0)


def exact_policy(state: PrimaryState, *, auto_block_list: bool) -> Policy:
    """To give a backup back its own earlier state: what is in it, all of it, and nothing else.

    ``auto_block_list`` says whether the list of automatically blocked addresses goes back too.
    """
    return Policy(frozenset(state.states), Rules([]), auto_block_list, exact=True, whole=True)
