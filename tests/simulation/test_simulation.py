"""Workers in a world of accidents end with the tables of the oracle, whatever the seed does to them."""

from __future__ import annotations

import pytest

from tests.driving import assert_agree
from tests.oracle import oracle
from tests.simulation.story import counts_of, simulate, stream_of, windows_of

LEGS = 20
SEEDS_A_LEG = 50


@pytest.mark.parametrize("leg", range(LEGS))
def test_no_accident_changes_a_count(leg: int) -> None:
    """Final tables equal the oracle's: counters and counts exactly, values to 1e-9; every event has one fate."""
    for seed in range(leg * SEEDS_A_LEG, (leg + 1) * SEEDS_A_LEG):
        try:
            check(seed)
        except Exception as error:
            again = f'.venv/bin/python -c "from tests.simulation.test_simulation import *; check({seed})"'
            raise AssertionError(f"world {seed} went wrong; to see it again: {again}\n{error!r}") from error


def check(seed: int) -> None:
    """Run one world by its seed."""
    stream = stream_of(seed)
    truth = oracle(stream.config, stream.events)

    world = simulate(stream, seed)

    assert counts_of(world) == truth.counts
    assert_agree(windows_of(world), truth.windows)
    orphans = [row["reason"] for row in world.tables.newest("orphans", ("source", "position"))]
    assert {reason: orphans.count(reason) for reason in ("late", "unmatched")} == truth.orphans
    fates = ("labelling", "attributed", "corrected", "orphan", "duplicate", "predictions", "rejected")
    assert truth.counts["read"] == sum(truth.counts[name] for name in fates) - truth.counts["duplicate_predictions"]
