"""The simulation finds what the product once had: with a switch that restores a defect, a promise is broken."""

import pytest

from tests.simulation.defects import DEFECTS, Defect, first_sign
from tests.simulation.switches import APPLIED


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: f"{defect.point} {defect.what}")
def test_a_restored_defect_breaks_a_promise(defect: Defect) -> None:
    APPLIED.clear()
    played, schedule, violations = first_sign(defect)
    assert APPLIED[defect.point], "the switch replaces what nothing calls"
    assert schedule, f"{played} schedules of {defect.world} show nothing"
    assert violations
