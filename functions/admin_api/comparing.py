"""How a kept state of the primary differs from another one, or from what the primary holds now."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import NoReturn

from admin_api.dependencies import Services
from admin_api.plans import PLAN_SECONDS, PLANNING_CONNECT_SECONDS, bounded_details
from admin_api.schemas import DifferenceView, PlannedPartView
from admin_api.timeouts import in_time
from common.deadline import Deadline
from common.errors import Failure, Reason
from fleet.primary import Source
from fleet.servers import CerberusServers
from registry.snapshots import primary_key
from replication.model import PartName
from replication.plan_text import render_difference
from replication.primary import dump
from replication.state_diff import compared


def difference_of(digest: str, other: str | None, services: Services) -> DifferenceView:
    """What leads from the state with this digest to the other one, None for what the primary holds now.

    Raises Failure: SNAPSHOT_MISSING, what the primary lacks, and
    COMPARISON_TOO_SLOW when it takes longer than somebody waits for an answer.
    """
    return in_time(partial(_difference, digest, other, services), PLAN_SECONDS, _too_slow)


def _too_slow() -> NoReturn:
    raise Failure(Reason.COMPARISON_TOO_SLOW, f"there was no answer within {PLAN_SECONDS:.0f} seconds")


def _difference(digest: str, other: str | None, services: Services, deadline: Deadline) -> DifferenceView:
    before = services.snapshots.load(primary_key(digest)).held.parts
    after = services.snapshots.load(primary_key(other)).held.parts if other else _now(before, services, deadline)
    found = bounded_details(compared(before, after))
    return DifferenceView.model_validate(
        {
            "before": digest,
            "after": other,
            "made_at": services.now(),
            "parts": [PlannedPartView.model_validate(part.to_json()) for part in found.parts],
            "text": render_difference(found, f"state {digest}", f"state {other}" if other else "what it holds now"),
        }
    )


def _now(parts: Mapping[str, str], services: Services, deadline: Deadline) -> Mapping[str, str]:
    """What the primary holds of these parts at this moment."""
    stored = services.store.settings()
    settings = replace(stored, connect_timeout=min(stored.connect_timeout, PLANNING_CONNECT_SECONDS))
    servers = CerberusServers(services.addresses, services.wsdl)
    source = Source(services.store, services.credentials, servers, services.stack_primary)
    names = [name for name in PartName if name in parts]
    return dump(source.read(names, settings, deadline, accept_empty=True))
