"""Slices that moved: the change told apart exactly, Simpson's paradox, and the errors that are promised."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from streams.core.columns import Floats
from streams.core.detect.finding import Slice
from streams.core.detect.movers import BLOCKS, Movement, Sliced, decomposed, movers
from streams.core.judge.evidence import Interval

HOUR = 3_600_000_000
TICKS = 41
AT = 20 * HOUR
REACH = (20, 20)

COUNTS = arrays(np.float64, (2, 4), elements=st.floats(1, 1e6))
LEVELS = arrays(np.float64, (2, 4), elements=st.floats(-1e3, 1e3))


def named(name: str) -> Slice:
    return (("country", name),)


def sliced(value: Floats, n: Floats) -> Sliced:
    names = tuple(named(f"s{i:02}") for i in range(len(value)))
    return Sliced(names, (1 + np.arange(value.shape[1])) * HOUR, HOUR, value, n)


def drawn(rng: np.random.Generator, before: list[float], after: list[float], n: Floats) -> Sliced:
    """Shares of right answers, drawn for each slice and tick; the change comes with tick 20."""
    truth = np.where(np.arange(TICKS) < 20, np.array(before)[:, None], np.array(after)[:, None])
    counts = rng.poisson(n).astype(np.float64) + 1
    return sliced(rng.binomial(counts.astype(np.int64), truth) / counts, counts)


def moved(of: Sliced) -> Movement:
    found = movers(of, AT, REACH)
    assert found is not None
    return found


@given(counts=COUNTS, levels=LEVELS)
def test_parts_add_up_to_the_change_of_the_whole(counts: Floats, levels: Floats) -> None:
    """Within and mix of all slices are the overall level after less before, and each slice's are Kitagawa's."""
    before, after = (np.stack((n, n * level)) for n, level in zip(counts, levels, strict=True))
    effect, within, mix = decomposed(before, after)
    overall = [float(n @ level / n.sum()) for n, level in zip(counts, levels, strict=True)]

    assert effect[-1] == pytest.approx(overall[1] - overall[0], abs=1e-9)
    assert within[:-1].sum() + mix[:-1].sum() == pytest.approx(effect[-1], abs=1e-9)
    np.testing.assert_allclose(effect[:-1], levels[1] - levels[0], atol=1e-9)
    share = counts / counts.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(within[:-1], share.mean(axis=0) * (levels[1] - levels[0]), atol=1e-9)
    np.testing.assert_allclose(mix[:-1], (share[1] - share[0]) * (levels.mean(axis=0) - np.mean(overall)), atol=1e-9)


def test_simpsons_paradox_is_seen_through() -> None:
    """Every slice gets better by 0.05 while the whole gets worse, since the hard slice grows: the mix is the cause."""
    n = np.stack((np.where(np.arange(TICKS) < 20, 800, 200), np.where(np.arange(TICKS) < 20, 200, 800)))
    found = moved(drawn(np.random.default_rng(1), [0.9, 0.5], [0.95, 0.55], n.astype(np.float64)))

    assert found.total.interval.high < 0
    assert found.mix.interval.high < 0
    assert found.within.interval.low > 0
    assert found.total.value == pytest.approx(0.67 - 0.82 - 0.04, abs=0.02)
    assert found.total.value == pytest.approx(found.within.value + found.mix.value)
    assert all(mover.effect and mover.effect.value > 0 for mover in found.movers)


def test_the_slice_that_fell_comes_first() -> None:
    """Of 20 slices, the one that lost 0.2 is first, with its share of the change, and not a tiny one that seems to."""
    rng = np.random.default_rng(2)
    before = [0.9] * 20
    after = [0.7 if i == 7 else 0.9 for i in range(20)]
    n = np.full((20, TICKS), 100.0)
    n[3] = 1.0
    found = moved(drawn(rng, before, after, n))
    first = found.movers[0]

    assert first.slice == named("s07")
    assert first.effect is not None
    assert first.effect.interval.contains(-0.2)
    assert first.sure > 0.1
    assert first.within.value / found.total.value == pytest.approx(1.0, abs=0.35)
    assert first.share_before == pytest.approx(1 / 19, abs=0.005)
    assert sum(mover.sure > 0 for mover in found.movers) <= 3


def test_few_labels_are_drawn_to_the_others() -> None:
    """The effect of a slice with two labels a tick is nearer to the others' than its own levels are."""
    n = np.full((12, TICKS), 200.0)
    n[0] = 1.0
    of = drawn(np.random.default_rng(3), [0.8] * 12, [0.8] * 12, n)
    small = next(mover for mover in moved(of).movers if mover.slice == named("s00"))
    own = [np.average(of.value[0, part], weights=of.n[0, part]) for part in (slice(0, 20), slice(21, None))]

    assert small.effect is not None
    assert abs(small.effect.value) < 0.5 * abs(own[1] - own[0])


def test_intervals_cover() -> None:
    """Of 300 draws, at most 5 % + 4 standard errors of the intervals of the whole and of parts miss the truth."""
    rng = np.random.default_rng(4)
    n = np.stack((np.where(np.arange(TICKS) < 20, 100, 60), np.full(TICKS, 50), np.full(TICKS, 50))).astype(np.float64)
    before, after = np.array([0.9, 0.6, 0.7]), np.array([0.85, 0.65, 0.7])
    counts = n[:, [0, 40]].T + 1
    true = decomposed(*(np.stack((c, c * level)) for c, level in zip(counts, (before, after), strict=True)))
    missed = np.zeros(4)
    for _ in range(300):
        found = moved(drawn(rng, before.tolist(), after.tolist(), n))
        parts = found.total, found.within, found.mix
        missed[:3] += [not part.interval.contains(float(true[i, -1])) for i, part in enumerate(parts)]
        by_slice = {mover.slice: mover.within for mover in found.movers}
        missed[3] += not by_slice[named("s00")].interval.contains(float(true[1, 0]))

    assert (missed / 300 <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / 300)).all()


def test_errors_are_those_of_leaving_blocks_out() -> None:
    """The interval of the total is as wide as brute force over ten blocks of two ticks on each side says."""
    of = drawn(np.random.default_rng(5), [0.9, 0.6], [0.8, 0.6], np.full((2, TICKS), 50.0))
    found = moved(of)
    variance = 0.0
    for side in (np.arange(20), np.arange(21, 41)):
        left = []
        for block in range(BLOCKS):
            kept = np.delete(side, [2 * block, 2 * block + 1])
            left.append(float((of.n * of.value)[:, kept].sum() / of.n[:, kept].sum()))
        variance += 0.9 * float(((np.array(left) - np.mean(left)) ** 2).sum())

    t_9 = 2.262157
    assert found.total.interval.width == pytest.approx(2 * t_9 * math.sqrt(variance), rel=1e-5)


@pytest.mark.parametrize(("missing", "sign"), [(slice(0, 21), -1), (slice(20, None), 1)])
def test_a_slice_on_one_side_only_is_a_change_of_mix(missing: slice, sign: int) -> None:
    """A slice of low level that comes, or goes, has no effect of its own; what it does to the whole is mix."""
    of = drawn(np.random.default_rng(6), [0.9, 0.9, 0.2], [0.9, 0.9, 0.2], np.full((3, TICKS), 100.0))
    of.value[2, missing] = math.nan
    of.n[2, missing] = 0
    found = moved(of)
    one_sided = next(mover for mover in found.movers if mover.slice == named("s02"))

    assert one_sided.effect is None
    assert one_sided.within.value == 0.0
    assert one_sided.mix.value == pytest.approx(found.total.value, abs=0.1)
    assert sign * found.mix.value > 0.2


def test_ticks_without_data_are_passed_over() -> None:
    """Values that are NaN weigh nothing, whatever their n; ticks without any data leave blocks as they are."""
    of = drawn(np.random.default_rng(7), [0.9, 0.6], [0.8, 0.6], np.full((2, TICKS), 50.0))
    of.value[0, 5] = math.nan
    of.value[:, 12] = math.nan
    other = sliced(of.value.copy(), of.n.copy())
    other.n[0, 5] = 0
    other.n[:, 12] = 0

    assert movers(of, AT, REACH) == movers(other, AT, REACH)


@pytest.mark.parametrize("seed", range(10))
def test_constant_slices_prove_nothing(seed: int) -> None:
    """Levels and shares that vary by rounding at most have intervals of everything, and no effects to rank."""
    rng = np.random.default_rng(seed)
    value, n = (np.tile(drawn, TICKS) for drawn in (rng.uniform(size=(3, 1)), 10 * rng.uniform(size=(3, 1))))
    found = moved(sliced(value, n))

    assert found.total.value == pytest.approx(0.0, abs=1e-15)
    assert found.total.interval == found.mix.interval == Interval.everything()
    assert [mover.effect for mover in found.movers] == [None] * 3


def test_one_slice_is_the_whole() -> None:
    """With a single slice there is nothing to draw it to, and no mix: four ticks give its effect Student's interval."""
    found = movers(drawn(np.random.default_rng(8), [0.9], [0.8], np.full((1, TICKS), 50.0)), AT, (4, 4))

    assert found is not None
    assert found.movers[0].effect is not None
    assert found.movers[0].effect.value == pytest.approx(found.total.value)
    assert found.movers[0].effect.interval.width == pytest.approx(found.total.interval.width)
    assert found.mix.value == 0.0


@pytest.mark.parametrize("known", [0, 1, 2])
def test_too_few_ticks_say_nothing(known: int) -> None:
    """No data, or fewer than two ticks of it on a side, have no movement."""
    value = np.full((2, TICKS), math.nan)
    value[:, :known] = 0.5

    assert movers(sliced(value, np.full((2, TICKS), 5.0)), AT, REACH) is None


def test_large_numbers_are_no_trouble() -> None:
    """Levels near 1e9 and 1e9 observations a tick give parts to six digits."""
    rng = np.random.default_rng(9)
    value = 1e9 + rng.normal(size=(2, TICKS)) + np.array([[0.0], [5.0]]) * (np.arange(TICKS) >= 20)
    found = moved(sliced(value, np.full((2, TICKS), 1e9)))

    assert found.movers[0].slice == named("s01")
    assert found.within.value == pytest.approx(2.5, abs=1.0)


def test_bad_input_is_refused() -> None:
    """Unequal shapes, no slices, infinite values and counts below 0 are errors that say what to give."""
    good = np.full((2, TICKS), 0.5)
    with pytest.raises(ValueError, match="both must be"):
        sliced(good, good[:, :3])
    with pytest.raises(ValueError, match="not empty"):
        sliced(np.zeros((0, 4)), np.zeros((0, 4)))
    with pytest.raises(ValueError, match="infinite"):
        sliced(good + math.inf, good)
    with pytest.raises(ValueError, match="negative"):
        sliced(good, -good)
    with pytest.raises(ValueError, match="1 or more"):
        movers(sliced(good, good), AT, (0, 3))
