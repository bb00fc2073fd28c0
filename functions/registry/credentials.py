"""Credentials in AWS Secrets Manager: one secret for each server, JSON with ``username`` and ``password``.

``destination`` names the server that the password is for. A secret that was stored by hand may lack a
destination; ``fleet.log_ins`` then records one at the first use.
"""

import json
from enum import Enum, auto
from threading import Lock
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from common.errors import Failure, Reason
from common.runtime import Runtime
from registry.aws_errors import calling, error_code, unavailable
from registry.fleet_records import PRIMARY_SECRET, Credentials, password_needed

if TYPE_CHECKING:  # the stubs are not in the Lambda package
    from mypy_boto3_secretsmanager import SecretsManagerClient

RECOVERY_DAYS = 7
"""The recovery period of deleted secrets in days, which is the minimum in AWS."""

_MISSING = "ResourceNotFoundException"
_UNREADABLE = "InvalidRequestException"
"""The error for reading a secret that is scheduled for deletion."""


class _State(Enum):
    ABSENT = auto()
    DELETED = auto()  # scheduled for deletion: it must be restored before it accepts a value
    PRESENT = auto()


class SecretsManagerCredentials:
    """``registry.store.CredentialStore`` with secrets named ``<prefix>/<secret id>``. Threads may share it.

    Credentials read for a destination are cached for ``max_age`` seconds. ``key`` is the ARN of the KMS key for new
    secrets, empty for the key that AWS manages.
    """

    def __init__(
        self,
        prefix: str,
        client: "SecretsManagerClient",
        runtime: Runtime,
        max_age: float = 300.0,
        key: str = "",
    ) -> None:
        self._prefix = prefix
        self._client = client
        self._max_age = max_age
        self._runtime = runtime
        self._key = key
        self._lock = Lock()
        self._cache: dict[str, tuple[float, str, Credentials]] = {}  # time of reading, destination, content

    def get(self, secret_id: str, destination: str, *, fresh: bool = False) -> Credentials:
        asked_at = self._runtime.monotonic()
        if not fresh:
            with self._lock:
                cached = self._cache.get(secret_id)
            if cached:
                read_at, read_for, credentials = cached
                if read_for == destination and asked_at - read_at < self._max_age:
                    return credentials
        stored = self._read(self._name(secret_id))
        if stored.destination not in ("", destination):
            raise password_needed(stored.destination, destination)
        with self._lock:
            self._cache[secret_id] = (asked_at, destination, stored)
        return stored

    def username(self, secret_id: str) -> str:
        return self._read(self._name(secret_id)).username

    def put(self, secret_id: str, credentials: Credentials) -> None:
        name = self._name(secret_id)
        values = {"username": credentials.username, "password": credentials.password}
        if credentials.destination:
            values["destination"] = credentials.destination
        content = json.dumps(values)
        state = self._state(name)
        if state is _State.DELETED:
            with calling("Secrets Manager RestoreSecret"):
                self._client.restore_secret(SecretId=name)
        if state is _State.ABSENT:
            with calling("Secrets Manager CreateSecret"):
                key: dict[str, Any] = {"KmsKeyId": self._key} if self._key else {}
                self._client.create_secret(Name=name, SecretString=content, **key)
        else:
            with calling("Secrets Manager PutSecretValue"):
                self._client.put_secret_value(SecretId=name, SecretString=content)
        self._forget(secret_id)

    def delete(self, secret_id: str) -> None:
        name = self._name(secret_id)
        if secret_id == PRIMARY_SECRET:
            self._empty(name)
        elif self._state(name) is _State.PRESENT:
            with calling("Secrets Manager DeleteSecret"):
                self._client.delete_secret(SecretId=name, RecoveryWindowInDays=RECOVERY_DAYS)
        self._forget(secret_id)

    def _empty(self, name: str) -> None:
        """Remove the secret's value. The secret itself is a resource of the stack, and later deployments expect it to
        exist.

        The value is replaced twice, because AWS still provides the previous one (AWSPREVIOUS).
        """
        if self._state(name) is _State.PRESENT:
            for _ in range(2):
                with calling("Secrets Manager PutSecretValue"):
                    self._client.put_secret_value(SecretId=name, SecretString="{}")

    def _name(self, secret_id: str) -> str:
        return f"{self._prefix}/{secret_id}"

    def _forget(self, secret_id: str) -> None:
        with self._lock:
            self._cache.pop(secret_id, None)

    def _state(self, name: str) -> _State:
        try:
            described = self._client.describe_secret(SecretId=name)
        except (ClientError, BotoCoreError) as error:
            if error_code(error) == _MISSING:
                return _State.ABSENT
            raise unavailable("Secrets Manager DescribeSecret", error) from None
        return _State.DELETED if "DeletedDate" in described else _State.PRESENT

    def _read(self, name: str) -> Credentials:
        try:
            reply = self._client.get_secret_value(SecretId=name)
        except (ClientError, BotoCoreError) as error:
            if error_code(error) == _MISSING:
                raise Failure(Reason.CREDENTIALS_MISSING, f"the secret {name} does not exist or has no value") from None
            if error_code(error) == _UNREADABLE:
                raise Failure(Reason.CREDENTIALS_MISSING, f"the secret {name} is scheduled for deletion") from None
            raise unavailable("Secrets Manager GetSecretValue", error) from None
        credentials = _understood(reply.get("SecretString", ""), reply.get("VersionId", ""))
        if credentials is None:
            raise Failure(
                Reason.CREDENTIALS_MISSING, f"the secret {name} is not a JSON object with a username and a password"
            )
        return credentials


def _understood(content: str, version: str) -> Credentials | None:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):  # the exception contains the secret, so it must not be chained to another one
        return None
    if not isinstance(document, dict):
        return None
    username, password = document.get("username"), document.get("password")
    destination = document.get("destination", "")
    if not (isinstance(username, str) and isinstance(password, str) and isinstance(destination, str)):
        return None
    return Credentials(username, password, destination, version) if username and password else None
