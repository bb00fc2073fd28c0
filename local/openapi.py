"""Write docs/openapi.json, the management API's description, from its routes: ``python -m local.openapi``."""

from pathlib import Path

from admin_api.app import api
from admin_api.openapi import text

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "openapi.json"


def main() -> None:
    """Write the file."""
    DOCUMENT.write_text(text(api), "utf-8")


if __name__ == "__main__":
    main()
