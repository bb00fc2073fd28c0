"""Write docs/openapi.json, the management API's description, from its routes: ``python -m local.openapi``.

This module is separate from ``admin_api.openapi``, because a script that writes files does not belong in the deployed
package.
"""

import json
from pathlib import Path

from admin_api.app import api
from admin_api.openapi import document

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "openapi.json"


def text() -> str:
    """The content of docs/openapi.json."""
    return json.dumps(document(api), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write docs/openapi.json."""
    DOCUMENT.write_text(text(), "utf-8")


if __name__ == "__main__":
    main()
