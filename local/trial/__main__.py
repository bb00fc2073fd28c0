"""``python -m local.trial`` does the work of a run from this machine, without AWS. See docs/try.md."""

import sys
from pathlib import Path

# The path is extended here, so that nobody needs to set PYTHONPATH.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "functions"))

from local.trial.program import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
