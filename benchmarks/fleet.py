"""A fleet in which every backup has drifted, over a network with latency: the product against two plain scripts.

``python -m benchmarks.fleet`` prints the table.
"""

import argparse
from dataclasses import asdict

from benchmarks.measuring import AS_DEPLOYED, in_own_process, ratio, table
from benchmarks.servers import Layout, running

NAME = "fleet"
TITLE = "A drifted fleet"


def measure(backups: int = 100, users: int = 640, latency: float = 0.05, edited: int = 5) -> str:
    """The table. Raises RuntimeError if one of the three did not do its work."""
    with running(Layout(backups, users, latency, edited)) as fleet:
        access = asdict(fleet.access)
        ours = in_own_process("benchmarks.ours", {"access": access, "runs": 2}, **AS_DEPLOYED)
        drifted, unchanged = ours
        if drifted["statuses"] != {"updated": backups} or unchanged["statuses"] != {"in_sync": backups}:
            raise RuntimeError(f"the product did not replicate: {drifted}, {unchanged}")
        plain = {}
        for script in ("steps", "blind"):
            fleet.reset()
            plain[script] = in_own_process("benchmarks.plain", {"access": access, "script": script})
            if plain[script]["served"] != backups:
                raise RuntimeError(f"the plain script did not push to every backup: {plain[script]}")
        megabytes = fleet.access.documents / 1e6
    rows = [
        ("product, all drifted", drifted, 1.0),
        ("plain script, same steps", plain["steps"], plain["steps"]["wall"] / drifted["wall"]),
        ("plain script, pushing blindly", plain["blind"], plain["blind"]["wall"] / drifted["wall"]),
        ("product, all unchanged and read in full", unchanged, None),
    ]
    heads = ("what", "wall s", "CPU s", "CPU ms per backup", "product is faster by")
    lines = [
        (
            name,
            f"{figures['wall']:.1f}",
            f"{figures['cpu']:.1f}",
            f"{figures['cpu'] / backups * 1000:.0f}",
            ratio(faster),
        )
        for name, figures, faster in rows
    ]
    caption = (
        f"{backups} backups, {megabytes:.1f} MB of users and groups on each, {edited} users edited on each, run-time "
        f"values of its own on each, {latency * 1000:.0f} ms injected per call."
    )
    return f"{caption}\n\n{table(heads, lines)}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backups", type=int, default=100)
    parser.add_argument("--users", type=int, default=640, help="640 make 1 MB")
    parser.add_argument("--latency", type=float, default=0.05, help="seconds per call")
    print(measure(**vars(parser.parse_args())))


if __name__ == "__main__":
    main()
