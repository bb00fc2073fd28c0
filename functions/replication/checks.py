"""What must be true before anything is written."""

from common.reasons import Failure, Reason
from replication.ports import Licence, ServerFacts


def check_primary(facts: ServerFacts, label: str) -> None:
    """Raise Failure unless the primary may be replicated from."""
    _check_licence(facts, label)


def check_backup(
    primary: ServerFacts,
    primary_address: tuple[str, int],
    backup: ServerFacts,
    backup_address: tuple[str, int],
    label: str,
) -> tuple[str, ...]:
    """Raise Failure unless the backup may be written to; return warnings, one sentence each.

    The order is by harm: writing to the primary itself would be the worst.
    """
    _check_other_server(primary, primary_address, backup, backup_address, label)
    if backup.version != primary.version:
        raise Failure(
            Reason.VERSION_MISMATCH,
            f"it runs version {backup.version}, the primary runs {primary.version}",
            server=label,
        )
    _check_licence(backup, label)
    _check_own_licence(primary.licence, backup.licence, label)
    if not backup.security.soap_secure:
        raise Failure(Reason.SOAP_NOT_SECURE, "it reports that its SOAP access is not secure", server=label)
    return _warnings(primary, backup)


def _check_licence(facts: ServerFacts, label: str) -> None:
    if not facts.licence.valid:
        raise Failure(Reason.LICENCE_INVALID, "its licence is not valid", server=label)
    if not facts.features.server_sync:
        edition = facts.licence.edition or "unknown"
        raise Failure(
            Reason.EDITION_WITHOUT_SYNC,
            f"its edition ({edition}) does not offer server synchronization",
            server=label,
        )


def _check_other_server(
    primary: ServerFacts,
    primary_address: tuple[str, int],
    backup: ServerFacts,
    backup_address: tuple[str, int],
    label: str,
) -> None:
    if _folded(primary_address) == _folded(backup_address):
        raise Failure(Reason.SAME_AS_PRIMARY, "it is registered with the primary's own address", server=label)
    same_name = primary.hostname.casefold() == backup.hostname.casefold()
    if same_name and primary.licence == backup.licence:
        raise Failure(
            Reason.SAME_AS_PRIMARY,
            "it has the primary's host name and licence: this address leads to the primary itself",
            server=label,
        )


def _folded(address: tuple[str, int]) -> tuple[str, int]:
    return address[0].casefold().rstrip("."), address[1]


def _check_own_licence(primary: Licence, backup: Licence, label: str) -> None:
    """Refuse a licence that was cloned together with the machine.

    The SOAP API does not show the key. A licence with the same holder that was
    issued and installed at the very same times is the same one; the same
    holder and time of issue alone can be two keys of one order.
    """
    if primary.issued and primary.installed and _origin(primary) == _origin(backup):
        raise Failure(
            Reason.LICENCE_SHARED,
            "its licence was issued and installed at the same times as the primary's",
            server=label,
        )


def _origin(licence: Licence) -> tuple[str, str, int, int]:
    return licence.name, licence.company, licence.issued, licence.installed


def _warnings(primary: ServerFacts, backup: ServerFacts) -> tuple[str, ...]:
    warnings = []
    if primary.licence.issued and _origin(primary.licence)[:3] == _origin(backup.licence)[:3]:
        warnings.append("The licence has the same holder and time of issue as the primary's; make sure it is its own.")
    if primary.features != backup.features:
        warnings.append("The edition offers other features than the primary's.")
    return tuple(warnings)
