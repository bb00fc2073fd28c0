"""``python -m local.trial``: the product's work from this machine, without AWS. See docs/try.md."""

import sys
from pathlib import Path

# So that nobody needs to set a variable for it.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "functions"))

from local.trial.program import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
