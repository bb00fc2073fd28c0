"""Access to the servers' passwords: a password goes only to the server it was given for, and is not sent again after a
refusal. ``cerberus.soap`` repeats a call once after a 401.

A secret names the destination of its password. A secret stored by hand, or by an older version, may lack a destination:
its first use stores the destination in the table. The table also records a log-in that a server refused. Both records
apply to one version of the secret only.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NoReturn

from common.errors import Failure, Reason, suppressed
from common.runtime import Runtime
from registry.fleet_records import Backup, Credentials, LogIn, Primary, destination_of, password_needed
from registry.store import CredentialStore, Store

_LOGGER = logging.getLogger(__name__)

_MAY_BE_STALE = (Reason.PASSWORD_NEEDED, Reason.AUTHENTICATION_FAILED)
"""Failures of cached credentials that freshly read ones may resolve."""

_NOWHERE = "no server"
"""The destination of a password that must never be sent."""


def _never(_result: object) -> bool:
    return False


@dataclass(frozen=True)
class LogIns:
    """Provides credentials for logging in, and records the destination and refusals."""

    store: Store
    credentials: CredentialStore
    runtime: Runtime

    def use[Result](
        self,
        server: Primary | Backup,
        attempt: Callable[[Credentials], Result],
        refused: Callable[[Result], bool] = _never,
    ) -> Result:
        """Log in with the credentials of ``server``; if it refuses them and the secret has changed since, try the new
        ones once.

        A log-in counts as refused if ``refused`` returns True for the result or the attempt raises
        Failure(AUTHENTICATION_FAILED). So if the secret changes during a run, that run uses the new credentials. Raises
        what ``permitted`` raises.
        """
        credentials = self.permitted(server)
        is_refused, outcome = self._tried(server, credentials, attempt, refused)
        if is_refused and (changed := self._changed_since(server, credentials)):
            _, outcome = self._tried(server, changed, attempt, refused)
        return outcome()

    def ask_once[Result](
        self, server: Primary | Backup, credentials: Credentials, attempt: Callable[[Credentials], Result]
    ) -> Result:
        """Make one attempt with credentials that ``permitted`` returned. If it succeeds, an earlier refusal is
        forgotten.
        """
        is_refused, outcome = self._tried(server, credentials, attempt, _never)
        if not is_refused:
            self._forget_refusal(server, credentials)
        return outcome()

    def permitted(self, server: Primary | Backup, *, asked_for: bool = False, fresh: bool = False) -> Credentials:
        """The credentials that may be sent to a server now.

        ``asked_for``: a person requests an attempt even though an earlier one was refused. ``fresh`` bypasses the
        cache, as ``asked_for`` does, for callers that make only one attempt. Raises Failure: CREDENTIALS_MISSING,
        PASSWORD_NEEDED for a password that was given for another destination, and AUTHENTICATION_FAILED if the server
        has already refused these credentials.
        """
        if not (asked_for or fresh):
            with suppressed(*_MAY_BE_STALE):
                return self._allowed(server, fresh=False, asked_for=False)
        return self._allowed(server, fresh=True, asked_for=asked_for)

    def bind(self, server: Primary | Backup) -> None:
        """Before a registration changes, store ``server`` as the destination of a password that has none."""
        with suppressed(Reason.CREDENTIALS_MISSING, Reason.PASSWORD_NEEDED):
            self.permitted(server, asked_for=True)

    def retire(self, secret_id: str) -> None:
        """Before a server gets this secret id, make sure that a password left under it by another server is never
        sent.
        """
        with suppressed(Reason.CREDENTIALS_MISSING, Reason.PASSWORD_NEEDED):
            left = self.credentials.get(secret_id, _NOWHERE, fresh=True)
            self.store.record_log_in(LogIn(secret_id, left.version, _NOWHERE))

    def remember_refusal(self, server: Primary | Backup, credentials: Credentials) -> None:
        """Record that the server refused these credentials, so that they are not sent again automatically."""
        refused = LogIn(server.secret_id, credentials.version, credentials.destination, self.runtime.now())
        try:
            self.store.record_log_in(refused)
        except Failure as failure:  # the caller reports the refusal; unrecorded, it costs one more attempt
            _LOGGER.warning("a refused log-in at %s:%s is not remembered: %s", server.host, server.port, failure.reason)

    def _allowed(self, server: Primary | Backup, *, fresh: bool, asked_for: bool) -> Credentials:
        secret_id, destination = server.secret_id, destination_of(server)
        credentials = self.credentials.get(secret_id, destination, fresh=fresh)
        used = self.store.log_in(secret_id)
        if used and used.version != credentials.version and not fresh:
            # Another process has used another version of the secret, so the cached version here may be outdated.
            credentials = self.credentials.get(secret_id, destination, fresh=True)
        if used and used.version == credentials.version:
            if used.destination != destination:
                raise password_needed(used.destination, destination)
            if used.refused_at and not asked_for:
                raise Failure(
                    Reason.AUTHENTICATION_FAILED,
                    f"the server refused this log-in at {used.refused_at:%Y-%m-%d %H:%M:%S} UTC; it is not tried again "
                    "until the secret changes or somebody asks for a check",
                )
        elif (used or not credentials.destination) and not self.store.record_log_in(
            LogIn(secret_id, credentials.version, destination)
        ):
            raise password_needed("another server", destination)
        return replace(credentials, destination=credentials.destination or destination)

    def _tried[Result](
        self,
        server: Primary | Backup,
        credentials: Credentials,
        attempt: Callable[[Credentials], Result],
        refused: Callable[[Result], bool],
    ) -> tuple[bool, Callable[[], Result]]:
        """Whether the server refused the log-in, and a function that returns the attempt's result or raises its
        failure.
        """
        try:
            result = attempt(credentials)
        except Failure as failure:
            if failure.reason is not Reason.AUTHENTICATION_FAILED:
                raise
            self.remember_refusal(server, credentials)
            return True, _raising(failure)
        if is_refused := refused(result):
            self.remember_refusal(server, credentials)
        return is_refused, lambda: result

    def _changed_since(self, server: Primary | Backup, refused: Credentials) -> Credentials | None:
        """The credentials that are stored now, None if they are the refused ones."""
        with suppressed(*_MAY_BE_STALE):
            current = self._allowed(server, fresh=True, asked_for=False)
            if (current.username, current.password) != (refused.username, refused.password):
                return current
        return None

    def _forget_refusal(self, server: Primary | Backup, credentials: Credentials) -> None:
        used = self.store.log_in(server.secret_id)
        if used and used.refused_at and used.version == credentials.version:
            self.store.record_log_in(replace(used, refused_at=None))


def _raising(failure: Failure) -> Callable[[], NoReturn]:
    def outcome() -> NoReturn:
        raise failure

    return outcome
