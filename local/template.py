"""The translated template, with its values resolved as by CloudFormation.

Only the intrinsic functions of this template are supported: any other is an error.
"""

import json
import re
import subprocess
from collections.abc import Mapping
from functools import cache
from typing import Any

from local.build import ROOT, SAM

REGION = "eu-central-1"
ACCOUNT = "123456789012"

type Template = dict[str, Any]


@cache
def translated() -> Template:
    """The template after the SAM transform, with all its parameters and conditions. The result is cached and must not
    be modified.
    """
    command = [str(SAM.with_name("python")), "-m", "local.translate"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    template: Template = json.loads(done.stdout)
    return template


class Stack:
    """The template with values for its parameters; others have their defaults.

    A resource's Ref is its logical id, and an attribute is ``Id.Attribute``.
    """

    def __init__(self, name: str, parameters: Mapping[str, str] | None = None) -> None:
        self.name = name
        self._template = translated()
        declared = self._template["Parameters"]
        unknown = set(parameters or {}) - set(declared)
        if unknown:
            raise ValueError(f"the template has no parameters {sorted(unknown)}")
        self._values: dict[str, Any] = {
            **{key: str(parameter.get("Default", "")) for key, parameter in declared.items()},
            **(parameters or {}),
            "AWS::StackName": name,
            "AWS::Region": REGION,
            "AWS::AccountId": ACCOUNT,
            "AWS::Partition": "aws",
            "AWS::URLSuffix": "amazonaws.com",
        }

    def resources(self, kind: str) -> dict[str, dict[str, Any]]:
        """The resolved properties of all resources of a type in this stack, by logical id."""
        return {
            key: self.resolve(resource["Properties"])
            for key, resource in self._template["Resources"].items()
            if resource["Type"] == kind and self._holds(resource.get("Condition"))
        }

    def resolve(self, value: Any) -> Any:
        """``value`` with every intrinsic function resolved."""
        match value:
            case {"Ref": name}:
                return self._values.get(name, name)
            case {"Fn::GetAtt": [resource, attribute]}:
                return f"{resource}.{attribute}"
            case {"Fn::GetAtt": str(path)}:
                return path
            case {"Fn::Sub": str(text)}:
                return re.sub(r"\$\{([^}]+)\}", lambda match: str(self._values.get(match[1], match[1])), text)
            case {"Fn::FindInMap": [name, first, second]}:
                return self._template["Mappings"][name][self.resolve(first)][self.resolve(second)]
            case {"Fn::If": [name, yes, no]}:
                return self.resolve(yes if self._holds(name) else no)
            case {"Fn::Join": [separator, parts]}:
                return separator.join(map(str, self.resolve(parts)))
            case dict() if any(key.startswith("Fn::") for key in value):
                raise ValueError(f"unknown function {sorted(value)}")
            case dict():
                kept = {key: self.resolve(inner) for key, inner in value.items()}
                return {key: inner for key, inner in kept.items() if inner != "AWS::NoValue"}
            case list():
                return [inner for inner in map(self.resolve, value) if inner != "AWS::NoValue"]
            case _:
                return value

    def _holds(self, condition: str | None) -> bool:
        return condition is None or self._decide(self._template["Conditions"][condition])

    def _decide(self, rule: Any) -> bool:
        match rule:
            case {"Fn::Not": [inner]}:
                return not self._decide(inner)
            case {"Fn::Equals": [one, other]}:
                return bool(self.resolve(one) == self.resolve(other))
            case {"Fn::And": rules}:
                return all(map(self._decide, rules))
            case {"Fn::Or": rules}:
                return any(map(self._decide, rules))
            case {"Condition": name}:
                return self._holds(name)
            case _:
                raise ValueError(f"unknown condition {rule}")
