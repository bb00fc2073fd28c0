"""``python -m cerbsync``, and the program ``cerbsync``."""

import sys

from cerbsync.app import main


def run() -> None:
    """Run the command of this process and end the process."""
    sys.exit(main())


if __name__ == "__main__":
    run()
