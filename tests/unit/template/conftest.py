"""The template as CloudFormation gets it, after the SAM transform."""

import pytest

from local.template import Template, translated


@pytest.fixture(scope="session")
def template() -> Template:
    """The whole transformed template, for the parameters' defaults."""
    return translated()


@pytest.fixture(scope="session")
def resources(template: Template) -> Template:
    """Its resources by their logical ids."""
    declared: Template = template["Resources"]
    return declared
