"""Decides which principals are certainly different people.

A request names its signer: an ARN, or the subject of a token of a user pool. One person can have several principals. So
principals that may belong to one person count as one person, and a principal that anybody may use counts as nobody:

    IAM user                    its name, in any account, ignoring case
    session of a personal role  its session name, which is the name of its IAM user
    session of another role     the role, because the user of the role chooses the session's name
    subject of a user pool      the subject
    anything else               nobody: the root user, a federated session, an unknown form

Only two names of the same directory (IAM, or one user pool) count as two people. Names in two different directories may
belong to the same person.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from common.patterns import Whole
from registry.fleet_records import SyncSettings
from registry.run_records import Approval

_IAM = "iam"
_USER = Whole(r"arn:aws[a-z-]*:iam::[0-9]{12}:user/(?:[^/\s]++/)*+([^/\s]+)")
_SESSION = Whole(r"arn:aws[a-z-]*:sts::([0-9]{12}):assumed-role/([^/\s]+)/([^/\s]+)")
_SUBJECT = Whole(r"(https://[^#\s]+)#([^#\s]+)")
ROLE_PATTERN = r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/([!-.0-~]+/)*[A-Za-z0-9_+=,.@-]{1,64}$"
"""A pattern for the ARN of a role. The ARN of a session omits the role's path, and role names are unique without the
path.
"""
_ROLE = Whole(r"arn:aws[a-z-]*:iam::([0-9]{12}):role/(?:[^/\s]++/)*+([^/\s]+)")


@dataclass(frozen=True)
class Person:
    """A person who is certainly different from every other person of the same directory."""

    directory: str
    name: str


def person_of(principal: str, personal_roles: Iterable[str]) -> Person | None:
    """The person behind a request's principal, None if anybody may use that principal.

    ``personal_roles`` are the ARNs of roles whose trust policy sets the session name to the name of the IAM user. The
    comparison ignores case: IAM has no two names that differ only in case, and some policies ignore case.
    """
    folded = principal.casefold()
    if user := _USER.fullmatch(folded):
        return Person(_IAM, user[1])
    if session := _SESSION.fullmatch(folded):
        account, role, name = session.groups()
        personal = {match.groups() for one in personal_roles if (match := _ROLE.fullmatch(one.casefold()))}
        return Person(_IAM, name if (account, role) in personal else f"{account}/{role}")
    if subject := _SUBJECT.fullmatch(folded):
        return Person(subject[1], subject[2])
    return None


def are_two_people(principals: Iterable[str], personal_roles: Iterable[str]) -> bool:
    """Whether at least two of the principals are certainly different people."""
    roles = tuple(personal_roles)
    people = {person for principal in principals if (person := person_of(principal, roles))}
    return len(people) > len({person.directory for person in people})


def is_agreed(approval: Approval, settings: SyncSettings) -> bool:
    """Whether enough people have given an approval, by the current settings."""
    if not settings.approval_by_another:
        return True
    return are_two_people((approval.approved_by, *approval.agreed), settings.personal_roles)
