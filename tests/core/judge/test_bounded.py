"""Means of bounded observations: published intervals, error rates, and states that merge."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.judge.bounded import (
    Bernstein,
    Floats,
    Limits,
    Past,
    PredictableMixture,
    hoeffding,
    predictable_bets,
)
from streams.core.judge.evidence import Evidence, Interval
from tests.core.judge.published import Method, assert_agrees, vectors

ALPHA = 0.05
SAMPLE = json.loads((Path(__file__).parent / "samples_bounded.json").read_text(encoding="utf-8"))["beta"]
shares = st.lists(st.floats(0, 1), min_size=1, max_size=40)


def limits_of(shown: Evidence) -> dict[str, float | None]:
    return {"low": shown.interval.low, "high": shown.interval.high}


def bets(i: Mapping[str, Any]) -> dict[str, float | None]:
    found = predictable_bets(Past(), np.array(SAMPLE), i["alpha"])
    return {"lambda_1": found[0], "lambda_2": found[1], "lambda_200": found[199]}


def by_hoeffding(i: Mapping[str, Any]) -> dict[str, float | None]:
    mean = float(np.mean(SAMPLE))
    return limits_of(hoeffding(mean, len(SAMPLE), planned=i["t_opt"], alpha=i["alpha"], null=0.5))


METHODS: dict[str, Method] = {
    "bernstein": lambda i: limits_of(
        Bernstein().extended(SAMPLE).evidence(planned=i["v_opt"], alpha=i["alpha"], null=0.5)
    ),
    "hoeffding": by_hoeffding,
    "predictable": lambda i: limits_of(PredictableMixture(i["alpha"]).extended(SAMPLE).evidence(0.5)),
    "bets": bets,
}


@pytest.mark.parametrize("vector", vectors("bounded"))
def test_published_numbers(vector: Mapping[str, Any]) -> None:
    """A published sample gives the published bets and intervals."""
    assert_agrees(METHODS, vector)


def one_by_one(values: Sequence[float], alpha: float) -> tuple[float, float, float, float, float]:
    """Variation, stake, win and the two prices, by a plain loop over the definitions."""
    total = squares = variation = staked = won = low = high = 0.0
    for t, x in enumerate(values, start=1):
        before = total / (t - 1) if t > 1 else None
        variance = (0.25 + squares) / t
        bet = min(math.sqrt(2 * math.log(1 / alpha) / (variance * t * math.log(1 + t))), 0.5)
        price = -math.log(1 - bet) - bet
        variation += (x - (0.5 if before is None else before)) ** 2
        low += price * (x - (0.0 if before is None else before)) ** 2
        high += price * (x - (1.0 if before is None else before)) ** 2
        staked, won, total = staked + bet, won + bet * x, total + x
        squares += (x - (0.5 + total) / (t + 1)) ** 2
    return variation, staked, won, low, high


@given(shares, st.integers(0, 40))
def test_states_are_what_the_definitions_say(values: list[float], at: int) -> None:
    """In one batch or in two, the sums are those of a loop over the observations."""
    variation, *sums = one_by_one(values, 0.025)

    bernstein = Bernstein().extended(values[:at]).extended(values[at:])
    found = PredictableMixture(0.05).extended(values[:at]).extended(values[at:])
    assert bernstein.variation == pytest.approx(variation, abs=1e-9)
    assert (found.staked, found.won, found.price_low, found.price_high) == pytest.approx(tuple(sums), abs=1e-9)
    assert bernstein.past.n == found.past.n == len(values)


@given(shares, shares, shares)
def test_merging_is_associative_and_has_no_order(a: list[float], b: list[float], c: list[float]) -> None:
    """However shards are merged, the same is shown, but for rounding."""

    def shown(state: Bernstein | PredictableMixture) -> list[float]:
        planned = {"planned": 2.0, "alpha": ALPHA}
        found = state.evidence(null=0.4, **planned) if isinstance(state, Bernstein) else state.evidence(0.4)
        return [found.estimate, found.log_e, found.interval.low, found.interval.high]

    for x, y, z in (
        [Bernstein().extended(values) for values in (a, b, c)],
        [PredictableMixture(ALPHA).extended(values) for values in (a, b, c)],
        [PredictableMixture(ALPHA, "largest").extended(values) for values in (a, b, c)],
    ):
        assert x.merged(y).past.squares == pytest.approx(x.past.squares + y.past.squares)  # type: ignore[arg-type]
        once = shown(x.merged(y).merged(z))  # type: ignore[arg-type]
        assert once == pytest.approx(shown(x.merged(y.merged(z))), abs=1e-9)  # type: ignore[arg-type]
        assert once == pytest.approx(shown(z.merged(x).merged(y)), abs=1e-9)  # type: ignore[arg-type]


Show = Callable[[Sequence[float] | Floats, Limits, float], Evidence]
"""What values between limits show against a null."""

SHOWS: dict[str, Show] = {
    "hoeffding": lambda values, limits, null: hoeffding(
        float(np.mean(values)), len(values), planned=100, alpha=ALPHA, null=null, limits=limits
    ),
    "bernstein": lambda values, limits, null: (
        Bernstein(limits=limits).extended(values).evidence(planned=10, alpha=ALPHA, null=null)
    ),
    "estimated": lambda values, limits, null: PredictableMixture(ALPHA, limits=limits).extended(values).evidence(null),
    "largest": lambda values, limits, null: (
        PredictableMixture(ALPHA, "largest", limits=limits).extended(values).evidence(null)
    ),
}


@pytest.mark.parametrize("name", SHOWS)
@given(values=shares, repeat=st.integers(1, 20), null=st.floats(0, 1))
def test_p_values_and_intervals_agree(name: str, values: list[float], repeat: int, null: float) -> None:
    """P is at most alpha exactly when the interval excludes the null."""
    shown = SHOWS[name](values * repeat, Limits(), null)

    assert math.isfinite(shown.log_e)
    if abs(shown.log_e + math.log(ALPHA)) > 1e-6:
        assert (shown.p < ALPHA) == (not shown.interval.contains(null))


@pytest.mark.parametrize("name", SHOWS)
@given(values=shares, lower=st.floats(-100, 100), scale=st.floats(0.01, 100))
def test_other_limits_are_other_units(name: str, values: list[float], lower: float, scale: float) -> None:
    """Observations between other limits give the same interval in their units; mirrored ones the mirrored one."""
    plain = SHOWS[name](values, Limits(), 0.3)
    limits = Limits(lower, lower + scale)
    scaled = [limits.restored(x) for x in values]
    inside = [min(max(x, limits.lower), limits.upper) for x in scaled]
    shown = SHOWS[name](inside, limits, limits.restored(0.3))
    mirrored = SHOWS[name]([1 - x for x in values], Limits(), 0.7)

    near = 1e-6 * (abs(lower) + scale)
    assert shown.log_e == pytest.approx(plain.log_e, abs=1e-4 * (1 + abs(lower) / scale))
    assert shown.interval.low == pytest.approx(limits.restored(plain.interval.low), abs=near)
    assert shown.interval.high == pytest.approx(limits.restored(plain.interval.high), abs=near)
    assert mirrored.interval.low == pytest.approx(1 - plain.interval.high, abs=1e-9)
    assert mirrored.log_e == pytest.approx(plain.log_e, abs=1e-9)


def most(runs: int) -> float:
    """Share of runs that may err: alpha, and 4 standard errors of it."""
    return ALPHA + 4 * math.sqrt(ALPHA * (1 - ALPHA) / runs)


@pytest.mark.parametrize("share", [0.5, 0.1, 1e-3])
def test_error_rates_at_every_look(share: float) -> None:
    """300 streams of zeros and ones, looked at 12 times, ever miss their mean at most alpha of the time plus 4 SE."""
    rng = np.random.default_rng(31)
    erred = dict.fromkeys(SHOWS, 0)
    for _ in range(300):
        values = (rng.random(1200) < share).astype(float)
        for name, show in SHOWS.items():
            erred[name] += any(
                not show(values[:n], Limits(), share).interval.contains(share) for n in range(100, 1201, 100)
            )

    assert {name: count for name, count in erred.items() if count / 300 > most(300)} == {}


def test_error_rates_of_merged_shards() -> None:
    """Four shards merged at each of 10 looks ever miss their mean at most alpha of the time plus 4 SE, in 200 runs."""
    rng, erred = np.random.default_rng(32), np.zeros((200, 2), np.bool_)
    for run in range(200):
        conjugate, predictable = [Bernstein()] * 4, [PredictableMixture(ALPHA)] * 4
        for _ in range(10):
            blocks = rng.beta(0.3, 1.2, (4, 30))
            conjugate = [state.extended(block) for state, block in zip(conjugate, blocks, strict=True)]
            predictable = [state.extended(block) for state, block in zip(predictable, blocks, strict=True)]
            a, b, c, d = conjugate
            shown = a.merged(b).merged(c.merged(d)).evidence(planned=100, alpha=ALPHA, null=0.2)
            e, f, g, h = predictable
            erred[run] |= shown.p <= ALPHA, e.merged(f).merged(g.merged(h)).evidence(0.2).p <= ALPHA

    assert (erred.mean(axis=0) <= most(200)).all()


def test_what_is_learnt_of_the_variance_narrows() -> None:
    """For values that vary little, methods that learn the variance are several times narrower."""
    values = 0.1 + 0.02 * np.random.default_rng(33).random(2000)
    widths = {name: show(values, Limits(), 0.5).interval.width for name, show in SHOWS.items()}

    assert widths["bernstein"] < widths["hoeffding"] / 5
    assert widths["estimated"] < widths["largest"] / 5


def test_no_observation_moves_nothing() -> None:
    """An empty batch leaves a state as it was."""
    for state in (Bernstein().extended(SAMPLE), PredictableMixture(ALPHA).extended(SAMPLE)):
        assert state.extended([]) == state


def test_an_interval_stays_within_the_limits() -> None:
    """With one observation nothing is known beyond the limits themselves."""
    for show in SHOWS.values():
        assert show([3.0], Limits(2.0, 6.0), 5.0).interval == Interval(2.0, 6.0)


def test_what_cannot_be_is_refused() -> None:
    """Limits, values, nulls and merges that cannot be are refused by name."""
    for lower, upper in ((1, 1), (2, 1), (-math.inf, 0), (0, math.nan)):
        with pytest.raises(ValueError, match=f"limits {lower} and {upper}"):
            Limits(lower, upper)
    for value in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match=f"{value} is outside"):
            Bernstein().extended([0.5, value])
    for show in SHOWS.values():
        with pytest.raises(ValueError, match=r"the null 1[.]5 is outside"):
            show([0.5], Limits(), 1.5)
    with pytest.raises(ValueError, match="no observations yet"):
        Bernstein().evidence(planned=1, alpha=ALPHA, null=0.5)
    with pytest.raises(ValueError, match="no observations yet"):
        PredictableMixture(ALPHA).evidence(0.5)
    with pytest.raises(ValueError, match="n is 0"):
        hoeffding(0.5, 0, planned=1, alpha=ALPHA, null=0.5)
    with pytest.raises(ValueError, match=r"a mean of 2[.]0 is outside"):
        hoeffding(2.0, 5, planned=1, alpha=ALPHA, null=0.5)
    with pytest.raises(ValueError, match="alpha is 2"):
        PredictableMixture(2)
    for other in (
        PredictableMixture(0.1),
        PredictableMixture(ALPHA, "largest"),
        PredictableMixture(ALPHA, limits=Limits(0, 2)),
    ):
        with pytest.raises(ValueError, match="different kinds cannot be merged"):
            PredictableMixture(ALPHA).merged(other)
    with pytest.raises(ValueError, match="different kinds cannot be merged"):
        Bernstein().merged(Bernstein(limits=Limits(0, 2)))
