"""Checks, plans and pushes between two servers, with the same code that the deployed functions run."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from typing import Any, cast

from cerberus.certificate import inspect_certificate
from cerberus.client import BackupClient, PrimaryClient
from cerberus.endpoint import Endpoint
from common.deadline import Deadline
from common.errors import Failure, Reason
from common.runtime import Runtime
from common.server_types import Content
from fleet.approvals import guard_of
from fleet.primary import PresentPrimary, ask_primary, policy_of
from fleet.restore_source import RestoreSource
from fleet.servers import PRIMARY_ID, CerberusServers, endpoint_of, refuse_primary, trust_of
from local.trial.request import BACKUP_ID, Request
from local.trial.snapshots import FolderSnapshots, load
from registry.fleet_records import Backup, Credentials, Primary, SyncSettings, destination_of
from registry.run_records import new_run_id
from replication.guards.approval import Guard
from replication.guards.preflight import (
    COMPARED,
    Finding,
    ServerAddress,
    examine_backup,
    examine_primary,
    examine_rules,
)
from replication.job import Check, ReplicationJob, Restore
from replication.model import Outcome, PartName, Policy, PrimaryState
from replication.plan_details import Preview, State, preview
from replication.ports import ReadableServer, ServerFacts, WritableServer
from replication.primary import read_primary
from replication.replicate import replicate

_EXPIRES_SOON = timedelta(days=30)

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Looked:
    """A plan as it was shown to a person. ``writable`` are the parts that are written, at once or once approved."""

    preview: Preview
    writable: frozenset[PartName]

    @property
    def hash(self) -> str:
        return self.preview.details.hash

    @property
    def blocked(self) -> frozenset[PartName]:
        return frozenset(block.part for block in self.preview.blocks)

    @property
    def approvable(self) -> frozenset[PartName]:
        """The blocked parts that an approval releases."""
        return frozenset(block.part for block in self.preview.blocks if block.approvable)

    @property
    def failing(self) -> bool:
        """Whether some part cannot be replicated, even with an approval."""
        return any(part.state is State.NOT_WRITTEN and part.reason for part in self.preview.details.parts)


class Session:
    """One primary and one backup. ``log_in_of`` is called once per server; ``tell`` receives each step as text."""

    def __init__(self, request: Request, log_in_of: Callable[[str], Credentials], tell: Tell, runtime: Runtime) -> None:
        self._request = request
        self._runtime = runtime
        self._tell = tell
        self._ask = log_in_of
        self._log_ins: dict[str, Credentials] = {}
        self._servers: dict[str, Primary | Backup] = {PRIMARY_ID: request.primary, BACKUP_ID: request.backup}
        self._deadline = Deadline(request.seconds, self._runtime.monotonic)
        self._primary_facts: ServerFacts | None = None
        self._documents: list[Content] = []
        """The settings documents of the examined servers; they are only read if keep patterns have to be checked."""

    # ---------------------------------------------------------------- check of both servers

    def demand_trust(self) -> None:
        """Raise Failure unless the addresses are of two servers whose certificates are trusted.

        Before this check no request is sent and nobody is asked for a log-in.
        """
        self._demand_two_servers()
        asked = [BACKUP_ID] if self._request.snapshot else list(self._servers)
        for finding in [self._certificate(server_id) for server_id in asked]:
            if finding.failure:
                raise finding.failure

    def _demand_two_servers(self) -> None:
        """Raise Failure if both addresses lead to one server: the primary must not get the backup's password."""
        primary = self._request.primary
        is_same = CerberusServers(self._request.addresses, self._runtime).is_same
        refuse_primary((primary.host, primary.port), self._request.backup, is_same, self._deadline)

    def examine(self, server_id: str) -> tuple[Finding, ...]:
        """The result for each requirement on a server that can be checked. Call this for the primary first."""
        certificate = self._certificate(server_id)
        if certificate.failure:
            return (certificate,)
        try:
            # The primary's client serves the backup too, because it has no method that writes.
            with PrimaryClient(self._endpoint(server_id), self._deadline, self._runtime) as client:
                self._tell(f"{server_id}: reading facts ...")
                facts = client.facts()
                native = client.native_sync().enabled
                if self._request.settings.rules:
                    self._documents.append(client.settings())
        except Failure as failure:
            return certificate, Finding("log_in", failure)
        warnings = (
            ("The server's own Synchronization Manager is on. Both would push to the same servers.",) if native else ()
        )
        return (
            certificate,
            Finding("log_in"),
            *self._judge(server_id, facts),
            Finding("native_sync_off", None, warnings),
            *([examine_rules(self._policy, *self._documents)] if len(self._documents) == 2 else []),
        )

    def _certificate(self, server_id: str) -> Finding:
        server = self._servers[server_id]
        label = f"{server_id} ({server.host}:{server.port})"
        self._tell(f"{server_id}: reading its certificate ...")
        try:
            shown = inspect_certificate(
                server.host,
                server.port,
                trust=trust_of(server.trust),
                addresses=self._request.addresses,
                timeout=self._request.settings.connect_timeout,
                deadline=self._deadline,
            )
        except Failure as failure:
            return Finding("certificate", failure.at(label))
        if not shown.trusted:
            reason = Reason.CERTIFICATE_PIN_MISMATCH if server.trust.pins else Reason.CERTIFICATE_UNTRUSTED
            message = f"{shown.complaint}; it shows one whose fingerprint is {shown.fingerprint}"
            return Finding("certificate", Failure(reason, message, server=label))
        ends_soon = shown.not_after <= self._runtime.now() + _EXPIRES_SOON
        return Finding(
            "certificate", warnings=(f"The certificate ends on {shown.not_after:%Y-%m-%d}.",) if ends_soon else ()
        )

    def _judge(self, server_id: str, facts: ServerFacts) -> tuple[Finding, ...]:
        if server_id == PRIMARY_ID:
            self._primary_facts = facts
            return examine_primary(facts, PRIMARY_ID)
        primary, backup = self._request.primary, self._request.backup
        if self._primary_facts is None:
            unknown = (Finding(name, warnings=("The primary could not be reached.",)) for name in COMPARED)
            return *examine_primary(facts, BACKUP_ID), *unknown
        return examine_backup(
            self._primary_facts, (primary.host, primary.port), facts, (backup.host, backup.port), BACKUP_ID
        )

    # ---------------------------------------------------------------- plan and push

    def look(self) -> Looked:
        """The plan for the backup, made from the primary or from the snapshot. Nothing is written. Raises Failure."""
        source = self._source()
        endpoint = self._endpoint(BACKUP_ID)
        # An approval in the guard would hide the blocks that it releases, so its hash is only compared here.
        guard = replace(guard_of(self._request.settings, None), expected=self._request.approved)
        try:
            with PrimaryClient(endpoint, self._deadline, self._runtime) as client:
                server = cast(ReadableServer, _AnnouncedServer(client, BACKUP_ID, self._tell))
                plan, warnings = source.job(guard).plan(server, server.facts())
        except Failure as failure:
            raise failure.at(endpoint.label) from None
        shown = preview(plan, guard, warnings)
        return Looked(shown, frozenset(part.name for part in plan.parts if part.desired is not None))

    def push(self, looked: Looked) -> Outcome:
        """Write the shown plan to the backup, after reading both servers again: the new plan must equal the shown one.

        Raises Failure if the primary cannot be read. The returned outcome says what happened to the backup.
        """
        self._deadline = Deadline(self._request.seconds, self._runtime.monotonic)
        run_id = new_run_id(self._runtime.now(), self._runtime.new_id())
        source = self._source()
        primary = source.restore_source.content.primary if source.restore_source else source.state.facts
        guard = guard_of(self._request.settings, None)
        guard = replace(guard, expected=looked.hash, approved=self._request.approved)
        with BackupClient(self._endpoint(BACKUP_ID), self._deadline, self._runtime) as client:
            return replicate(
                source.job(guard),
                cast(WritableServer, _AnnouncedServer(client, BACKUP_ID, self._tell)),
                snapshots=FolderSnapshots(self._request.snapshots, self._name, run_id, primary),
                runtime=self._runtime,
            )

    @property
    def _name(self) -> str:
        """The backup's address as an id, because files of several backups are in one folder."""
        backup = self._request.backup
        return re.sub(r"[^a-z0-9]+", "-", f"{backup.host}-{backup.port}".lower()).strip("-")[-63:]

    @property
    def _policy(self) -> Policy:
        return policy_of(self._request.backup, self._request.settings)

    def _source(self) -> "_Source":
        if self._request.snapshot is None:
            state = self._read_primary()
            return _Source(state, self._policy)
        restore_source = RestoreSource.of(load(self._request.snapshot), self._request.primary)
        policy = restore_source.policy(self._request.backup, self._request.settings)

        def check(facts: ServerFacts, address: ServerAddress, label: str) -> tuple[str, ...]:
            return (*restore_source.check(facts, address, label), *self._present_primary.check(facts, label))

        return _Source(restore_source.state, policy, restore_source, check)

    @cached_property
    def _present_primary(self) -> PresentPrimary:
        """The primary's present facts, asked for once: a refused log-in must not be tried again."""
        return ask_primary(self._facts_of_primary, self._request.settings)

    def _facts_of_primary(self, settings: SyncSettings) -> ServerFacts:
        """The facts that the primary reports. The certificate is checked before anybody is asked for the log-in."""
        certificate = self._certificate(PRIMARY_ID)
        if certificate.failure:
            raise certificate.failure
        with PrimaryClient(self._endpoint(PRIMARY_ID, settings), self._deadline, self._runtime) as client:
            return cast(ReadableServer, _AnnouncedServer(client, PRIMARY_ID, self._tell)).facts()

    def _read_primary(self) -> PrimaryState:
        with PrimaryClient(self._endpoint(PRIMARY_ID), self._deadline, self._runtime) as client:
            return read_primary(
                cast(ReadableServer, _AnnouncedServer(client, PRIMARY_ID, self._tell)), self._policy.parts
            )

    def _endpoint(self, server_id: str, settings: SyncSettings | None = None) -> Endpoint:
        """The address, trust and log-in for a server; ``settings`` None means the request's settings."""
        if server_id == BACKUP_ID:
            self._demand_two_servers()
        if server_id not in self._log_ins:
            server = self._servers[server_id]
            self._log_ins[server_id] = replace(self._ask(server_id), destination=destination_of(server))
            # Typing a password takes no time from the servers: the time limit starts again.
            self._deadline = Deadline(self._request.seconds, self._runtime.monotonic)
        request = self._request
        return endpoint_of(
            self._servers[server_id],
            self._log_ins[server_id],
            settings or request.settings,
            request.addresses,
            request.wsdl,
            not_at=(request.primary.host, request.primary.port) if server_id == BACKUP_ID else None,
        )


@dataclass(frozen=True)
class _Source:
    """The content for the backup: the primary's, or a snapshot's."""

    state: PrimaryState
    policy: Policy
    restore_source: RestoreSource | None = None
    check: Check | None = None

    def job(self, guard: Guard) -> ReplicationJob:
        """The job that gives the backup this content; ``guard`` decides what needs an approval."""
        return ReplicationJob(self.state, self.policy, guard, restore=Restore(self.check) if self.check else None)


class _AnnouncedServer:
    """A server whose calls are announced by name before they are made; the sent content is not shown."""

    def __init__(self, server: PrimaryClient, server_id: str, tell: Tell) -> None:
        self._server = server
        self._server_id = server_id
        self._tell = tell

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._server, name)
        if not callable(method):
            return method

        def call(*arguments: object) -> Any:
            writes = name.startswith(("write_", "commit_"))
            what = name.removeprefix("write_").removeprefix("commit_").replace("_", " ")
            self._tell(f"{self._server_id}: {'writing' if writes else 'reading'} {what} ...")
            return method(*arguments)

        return call
