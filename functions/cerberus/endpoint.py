"""Everything that is needed to reach one server."""

from dataclasses import dataclass, field
from pathlib import Path

from cerberus.address_policy import AddressPolicy, checked_host
from cerberus.operation_budgets import OperationBudgets
from cerberus.same_server import Address
from cerberus.tls import SystemRoots, Trust
from common.errors import Failure, Reason

MAX_PORT = 65535


@dataclass(frozen=True)
class Timeouts:
    """Seconds: to set up TCP and TLS to one address, and between two bytes of a reply."""

    connect: float = 10.0
    read: float = 60.0


@dataclass(frozen=True)
class Endpoint:
    """One server as registered. Its repr shows neither user name nor password.

    ``label`` is how messages name it. ``budgets`` say how much each operation may answer.
    ``wsdl`` is the file of the server's own version, None for the one shipped here.
    ``not_at`` is the primary where this is a backup: no connection goes to an address of it.
    Raises Failure(REGISTRATION_INVALID) for a host or port that cannot be one.
    """

    label: str
    host: str
    port: int
    credentials: tuple[str, str] = field(repr=False)
    addresses: AddressPolicy
    trust: Trust = field(default_factory=SystemRoots)
    timeouts: Timeouts = field(default_factory=Timeouts)
    budgets: OperationBudgets = field(default_factory=OperationBudgets)
    wsdl: Path | None = None
    not_at: Address | None = None

    def __post_init__(self) -> None:
        try:
            checked_host(self.host)
        except Failure as failure:
            raise failure.at(self.label) from None
        if not 1 <= self.port <= MAX_PORT:
            raise Failure(Reason.REGISTRATION_INVALID, f"the port is not between 1 and {MAX_PORT}", server=self.label)
