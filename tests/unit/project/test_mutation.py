"""The table of mutation testing names what is there, and texts for people are left alone."""

import libcst
import pytest

from tests.mutation.__main__ import ROOT
from tests.mutation.modules import MODULES
from tests.mutation.mutmut_command import of_a_name


@pytest.mark.parametrize("module", MODULES)
def test_a_module_and_its_tests_are_there(module: str) -> None:
    assert (ROOT / "functions" / module).is_file()
    assert [name for name in MODULES[module] if not (ROOT / name).exists()] == []


def test_a_name_is_changed_and_a_text_for_people_is_not() -> None:
    assert list(of_a_name(libcst.SimpleString('"in_sync"')))
    assert not list(of_a_name(libcst.SimpleString('"it was not read"')))
