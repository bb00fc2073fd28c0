"""Every documented set of parameters, read from samconfig.toml and the guide: deployed, changed in place, deleted."""

import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from common.runtime import SystemRuntime
from local.build import ROOT, SAM
from local.cloud import LocalCloud
from registry.credentials import SecretsManagerCredentials
from registry.dynamo import DynamoStore
from registry.fleet_records import Backup, Credentials

CONFIG = (ROOT / "samconfig.toml").read_text()
ENVIRONMENTS: dict[str, Any] = tomllib.loads(CONFIG)
VARIANTS: dict[str, list[str]] = {
    name: tomllib.loads(block)["parameter_overrides"]
    for name, block in re.findall(
        r"^```toml\n# ([a-z-]+)\n(.*?)^```", (ROOT / "docs" / "guide.md").read_text(), re.DOTALL | re.MULTILINE
    )
}
STACK = ENVIRONMENTS["default"]["global"]["parameters"]["stack_name"]


# The local cloud makes an API anew when its definition changes; CloudFormation does not.
MAY_BE_REPLACED = {"ApiId", "ApiUrl"}


class Sam:
    """The SAM CLI with the repository's own configuration, in a folder where a test may change it.

    What it deploys from there is the built template, whose code is uploaded already: packing it takes five seconds.
    """

    def __init__(self, cloud: LocalCloud, folder: Path) -> None:
        self._folder = folder
        self._environment = cloud.sam_environment
        self._s3 = cloud.client("s3")
        self._packed = cloud.packed_template.read_text()
        (folder / ".aws-sam" / "build").mkdir(parents=True)
        (folder / "infra").mkdir()
        shutil.copy(ROOT / "infra" / "template.yaml", folder / "infra")

    def configure(self, text: str) -> None:
        (self._folder / "samconfig.toml").write_text(text)

    def deploy(self, *arguments: str) -> None:
        packed = self._packed
        # Copies, because ``sam delete`` deletes the code with the stack. Two functions may have one code, or one each.
        for bucket, code in set(re.findall(r's3://([^/"]+)/([^"]+)"', self._packed)):
            own = f"{code}-deployments"
            self._s3.copy_object(Bucket=bucket, Key=own, CopySource={"Bucket": bucket, "Key": code})
            packed = packed.replace(f"{bucket}/{code}", f"{bucket}/{own}")
        template = self._folder / ".aws-sam" / "build" / "template.yaml"
        template.write_text(packed)
        self._run("deploy", "--no-confirm-changeset", *arguments)

    def delete(self, *arguments: str) -> None:
        self._run("delete", "--no-prompts", *arguments)

    def _run(self, *arguments: str) -> None:
        done = subprocess.run(  # noqa: S603 # this repository's tool
            [str(SAM), *arguments],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (arguments, done.stdout[-3000:], done.stderr[-3000:])


@pytest.fixture(scope="module")
def sam(cloud: LocalCloud, stack: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Sam:
    prepared = Sam(cloud, tmp_path_factory.mktemp("sam"))
    prepared.configure(CONFIG)
    return prepared


# ---------------------------------------------------------------- what there is in the account

Lister = Callable[[LocalCloud], Iterator[str]]


def _pages(service: str, operation: str, key: str, name: str) -> Lister:
    def names(cloud: LocalCloud) -> Iterator[str]:
        for page in cloud.client(service).get_paginator(operation).paginate():
            for one in page[key]:
                yield one if isinstance(one, str) else str(one[name])

    return names


def _once(service: str, operation: str, key: str, name: str, **arguments: Any) -> Lister:
    def names(cloud: LocalCloud) -> Iterator[str]:
        yield from (str(one[name]) for one in getattr(cloud.client(service), operation)(**arguments).get(key, ()))

    return names


LISTERS: dict[str, Lister] = {
    "stack": _pages("cloudformation", "list_stacks", "StackSummaries", "StackName"),
    "function": _pages("lambda", "list_functions", "Functions", "FunctionName"),
    "event source": _pages("lambda", "list_event_source_mappings", "EventSourceMappings", "UUID"),
    "role": _pages("iam", "list_roles", "Roles", "RoleName"),
    "rule": _once("events", "list_rules", "Rules", "Name"),
    "log group": _pages("logs", "describe_log_groups", "logGroups", "logGroupName"),
    "api": _once("apigateway", "get_rest_apis", "items", "id"),
    "table": _pages("dynamodb", "list_tables", "TableNames", ""),
    "bucket": _once("s3", "list_buckets", "Buckets", "Name"),
    "secret": _once("secretsmanager", "list_secrets", "SecretList", "Name"),
    "topic": _once("sns", "list_topics", "Topics", "TopicArn"),
    "alarm": _once("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
    "dashboard": _once("cloudwatch", "list_dashboards", "DashboardEntries", "DashboardName"),
    "endpoint": _once("ec2", "describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId"),
    "security group": _once("ec2", "describe_security_groups", "SecurityGroups", "GroupId"),
}


def _queues(cloud: LocalCloud) -> set[str]:
    return {f"queue {url}" for url in cloud.client("sqs").list_queues().get("QueueUrls", ())}


def _inventory(cloud: LocalCloud) -> set[str]:
    """All that there is, by kind and name, but what the SAM CLI keeps for itself to upload to."""
    resources = {f"{kind} {name}" for kind, names in LISTERS.items() for name in names(cloud)} | _queues(cloud)
    return {one for one in resources if "aws-sam-cli-managed" not in one and not one.startswith("stack ")} | {
        f"stack {one['StackName']}"
        for one in cloud.client("cloudformation").describe_stacks()["Stacks"]
        if "aws-sam-cli-managed" not in one["StackName"]
    }


# ---------------------------------------------------------------- what each variant is for


def _resource(cloud: LocalCloud, logical_id: str) -> str:
    resource = cloud.client("cloudformation").describe_stack_resource(StackName=STACK, LogicalResourceId=logical_id)
    return str(resource["StackResourceDetail"]["PhysicalResourceId"])


def _function(cloud: LocalCloud) -> dict[str, Any]:
    outputs = cloud.outputs(STACK)
    return dict(cloud.client("lambda").get_function_configuration(FunctionName=outputs["SyncFunctionName"]))


def _policies(cloud: LocalCloud) -> list[str]:
    """Names of the sync role's policies. The local cloud drops what tests/unit/template looks at: where functions run,
    which key encrypts, and what bounds a role."""
    return list(cloud.client("iam").list_role_policies(RoleName=_resource(cloud, "SyncRole"))["PolicyNames"])


def _in_vpc(cloud: LocalCloud) -> None:
    assert "vpc" in _policies(cloud)


def _with_endpoints(cloud: LocalCloud) -> None:
    _in_vpc(cloud)
    kinds = [one["VpcEndpointType"] for one in cloud.client("ec2").describe_vpc_endpoints()["VpcEndpoints"]]
    assert (kinds.count("Gateway"), kinds.count("Interface")) == (2, 4)


def _with_alarms(cloud: LocalCloud) -> None:
    subscriptions = cloud.client("sns").list_subscriptions()["Subscriptions"]
    assert "ftp-team@example.com" in [one["Endpoint"] for one in subscriptions]
    alarms = cloud.client("cloudwatch").describe_alarms(AlarmNamePrefix=f"{STACK}-")["MetricAlarms"]
    assert {f"{STACK}-backup-failing": 2} == {
        one["AlarmName"]: one["Threshold"] for one in alarms if one["AlarmName"] == f"{STACK}-backup-failing"
    }


def _with_primary(cloud: LocalCloud) -> None:
    assert _function(cloud)["Environment"]["Variables"]["PRIMARY_HOST"] == "files1.example.com"


def _with_key(cloud: LocalCloud) -> None:
    assert "own-key" in _policies(cloud)
    function = cloud.outputs(STACK)["AdminApiFunctionName"]
    variables = cloud.client("lambda").get_function_configuration(FunctionName=function)["Environment"]["Variables"]
    assert variables["SECRET_KEY"].endswith(":key/0a1b2c3d-0000-4000-8000-000000000000")


def _with_boundary(cloud: LocalCloud) -> None:
    (stack,) = cloud.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    given = {one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]}
    assert given["PermissionsBoundaryArn"].endswith(":policy/boundary")


def _tuned(cloud: LocalCloud) -> None:
    tuned = _function(cloud)
    assert (tuned["MemorySize"], tuned["Timeout"], tuned["Architectures"]) == (2048, 900, ["arm64"])
    rule = cloud.client("events").describe_rule(Name=cloud.outputs(STACK)["RuleName"])
    assert rule["ScheduleExpression"] == "rate(5 minutes)"


def _with_user_pool(cloud: LocalCloud) -> None:
    authorizers = cloud.client("apigateway").get_authorizers(restApiId=cloud.outputs(STACK)["ApiId"])["items"]
    assert [one["type"] for one in authorizers] == ["COGNITO_USER_POOLS"]


EXPECTED: dict[str, Callable[[LocalCloud], None]] = {
    "vpc": _in_vpc,
    "vpc-endpoints": _with_endpoints,
    "alarms": _with_alarms,
    "primary": _with_primary,
    "own-key": _with_key,
    "boundary": _with_boundary,
    "tuned": _tuned,
    "cognito": _with_user_pool,
}


def _with_overrides(overrides: list[str]) -> str:
    """The repository's configuration with these overrides in its default environment."""
    heading = "[default.deploy.parameters]\n"
    assert heading in CONFIG
    return CONFIG.replace(heading, f"{heading}parameter_overrides = {json.dumps(overrides)}\n")


def test_every_variant_of_the_guide_is_deployed_in_place_and_what_was_kept_stays(cloud: LocalCloud, sam: Sam) -> None:
    assert list(EXPECTED) == list(VARIANTS)
    before = _inventory(cloud)
    sam.deploy()
    outputs = cloud.outputs(STACK)
    store = DynamoStore(outputs["TableName"], cloud.client("dynamodb"), SystemRuntime())
    store.add_backup(Backup("files-2", "files2.example.com", 8443))
    secrets = SecretsManagerCredentials(
        outputs["SecretPrefix"], cloud.client("secretsmanager"), SystemRuntime(), max_age=0
    )
    secrets.put("files-2", Credentials("admin", "kept through all of it"))
    cloud.client("s3").delete_bucket_policy(Bucket=outputs["SnapshotBucketName"])  # it demands TLS
    cloud.client("s3").put_object(Bucket=outputs["SnapshotBucketName"], Key="backups/files-2/one", Body=b"kept")
    wrong = {}
    for name, overrides in VARIANTS.items():
        sam.configure(_with_overrides(overrides))
        sam.deploy()
        try:
            EXPECTED[name](cloud)
        except (AssertionError, KeyError) as error:
            wrong[name] = repr(error)
        replaced = [key for key, value in cloud.outputs(STACK).items() if value != outputs[key]]
        assert set(replaced) <= MAY_BE_REPLACED, f"{name} replaced {replaced}"
        assert _function(cloud)["CodeSize"] > 0
        assert [backup.id for backup in store.backups()] == ["files-2"]
    assert wrong == {}

    sam.delete()

    assert secrets.get("files-2", "").password == "kept through all of it"
    kept = cloud.client("s3").get_object(Bucket=outputs["SnapshotBucketName"], Key="backups/files-2/one")
    assert kept["Body"].read() == b"kept"
    assert _inventory(cloud) - before == {
        f"table {outputs['TableName']}",
        f"bucket {outputs['SnapshotBucketName']}",
        f"secret {outputs['SecretPrefix']}/files-2",
    }


@pytest.mark.parametrize("environment", [name for name in ENVIRONMENTS if name not in ("version", "default")])
def test_every_environment_is_deployed_and_deleted(cloud: LocalCloud, sam: Sam, environment: str) -> None:
    before = _inventory(cloud)
    sam.configure(CONFIG)
    name = ENVIRONMENTS[environment]["global"]["parameters"]["stack_name"]
    sam.deploy("--config-env", environment)
    (stack,) = cloud.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    given = {one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]}
    stated = dict(one.split("=") for one in ENVIRONMENTS[environment]["deploy"]["parameters"]["parameter_overrides"])
    assert stated.items() <= given.items()
    outputs = cloud.outputs(name)
    function = cloud.client("lambda").get_function_configuration(FunctionName=outputs["SyncFunctionName"])
    assert function["CodeSize"] > 0
    sam.delete("--config-env", environment)
    assert _inventory(cloud) - before == {f"table {outputs['TableName']}", f"bucket {outputs['SnapshotBucketName']}"}
