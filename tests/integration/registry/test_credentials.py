"""Credentials: what every CredentialStore does, and what Secrets Manager adds to it."""

import json
import os
import traceback
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber

from common.errors import Failure, Reason
from common.runtime import SystemRuntime
from local.fakes.runtime import FakeRuntime
from registry.aws import Clients, open_clients
from registry.credentials import SecretsManagerCredentials
from registry.fleet_records import Credentials
from registry.store import CredentialStore

ADMIN = Credentials("admin", "first-Pässword")
OTHER = Credentials("admin", "second-password")
HERE, THERE = "b1.example#8443 public-roots", "b2.example#8443 public-roots"


def missing(store: CredentialStore, server_id: str) -> Failure:
    with pytest.raises(Failure) as failed:
        store.get(server_id, HERE)
    assert failed.value.reason is Reason.CREDENTIALS_MISSING
    return failed.value


class TestEveryStore:
    def test_what_was_put_is_got(self, credential_store: CredentialStore) -> None:
        credential_store.put("b1", ADMIN)
        credential_store.put("primary", OTHER)
        assert credential_store.get("b1", HERE) == ADMIN
        assert credential_store.get("primary", HERE) == OTHER

    def test_what_was_never_put_is_missing_by_name(self, credential_store: CredentialStore) -> None:
        assert "b1" in missing(credential_store, "b1").message

    def test_a_replacement_counts_at_once(self, credential_store: CredentialStore) -> None:
        credential_store.put("b1", ADMIN)
        assert credential_store.get("b1", HERE) == ADMIN
        credential_store.put("b1", OTHER)
        assert credential_store.get("b1", HERE) == OTHER
        assert credential_store.get("b1", HERE, fresh=True) == OTHER

    def test_a_deletion_counts_at_once_and_can_be_repeated(self, credential_store: CredentialStore) -> None:
        credential_store.put("b1", ADMIN)
        assert credential_store.get("b1", HERE) == ADMIN
        credential_store.delete("b1")
        missing(credential_store, "b1")
        credential_store.delete("b1")
        credential_store.delete("never")

    def test_after_a_deletion_they_can_be_put_again(self, credential_store: CredentialStore) -> None:
        credential_store.put("b1", ADMIN)
        credential_store.delete("b1")
        credential_store.put("b1", OTHER)
        assert credential_store.get("b1", HERE) == OTHER

    @pytest.mark.parametrize("empty", [Credentials("", "x"), Credentials("x", "")])
    def test_half_a_pair_is_missing(self, credential_store: CredentialStore, empty: Credentials) -> None:
        credential_store.put("b1", empty)
        missing(credential_store, "b1")

    def test_what_was_given_for_one_server_is_got_for_no_other(self, credential_store: CredentialStore) -> None:
        credential_store.put("b1", replace(ADMIN, destination=HERE))
        assert credential_store.get("b1", HERE).password == ADMIN.password
        for fresh in (False, True):
            with pytest.raises(Failure) as failed:
                credential_store.get("b1", THERE, fresh=fresh)
            assert failed.value.reason is Reason.PASSWORD_NEEDED
        assert credential_store.username("b1") == "admin"
        credential_store.put("b1", replace(OTHER, destination=THERE))
        assert credential_store.get("b1", THERE).password == OTHER.password

    def test_each_value_has_a_version_of_its_own(self, credential_store: CredentialStore) -> None:
        versions = set()
        for credentials in (ADMIN, ADMIN, OTHER):
            credential_store.put("b1", credentials)
            versions |= {credential_store.get("b1", HERE).version, credential_store.get("b1", HERE, fresh=True).version}
        assert len(versions) == 3


class TestSecretsManager:
    def test_another_function_that_has_it_in_its_cache_sends_the_former_one_nowhere_else(
        self, secrets_manager: SecretsManagerCredentials, clients: Clients, clock: FakeRuntime
    ) -> None:
        """The two functions have a cache each; the server has moved, and its new password was stored by the other."""
        secrets_manager.put("b1", ADMIN)
        assert secrets_manager.get("b1", HERE) == ADMIN
        SecretsManagerCredentials("cerberus-sync", clients.secretsmanager, clock).put(
            "b1", replace(OTHER, destination=THERE)
        )
        assert secrets_manager.get("b1", THERE).password == OTHER.password
        with pytest.raises(Failure) as failed:
            secrets_manager.get("b1", HERE)
        assert failed.value.reason is Reason.PASSWORD_NEEDED

    def test_a_secret_is_named_by_prefix_and_server(
        self, secrets_manager: SecretsManagerCredentials, clients: Clients
    ) -> None:
        secrets_manager.put("b1", ADMIN)
        (listed,) = clients.secretsmanager.list_secrets()["SecretList"]
        assert listed["Name"] == "cerberus-sync/b1"
        content = clients.secretsmanager.get_secret_value(SecretId="cerberus-sync/b1")["SecretString"]
        assert json.loads(content) == {"username": "admin", "password": "first-Pässword"}

    def test_it_is_read_again_when_it_is_too_old_or_asked_for_fresh(
        self, secrets_manager: SecretsManagerCredentials, clients: Clients, clock: FakeRuntime
    ) -> None:
        secrets_manager.put("b1", ADMIN)
        assert secrets_manager.get("b1", HERE) == ADMIN
        rotated = json.dumps({"username": "admin", "password": "second-password", "engine": "something else's"})
        clients.secretsmanager.put_secret_value(SecretId="cerberus-sync/b1", SecretString=rotated)
        clock.advance(299.9)
        assert secrets_manager.get("b1", HERE) == ADMIN
        assert secrets_manager.get("b1", HERE, fresh=True) == OTHER
        assert secrets_manager.get("b1", HERE) == OTHER

        clients.secretsmanager.put_secret_value(
            SecretId="cerberus-sync/b1", SecretString=json.dumps({"username": "admin", "password": "first-Pässword"})
        )
        clock.advance(299.9)
        assert secrets_manager.get("b1", HERE) == OTHER
        clock.advance(0.1)
        assert secrets_manager.get("b1", HERE) == ADMIN

    @pytest.mark.parametrize(
        "content",
        [
            "planted-value",
            '"planted-value"',
            '["planted-value"]',
            '{"username": "admin", "password": "planted-value"',
            '{"username": "admin"}',
            '{"username": "admin", "password": ""}',
            '{"username": "", "password": "planted-value"}',
            '{"username": "admin", "password": "planted-value", "destination": 7}',
            '{"username": null, "password": "planted-value"}',
            '{"username": "admin", "password": {"planted-value": 1}}',
            "[" * 32_000 + "]" * 32_000,
        ],
    )
    def test_content_of_another_shape_is_missing_and_never_shown(
        self, secrets_manager: SecretsManagerCredentials, clients: Clients, content: str
    ) -> None:
        clients.secretsmanager.create_secret(Name="cerberus-sync/b1", SecretString=content)
        failure = missing(secrets_manager, "b1")
        assert "cerberus-sync/b1" in failure.message
        assert "planted" not in "".join(traceback.format_exception(failure))
        assert failure.__context__ is None
        assert failure.__cause__ is None

    def test_a_binary_secret_is_missing(self, secrets_manager: SecretsManagerCredentials, clients: Clients) -> None:
        clients.secretsmanager.create_secret(Name="cerberus-sync/b1", SecretBinary=b"planted-value")
        missing(secrets_manager, "b1")

    def test_a_failure_is_not_remembered(self, secrets_manager: SecretsManagerCredentials, clients: Clients) -> None:
        missing(secrets_manager, "b1")
        clients.secretsmanager.create_secret(
            Name="cerberus-sync/b1", SecretString=json.dumps({"username": "admin", "password": "second-password"})
        )
        assert secrets_manager.get("b1", HERE) == OTHER

    def test_a_deleted_secret_can_be_restored_for_seven_days(
        self, secrets_manager: SecretsManagerCredentials, clients: Clients
    ) -> None:
        secrets_manager.put("b1", ADMIN)
        secrets_manager.delete("b1")
        assert "scheduled for deletion" in missing(secrets_manager, "b1").message
        gone = clients.secretsmanager.describe_secret(SecretId="cerberus-sync/b1")["DeletedDate"]
        assert timedelta(days=6, hours=23) < gone - datetime.now(UTC) < timedelta(days=7, hours=1)
        clients.secretsmanager.restore_secret(SecretId="cerberus-sync/b1")
        assert secrets_manager.get("b1", HERE) == ADMIN

    def test_new_secrets_are_encrypted_with_the_own_key_if_there_is_one(self, clients: Clients) -> None:
        key = "arn:aws:kms:eu-central-1:123456789012:key/own"
        SecretsManagerCredentials("cerberus-sync", clients.secretsmanager, SystemRuntime(), key=key).put("b1", ADMIN)
        SecretsManagerCredentials("cerberus-sync", clients.secretsmanager, SystemRuntime()).put("b2", ADMIN)
        keys = [
            clients.secretsmanager.describe_secret(SecretId=f"cerberus-sync/{name}").get("KmsKeyId")
            for name in ("b1", "b2")
        ]
        assert keys == [key, None]

    @pytest.mark.parametrize(
        ("method", "operation"),
        [
            ("get_secret_value", "GetSecretValue"),
            ("describe_secret", "DescribeSecret"),
        ],
    )
    def test_any_other_error_is_unavailable_with_operation_and_code_only(self, method: str, operation: str) -> None:
        client = open_clients().secretsmanager
        store = SecretsManagerCredentials("cerberus-sync", client, SystemRuntime())
        actions: dict[str, Callable[[], object]] = {
            "get_secret_value": lambda: store.get("b1", HERE),
            "describe_secret": lambda: store.put("b1", ADMIN),
        }
        with Stubber(client) as stubber:
            stubber.add_client_error(method, "AccessDeniedException", "planted-value is not authorized")
            with pytest.raises(Failure) as failed:
                actions[method]()
        assert failed.value.reason is Reason.REGISTRY_UNAVAILABLE
        assert failed.value.message == f"Secrets Manager {operation} failed: AccessDeniedException"

    def test_a_deletion_that_is_refused_is_not_taken_for_one_that_is_done(self) -> None:
        client = open_clients().secretsmanager
        with Stubber(client) as stubber:
            stubber.add_response("describe_secret", {"Name": "cerberus-sync/b1"})
            stubber.add_client_error("delete_secret", "InvalidRequestException", "it is a replica")
            with pytest.raises(Failure, match="DeleteSecret failed: InvalidRequestException") as failed:
                SecretsManagerCredentials("cerberus-sync", client, SystemRuntime()).delete("b1")
        assert failed.value.reason is Reason.REGISTRY_UNAVAILABLE

    @pytest.mark.parametrize(
        ("described", "method", "operation"),
        [
            (None, "create_secret", "CreateSecret"),
            ({"DeletedDate": datetime(2026, 3, 1, tzinfo=UTC)}, "restore_secret", "RestoreSecret"),
            ({}, "put_secret_value", "PutSecretValue"),
        ],
    )
    def test_an_error_while_writing_is_unavailable(
        self, described: dict[str, object] | None, method: str, operation: str
    ) -> None:
        client = open_clients().secretsmanager
        with Stubber(client) as stubber:
            if described is None:
                stubber.add_client_error("describe_secret", "ResourceNotFoundException")
            else:
                stubber.add_response("describe_secret", described)
            stubber.add_client_error(method, "LimitExceededException")
            with pytest.raises(Failure, match=f"{operation} failed: LimitExceededException") as failed:
                SecretsManagerCredentials("cerberus-sync", client, SystemRuntime()).put("b1", ADMIN)
        assert failed.value.reason is Reason.REGISTRY_UNAVAILABLE

    def test_an_aws_that_cannot_be_reached_is_unavailable(
        self, clients: Clients, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def unreachable(**_: Any) -> None:
            raise EndpointConnectionError(endpoint_url="https://planted-value")

        for method in ("get_secret_value", "describe_secret"):
            monkeypatch.setattr(clients.secretsmanager, method, unreachable)
        store = SecretsManagerCredentials("cerberus-sync", clients.secretsmanager, SystemRuntime())
        for action in (lambda: store.get("b1", HERE), lambda: store.put("b1", ADMIN), lambda: store.delete("b1")):
            with pytest.raises(Failure, match="EndpointConnectionError") as failed:
                action()
            assert failed.value.reason is Reason.REGISTRY_UNAVAILABLE
            assert "planted" not in str(failed.value)


class TestClients:
    def test_no_test_of_this_folder_has_real_credentials(self) -> None:
        assert os.environ["AWS_ACCESS_KEY_ID"] == "testing"
        assert not {name for name in os.environ if name.startswith(("AWS_PROFILE", "AWS_ROLE", "AWS_ENDPOINT"))}

    def test_clients_have_time_limits_and_standard_retries(self) -> None:
        clients = open_clients()
        for config in (clients.dynamodb.meta.config, clients.secretsmanager.meta.config):
            options = vars(config)  # the stubs do not know what a Config sets by name
            assert options["connect_timeout"] == 3
            assert options["read_timeout"] == 10
            assert options["retries"] == {"mode": "standard", "total_max_attempts": 4}

    def test_the_endpoint_comes_from_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4577")
        clients = open_clients()
        assert clients.dynamodb.meta.endpoint_url == "http://127.0.0.1:4577"
        assert clients.secretsmanager.meta.endpoint_url == "http://127.0.0.1:4577"


def test_the_stacks_own_secret_is_emptied_and_stays_for_its_later_deployments(
    clients: Clients, secrets_manager: SecretsManagerCredentials
) -> None:
    clients.secretsmanager.create_secret(Name="cerberus-sync/primary")
    secrets_manager.put("primary", Credentials("admin", "PLANTED-password"))
    secrets_manager.delete("primary")
    assert "DeletedDate" not in clients.secretsmanager.describe_secret(SecretId="cerberus-sync/primary")
    with pytest.raises(Failure) as failed:
        secrets_manager.get("primary", HERE)
    assert failed.value.reason is Reason.CREDENTIALS_MISSING
    secrets_manager.put("primary", Credentials("admin", "PLANTED-again"))
    assert secrets_manager.get("primary", HERE).password == "PLANTED-again"
