"""The requirements that must be met before anything is written.

A run stops at the first unmet requirement (``check_primary``, ``check_backup``); a check of a registration shows all of
them (``examine_primary``, ``examine_backup``).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from common.errors import Failure, Reason, contained
from common.hosts import canonical_host
from replication.model import Policy
from replication.parts.base import Document
from replication.parts.settings import Settings
from replication.ports import Content, Licence, ServerFacts

type ServerAddress = tuple[str, int]

KEEP_PATTERNS = "keep_patterns"
"""The name of the requirement that every keep pattern added by people matches something."""
COMPARED = ("not_the_primary", "same_version", "own_licence", "same_features")
"""Requirements on a backup that depend on the primary."""


@dataclass(frozen=True)
class Finding:
    """The result for one requirement: it is met if there is no ``failure``; ``warnings`` are sentences."""

    requirement: str
    failure: Failure | None = None
    warnings: tuple[str, ...] = ()


def examine_primary(facts: ServerFacts, label: str) -> tuple[Finding, ...]:
    """The requirements on a primary."""
    return tuple(_named(label, _licence_and_edition(facts)))


def examine_backup(
    primary: ServerFacts,
    primary_address: ServerAddress,
    backup: ServerFacts,
    backup_address: ServerAddress,
    label: str,
) -> tuple[Finding, ...]:
    """The requirements on a backup, ordered by harm: writing to the primary itself would be the worst."""
    return tuple(
        _named(
            label,
            [
                Finding(
                    "not_the_primary", _same_address(primary_address, backup_address) or same_server(primary, backup)
                ),
                Finding("same_version", _same_version(primary, backup)),
                *_licence_and_edition(backup),
                Finding(
                    "own_licence",
                    _own_licence(primary.licence, backup.licence),
                    _warnings_of(label, lambda: _licence_warnings(primary.licence, backup.licence)),
                ),
                Finding("secure_soap", _secure_soap(backup)),
                Finding("same_features", warnings=_warnings_of(label, lambda: _feature_warnings(primary, backup))),
            ],
        )
    )


def examine_rules(policy: Policy, primary: Content, backup: Content) -> Finding:
    """Whether every keep pattern added by people matches something in the settings of two servers."""
    held, own = (Document(content, "settings", "") for content in (primary, backup))
    try:
        return Finding(KEEP_PATTERNS, warnings=Settings().warnings(held, own, policy))
    except Failure as failure:
        return Finding(KEEP_PATTERNS, failure)


def check_restored(
    before: ServerFacts,
    primary: ServerFacts | None,
    primary_address: ServerAddress,
    backup: ServerFacts,
    backup_address: ServerAddress,
    label: str,
) -> tuple[str, ...]:
    """Raise Failure unless the backup may receive its own earlier state; return warnings as sentences.

    ``before`` has the backup's facts at the time of that state. The backup must still have the same host name, major
    version and edition. It must not be the primary: ``primary`` has the primary's facts at that time, None if unknown,
    and ``primary_address`` is the present primary's address.
    """
    made = [
        Finding(
            "not_the_primary",
            _same_address(primary_address, backup_address) or (same_server(primary, backup) if primary else None),
        ),
        Finding("same_server", _other_machine(before, backup)),
        Finding(
            "same_version",
            _incompatible(before, backup),
            _warnings_of(label, lambda: _version_warnings(before, backup)),
        ),
        # The other requirements only lead to warnings, because the restore may be the way to meet them again.
        *(
            _as_warning(finding)
            for finding in (*_licence_and_edition(backup), Finding("secure_soap", _secure_soap(backup)))
        ),
    ]
    return _warnings_unless_failed(tuple(_named(label, made)))


def check_primary(facts: ServerFacts, label: str) -> None:
    """Raise Failure unless replication from the primary is permitted."""
    _warnings_unless_failed(examine_primary(facts, label))


def check_backup(
    primary: ServerFacts,
    primary_address: ServerAddress,
    backup: ServerFacts,
    backup_address: ServerAddress,
    label: str,
) -> tuple[str, ...]:
    """Raise Failure unless the backup may be written to; return warnings as sentences."""
    return _warnings_unless_failed(examine_backup(primary, primary_address, backup, backup_address, label))


def _warnings_unless_failed(findings: tuple[Finding, ...]) -> tuple[str, ...]:
    """The warnings of all requirements. Raises the Failure of the first unmet requirement."""
    for finding in findings:
        if finding.failure:
            raise finding.failure
    return tuple(warning for finding in findings for warning in finding.warnings)


def _named(label: str, findings: Iterable[Finding]) -> Iterator[Finding]:
    for finding in findings:
        yield Finding(finding.requirement, finding.failure.at(label) if finding.failure else None, finding.warnings)


def _warnings_of(label: str, find: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
    """The warnings of a requirement; if computing them fails, a warning that says so."""
    return contained(find, lambda defect: (str(defect.of("a warning about the server", label)),))


def _as_warning(finding: Finding) -> Finding:
    message = finding.failure.message if finding.failure else ""
    return Finding(finding.requirement, warnings=(f"{message[0].upper()}{message[1:]}.",) if message else ())


def _licence_and_edition(facts: ServerFacts) -> list[Finding]:
    edition = facts.licence.edition or "unknown"
    without = f"its edition ({edition}) does not offer server synchronization"
    return [
        Finding("valid_licence", _unless(facts.licence.valid, Reason.LICENCE_INVALID, "its licence is not valid")),
        Finding("edition_with_sync", _unless(facts.features.server_sync, Reason.EDITION_WITHOUT_SYNC, without)),
    ]


def _unless(is_met: bool, reason: Reason, message: str) -> Failure | None:
    return None if is_met else Failure(reason, message)


def _same_address(primary: ServerAddress, backup: ServerAddress) -> Failure | None:
    is_same = primary[1] == backup[1] and canonical_host(primary[0]) == canonical_host(backup[0])
    return _unless(not is_same, Reason.SAME_AS_PRIMARY, "it is registered with the primary's own address")


def same_server(primary: ServerFacts, backup: ServerFacts) -> Failure | None:
    """The failure for a backup that is the primary itself, because it has the same host name and licence. None if it is
    another server.
    """
    same_name = primary.hostname.casefold() == backup.hostname.casefold()
    return _unless(
        not (same_name and _origin(primary.licence) == _origin(backup.licence)),
        Reason.SAME_AS_PRIMARY,
        "it has the primary's host name and licence: this address leads to the primary itself",
    )


def _same_version(primary: ServerFacts, backup: ServerFacts) -> Failure | None:
    message = f"it runs version {backup.version}, the primary runs {primary.version}"
    return _unless(backup.version == primary.version, Reason.VERSION_MISMATCH, message)


def _other_machine(before: ServerFacts, now: ServerFacts) -> Failure | None:
    """Reject a machine whose host name is not that of the snapshot's machine. The restore would give it the
    certificates and settings of the snapshot's machine.
    """
    return _unless(
        before.hostname.casefold() == now.hostname.casefold(),
        Reason.SNAPSHOT_UNFIT,
        "the server that answers now has another host name than the one the snapshot is of",
    )


def _incompatible(before: ServerFacts, now: ServerFacts) -> Failure | None:
    if before.version.major != now.version.major:
        return Failure(
            Reason.SNAPSHOT_UNFIT, f"the snapshot is of version {before.version}, the server runs {now.version}"
        )
    is_same = before.features.edition_code == now.features.edition_code
    return _unless(is_same, Reason.SNAPSHOT_UNFIT, "the snapshot is of another edition than the server has now")


def _version_warnings(before: ServerFacts, now: ServerFacts) -> tuple[str, ...]:
    if before.version == now.version:
        return ()
    return (f"It ran version {before.version} then and runs {now.version} now; compare the plan with care.",)


def _own_licence(primary: Licence, backup: Licence) -> Failure | None:
    """Reject a licence that was cloned together with the machine.

    The SOAP API does not reveal licence keys. Two licences with the same holder and the same times of issue and
    installation are the same licence. If only holder and time of issue agree, they can be two licences of one order.
    """
    return _unless(
        not (primary.issued and primary.installed and _origin(primary) == _origin(backup)),
        Reason.LICENCE_SHARED,
        "its licence was issued and installed at the same times as the primary's",
    )


def _origin(licence: Licence) -> tuple[str, str, int, int]:
    """The attributes of a licence that do not change while it is in use."""
    return licence.name, licence.company, licence.issued, licence.installed


def _licence_warnings(primary: Licence, backup: Licence) -> tuple[str, ...]:
    if not (primary.issued and _origin(primary)[:3] == _origin(backup)[:3]):
        return ()
    return ("The licence has the same holder and time of issue as the primary's; make sure it is its own.",)


def _secure_soap(facts: ServerFacts) -> Failure | None:
    return _unless(facts.security.soap_secure, Reason.SOAP_NOT_SECURE, "it reports that its SOAP access is not secure")


def _feature_warnings(primary: ServerFacts, backup: ServerFacts) -> tuple[str, ...]:
    if primary.features == backup.features:
        return ()
    return ("The edition offers other features than the primary's.",)
