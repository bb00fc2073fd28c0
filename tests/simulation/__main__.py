"""Plays schedules of the simulation.

``python -m tests.simulation --seed 7`` plays one schedule and tells it as a story, one line per step.
``python -m tests.simulation --seconds 60`` plays new schedules for that long, and shortens each that breaks a promise.
"""

import argparse
import logging
import secrets
import sys
import time

from tests.simulation.schedules import Schedule, play, play_seed, shrunk


def main(arguments: list[str] | None = None) -> int:
    """Returns 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="play the schedule with this seed, and tell it step by step")
    parser.add_argument("--seconds", type=float, default=60.0, help="play new schedules for so long (default: 60)")
    parser.add_argument("--first", type=int, help="the first seed of new schedules (default: a random one)")
    options = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)
    if options.seed is not None:
        return _tell(play_seed(options.seed)[0])
    return _search(options.first if options.first is not None else secrets.randbelow(10**9), options.seconds)


def _tell(schedule: Schedule) -> int:
    played = play(schedule, tells=True)
    print(schedule, *played.story, *_verdict(played.violations), sep="\n")
    return 1 if played.violations else 0


def _verdict(violations: list[str]) -> list[str]:
    return [f"BROKEN {violation}" for violation in violations] or ["every promise was kept"]


def _search(first: int, seconds: float) -> int:
    begun, seed, broken = time.monotonic(), first, 0
    while (elapsed := time.monotonic() - begun) < seconds:
        schedule, played = play_seed(seed)
        if played.violations:
            broken += 1
            shortest = shrunk(schedule, lambda candidate: bool(play(candidate).violations))
            print(f"seed {seed}: {schedule}\n  shortest: {shortest}")
            print(*(f"  {line}" for line in _verdict(play(shortest).violations)), sep="\n", flush=True)
        seed += 1
        if sys.stderr.isatty():
            print(f"\r{seed - first} schedules", end="", file=sys.stderr)
    count = seed - first
    print(f"{count} schedules from seed {first} in {elapsed:.0f} s, {count / elapsed:.1f} per second; {broken} broken")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
