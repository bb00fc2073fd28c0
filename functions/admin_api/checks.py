"""Checks of all requirements on a server: whether it is reachable, trusted, accepts the log-in, and can be
replicated.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial

from admin_api.dependencies import Services
from admin_api.registration import registered_as
from admin_api.schemas.servers import CertificateView, CheckReport, RequirementView
from admin_api.timeouts import leads_to, side_by_side
from cerberus.certificate import CertificateFacts, inspect_certificate
from cerberus.client import PrimaryClient
from cerberus.same_server import Address
from common.deadline import Deadline
from common.errors import Failure, Reason
from common.server_types import Content, ServerFacts
from fleet.primary import policy_of
from fleet.servers import PRIMARY_ID, endpoint_of, trust_of
from registry.fleet_records import Backup, Primary, SyncSettings
from replication.guards.preflight import (
    COMPARED,
    KEEP_PATTERNS,
    Finding,
    examine_backup,
    examine_primary,
    examine_rules,
)

CHECK_SECONDS = 18.0
_CONNECT_SECONDS = 4.0
_READ_SECONDS = 10.0
_EXPIRES_SOON = timedelta(days=30)

_STEPS = (
    "name_resolves",
    "address_permitted",
    "port_reachable",
    "certificate",
    "credentials_stored",
    "log_in",
    "soap_access",
)
"""The steps of contacting a server, in order."""
_WITHOUT_LOG_IN = _STEPS[: _STEPS.index("credentials_stored")]
"""The steps for which nothing is sent to the server but the beginning of a TLS connection."""
_WITH_LOG_IN = (*_STEPS[len(_WITHOUT_LOG_IN) :], "valid_licence", "edition_with_sync")

_STEP_OF = {
    Reason.NAME_NOT_RESOLVED: "name_resolves",
    Reason.ADDRESS_FORBIDDEN: "address_permitted",
    Reason.CONNECTION_REFUSED: "port_reachable",
    Reason.CONNECTION_FAILED: "port_reachable",
    Reason.CONNECT_TIMEOUT: "port_reachable",
    Reason.CERTIFICATE_UNTRUSTED: "certificate",
    Reason.CERTIFICATE_PIN_MISMATCH: "certificate",
    Reason.TLS_FAILED: "certificate",
    Reason.CREDENTIALS_MISSING: "credentials_stored",
    Reason.PASSWORD_NEEDED: "credentials_stored",
    Reason.AUTHENTICATION_FAILED: "log_in",
}

type Server = Primary | Backup


@dataclass(frozen=True)
class _Look:
    """The result of contacting a server: its facts, or the failure and the step at which it occurred."""

    facts: ServerFacts | None = None
    failure: Failure | None = None
    failed_step: str = ""
    certificate: CertificateFacts | None = None
    document: Content | None = None
    """The server's settings, if keep patterns are to be matched against them."""


_LATE = _Look(
    failure=Failure(Reason.NAME_NOT_RESOLVED, "the host name was not resolved in time"), failed_step="name_resolves"
)


class _Stopped(Exception):
    """A step failed."""

    def __init__(self, step: str, failure: Failure) -> None:
        super().__init__(step)
        self.step = step
        self.failure = failure


@dataclass
class _Report:
    """The report on one server's requirements, built step by step."""

    services: Services
    server: Server
    name: str = ""
    requirements: list[RequirementView] = field(default_factory=list)
    certificate: CertificateView | None = None

    def add(self, finding: Finding, detail: str = "") -> None:
        if finding.failure:
            self._append(finding.requirement, "fail", finding.failure.message, finding.failure)
        elif finding.warnings:
            self._append(finding.requirement, "warning", " ".join(finding.warnings))
        else:
            self._append(finding.requirement, "pass", detail)

    def skip(self, requirements: Iterable[str], why: str) -> None:
        for requirement in requirements:
            self._append(requirement, "skipped", why)

    def document(self) -> CheckReport:
        return CheckReport(
            server=self.name or _name(self.server),
            checked_at=self.services.runtime.now(),
            passed=all(requirement.result in ("pass", "warning") for requirement in self.requirements),
            requirements=self.requirements,
            certificate=self.certificate,
        )

    def _append(self, requirement: str, result: str, detail: str, failure: Failure | None = None) -> None:
        self.requirements.append(
            RequirementView.model_validate(
                {
                    "id": requirement,
                    "result": result,
                    "reason": failure.reason.value if failure else "",
                    "detail": detail,
                    "remedy": failure.remedy if failure else "",
                }
            )
        )


def look_before_registration(server: Primary, services: Services) -> CheckReport:
    """Check what can be known of a server without a log-in: whether it is reached, its certificate, and whether it is
    registered. The other requirements are skipped, so that the report never counts as passed.
    """
    settings, deadline = _bounded(services.store.settings()), Deadline(CHECK_SECONDS, services.runtime.monotonic)
    (look,) = side_by_side(
        [partial(_look_at_certificate, server, services, settings, deadline)],
        CHECK_SECONDS + 1,
        late=_LATE,
        runtime=services.runtime,
    )
    report = _Report(services, server, name=f"{server.host}:{server.port}")
    _report_steps(report, look, _WITHOUT_LOG_IN)
    if existing := registered_as(server.host, server.port, services):
        report.add(Finding("not_registered", warnings=(f"It is registered as {existing}.",)))
    else:
        report.add(Finding("not_registered"))
    report.skip(_WITH_LOG_IN, "Not tried, because no log-in is part of this check.")
    return report.document()


def check_primary(
    primary: Primary, services: Services, *, asked_for: bool, not_at: Address | None = None
) -> CheckReport:
    """Check the requirements on a primary, with one log-in.

    After a refused log-in, a new log-in is attempted only if the check was ``asked_for``. ``not_at`` is the current
    primary's address if this server is to replace it.
    """
    (look,) = _look_at([primary], services, asked_for=asked_for, not_at=not_at)
    report = _Report(services, primary)
    _report_steps(report, look)
    if look.facts is None:
        report.skip(("valid_licence", "edition_with_sync"), "The server could not be reached.")
    else:
        _report_findings(report, examine_primary(look.facts, PRIMARY_ID))
    return report.document()


def check_backup(backup: Backup, services: Services, *, asked_for: bool) -> CheckReport:
    """Check the requirements on a backup, including those that compare it with the primary.

    The check logs in to each server once. If a server has refused the log-in before, only the backup gets a new
    attempt, and only if the check was ``asked_for``.
    """
    primary = services.primary()
    if primary and (unfit := _is_primary(backup, primary, services)):
        return _report_unasked(backup, services, unfit)
    settings = services.store.settings()
    with_settings = primary is not None and bool(settings.rules or backup.rules)
    looks = _look_at(
        [backup, primary] if primary else [backup],
        services,
        asked_for=asked_for,
        with_settings=with_settings,
        not_at=(primary.host, primary.port) if primary else None,
    )
    look, of_primary = looks[0], looks[1] if primary else None
    report = _Report(services, backup)
    _report_steps(report, look)
    if look.facts is None:
        report.skip(("valid_licence", "edition_with_sync", *COMPARED), "The server could not be reached.")
    elif primary is None or of_primary is None or of_primary.facts is None:
        _report_findings(report, examine_primary(look.facts, backup.id))
        report.skip(COMPARED, _why_not_compared(of_primary))
    else:
        _report_findings(
            report,
            examine_backup(
                of_primary.facts,
                (primary.host, primary.port),
                look.facts,
                (backup.host, backup.port),
                backup.id,
            ),
        )
    _report_rules(report, backup, settings, looks)
    return report.document()


def _is_primary(backup: Backup, primary: Primary, services: Services) -> Failure | None:
    """Why the backup's password must not be sent: its address is the primary's, or could not be resolved in time."""
    address = (backup.host, backup.port)
    try:
        is_primary = leads_to(address, (primary.host, primary.port), services.addresses, services.runtime)
    except Failure as failure:
        if failure.reason is not Reason.DEADLINE:
            raise
        return Failure(Reason.NAME_NOT_RESOLVED, "the host names were not resolved in time")
    return Failure(Reason.SAME_AS_PRIMARY, "its address leads to the primary itself") if is_primary else None


def _report_unasked(backup: Backup, services: Services, why: Failure) -> CheckReport:
    """The report on a backup that may be the primary: no log-in is attempted with the backup's password."""
    report = _Report(services, backup)
    not_the_primary, *others = COMPARED
    report.skip((*_STEPS, *others, KEEP_PATTERNS), f"Not tried: {why.message}.")
    report.add(Finding(not_the_primary, why))
    return report.document()


def _report_rules(report: _Report, backup: Backup, settings: SyncSettings, looks: Sequence[_Look]) -> None:
    """Report whether the keep patterns are valid and match anything on the two servers."""
    documents = [look.document for look in looks if look.document is not None]
    try:
        policy = policy_of(backup, settings)
    except Failure as failure:
        report.add(Finding(KEEP_PATTERNS, failure))
        return
    if not policy.rules.additions:
        report.add(Finding(KEEP_PATTERNS))
    elif len(documents) == 2:
        report.add(examine_rules(policy, *documents))
    else:
        report.skip([KEEP_PATTERNS], "The settings of both servers could not be read.")


def _look_at(
    servers: Sequence[Server],
    services: Services,
    *,
    asked_for: bool,
    with_settings: bool = False,
    not_at: Address | None = None,
) -> list[_Look]:
    """Contact the servers; the first one is being checked and must not have the address ``not_at``."""
    bounded = _bounded(services.store.settings())
    deadline = Deadline(CHECK_SECONDS, services.runtime.monotonic)
    return side_by_side(
        [
            partial(
                _look,
                server,
                services,
                bounded,
                deadline,
                with_settings,
                asked_for=asked_for and server is servers[0],
                not_at=not_at if server is servers[0] else None,
            )
            for server in servers
        ],
        CHECK_SECONDS + 1,
        late=_LATE,
        runtime=services.runtime,
    )


def _bounded(settings: SyncSettings) -> SyncSettings:
    """The settings with time limits that leave a check enough of a request's time."""
    return replace(
        settings,
        connect_timeout=min(settings.connect_timeout, _CONNECT_SECONDS),
        read_timeout=min(settings.read_timeout, _READ_SECONDS),
    )


def _look_at_certificate(server: Server, services: Services, settings: SyncSettings, deadline: Deadline) -> _Look:
    """Connect and look at the certificate; nothing is sent over the connection."""
    certificate: CertificateFacts | None = None
    try:
        with _step("certificate"):
            certificate = inspect_certificate(
                server.host,
                server.port,
                trust=trust_of(server.trust),
                addresses=services.addresses,
                timeout=settings.connect_timeout,
                deadline=deadline,
            )
            _refuse_untrusted(server, certificate)
    except _Stopped as stopped:
        return _Look(failure=stopped.failure, failed_step=stopped.step, certificate=certificate)
    return _Look(certificate=certificate)


def _look(
    server: Server,
    services: Services,
    settings: SyncSettings,
    deadline: Deadline,
    with_settings: bool,
    *,
    asked_for: bool,
    not_at: Address | None,
) -> _Look:
    trusted = _look_at_certificate(server, services, settings, deadline)
    if trusted.failure:
        return trusted  # nothing is sent to an untrusted server
    try:
        with _step("credentials_stored"):
            credentials = services.log_ins.permitted(server, asked_for=asked_for, fresh=True)
        with _step("soap_access"):
            endpoint = endpoint_of(server, credentials, settings, services.addresses, services.wsdl, not_at=not_at)
            with PrimaryClient(endpoint, deadline, services.runtime) as client:
                facts, document = services.log_ins.ask_once(
                    server, credentials, lambda _: (client.facts(), client.settings() if with_settings else None)
                )
                return replace(trusted, facts=facts, document=document)
    except _Stopped as stopped:
        return replace(trusted, failure=stopped.failure, failed_step=stopped.step)


@contextmanager
def _step(name: str) -> Iterator[None]:
    """Turn a Failure into _Stopped at this step, or at the step that its reason implies."""
    try:
        yield
    except Failure as failure:
        raise _Stopped(_STEP_OF.get(failure.reason, name), failure) from None


def _refuse_untrusted(server: Server, certificate: CertificateFacts) -> None:
    if not certificate.trusted:
        reason = Reason.CERTIFICATE_PIN_MISMATCH if server.trust.pins else Reason.CERTIFICATE_UNTRUSTED
        raise Failure(reason, f"{certificate.complaint}; its SHA-256 fingerprint is {certificate.fingerprint}")


def _report_steps(report: _Report, look: _Look, steps: Sequence[str] = _STEPS) -> None:
    if look.certificate:
        report.certificate = CertificateView.model_validate(look.certificate, from_attributes=True)
    for position, step in enumerate(steps):
        if step == look.failed_step:
            report.add(Finding(step, look.failure))
            report.skip(steps[position + 1 :], f"Not tried after {step} failed.")
            return
        if step == "certificate" and look.certificate:
            report.add(Finding(step, warnings=_expiry_warnings(report, look.certificate)), look.certificate.subject)
        elif step == "soap_access" and look.facts:
            report.add(Finding(step), f"It runs version {look.facts.version}.")
        else:
            report.add(Finding(step))


def _report_findings(report: _Report, findings: Iterable[Finding]) -> None:
    for finding in findings:
        report.add(finding)


def _expiry_warnings(report: _Report, certificate: CertificateFacts) -> tuple[str, ...]:
    now = report.services.runtime.now()
    if certificate.not_after <= now:
        return (f"The certificate expired on {certificate.not_after:%Y-%m-%d}; it is accepted because it is pinned.",)
    if certificate.not_after <= now + _EXPIRES_SOON:
        return (f"The certificate expires on {certificate.not_after:%Y-%m-%d}.",)
    return ()


def _why_not_compared(primary: _Look | None) -> str:
    if primary is None:
        return "No primary is registered."
    complaint = primary.failure.message if primary.failure else "it did not answer"
    return f"The primary could not be reached: {complaint}."


def _name(server: Server) -> str:
    return server.id if isinstance(server, Backup) else PRIMARY_ID
