"""Write docs/openapi.json, the management API's description, from its routes: ``python -m local.openapi``.

This module is separate from ``admin_api.openapi``, because a script that writes files does not belong in the deployed
package.
"""

import json
from pathlib import Path

from admin_api.app import api
from admin_api.openapi import document
from cerbsync import fleet_file

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "openapi.json"
FLEET_SCHEMA = DOCUMENT.with_name("fleet.schema.json")


def text() -> str:
    """The content of docs/openapi.json."""
    return json.dumps(document(api), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write docs/openapi.json, and docs/fleet.schema.json for the file that ``cerbsync`` sends to this API."""
    DOCUMENT.write_text(text(), "utf-8")
    FLEET_SCHEMA.write_text(json.dumps(fleet_file.schema(), indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
