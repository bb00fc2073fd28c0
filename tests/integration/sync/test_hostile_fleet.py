"""A fleet with one hostile backup of each kind: all others are verified in the same run, and the record is complete."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from socket import create_server
from typing import TYPE_CHECKING, Any

from local.cerberus import Kind
from local.cerberus.server import HOST
from registry.fleet_records import Backup, Credentials, TlsTrust

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.sync.conftest import Fleet

ORDINARY = tuple(f"ordinary-{number}" for number in range(1, 6))
WHOLE_SERVER = "*"


@dataclass(frozen=True)
class Hostile:
    """What a backup does, in the answers to which operation, and what its result says of it."""

    outcome: str
    kind: Kind
    operation: str = "GetProfiles"
    details: tuple[tuple[str, Any], ...] = ()


HOSTILE: dict[str, Hostile] = {
    "unending-head": Hostile("failed:reply_malformed", Kind.UNENDING_HEAD, details=(("size", 5_000_000),)),
    "unending-head-of-facts": Hostile(
        "failed:reply_too_large", Kind.UNENDING_HEAD, "GetFeatures", (("size", 5_000_000),)
    ),
    "elements": Hostile("failed:reply_too_complex", Kind.ELEMENTS, details=(("size", 3_000_000),)),
    "attributes": Hostile("failed:reply_too_complex", Kind.ATTRIBUTES, details=(("size", 400_000),)),
    "long-name": Hostile("failed:reply_too_complex", Kind.LONG_NAME),
    "long-name-of-settings": Hostile("failed:reply_too_complex", Kind.LONG_NAME, "GetConfiguration"),
    "promise": Hostile("failed:reply_too_large", Kind.PROMISE),
    "oversize": Hostile("failed:reply_too_large", Kind.OVERSIZE, details=(("size", 40_000_000),)),
    "bomb": Hostile("failed:reply_too_large", Kind.BOMB),
    "bomb-of-facts": Hostile("failed:reply_too_large", Kind.BOMB, "ServerInformation"),
    "entities": Hostile("failed:reply_forbidden_xml", Kind.ENTITIES),
    "control-character": Hostile("failed:character_forbidden", Kind.CONTROL_CHARACTER),
    "other-namespace": Hostile("failed:reply_malformed", Kind.OTHER_NAMESPACE),
    "soap-11-only": Hostile("failed:soap_version_unsupported", Kind.SOAP_11_ONLY, WHOLE_SERVER),
    "fault": Hostile("failed:soap_fault", Kind.FAULT_RECEIVER, WHOLE_SERVER),
    "page": Hostile("failed:not_soap", Kind.HTML, WHOLE_SERVER),
}
"""By the backup's id. Whoever finds another kind adds it here."""
HARMLESS = {"gzip": Kind.GZIP, "newer": Kind.NEWER_REPLY}
"""What only looks hostile: these are served like all others."""
PLAIN_HTTP = "plain-http"


def _answer_in_plain_http(fleet: Fleet) -> Callable[[], None]:
    """Register a backup whose port speaks HTTP without TLS. What is returned ends it."""
    listener = create_server((HOST, 0))

    def connections() -> Iterator[Any]:
        while True:
            try:
                yield listener.accept()[0]
            except OSError:
                return

    def serve() -> None:
        for connection in connections():
            with connection:
                connection.recv(1024)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    threading.Thread(target=serve, daemon=True).start()
    fleet.store.add_backup(Backup(PLAIN_HTTP, HOST, listener.getsockname()[1], TlsTrust(pins=("ab" * 32,))))
    fleet.registry.credentials.put(PLAIN_HTTP, Credentials("admin", "PLANTED-never-sent"))
    return listener.close


def test_every_hostile_backup_harms_itself_alone(make_fleet: Callable[..., Fleet]) -> None:
    fleet = make_fleet(*ORDINARY, *HARMLESS, *HOSTILE)
    end = _answer_in_plain_http(fleet)
    for backup_id, hostile in HOSTILE.items():
        fleet.servers[backup_id].fault(hostile.kind, hostile.operation, **dict(hostile.details))
    for backup_id, kind in HARMLESS.items():
        fleet.servers[backup_id].fault(kind)
    try:
        for run in range(2):  # the second one meets what the first has left behind
            fleet.run()
            statuses = fleet.statuses()
            served = dict.fromkeys((*ORDINARY, *HARMLESS), "in_sync")
            expected = {name: hostile.outcome for name, hostile in HOSTILE.items()}
            assert statuses == {**served, **expected, PLAIN_HTTP: "failed:tls_failed"}, run
            assert all(fleet.result(name).verified_at for name in served)
            record = fleet.store.run(fleet.reports[-1].run.id)
            assert record is not None
            assert (record.status, sum(record.counts.values())) == ("partial", len(statuses))
            assert fleet.store.lease() is None
            assert fleet.all_writes() == []
    finally:
        end()
