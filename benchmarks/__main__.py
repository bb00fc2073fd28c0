"""All benchmarks, and their tables in docs/performance.md: ``python -m benchmarks``; or some, by their names."""

import argparse
import re
from datetime import UTC, datetime
from types import ModuleType

from benchmarks import cold_start, cost, document_size, fan_out, fleet, no_change, start_up
from benchmarks.measuring import ROOT, machine

ALL: tuple[ModuleType, ...] = (fleet, no_change, document_size, cold_start, cost, fan_out, start_up)
DOCUMENT = ROOT / "docs" / "performance.md"


def put(document: str, name: str, content: str) -> str:
    """The document with other content between the markers of this name. Raises ValueError if it has none."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    section = re.search(rf"{re.escape(begin)}.*?{re.escape(end)}", document, re.DOTALL)
    if section is None:
        raise ValueError(f"there is no place for {name}")
    return f"{document[: section.start()]}{begin}\n\n{content}\n\n{end}{document[section.end() :]}"


def main() -> None:
    """Measure, print and write down."""
    names = [str(each.NAME) for each in ALL]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*names, []], help="all, unless some are named")
    chosen = parser.parse_args().names or names
    for each in ALL:
        if each.NAME in chosen:
            print(f"{each.TITLE} ...", flush=True)
            content = f"{each.measure()}\n\nMeasured {datetime.now(UTC):%Y-%m-%d} on {machine()}."
            print(f"{content}\n", flush=True)
            DOCUMENT.write_text(put(DOCUMENT.read_text("utf-8"), each.NAME, content), "utf-8")


if __name__ == "__main__":
    main()
