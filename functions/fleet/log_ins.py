"""The one way to a server's password: only to the server it was given for, and not again after a refusal.

A secret says which destination its password is for. One that was stored by
hand, or by a version that did not write it, does not: its first use binds it,
in the table, to where it went. A log-in that a server refused is remembered
there too. Both belong to one version of the secret, and end with it.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NoReturn

from common.errors import Failure, Reason
from common.runtime import Runtime
from registry.destination import destination_of, password_needed
from registry.fleet_records import Backup, Credentials, LogIn, Primary
from registry.store import CredentialStore, Store

_LOGGER = logging.getLogger(__name__)

_MAY_BE_STALE = (Reason.PASSWORD_NEEDED, Reason.AUTHENTICATION_FAILED)
"""Why credentials from a cache are not sent although those that are stored by now may be."""

_NOWHERE = "no server"
"""The destination of what nobody may send any more."""


def _never(_result: object) -> bool:
    return False


@dataclass(frozen=True)
class LogIns:
    """Gives credentials to whoever logs in, and remembers what came of it."""

    store: Store
    credentials: CredentialStore
    runtime: Runtime

    def use[Result](
        self,
        server: Primary | Backup,
        attempt: Callable[[Credentials], Result],
        refused: Callable[[Result], bool] = _never,
    ) -> Result:
        """Log in with the credentials of ``server`` and, if it refuses those and they have changed since, once more.

        A refusal is what ``refused`` says of a result, or Failure(AUTHENTICATION_FAILED).
        Raises what ``permitted`` raises. A changed secret is noticed within one run.
        """
        credentials = self.permitted(server)
        is_refused, outcome = self._tried(server, credentials, attempt, refused)
        if is_refused and (changed := self._changed_since(server, credentials)):
            _, outcome = self._tried(server, changed, attempt, refused)
        return outcome()

    def ask_once[Result](
        self, server: Primary | Backup, credentials: Credentials, attempt: Callable[[Credentials], Result]
    ) -> Result:
        """One attempt with credentials that are ``permitted``. When it succeeds, an earlier refusal is forgotten."""
        is_refused, outcome = self._tried(server, credentials, attempt, _never)
        if not is_refused:
            self._forget_refusal(server, credentials)
        return outcome()

    def permitted(self, server: Primary | Backup, *, asked_for: bool = False, fresh: bool = False) -> Credentials:
        """What may be sent to a server now.

        ``asked_for``: a person wants an attempt although an earlier one was
        refused. ``fresh``, as for that: past any cache, for who makes one attempt
        only. Raises Failure: CREDENTIALS_MISSING, PASSWORD_NEEDED for a password
        that was given for another destination, and AUTHENTICATION_FAILED when the
        server has refused this very log-in.
        """
        if not (asked_for or fresh):
            try:
                return self._allowed(server, fresh=False, asked_for=False)
            except Failure as failure:
                if failure.reason not in _MAY_BE_STALE:
                    raise
        return self._allowed(server, fresh=True, asked_for=asked_for)

    def bind(self, server: Primary | Backup) -> None:
        """Before a registration changes: let a password that does not say what it is for be for ``server``."""
        try:
            self.permitted(server, asked_for=True)
        except Failure as failure:
            if failure.reason not in (Reason.CREDENTIALS_MISSING, Reason.PASSWORD_NEEDED):
                raise

    def retire(self, secret_id: str) -> None:
        """Before a server gets this id of a secret: what another one has left under it goes nowhere."""
        try:
            left = self.credentials.get(secret_id, _NOWHERE, fresh=True)
        except Failure as failure:
            if failure.reason not in (Reason.CREDENTIALS_MISSING, Reason.PASSWORD_NEEDED):
                raise
        else:
            self.store.record_log_in(LogIn(secret_id, left.version, _NOWHERE))

    def remember_refusal(self, server: Primary | Backup, credentials: Credentials) -> None:
        """Let nobody try these credentials again by himself."""
        refused = LogIn(server.secret_id, credentials.version, credentials.destination, self.runtime.now())
        try:
            self.store.record_log_in(refused)
        except Failure as failure:  # the caller reports the refusal; what is not remembered costs one more attempt
            _LOGGER.warning("a refused log-in at %s:%s is not remembered: %s", server.host, server.port, failure.reason)

    def _allowed(self, server: Primary | Backup, *, fresh: bool, asked_for: bool) -> Credentials:
        secret_id, destination = server.secret_id, destination_of(server)
        credentials = self.credentials.get(secret_id, destination, fresh=fresh)
        used = self.store.log_in(secret_id)
        if used and used.version != credentials.version and not fresh:
            # Another process knows another version of the secret. The one in a cache here may be the former one.
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
        """Whether the server refused the log-in, and what gives the attempt's result or raises its failure."""
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
        """The credentials that are stored by now, unless they are the refused ones."""
        try:
            current = self._allowed(server, fresh=True, asked_for=False)
        except Failure as failure:
            if failure.reason in _MAY_BE_STALE:
                return None
            raise
        return None if (current.username, current.password) == (refused.username, refused.password) else current

    def _forget_refusal(self, server: Primary | Backup, credentials: Credentials) -> None:
        used = self.store.log_in(server.secret_id)
        if used and used.refused_at and used.version == credentials.version:
            self.store.record_log_in(replace(used, refused_at=None))


def _raising(failure: Failure) -> Callable[[], NoReturn]:
    def outcome() -> NoReturn:
        raise failure

    return outcome
