"""Rules about several predictions, in workers in a world of accidents: each tick says what brute force says of it."""

from __future__ import annotations

import pytest

from tests.core.detect import followed
from tests.simulation.story import simulate
from tests.streams_strategy import Stream

LEGS, SEEDS_A_LEG = 4, 10


@pytest.mark.parametrize("leg", range(LEGS))
def test_no_accident_changes_what_rules_say(leg: int) -> None:
    """A unit's predictions lie in several partitions, workers die and take over: the shares of all ticks are right."""
    for seed in range(leg * SEEDS_A_LEG, (leg + 1) * SEEDS_A_LEG):
        try:
            check(seed)
        except Exception as error:
            again = f'.venv/bin/python -c "from tests.simulation.test_sequences import *; check({seed})"'
            raise AssertionError(f"world {seed} went wrong; to see it again: {again}\n{error!r}") from error


def check(seed: int) -> None:
    """Run one world by its seed."""
    told = followed.predictions(seed, 30 + seed % 40)

    world = simulate(Stream(followed.declared(), told, followed.DISORDER, seed), seed)

    signals = world.tables.newest("signals", ("model", "kind", "watch", "tick"))
    assert followed.shares(signals) == followed.oracle(told)
