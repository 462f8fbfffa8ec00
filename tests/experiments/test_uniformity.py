"""A million units: slots, arms and shares are even, and what should not depend on one another does not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from streams.experiments import Experiments
from streams.experiments.hashing import message, part, position

UNITS = 1_000_000
LEAST_P = 1e-4  # the units are fixed, so that a test that passes once always does

Floats = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def keys() -> list[bytes]:
    """Encoded ids as services have them: numbered, which is the hardest for a weak hash."""
    return [part(f"user-{number}") for number in range(UNITS)]


def positions(keys: Sequence[bytes], *salt: str) -> Floats:
    prefix = message(*salt)
    return np.fromiter((position(prefix + key) for key in keys), np.float64, len(keys))


def evenness(values: Floats, cells: int) -> float:
    """P-value of equal cells, after Pearson."""
    return float(stats.chisquare(np.bincount((values * cells).astype(np.int64), minlength=cells)).pvalue)


def independence(a: Floats, b: Floats, cells: int) -> float:
    """P-value of the independence of two draws, each cut into cells."""
    table = np.histogram2d(a, b, bins=cells, range=[[0, 1], [0, 1]])[0]
    return float(stats.chi2_contingency(table).pvalue)


def test_layers_and_salts_are_even_and_independent(keys: list[bytes]) -> None:
    """Slots of two layers and arms of two experiments are uniform, and no pair of them is related."""
    draws = [positions(keys, *salt) for salt in (("layer", "a"), ("layer", "b"), ("arm", "a"), ("arm", "e2"))]

    for draw in draws:
        assert evenness(draw, 1_000) > LEAST_P
        assert evenness(draw, 10_000) > LEAST_P
        assert stats.kstest(draw, "uniform").pvalue > LEAST_P
    for first, a in enumerate(draws):
        for b in draws[:first]:
            assert independence(a, b, 100) > LEAST_P


def test_neighbouring_units_are_unrelated(keys: list[bytes]) -> None:
    """The position of a unit says nothing of the next one's."""
    draw = positions(keys[:500_000], "arm", "e")

    assert independence(draw[:-1], draw[1:], 50) > LEAST_P


def test_experiments_exclude_or_overlap_as_declared() -> None:
    """Within a layer nobody is in two experiments; arms in one layer do not depend on those in another."""
    arms = {"control": 1, "treatment": 1}
    experiments = Experiments.parse(
        {
            "layers": {"a": {}, "b": {}},
            "experiments": {
                "a1": {"layer": "a", "slots": ["0-4999"], "arms": arms},
                "a2": {"layer": "a", "slots": ["5000-9999"], "arms": {"x": 1, "y": 3}},
                "b1": {"layer": "b", "slots": ["0-7499"], "arms": arms},
            },
        }
    )
    found = [experiments.assign(f"user-{number}").arms for number in range(300_000)]

    assert all(("a1" in one) + ("a2" in one) == 1 for one in found)
    first = ["control", "treatment", "x", "y"]
    table = np.zeros((4, 3))
    for one in found:
        column = ["control", "treatment", None].index(one.get("b1"))
        table[first.index(one.get("a1") or one["a2"]), column] += 1
    assert stats.chi2_contingency(table).pvalue > LEAST_P
    assert stats.chisquare(table.sum(axis=1), np.array([2, 2, 1, 3]) * len(found) / 8).pvalue > LEAST_P
    assert stats.chisquare(table.sum(axis=0), np.array([3, 3, 2]) * len(found) / 8).pvalue > LEAST_P
