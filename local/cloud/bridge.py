"""Adaptations of the template to the local cloud, each with its reason. There is no second template."""

import json
from collections.abc import Iterator
from typing import Any


def accept_plain_http(cloudformation: Any, s3: Any, stack_name: str) -> None:
    """Remove the requirement of TLS from a stack's buckets, because the local cloud uses plain HTTP on loopback. All
    other policies stay.
    """
    for bucket in _resources(cloudformation, stack_name, "AWS::S3::Bucket"):
        policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
        statements = [one for one in policy["Statement"] if "aws:SecureTransport" not in json.dumps(one)]
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({**policy, "Statement": statements}))


def name_sessions_of_roles(cloudformation: Any, s3: Any, stack_name: str) -> None:
    """Add the sessions of a role to the bucket policies of a stack that compare the principal.

    In AWS ``aws:PrincipalArn`` is always the role's own ARN (IAM User Guide, global condition keys). In
    the local cloud it is the session's ARN.
    """
    for bucket in _resources(cloudformation, stack_name, "AWS::S3::Bucket"):
        policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
        for statement in policy["Statement"]:
            for operands in statement.get("Condition", {}).values():
                if named := operands.get("aws:PrincipalArn"):
                    roles = [arn for arn in named if ":role/" in arn]
                    operands["aws:PrincipalArn"] = [*roles, *map(_sessions_of, roles)]
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))


def let_batches_be_sent(cloudformation: Any, iam: Any, stack_name: str) -> None:
    """Add the action for batches to a stack's roles; in AWS, permission to send one message includes batches.

    The local cloud requires its own action, which AWS does not have (SQS API Reference, AddPermission: SendMessage also
    grants SendMessageBatch).
    """
    for role in _resources(cloudformation, stack_name, "AWS::IAM::Role"):
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
            document = json.loads(document) if isinstance(document, str) else document
            statements = [_with_batches(statement) for statement in document["Statement"]]
            if statements != document["Statement"]:
                changed = json.dumps({**document, "Statement": statements})
                iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=changed)


def make_concurrency_a_number(cloudformation: Any, functions: Any, stack_name: str) -> None:
    """Replace the maximum concurrency of a stack's event sources by a number.

    The local cloud reads that maximum from a parameter as a text, and then stops reading the queues of all stacks.
    """
    for mapping in _resources(cloudformation, stack_name, "AWS::Lambda::EventSourceMapping"):
        maximum = functions.get_event_source_mapping(UUID=mapping)["ScalingConfig"]["MaximumConcurrency"]
        functions.update_event_source_mapping(UUID=mapping, ScalingConfig={"MaximumConcurrency": int(maximum)})


def _sessions_of(role: str) -> str:
    """The ARNs of all sessions of a role, as a pattern."""
    return role.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/") + "/*"


def _with_batches(statement: dict[str, Any]) -> dict[str, Any]:
    actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
    return {**statement, "Action": [*actions, "sqs:SendMessageBatch"]} if "sqs:SendMessage" in actions else statement


def _resources(cloudformation: Any, stack_name: str, kind: str) -> Iterator[str]:
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack_name)
    for page in pages:
        for resource in page["StackResourceSummaries"]:
            if resource["ResourceType"] == kind:
                yield resource["PhysicalResourceId"]
