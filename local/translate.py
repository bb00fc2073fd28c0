"""Prints the template after the SAM transform, as CloudFormation receives it, as JSON.

This module is separate from ``local.template``, because the transform's library needs another version of pydantic than
the product. So this program runs in the SAM CLI's environment, with ``.tools/sam/bin/python -m local.translate``.
cfn-lint checks the result more strictly than the SAM template itself, in which it accepts an unknown run time or a
time-out of an hour.
"""

import json
import logging
import os
from pathlib import Path

from samtranslator.translator.managed_policy_translator import ManagedPolicyLoader
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

TEMPLATE = Path(__file__).parents[1] / "infra" / "template.yaml"


class _NoLookup(ManagedPolicyLoader):  # type: ignore[misc]  # its base is untyped
    """Finds no managed policies, because no role of this template has one. So AWS is not asked."""

    def __init__(self) -> None:
        super().__init__(None)

    def load(self) -> dict[str, str]:
        return {}


def main() -> None:
    """Transform with the parameters' defaults; the code's location is a bucket, as in a deployment."""
    os.environ.setdefault("AWS_DEFAULT_REGION", "eu-central-1")
    logging.getLogger("samtranslator").setLevel(logging.ERROR)  # the library warns about its own switches
    source = yaml_parse(TEMPLATE.read_text())
    source["Globals"]["Function"]["CodeUri"] = {"Bucket": "bucket", "Key": "key"}
    print(json.dumps(transform(source, {}, _NoLookup()), indent=1))


if __name__ == "__main__":
    main()
