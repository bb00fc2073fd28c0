"""The parameters for connecting to one server, and the reply limits of its operations."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cerberus.address_policy import AddressPolicy, checked_host
from cerberus.same_server import Address
from cerberus.tls import SystemRoots, Trust
from common import budgets
from common.budgets import AccountSizes, Budget
from common.errors import Failure, Reason

MAX_PORT = 65535

USERS, GROUPS = "GetProfiles", "GetGroups"
_OTHERS: Mapping[str, Budget] = {
    **dict.fromkeys(
        (
            "GetAuthenticationList",
            "GetAutoBlockList",
            "GetConfiguration",
            "GetEventRules",
            "GetIPBlockList",
            "GetRequestedAccounts",
        ),
        budgets.ONE_DOCUMENT,
    ),
    **dict.fromkeys(("GetUserList", "GetGroupList", "GetMimeMappings"), budgets.TYPED_LIST),
}


@dataclass(frozen=True)
class Timeouts:
    """Time-outs in seconds. ``connect`` limits the TCP connection to one address, and then the TLS handshake. ``read``
    limits the wait for the next bytes of a reply.
    """

    connect: float = 10.0
    read: float = 60.0


@dataclass(frozen=True)
class OperationBudgets:
    """The reply limits for one server.

    ``reply_limit`` is the maximum size of every reply in bytes. For a backup, ``beside`` has the sizes of the primary's
    lists of users and groups, which limit the backup's lists. For the primary, ``beside`` is None, and ``room`` is the
    memory in bytes for its lists; None means no limit.
    """

    reply_limit: int = 256 * budgets.MEGABYTE
    beside: AccountSizes | None = None
    room: int | None = None

    def of(self, operation: str) -> Budget:
        """The budget of a reply to an operation."""
        budget = self._of(operation)
        return Budget(min(budget.reply, self.reply_limit), budget.document, budget.tree)

    def _of(self, operation: str) -> Budget:
        if operation not in (USERS, GROUPS):
            return _OTHERS.get(operation, budgets.TYPED)
        if self.beside is None:
            return budgets.of_primary(self.room)
        if operation == USERS:
            return budgets.beside_primary(budgets.USERS, self.beside.users)
        return budgets.beside_primary(budgets.GROUPS, self.beside.groups)


@dataclass(frozen=True)
class Endpoint:
    """The parameters for one registered server. Its repr shows neither user name nor password.

    ``label`` is its name in messages. ``budgets`` limit the replies of each operation. ``wsdl`` is a WSDL file of the
    server's own version, None for the shipped one. ``not_at`` is the primary's address if this server is a backup: no
    connection may go there. Raises Failure(REGISTRATION_INVALID) for an invalid host or port.
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
