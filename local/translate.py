"""Prints the template after the SAM transform, as CloudFormation receives it, as JSON.

Separate from ``local.template``, because the transform's library excludes the product's own pydantic: this runs in the
SAM CLI's environment, with ``.tools/sam/bin/python -m local.translate``. cfn-lint checks the result more strictly than
the SAM template itself, in which it lets an unknown run time or a time-out of an hour pass.
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
    """Uses nothing of AWS: no role of this template has a managed policy."""

    def __init__(self) -> None:
        super().__init__(None)

    def load(self) -> dict[str, str]:
        return {}


def main() -> None:
    """Transform with the parameters' defaults; the code's location is a bucket, as in a deployment."""
    os.environ.setdefault("AWS_DEFAULT_REGION", "eu-central-1")
    logging.getLogger("samtranslator").setLevel(logging.ERROR)  # it warns about switches of its own
    source = yaml_parse(TEMPLATE.read_text())
    source["Globals"]["Function"]["CodeUri"] = {"Bucket": "bucket", "Key": "key"}
    print(json.dumps(transform(source, {}, _NoLookup()), indent=1))


if __name__ == "__main__":
    main()
