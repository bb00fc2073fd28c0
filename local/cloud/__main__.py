"""Keeps a local cloud with the deployed stack until interrupted. ``make stack`` runs it."""

import signal
from contextlib import suppress

from local.build import ROOT, build
from local.cloud import LocalCloud


def main() -> None:
    """Build, start, deploy, say how to use it, wait."""
    build()
    with LocalCloud(ROOT / ".local" / "cloud") as cloud:
        outputs = cloud.deploy("cerberus-sync", {"AllowedNetworks": "127.0.0.0/8", "SyncEnabled": "false"})
        print("\nThe stack's outputs:")
        for key, value in outputs.items():
            print(f"  {key} = {value}")
        print("\nTo use it from another terminal:")
        for name, value in cloud.environment.items():
            print(f"  export {name}={value}")
        with suppress(KeyboardInterrupt):
            print(f"\nIts log is {cloud.log_file.relative_to(ROOT)}. Ctrl-C ends it.", flush=True)
            signal.pause()


if __name__ == "__main__":
    main()
