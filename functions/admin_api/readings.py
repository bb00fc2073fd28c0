"""One answer at a time for which a server is read: whoever may only look must not keep servers busy."""

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta

from admin_api.dependencies import Services
from admin_api.problems import Problem, Refused
from common.errors import Reason
from registry.fleet_records import Backup, Primary, address_key

LONGEST = timedelta(seconds=29)
"""How long a claim lasts if its function dies: API Gateway waits no longer for an answer."""

_SOON = 5
"""Seconds after which it is worth asking again: most answers take no longer."""


@contextmanager
def reading(services: Services, *servers: Primary | Backup | None) -> Iterator[None]:
    """Have these servers for oneself inside the block. Raises Refused(PLAN_UNDER_WAY) when one is being read."""
    by_address = {address_key(server.host, server.port): server for server in servers if server}
    with ExitStack() as claims:
        for address, server in by_address.items():
            claims.enter_context(_claimed(address, f"{server.host}:{server.port}", services))
        yield


@contextmanager
def _claimed(address: str, name: str, services: Services) -> Iterator[None]:
    claim, now = services.runtime.new_token(), services.runtime.now()
    ends_at = services.store.begin_reading(address, claim, now=now, until=now + LONGEST)
    if ends_at:
        seconds = min(_SOON, max(1, math.ceil((ends_at - now).total_seconds())))
        why = f"{name} is being read for another plan or comparison"
        raise Refused(Problem(Reason.PLAN_UNDER_WAY, why, headers={"Retry-After": str(seconds)}))
    try:
        yield
    finally:
        services.store.end_reading(address, claim)
