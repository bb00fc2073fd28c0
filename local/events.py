"""The events in ``events/``, their documented answers, and the registry content that these answers assume.

The registry has a primary and one backup, ``ftp2``; one run whose guards stopped the backup; two states of the primary;
and one snapshot of one part of the backup. Answers are partial: fields that they omit, or give as ``...``, may have any
value.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from common.runtime import SystemRuntime
from common.server_types import Features, Licence, Security, ServerFacts, Version
from local.cerberus.generate import EDITION, VERSION
from local.cerberus.machine import Machine
from local.cerberus.state import EDITIONS
from registry.fleet_records import Backup, Credentials, Primary, TlsTrust
from registry.run_records import BackupResult, KeptState, Run
from registry.snapshots import SnapshotContent, SnapshotStore
from registry.store import CredentialStore, Store

FOLDER = Path(__file__).parents[1] / "events"
BACKUP = "ftp2"
RUN = "20261122T120000.000000Z-0badc0de"
PLAN = "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"
"""The hash of the plan that waits for an approval of ``ftp2``."""


REGISTRATION = "4f1d2c3b5a69788790a1b2c3d4e5f607"
"""The identity that ``ftp2`` is registered under."""
STATES = ("0f" * 32, "1e" * 32)
"""The digests of the primary's states, the older one first: the newer one has one more user."""


class SeedRuntime(SystemRuntime):
    """The runtime of a seeded store: registrations get the identity that the events name."""

    def new_id(self) -> str:
        return REGISTRATION


class Server(Protocol):
    """The registered properties of a running server."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def fingerprint(self) -> str: ...


@dataclass(frozen=True)
class Invocation:
    """One event and the answer that is documented for it."""

    name: str
    event: dict[str, Any]
    answer: dict[str, Any]


def invocations(of: str) -> list[Invocation]:
    """The events of one function, ``admin_api`` or ``sync``. Raises KeyError for an event without an answer."""
    answers = json.loads((FOLDER / "answers.json").read_text())
    names = sorted(f"{of}/{path.name}" for path in (FOLDER / of).glob("*.json"))
    return [Invocation(name, json.loads((FOLDER / name).read_text()), answers[name]) for name in names]


def seed(
    store: Store,
    credentials: CredentialStore,
    primary: tuple[Server, Credentials],
    backup: tuple[Server, Credentials],
    snapshots: SnapshotStore,
) -> None:
    """Fill an empty registry with the content that the answers assume. The store's ids come from a ``SeedRuntime``."""
    for server_id, (_, log_in) in (("primary", primary), (BACKUP, backup)):
        credentials.put(server_id, log_in)
    server = primary[0]
    store.save_primary(Primary(server.host, server.port, TlsTrust(pins=(server.fingerprint,))))
    server = backup[0]
    registered = store.add_backup(Backup(BACKUP, server.host, server.port, TlsTrust(pins=(server.fingerprint,))))
    at = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    store.acquire_lease(RUN, now=at, expires_at=at + timedelta(minutes=1))
    store.record_result(
        BackupResult(
            BACKUP,
            RUN,
            "blocked",
            at,
            "removes_too_much",
            pushed_at=at,
            verified_at=at,
            duration=1.5,
            plan_hash=PLAN,
            registration=registered.registration,
        ),
        lease_owner=RUN,
    )
    for digest, users, seen in zip(STATES, (("ann",), ("ann", "bob")), (at - timedelta(minutes=15), at), strict=True):
        _keep_state(store, snapshots, digest, users, seen)
    snapshots.keep_backup(
        BACKUP,
        RUN,
        SnapshotContent({"mime_mappings": '[["pdf", "application/pdf"]]'}, _FACTS_OF_BACKUP),
        registered.registration,
    )
    store.release_lease(RUN)
    store.save_run(Run(RUN, "schedule", at, status="partial", finished_at=at, counts={"blocked": 1}))


def _keep_state(store: Store, snapshots: SnapshotStore, digest: str, users: tuple[str, ...], seen: datetime) -> None:
    entries = "".join(f'<user name="{name}"><hash>{len(users)}{name}f00d</hash></user>' for name in users)
    accounts = {"users": f"<users>{entries}</users>", "groups": "<groups/>"}
    snapshots.keep_primary(digest, SnapshotContent({"accounts": json.dumps(accounts)}, _FACTS))
    state = KeptState(
        digest=digest,
        server="ftp1.example.com:8443",
        version=str(_FACTS.version),
        parts={"accounts": digest},
        size=len(entries),
        users=len(users),
        groups=0,
        first_run_id=f"{seen:%Y%m%dT%H%M%S}.000000Z-0badc0de",
        first_seen_at=seen,
        last_run_id=RUN,
        last_seen_at=seen,
        kept_at=seen,
        kept_until=seen + timedelta(days=90),
    )
    store.record_state(state, lease_owner=RUN)


_FACTS = ServerFacts(
    version=Version(13, 0, 1, 0),
    hostname="ftp1",
    licence=Licence(valid=True),
    features=Features(server_sync=True, directory_authentication=True, events=True),
    security=Security(soap_enabled=True, soap_secure=True, soap_port=8443, tls_key_type="RSA", tls_key_bits=2048),
)
_FACTS_OF_BACKUP = replace(
    _FACTS,
    version=Version(*VERSION),
    hostname=Machine.named(BACKUP).host,
    features=replace(_FACTS.features, edition_code=EDITIONS[EDITION]),
)
"""The facts of the backup; its host name is the one that the stand-in reports."""


def differences(documented: Any, given: Any, at: str = "answer") -> list[str]:
    """The difference between ``given`` and the documented answer; empty if they agree."""
    if documented == "...":
        return []
    match documented, given:
        case dict(), dict():
            missing = [f"{at}.{key} is missing" for key in documented if key not in given]
            return missing + _all(
                differences(value, given[key], f"{at}.{key}") for key, value in documented.items() if key in given
            )
        case list(), list():
            exact = documented[:-1] if documented[-1:] == ["..."] else documented
            if len(given) < len(exact) or (exact is documented and len(given) > len(exact)):
                return [f"{at} has {len(given)} entries"]
            return _all(differences(value, given[n], f"{at}[{n}]") for n, value in enumerate(exact))
        case _:
            return [] if documented == given else [f"{at} is {given!r}, documented is {documented!r}"]


def _all(parts: Iterable[list[str]]) -> list[str]:
    return [difference for part in parts for difference in part]
