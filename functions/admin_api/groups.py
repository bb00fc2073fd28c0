"""Which group of the stack's user pool may call which operation.

API Gateway accepts every user of the pool. So the function checks the app client that the token was issued for, and the
group. An approver may do everything that an operator may, and an operator everything that a reader may. A stack without
a user pool requires signed requests, and IAM authorizes each route.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from admin_api.problems import Problem, Refused
from common.errors import Reason


class Group(IntEnum):
    """The permission levels, from the lowest to the highest."""

    READER = 1
    OPERATOR = 2
    APPROVER = 3

    @property
    def label(self) -> str:
        """The last part of the group's name in the user pool."""
        return self.name.lower()


GROUP_OF: Mapping[str, Group] = {
    "getHealth": Group.READER,
    "getOpenApi": Group.READER,
    "getPrimary": Group.READER,
    # The choice of the primary decides the content of all servers, and added content needs no approval.
    "putPrimary": Group.APPROVER,
    "changePrimary": Group.APPROVER,
    "checkPrimary": Group.OPERATOR,
    "promoteBackup": Group.APPROVER,
    "resumePrimary": Group.APPROVER,
    "listStates": Group.READER,
    "compareStates": Group.READER,
    "getSyncSettings": Group.READER,
    "changeSyncSettings": Group.APPROVER,
    "putSyncSettings": Group.APPROVER,  # limits and approval_by_another decide what waits for an approval
    "lookAtServer": Group.OPERATOR,
    "listBackups": Group.READER,
    "registerBackup": Group.OPERATOR,
    "importBackups": Group.OPERATOR,
    "getBackup": Group.READER,
    "changeBackup": Group.OPERATOR,
    "deleteBackup": Group.OPERATOR,
    "checkBackup": Group.OPERATOR,
    "getPlan": Group.READER,
    "approvePlan": Group.APPROVER,
    "pauseBackup": Group.OPERATOR,
    "resumeBackup": Group.OPERATOR,
    "getHistory": Group.READER,
    "listSnapshots": Group.READER,
    "restoreBackup": Group.OPERATOR,
    "listRuns": Group.READER,
    "startRun": Group.OPERATOR,
    "getRun": Group.READER,
}
"""The group that each operation requires, by operation id. No user of a user pool may call an operation that is missing
here.
"""


@dataclass(frozen=True)
class UserPool:
    """The user pool of a stack: the app clients whose tokens are accepted, and the prefix of its group names."""

    clients: tuple[str, ...]
    prefix: str

    def refuse_unless_permitted(self, operation: str, event: Mapping[str, Any]) -> None:
        """Raise Refused (NOT_PERMITTED) unless the owner of the token is in a group for the operation."""
        claims = ((event.get("requestContext") or {}).get("authorizer") or {}).get("claims") or {}
        if claims.get("token_use") != "id":
            raise _refused("the request has no ID token of the user pool")
        if claims.get("aud") not in self.clients:
            raise _refused("the token was made for an app client that CognitoClientIds does not list")
        demanded = GROUP_OF.get(operation)
        if demanded is None or max(self._held(claims), default=0) < demanded:
            group = self.name_of(demanded or Group.APPROVER)
            raise _refused(f"this needs the group {group} of the user pool, or one that includes it")

    def name_of(self, group: Group) -> str:
        """The name of the group in the user pool."""
        return f"{self.prefix}-{group.label}"

    def _held(self, claims: Mapping[str, Any]) -> Iterator[Group]:
        listed = claims.get("cognito:groups", ())
        names = listed.split(",") if isinstance(listed, str) else listed  # API Gateway joins the groups by commas
        return (group for group in Group if self.name_of(group) in names)


def _refused(why: str) -> Refused:
    return Refused(Problem(Reason.NOT_PERMITTED, why))
