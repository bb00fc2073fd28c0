"""docs/iam.md against the roles of the template."""

import re
from typing import Any

from local.build import ROOT

Row = tuple[str, str, str]
PAGE = (ROOT / "docs" / "iam.md").read_text()


def _documented() -> dict[Row, tuple[str, str]]:
    """Resource and reason by role, statement and action."""
    rows: dict[Row, tuple[str, str]] = {}
    for role, section in re.findall(r"^## (\w+Role)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE):
        for line in re.findall(r"^\| (\w+ \| \w+:.*) \|$", section, re.MULTILINE):
            statement, action, resource, why = line.split(" | ")
            assert (role, statement, action) not in rows
            rows[role, statement, action] = (resource, why)
    return rows


def _stated(resources: dict[str, Any]) -> dict[Row, object]:
    """Resource by role, statement and action, with every branch of a condition."""
    resource_of: dict[Row, object] = {}
    for name, resource in resources.items():
        if resource["Type"] != "AWS::IAM::Role":
            continue
        policies = [
            branch
            for policy in resource["Properties"]["Policies"]
            for branch in policy.get("Fn::If", [None, policy])[1:]
        ]
        for statement in (one for policy in policies if "Ref" not in policy for one in _statements(policy)):
            actions = statement["Action"]
            for action in [actions] if isinstance(actions, str) else actions:
                assert (name, statement["Sid"], action) not in resource_of
                resource_of[name, statement["Sid"], action] = statement["Resource"]
    return resource_of


def _statements(policy: dict[str, Any]) -> list[dict[str, Any]]:
    """A policy's statements, with those that a condition adds."""
    statements = [
        branch for one in policy["PolicyDocument"]["Statement"] for branch in one.get("Fn::If", [None, one])[1:]
    ]
    return [one for one in statements if one.get("Effect") == "Allow"]


def test_the_page_has_every_permission_and_no_other(resources: dict[str, Any]) -> None:
    assert set(_documented()) == set(_stated(resources))


def test_the_page_names_the_rows_of_the_table_that_a_right_is_for(resources: dict[str, Any]) -> None:
    stated = {
        (name, statement["Sid"]): statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
        for name, resource in resources.items()
        if resource["Type"] == "AWS::IAM::Role"
        for policy in resource["Properties"]["Policies"]
        if "Fn::If" not in policy
        for statement in _statements(policy)
        if str(statement["Action"]).startswith("dynamodb:")
    }
    documented = {
        (role, statement): re.findall(r"`([^`]+)`", resource)
        for (role, statement, action), (resource, _) in _documented().items()
        if action.startswith("dynamodb:")
    }
    assert documented == stated
    assert len(stated) == 10


def test_every_permission_has_a_reason() -> None:
    assert [row for row, (resource, why) in _documented().items() if not (resource.strip() and why.strip())] == []


def test_the_page_says_where_there_is_no_name(resources: dict[str, Any]) -> None:
    unnamed = {row for row, resource in _stated(resources).items() if resource == "*"}
    assert {row for row, (resource, _) in _documented().items() if resource == "*"} == unnamed
    assert {action.partition(":")[0] for _, _, action in unnamed} == {"xray", "ec2"}
