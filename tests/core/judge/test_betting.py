"""Betting on the mean: published capital and intervals, error rates, finite populations, and shards that merge."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.judge.betting import Betting
from streams.core.judge.bounded import Limits
from streams.core.judge.evidence import Interval
from tests.core.judge.published import Method, assert_agrees, vectors

ALPHA = 0.05
SAMPLES = json.loads((Path(__file__).parent / "samples_bounded.json").read_text(encoding="utf-8"))
shares = st.lists(st.floats(0, 1), min_size=1, max_size=30)
GRID = np.linspace(0, 1, 21)


def state_of(i: Mapping[str, Any]) -> Betting:
    grid = np.linspace(0, 1, i["breaks"] + 1)
    state = Betting.begin(i["alpha"], grid, population=i.get("population"))
    return state.extended(SAMPLES[i.get("sample", "beta")])


def limits_of(interval: Interval | None) -> dict[str, float | None]:
    assert interval is not None
    return {"low": interval.low, "high": interval.high}


METHODS: dict[str, Method] = {
    "log_capital": lambda i: {
        "log_capital": float(Betting.begin(i["alpha"], [i["m"]]).extended(SAMPLES["beta"]).log_capital[0])
    },
    "running": lambda i: limits_of(state_of(i).running_interval),
    "current": lambda i: limits_of(state_of(i).evidence(0.3).interval),
}


@pytest.mark.parametrize("vector", vectors("betting"))
def test_published_numbers(vector: Mapping[str, Any]) -> None:
    """Published samples give the published capital and intervals."""
    assert_agrees(METHODS, vector)


def one_by_one(values: Sequence[float], mean: float, population: int | None = None) -> list[tuple[float, float]]:
    """Both log-fortunes after each observation, by a plain loop over the definitions."""
    total = squares = higher = lower = 0.0
    path = []
    for t, x in enumerate(values, start=1):
        m = mean if population is None else (population * mean - total) / (population - t + 1)
        bet = math.sqrt(2 * math.log(2 / ALPHA) / ((0.25 + squares) / t * t * math.log(1 + t)))
        higher += math.log(1 + min(bet, 0.5 / m if m > 0 else math.inf) * (x - m))
        lower += math.log(1 - min(bet, 0.5 / (1 - m) if m < 1 else math.inf) * (x - m))
        total += x
        squares += (x - (0.5 + total) / (t + 1)) ** 2
        path.append((higher, lower))
    return path


@given(shares, st.integers(0, 30), st.sampled_from([0.0, 0.01, 0.3, 0.5, 1.0]))
def test_fortunes_are_what_the_definitions_say(values: list[float], at: int, mean: float) -> None:
    """In one batch or in two, fortunes and the most they ever were are those of a loop over the observations."""
    path = np.array(one_by_one(values, mean))
    state = Betting.begin(ALPHA, [mean]).extended(values[:at]).extended(values[at:])

    assert (state.higher[0], state.lower[0]) == pytest.approx(tuple(path[-1]), abs=1e-9)
    assert state.highest[:, 0] == pytest.approx(np.maximum(path.max(axis=0), 0), abs=1e-9)


def test_long_batches_are_cut_where_it_does_not_matter() -> None:
    """Two thousand observations at once give what they give one block after another."""
    values = np.random.default_rng(1).random(2000)
    once, state = Betting.begin(ALPHA, GRID).extended(values), Betting.begin(ALPHA, GRID)
    for block in np.split(values, [3, 600, 1111]):
        state = state.extended(block)

    assert state.higher == pytest.approx(once.higher, abs=1e-9)
    assert state.highest == pytest.approx(once.highest, abs=1e-9)


@given(shares)
def test_fortunes_are_monotone_in_the_candidate(values: list[float]) -> None:
    """A higher candidate makes the bettor on higher means poorer and the other richer: so intervals are intervals."""
    state = Betting.begin(ALPHA, GRID).extended(values)

    assert (np.diff(state.higher) <= 1e-12).all()
    assert (np.diff(state.lower) >= -1e-12).all()


@given(shares, st.integers(1, 20))
def test_p_values_and_intervals_agree(values: list[float], repeat: int) -> None:
    """Every candidate is in the interval exactly when its p-value is above alpha."""
    state = Betting.begin(ALPHA, GRID).extended(values * repeat)

    for null in GRID.tolist():
        shown = state.evidence(null)
        assert shown.log_e == pytest.approx(float(state.log_capital[np.abs(GRID - null).argmin()]))
        assert (shown.p > ALPHA) == shown.interval.contains(null)
        assert shown.estimate == pytest.approx(np.mean(values))


@given(shares, st.floats(-50, 50), st.sampled_from([0.5, 1.0, 8.0]))
def test_other_limits_are_other_units(values: list[float], lower: float, scale: float) -> None:
    """Observations between other limits give the same interval in their units; mirrored ones the mirrored one."""
    limits = Limits(lower, lower + scale)
    inside = [min(limits.restored(x), limits.upper) for x in values]
    plain = Betting.begin(ALPHA, GRID).extended(values)
    scaled = Betting.begin(ALPHA, [min(limits.restored(x), limits.upper) for x in GRID], limits=limits).extended(inside)
    mirrored = Betting.begin(ALPHA, GRID).extended([1 - x for x in values])

    assert scaled.log_capital == pytest.approx(plain.log_capital, abs=1e-6)
    assert mirrored.log_capital == pytest.approx(plain.log_capital[::-1], abs=1e-9)


@given(shares, shares, shares)
def test_merging_is_associative_and_has_no_order(a: list[float], b: list[float], c: list[float]) -> None:
    """However shards are merged, their log-fortunes are the sums."""
    x, y, z = (Betting.begin(ALPHA, GRID).extended(values) for values in (a, b, c))
    merged = x.merged(y).merged(z)

    assert merged.higher == pytest.approx(x.higher + y.higher + z.higher)
    for other in (x.merged(y.merged(z)), z.merged(x).merged(y)):
        assert other.higher == pytest.approx(merged.higher, abs=1e-9)
        assert other.lower == pytest.approx(merged.lower, abs=1e-9)
        assert other.highest == pytest.approx(merged.highest, abs=1e-9)
    assert merged.past.n == len(a) + len(b) + len(c)


def most(runs: int) -> float:
    """Share of runs that may err: alpha, and 4 standard errors of it."""
    return ALPHA + 4 * math.sqrt(ALPHA * (1 - ALPHA) / runs)


@pytest.mark.parametrize("share", [0.5, 0.1, 1e-3, 1e-4])
def test_error_rate_at_every_observation(share: float) -> None:
    """1,000 streams of zeros and ones, seen after each of 1,000, reject their mean at most alpha plus 4 SE often."""
    rng, erred = np.random.default_rng(41), 0
    for _ in range(1000):
        state = Betting.begin(ALPHA, [share]).extended(rng.binomial(1, share, 1000).astype(float))
        erred += float(state.highest.max()) - math.log(2) >= -math.log(ALPHA)

    assert erred / 1000 <= most(1000)


def test_coverage_of_running_intervals() -> None:
    """300 running intervals of skewed values, 500 each, miss the mean at most alpha of the time plus 4 SE."""
    rng, missed = np.random.default_rng(42), 0
    for _ in range(300):
        interval = Betting.begin(ALPHA, np.linspace(0, 1, 101)).extended(rng.beta(0.3, 1.2, 500)).running_interval
        missed += interval is None or not interval.contains(0.2)

    assert missed / 300 <= most(300)


def test_error_rate_of_merged_shards() -> None:
    """Four shards of 500, merged at each of 10 looks, reject their mean at most alpha of the time plus 4 SE."""
    rng, erred = np.random.default_rng(43), 0
    for _ in range(300):
        shards, error = [Betting.begin(ALPHA, [0.1])] * 4, False
        for _ in range(10):
            shards = [state.extended(rng.binomial(1, 0.1, 50).astype(float)) for state in shards]
            a, b, c, d = shards
            error |= a.merged(b).merged(c).merged(d).evidence(0.1).p <= ALPHA
        erred += error

    assert erred / 300 <= most(300)


def test_error_rate_of_a_finite_population() -> None:
    """500 populations of 300, drawn to the last, reject their mean at most alpha of the time plus 4 SE."""
    rng, erred = np.random.default_rng(44), 0
    for _ in range(500):
        values = rng.permutation(np.repeat([0.0, 1.0, 0.3], [220, 30, 50]))
        state = Betting.begin(ALPHA, [0.15], population=300).extended(values)
        erred += float(state.highest.max()) - math.log(2) >= -math.log(ALPHA)

    assert erred / 500 <= most(500)


@given(shares.filter(lambda values: len(values) > 1))
def test_a_population_drawn_to_the_last_is_known(values: list[float]) -> None:
    """When all have been drawn, the interval is their mean; before that, it is no wider than the undrawn make it."""
    n = len(values)
    state = Betting.begin(ALPHA, GRID, population=n).extended(values)
    interval = state.running_interval
    assert interval is not None
    assert interval.low == pytest.approx(np.mean(values), abs=1e-9)
    assert interval.high == pytest.approx(np.mean(values), abs=1e-9)

    before = Betting.begin(ALPHA, GRID, population=n).extended(values[:-1]).running_interval
    assert before is not None
    assert before.low >= sum(values[:-1]) / n - 1e-9
    assert before.high <= (sum(values[:-1]) + 1) / n + 1e-9


def test_candidates_that_have_become_impossible_are_out() -> None:
    """A mean that the undrawn of a population cannot restore any more has endless evidence against it."""
    state = Betting.begin(ALPHA, [0.0, 0.25, 0.5, 0.9], population=10).extended([1, 1, 1, 0])

    assert state.log_capital[0] == state.log_capital[1] == math.inf
    assert math.isfinite(state.log_capital[2])
    assert state.evidence(0.25).p == 0


def test_a_mean_that_moves_leaves_nothing_in_common() -> None:
    """When the mean moves, the running interval ends up empty, and says so; the current one goes on."""
    state = Betting.begin(ALPHA, GRID).extended([0.1] * 300).extended([0.9] * 900)

    assert state.running_interval is None
    assert state.evidence(0.5).interval.width > 0


def test_betting_is_sharper_than_the_alternatives() -> None:
    """On the published sample it is a quarter narrower than empirical Bernstein's 0.093."""
    interval = Betting.begin(ALPHA).extended(SAMPLES["beta"]).running_interval

    assert interval is not None
    assert interval.width < 0.07


def test_what_cannot_be_is_refused() -> None:
    """Values, nulls, populations and merges that cannot be are refused by name."""
    state = Betting.begin(ALPHA, GRID)
    with pytest.raises(ValueError, match="no observations yet"):
        state.evidence(0.5)
    with pytest.raises(ValueError, match=r"null 0[.]333 is not among the candidate means"):
        state.extended([0.5]).evidence(0.333)
    with pytest.raises(ValueError, match=r"2[.]0 is outside"):
        state.extended([2.0])
    with pytest.raises(ValueError, match="5 observations are more than the population of 4"):
        Betting.begin(ALPHA, GRID, population=4).extended([0.5] * 5)
    with pytest.raises(ValueError, match="different kinds cannot be merged"):
        state.merged(Betting.begin(0.1, GRID))
    with pytest.raises(ValueError, match="different candidate means"):
        state.merged(Betting.begin(ALPHA, [0.5]))
    for ours, theirs in ((4, None), (None, 4), (4, 4)):
        with pytest.raises(ValueError, match="depend on each other"):
            Betting.begin(ALPHA, GRID, population=ours).merged(Betting.begin(ALPHA, GRID, population=theirs))
