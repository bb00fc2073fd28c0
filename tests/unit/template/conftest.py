"""The template as CloudFormation gets it, after the SAM transform."""

import json
import subprocess
from typing import Any

import pytest

from local.build import ROOT, SAM

Template = dict[str, Any]


@pytest.fixture(scope="session")
def template() -> Template:
    """The whole transformed template, for the parameters' defaults."""
    command = [str(SAM.with_name("python")), "-m", "local.translate"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)  # noqa: S603  (this repository's program)
    translated: Template = json.loads(done.stdout)
    return translated


@pytest.fixture(scope="session")
def resources(template: Template) -> Template:
    """Its resources by their logical ids."""
    found: Template = template["Resources"]
    return found
