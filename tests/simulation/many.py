"""Simulate many worlds: `python -m tests.simulation.many --seeds 100000`. Stops at the first that goes wrong."""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import sys

from tests.simulation.test_simulation import check

_REPORT_EVERY = 1_000
_CHUNK = 5


def attempt(seed: int) -> tuple[int, str | None]:
    """Run one world; returns what went wrong."""
    logging.disable(logging.CRITICAL)
    try:
        check(seed)
    except Exception as error:  # noqa: BLE001 - whatever it is, the seed reproduces it
        return seed, repr(error)
    return seed, None


def main() -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(description="Simulate worlds of workers and accidents.")
    parser.add_argument("--seeds", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--processes", type=int, help="how many at a time; all processors if not given")
    given = parser.parse_args()
    with multiprocessing.Pool(given.processes) as pool:
        seeds = range(given.first, given.first + given.seeds)
        for done, (seed, wrong) in enumerate(pool.imap_unordered(attempt, seeds, chunksize=_CHUNK), 1):
            if wrong is not None:
                again = f'.venv/bin/python -c "from tests.simulation.test_simulation import *; check({seed})"'
                sys.stderr.write(f"world {seed} went wrong: {wrong}\nto see it again: {again}\n")
                return 1
            if done % _REPORT_EVERY == 0:
                sys.stdout.write(f"{done:,} worlds, none went wrong\n")
                sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
