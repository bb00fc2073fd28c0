from local.cloud import LocalCloud


def test_every_resource_of_the_template_is_created(cloud: LocalCloud, stack: dict[str, str]) -> None:
    pages = cloud.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName="e2e")
    resources = [resource for page in pages for resource in page["StackResourceSummaries"]]
    assert {resource["ResourceStatus"] for resource in resources} == {"CREATE_COMPLETE"}
    assert {resource["ResourceType"] for resource in resources} == {
        "AWS::ApiGateway::Deployment",
        "AWS::ApiGateway::RestApi",
        "AWS::ApiGateway::Stage",
        "AWS::CloudWatch::Alarm",
        "AWS::CloudWatch::Dashboard",
        "AWS::DynamoDB::Table",
        "AWS::Events::Rule",
        "AWS::IAM::Role",
        "AWS::Lambda::EventInvokeConfig",
        "AWS::Lambda::EventSourceMapping",
        "AWS::Lambda::Function",
        "AWS::Lambda::Permission",
        "AWS::Logs::LogGroup",
        "AWS::S3::Bucket",
        "AWS::S3::BucketPolicy",
        "AWS::SNS::Topic",
        "AWS::SNS::TopicPolicy",
        "AWS::SQS::Queue",
        "AWS::SQS::QueuePolicy",
        "AWS::SecretsManager::Secret",
    }


def test_the_rule_targets_the_sync_function_and_obeys_its_switch(cloud: LocalCloud, stack: dict[str, str]) -> None:
    events = cloud.client("events")
    rule = events.describe_rule(Name=stack["RuleName"])
    assert (rule["State"], rule["ScheduleExpression"]) == ("DISABLED", "rate(15 minutes)")
    targets = events.list_targets_by_rule(Rule=stack["RuleName"])["Targets"]
    assert [target["Arn"].rpartition(":")[2] for target in targets] == [stack["SyncFunctionName"]]


def test_logs_are_kept_for_the_stated_days(cloud: LocalCloud, stack: dict[str, str]) -> None:
    groups = cloud.client("logs").describe_log_groups(logGroupNamePrefix="/aws/lambda/e2e-")["logGroups"]
    assert {group["logGroupName"]: group["retentionInDays"] for group in groups} == {
        stack["SyncLogGroupName"]: 90,
        stack["AdminApiLogGroupName"]: 90,
    }


def test_a_signed_request_for_health_is_answered_and_logged(cloud: LocalCloud, stack: dict[str, str]) -> None:
    reply = cloud.management_api(stack).call("GET", "/health")
    assert (reply.status, reply.body) == (200, {"status": "ok", "version": stack["Version"]})
    assert any(message.startswith("REPORT") for message in cloud.log_messages(stack["AdminApiLogGroupName"]))


def test_an_unsigned_request_is_refused(cloud: LocalCloud, stack: dict[str, str]) -> None:
    reply = cloud.management_api(stack).call("GET", "/health", signed=False)
    assert reply.status == 403


def test_what_is_not_a_route_is_refused(cloud: LocalCloud, stack: dict[str, str]) -> None:
    api = cloud.management_api(stack)
    assert api.call("POST", "/health").status == 403
    assert api.call("GET", "/elsewhere").status == 403


def test_deploying_the_same_again_changes_nothing(cloud: LocalCloud, stack: dict[str, str]) -> None:
    again = cloud.deploy("e2e", {"AllowedNetworks": "127.0.0.0/8", "SyncEnabled": "false"}, sam=True)
    assert again == stack
