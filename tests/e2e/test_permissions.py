import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from local.build import RUNTIME
from local.cloud import LocalCloud

PROBE = """
import boto3
from botocore.exceptions import ClientError

def handler(event, context):
    try:
        getattr(boto3.client(event["service"]), event["operation"])(**event["arguments"])
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "allowed"
"""
KEY = {"pk": {"S": "OPEN#probe"}, "sk": {"S": "probe"}}
Probe = Callable[..., str]


def _probe(cloud: LocalCloud, role: str) -> Probe:
    """Makes AWS calls from inside a function that has the role with this logical id; its answer is an error code."""
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("probe.py", PROBE)
    resource = cloud.client("cloudformation").describe_stack_resource(StackName="e2e", LogicalResourceId=role)
    role_name = resource["StackResourceDetail"]["PhysicalResourceId"]
    functions = cloud.client("lambda")
    functions.create_function(
        FunctionName=f"probe-{role}",
        Runtime=RUNTIME,
        Handler="probe.handler",
        Timeout=30,
        Code={"ZipFile": package.getvalue()},
        Role=cloud.client("iam").get_role(RoleName=role_name)["Role"]["Arn"],
    )

    def call(service: str, operation: str, **arguments: Any) -> str:
        event = {"service": service, "operation": operation, "arguments": arguments}
        reply = functions.invoke(FunctionName=f"probe-{role}", Payload=json.dumps(event))
        answer: str = json.loads(reply["Payload"].read())
        return answer

    return call


@pytest.fixture(scope="module")
def as_sync(cloud: LocalCloud, stack: dict[str, str]) -> Probe:
    return _probe(cloud, "SyncRole")


@pytest.fixture(scope="module")
def as_admin_api(cloud: LocalCloud, stack: dict[str, str]) -> Probe:
    return _probe(cloud, "AdminApiRole")


def test_sync_reads_and_writes_items_of_its_own_table(as_sync: Probe, stack: dict[str, str]) -> None:
    table = stack["TableName"]
    assert as_sync("dynamodb", "put_item", TableName=table, Item=KEY) == "allowed"
    assert as_sync("dynamodb", "get_item", TableName=table, Key=KEY) == "allowed"
    assert as_sync("dynamodb", "delete_item", TableName=table, Key=KEY) == "allowed"


def test_sync_has_no_say_over_tables(as_sync: Probe, stack: dict[str, str]) -> None:
    table = stack["TableName"]
    assert as_sync("dynamodb", "list_tables") == "AccessDeniedException"
    assert as_sync("dynamodb", "scan", TableName=table) == "AccessDeniedException"
    assert as_sync("dynamodb", "delete_table", TableName=table) == "AccessDeniedException"


def test_sync_reads_the_secrets_of_its_servers_and_no_others(
    as_sync: Probe, cloud: LocalCloud, stack: dict[str, str]
) -> None:
    cloud.client("secretsmanager").create_secret(Name=f"{stack['SecretPrefix']}-other/primary", SecretString="other")
    cloud.client("secretsmanager").create_secret(Name=f"{stack['SecretPrefix']}/probe", SecretString="own")
    assert as_sync("secretsmanager", "get_secret_value", SecretId=f"{stack['SecretPrefix']}/probe") == "allowed"
    for foreign in (f"{stack['SecretPrefix']}-other/primary", "unrelated"):
        assert as_sync("secretsmanager", "get_secret_value", SecretId=foreign) == "AccessDeniedException"


def test_sync_cannot_change_a_secret(as_sync: Probe, stack: dict[str, str]) -> None:
    name = stack["PrimarySecretName"]
    assert as_sync("secretsmanager", "put_secret_value", SecretId=name, SecretString="x") == "AccessDeniedException"
    assert as_sync("secretsmanager", "delete_secret", SecretId=name) == "AccessDeniedException"


def test_the_management_api_starts_only_the_sync_function(
    as_admin_api: Probe, as_sync: Probe, stack: dict[str, str]
) -> None:
    other = as_admin_api("lambda", "invoke", FunctionName="probe-SyncRole", Payload="{}")
    own = as_admin_api("lambda", "invoke", FunctionName=stack["SyncFunctionName"], InvocationType="Event", Payload="{}")
    assert (other, own) == ("AccessDeniedException", "allowed")


def test_the_management_api_has_no_say_over_tables_and_foreign_secrets(
    as_admin_api: Probe, cloud: LocalCloud, stack: dict[str, str]
) -> None:
    foreign = f"{stack['SecretPrefix']}-foreign/primary"
    cloud.client("secretsmanager").create_secret(Name=foreign, SecretString="foreign")
    assert as_admin_api("dynamodb", "list_tables") == "AccessDeniedException"
    assert as_admin_api("dynamodb", "delete_table", TableName=stack["TableName"]) == "AccessDeniedException"
    assert as_admin_api("secretsmanager", "get_secret_value", SecretId=foreign) == "AccessDeniedException"
    assert as_admin_api("secretsmanager", "delete_secret", SecretId=foreign) == "AccessDeniedException"
