"""How much each operation of one server may answer."""

from collections.abc import Mapping
from dataclasses import dataclass

from common import budgets
from common.budgets import AccountSizes, Budget

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
class OperationBudgets:
    """The budgets of one server.

    ``reply_limit`` bounds every reply, in bytes. ``beside`` are the sizes of the primary's lists where the server is a
    backup of it. ``room`` is what the process has for the lists of any other server, None for as much as it wants.
    """

    reply_limit: int = 256 * budgets.MEGABYTE
    beside: AccountSizes | None = None
    room: int | None = None

    def of(self, operation: str) -> Budget:
        """What one reply to an operation may cost."""
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
