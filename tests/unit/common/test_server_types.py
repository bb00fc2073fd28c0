"""Values that servers tell."""

from common.server_types import Version


def test_versions_compare_part_by_part_as_numbers() -> None:
    assert Version(12, 9, 0, 0) < Version(12, 11, 5, 0) < Version(2024, 1, 1, 0)
    assert str(Version(12, 11, 5, 0)) == "12.11.5.0"
