import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

Template = dict[str, Any]

CFN_LINT = Path(sys.executable).with_name("cfn-lint")


def _of_type(resources: Template, kind: str) -> Template:
    return {name: resource["Properties"] for name, resource in resources.items() if resource["Type"] == kind}


def _statements(role: Template) -> list[Template]:
    """What a role's inline policies allow, statement by statement, with both branches of a condition."""
    policies = [branch for policy in role["Policies"] for branch in policy.get("Fn::If", [None, policy])[1:]]
    return [
        s
        for policy in policies
        if "PolicyDocument" in policy
        for s in policy["PolicyDocument"]["Statement"]
        if s["Effect"] == "Allow"
    ]


def _actions(role: Template) -> set[str]:
    actions = [statement["Action"] for statement in _statements(role)]
    return {action for one in actions for action in ([one] if isinstance(one, str) else one)}


# ---------------------------------------------------------------- as CloudFormation sees it


def test_what_the_transform_makes_of_it_has_no_findings(template: Template, tmp_path: Path) -> None:
    # cfn-lint does not transform: in the SAM template it would let an unknown run time or a time-out of an hour pass.
    path = tmp_path / "translated.json"
    path.write_text(json.dumps(template))
    command = [str(CFN_LINT), "--regions", "eu-central-1", "us-east-1", "--", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  (this repository's linter)
    assert (done.returncode, done.stdout) == (0, "")


# ---------------------------------------------------------------- the management API


def test_every_route_demands_authentication_and_is_not_called_as_the_caller(resources: Template) -> None:
    (api,) = _of_type(resources, "AWS::ApiGateway::RestApi").values()
    methods = {
        (path, method): operation
        for path, operations in api["Body"]["paths"].items()
        for method, operation in operations.items()
    }
    assert methods
    for operation in methods.values():
        # A signature, or a token when the stack has a user pool: there is no third branch.
        assert operation["security"] == [{"Fn::If": ["UsesUserPool", {"UserPool": []}, {"AWS_IAM": []}]}]
        assert "credentials" not in operation["x-amazon-apigateway-integration"]


def test_what_a_route_demands_is_what_api_gateway_checks(resources: Template) -> None:
    (api,) = _of_type(resources, "AWS::ApiGateway::RestApi").values()
    condition, pool, signature = api["Body"]["components"]["securitySchemes"]["Fn::If"]
    assert condition == "UsesUserPool"
    assert signature["AWS_IAM"]["x-amazon-apigateway-authtype"] == "awsSigv4"
    assert pool["UserPool"]["x-amazon-apigateway-authorizer"]["providerARNs"] == [{"Ref": "CognitoUserPoolArn"}]


def test_every_route_has_a_fixed_method(resources: Template) -> None:
    (api,) = _of_type(resources, "AWS::ApiGateway::RestApi").values()
    methods = {method for operations in api["Body"]["paths"].values() for method in operations}
    assert methods <= {"get", "put", "post", "patch", "delete"}
    assert not [path for path in api["Body"]["paths"] if "proxy" in path]


def test_what_asks_servers_is_throttled_below_all_else(resources: Template) -> None:
    """Whoever may call a route must not keep the servers behind it busy."""
    (stage,) = _of_type(resources, "AWS::ApiGateway::Stage").values()
    (api,) = _of_type(resources, "AWS::ApiGateway::RestApi").values()
    asks_servers = {
        ("get", "/backups/{backup_id}/plan"),
        ("get", "/primary/states/{digest}/diff"),
        ("post", "/check"),
        ("post", "/backups"),
        ("post", "/backups/{backup_id}/check"),
        ("put", "/primary"),
        ("patch", "/primary"),
        ("post", "/primary/check"),
        ("post", "/primary/promote"),
        ("post", "/backups/import"),
    }
    limits = {
        (one["HttpMethod"].lower(), one["ResourcePath"][1:].replace("~1", "/")): one for one in stage["MethodSettings"]
    }
    general = limits.pop(("*", "*"))
    assert set(limits) == asks_servers
    assert all(method in api["Body"]["paths"][path] for method, path in limits)
    for one in limits.values():
        assert 0 < one["ThrottlingRateLimit"] < general["ThrottlingRateLimit"] <= 50
        assert 0 < one["ThrottlingBurstLimit"] < general["ThrottlingBurstLimit"] <= 100


def test_there_is_no_other_way_to_call_a_function_from_outside(resources: Template) -> None:
    assert not _of_type(resources, "AWS::Lambda::Url")
    assert not _of_type(resources, "AWS::ApiGatewayV2::Api")
    callers = [p["Principal"] for p in _of_type(resources, "AWS::Lambda::Permission").values()]
    assert set(callers) == {"apigateway.amazonaws.com", "events.amazonaws.com"}
    assert all("SourceArn" in p for p in _of_type(resources, "AWS::Lambda::Permission").values())


# ---------------------------------------------------------------- permissions


def test_each_function_has_a_role_of_its_own(resources: Template) -> None:
    roles = [json.dumps(function["Role"]) for function in _of_type(resources, "AWS::Lambda::Function").values()]
    assert len(set(roles)) == len(roles) == len(_of_type(resources, "AWS::IAM::Role"))


def test_no_permission_is_wider_than_its_service_allows(resources: Template) -> None:
    for role in _of_type(resources, "AWS::IAM::Role").values():
        assert "ManagedPolicyArns" not in role
        assert not [action for action in _actions(role) if "*" in action]
        unbounded = [statement["Sid"] for statement in _statements(role) if statement["Resource"] == "*"]
        assert set(unbounded) <= {"Traces", "NetworkInterfaces"}


def test_sync_may_do_what_a_run_needs_and_nothing_else(resources: Template) -> None:
    assert {
        a for a in _actions(resources["SyncRole"]["Properties"]) if not a.startswith(("ec2:", "kms:", "logs:", "xray:"))
    } == {
        "dynamodb:GetItem",
        "dynamodb:Query",
        "dynamodb:PutItem",
        "dynamodb:DeleteItem",
        "dynamodb:ConditionCheckItem",
        "secretsmanager:GetSecretValue",
        "s3:GetObject",
        "s3:PutObject",
        "s3:ListBucket",
        "sqs:SendMessage",
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
    }


def test_the_management_api_may_do_what_its_routes_need_and_nothing_else(resources: Template) -> None:
    actions = _actions(resources["AdminApiRole"]["Properties"])
    assert {action for action in actions if not action.startswith(("ec2:", "kms:", "logs:", "xray:"))} == {
        "dynamodb:GetItem",
        "dynamodb:Query",
        "dynamodb:PutItem",
        "dynamodb:DeleteItem",
        "dynamodb:ConditionCheckItem",
        "secretsmanager:DescribeSecret",
        "secretsmanager:GetSecretValue",
        "secretsmanager:CreateSecret",
        "secretsmanager:PutSecretValue",
        "secretsmanager:DeleteSecret",
        "secretsmanager:RestoreSecret",
        "lambda:InvokeFunction",
        "events:DescribeRule",
        "events:PutRule",
        "s3:GetObject",
        "s3:ListBucket",
    }


def test_the_management_api_reads_snapshots_and_neither_writes_nor_deletes_one(resources: Template) -> None:
    actions = _actions(resources["AdminApiRole"]["Properties"])
    assert {action for action in actions if action.startswith("s3:")} == {"s3:GetObject", "s3:ListBucket"}


def test_what_the_lambda_service_needs_for_a_vpc_is_denied_to_the_code(resources: Template) -> None:
    for role in _of_type(resources, "AWS::IAM::Role").values():
        (vpc,) = [policy["Fn::If"][1] for policy in role["Policies"] if policy.get("Fn::If", [""])[0] == "InVpc"]
        (denied,) = [one for one in vpc["PolicyDocument"]["Statement"] if one["Effect"] == "Deny"]
        assert (denied["Action"], denied["Resource"]) == ("ec2:*", "*")
        assert denied["Condition"] == {"Null": {"lambda:SourceFunctionArn": "false"}}


def test_an_own_key_is_used_for_all_that_is_kept_and_only_through_its_services(resources: Template) -> None:
    key = {"Fn::If": ["HasKey", {"Ref": "KmsKeyArn"}, {"Ref": "AWS::NoValue"}]}
    (bucket,) = _of_type(resources, "AWS::S3::Bucket").values()
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["KMSMasterKeyID"] == key
    assert resources["Table"]["Properties"]["SSESpecification"]["KMSMasterKeyId"] == key
    for kind, name in (
        ("AWS::SecretsManager::Secret", "KmsKeyId"),
        ("AWS::Logs::LogGroup", "KmsKeyId"),
        ("AWS::Lambda::Function", "KmsKeyArn"),
    ):
        assert [each[name] for each in _of_type(resources, kind).values()] == [key] * len(_of_type(resources, kind))
    variables = resources["AdminApiFunction"]["Properties"]["Environment"]["Variables"]
    assert variables["SECRET_KEY"] == {"Ref": "KmsKeyArn"}
    for role in _of_type(resources, "AWS::IAM::Role").values():
        (own,) = [policy["Fn::If"][1] for policy in role["Policies"] if policy.get("Fn::If", [""])[0] == "HasKey"]
        (statement,) = own["PolicyDocument"]["Statement"]
        assert statement["Resource"] == {"Ref": "KmsKeyArn"}
        services = [
            one["Fn::Sub"].partition(".")[0] for one in statement["Condition"]["StringEquals"]["kms:ViaService"]
        ]
        assert services == ["dynamodb", "s3", "secretsmanager"]


def test_every_function_runs_in_the_vpc_if_there_is_one(resources: Template) -> None:
    for function in _of_type(resources, "AWS::Lambda::Function").values():
        condition, inside, outside = function["VpcConfig"]["Fn::If"]
        assert (condition, outside) == ("InVpc", {"Ref": "AWS::NoValue"})
        assert inside == {"SubnetIds": {"Ref": "SubnetIds"}, "SecurityGroupIds": {"Ref": "SecurityGroupIds"}}


def test_endpoints_are_made_only_on_request_for_each_service_that_the_functions_call(resources: Template) -> None:
    endpoints = _of_type(resources, "AWS::EC2::VPCEndpoint")
    assert {resources[name]["Condition"] for name in endpoints} == {"MakesEndpoints"}
    made = {endpoint["ServiceName"]["Fn::Sub"].rpartition(".")[2] for endpoint in endpoints.values()}
    roles = _of_type(resources, "AWS::IAM::Role").values()
    called = {action.partition(":")[0] for role in roles for action in _actions(role)}
    # Logs, traces and network interfaces are the Lambda service's own business, KMS that of the services that use it.
    assert made == called - {"logs", "xray", "ec2", "kms"}


def test_every_role_can_be_bounded(resources: Template) -> None:
    for role in _of_type(resources, "AWS::IAM::Role").values():
        assert role["PermissionsBoundary"]["Fn::If"][0] == "HasBoundary"


# ---------------------------------------------------------------- what is kept


def test_snapshots_expire_after_the_days_of_the_parameter_and_nothing_else_deletes_them(
    template: Template, resources: Template
) -> None:
    (bucket,) = _of_type(resources, "AWS::S3::Bucket").values()
    assert bucket["LifecycleConfiguration"]["Rules"] == [
        {
            "Id": "expire",
            "Status": "Enabled",
            "ExpirationInDays": {"Ref": "SnapshotDays"},
            "NoncurrentVersionExpiration": {"NoncurrentDays": 7},
        }
    ]
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert int(template["Parameters"]["SnapshotDays"]["MinValue"]) >= 1


def test_only_the_roles_of_the_functions_read_and_write_snapshots(resources: Template) -> None:
    roles = [{"Fn::GetAtt": [name, "Arn"]} for name in _of_type(resources, "AWS::IAM::Role")]
    (policy,) = _of_type(resources, "AWS::S3::BucketPolicy").values()
    (denied,) = [one for one in policy["PolicyDocument"]["Statement"] if one["Sid"] == "OnlyTheFunctions"]
    assert (denied["Effect"], denied["Principal"]) == ("Deny", "*")
    assert denied["Resource"] == {"Fn::Sub": "${SnapshotBucket.Arn}/*"}
    assert {"s3:GetObject*", "s3:PutObject*", "s3:DeleteObject*"} <= set(denied["Action"])
    (names,) = denied["Condition"].values()
    assert denied["Condition"].keys() == {"ArnNotEquals"}
    assert sorted(map(str, names["aws:PrincipalArn"])) == sorted(map(str, roles))


def test_the_table_outlives_the_stack_and_can_be_restored(resources: Template) -> None:
    table = resources["Table"]
    assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    assert table["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["Properties"]["SSESpecification"]["SSEEnabled"] is True
    assert table["Properties"]["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}


def test_no_secret_is_in_the_template(resources: Template) -> None:
    for secret in _of_type(resources, "AWS::SecretsManager::Secret").values():
        assert not {"SecretString", "GenerateSecretString"} & set(secret)


def test_every_function_logs_to_a_group_with_a_retention(resources: Template) -> None:
    groups = _of_type(resources, "AWS::Logs::LogGroup")
    for function in _of_type(resources, "AWS::Lambda::Function").values():
        assert groups[function["LoggingConfig"]["LogGroup"]["Ref"]]["RetentionInDays"] == {"Ref": "LogRetentionDays"}


# ---------------------------------------------------------------- the schedule


def test_a_failed_run_is_not_repeated(resources: Template) -> None:
    (invocation,) = _of_type(resources, "AWS::Lambda::EventInvokeConfig").values()
    assert invocation["MaximumRetryAttempts"] == 0


def test_every_interval_that_can_be_chosen_has_its_expression_and_event_age(template: Template) -> None:
    intervals = template["Mappings"]["Intervals"]
    assert list(intervals) == template["Parameters"]["SyncIntervalMinutes"]["AllowedValues"]
    for minutes, values in intervals.items():
        # "rate(1 minutes)" is refused by EventBridge.
        assert values["Schedule"] == ("rate(1 minute)" if minutes == "1" else f"rate({minutes} minutes)")
        assert values["EventAge"] == min(int(minutes) * 60, 21_600)
        assert values["Seconds"] == int(minutes) * 60


def test_every_time_out_that_can_be_chosen_has_a_lease_that_outlives_it(template: Template) -> None:
    timeouts = template["Mappings"]["Timeouts"]
    assert list(timeouts) == template["Parameters"]["SyncTimeoutSeconds"]["AllowedValues"]
    for seconds, values in timeouts.items():
        assert int(values["Lease"]) == int(seconds) + 30
        assert values["Long"] == int(seconds) * 1000 * 4 / 5


# ---------------------------------------------------------------- parameters

ONE = "ab" * 32
COLONS = ":".join(["AB"] * 32)


@pytest.mark.parametrize(
    ("parameter", "value", "accepted"),
    [
        ("PrimaryFingerprints", "", True),
        ("PrimaryFingerprints", ONE, True),
        ("PrimaryFingerprints", COLONS, True),
        ("PrimaryFingerprints", f"{ONE},{COLONS}", True),
        ("PrimaryFingerprints", f"{ONE},{ONE},{ONE}", False),
        ("PrimaryFingerprints", "ab" * 20, False),
        ("AllowedNetworks", "", True),
        ("AllowedNetworks", "127.0.0.0/8", True),
        ("AllowedNetworks", "10.0.0.0/8, fd00::/8", True),
        ("AllowedNetworks", "127.0.0.1", False),
        ("PrimaryHost", "files.example", True),
        ("PrimaryHost", "https://files.example/", False),
    ],
)
def test_a_parameter_takes_only_what_it_is_for(
    template: Template, parameter: str, value: str, *, accepted: bool
) -> None:
    pattern = template["Parameters"][parameter]["AllowedPattern"]
    assert bool(re.fullmatch(pattern, value)) == accepted


def test_every_parameter_is_used_described_and_shown_in_a_group(template: Template) -> None:
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    shown = [name for group in groups for name in group["Parameters"]]
    assert sorted(shown) == sorted(template["Parameters"])
    used = json.dumps({key: template[key] for key in ("Conditions", "Resources")})
    for name, parameter in template["Parameters"].items():
        assert parameter["Description"]
        assert f'{{"Ref": "{name}"}}' in used or f"${{{name}}}" in used


# ---------------------------------------------------------------- the queue


def test_a_message_is_delivered_again_only_after_whoever_had_it_has_ended(
    template: Template, resources: Template
) -> None:
    visibility = resources["BackupQueue"]["Properties"]["VisibilityTimeout"]
    assert visibility == {"Fn::FindInMap": ["Timeouts", {"Ref": "SyncTimeoutSeconds"}, "Lease"]}
    for seconds, values in template["Mappings"]["Timeouts"].items():
        assert int(values["Lease"]) > int(seconds)


def test_messages_are_kept_longer_than_any_run_may_take(template: Template, resources: Template) -> None:
    longest = template["Parameters"]["FanOutMinutes"]["MaxValue"] * 60
    assert resources["BackupQueue"]["Properties"]["MessageRetentionPeriod"] >= 2 * longest
    assert resources["BackupDeadLetterQueue"]["Properties"]["MessageRetentionPeriod"] > 2 * longest


def test_a_run_has_time_for_five_deliveries_before_its_lease_ends(template: Template, resources: Template) -> None:
    deliveries = resources["BackupQueue"]["Properties"]["RedrivePolicy"]["maxReceiveCount"]
    default = template["Parameters"]["SyncTimeoutSeconds"]["Default"]
    lease = int(template["Mappings"]["Timeouts"][default]["Lease"])
    assert deliveries * lease < template["Parameters"]["FanOutMinutes"]["Default"] * 60
    longest = max(int(seconds) for seconds in template["Mappings"]["Timeouts"])
    assert template["Parameters"]["FanOutMinutes"]["MinValue"] * 60 > longest


def test_the_queue_is_served_by_the_sync_function_a_few_at_a_time_and_message_by_message(resources: Template) -> None:
    (source,) = _of_type(resources, "AWS::Lambda::EventSourceMapping").values()
    assert source["FunctionName"] == {"Ref": "SyncFunction"}
    assert source["EventSourceArn"] == {"Fn::GetAtt": ["BackupQueue", "Arn"]}
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert source["ScalingConfig"] == {"MaximumConcurrency": {"Ref": "FanOutConcurrency"}}
    assert source["BatchSize"] <= 10
    dead = resources["BackupQueue"]["Properties"]["RedrivePolicy"]["deadLetterTargetArn"]
    assert dead == {"Fn::GetAtt": ["BackupDeadLetterQueue", "Arn"]}


def test_every_queue_is_encrypted(resources: Template) -> None:
    queues = _of_type(resources, "AWS::SQS::Queue")
    assert len(queues) == 3
    assert all(queue["SqsManagedSseEnabled"] is True for queue in queues.values())
