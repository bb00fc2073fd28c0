"""AWS Secrets Manager in memory, with the methods of boto3 that the product uses."""

from typing import Any

from botocore.exceptions import ClientError


class FakeSecretsManager:
    """Secrets by name. ``failures`` is how many of the next writes fail."""

    def __init__(self) -> None:
        self._values: dict[str, tuple[str, str]] = {}  # version and value
        self._deleted: set[str] = set()
        self._made = 0
        self.failures = 0

    @property
    def readable(self) -> dict[str, str]:
        """The value of every readable secret by its name."""
        return {name: value for name, (_, value) in self._values.items() if name not in self._deleted}

    def describe_secret(self, *, SecretId: str) -> dict[str, Any]:  # noqa: N803 - boto3's names
        self._existing("DescribeSecret", SecretId)
        return {"DeletedDate": "some day"} if SecretId in self._deleted else {}

    def get_secret_value(self, *, SecretId: str) -> dict[str, Any]:  # noqa: N803
        self._existing("GetSecretValue", SecretId)
        if SecretId in self._deleted:
            raise _error("GetSecretValue", "InvalidRequestException")
        version, value = self._values[SecretId]
        return {"SecretString": value, "VersionId": version}

    def create_secret(self, *, Name: str, SecretString: str) -> None:  # noqa: N803
        self._write("CreateSecret")
        self._put(Name, SecretString)

    def put_secret_value(self, *, SecretId: str, SecretString: str) -> None:  # noqa: N803
        self._write("PutSecretValue")
        self._put(SecretId, SecretString)

    def delete_secret(self, *, SecretId: str, RecoveryWindowInDays: int) -> None:  # noqa: N803, ARG002
        self._write("DeleteSecret")
        self._deleted.add(SecretId)

    def restore_secret(self, *, SecretId: str) -> None:  # noqa: N803
        self._write("RestoreSecret")
        self._deleted.discard(SecretId)

    def _put(self, name: str, value: str) -> None:
        self._made += 1
        self._values[name] = (f"version-{self._made}", value)

    def _write(self, operation: str) -> None:
        if self.failures:
            self.failures -= 1
            raise _error(operation, "InternalServiceError")

    def _existing(self, operation: str, name: str) -> None:
        if name not in self._values:
            raise _error(operation, "ResourceNotFoundException")


def _error(operation: str, code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}}, operation)
