"""What the local cloud needs beside the template, each with its reason. There is no second template."""

from typing import Any


def accept_plain_http(cloudformation: Any, s3: Any, stack_name: str) -> None:
    """Take the policies off a stack's buckets: they demand TLS, and the local cloud speaks plain HTTP on loopback."""
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack_name)
    for page in pages:
        for resource in page["StackResourceSummaries"]:
            if resource["ResourceType"] == "AWS::S3::Bucket":
                s3.delete_bucket_policy(Bucket=resource["PhysicalResourceId"])
