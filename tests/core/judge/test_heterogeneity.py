"""Interactions and slices: statsmodels, brute force, and error rates with and without heterogeneity."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from statsmodels.stats.meta_analysis import combine_effects
from statsmodels.stats.multitest import multipletests

from streams.core.judge import mixture
from streams.core.judge.fixed import Measurement
from streams.core.judge.heterogeneity import (
    Cells,
    apart,
    heterogeneity,
    holm,
    interaction,
    interaction_of_buckets,
    shrunken,
)
from streams.core.judge.moments import Floats
from streams.core.judge.variance import ratio_of_buckets

Cell = npt.NDArray[np.int64]

EFFECTS = [0.2, 0.5, -0.3, 0.9, 0.1]
ERRORS = [0.2, 0.1, 0.3, 0.25, 0.15]
SLICES = [Measurement(effect, error) for effect, error in zip(EFFECTS, ERRORS, strict=True)]


def drawn(rng: np.random.Generator, spread: float, errors: Floats) -> tuple[Floats, list[Measurement]]:
    """Return the truth in slices around 1, and what is measured of it."""
    truth = rng.normal(1, spread, len(errors))
    measured = rng.normal(truth, errors)
    return truth, [Measurement(*pair) for pair in zip(measured.tolist(), errors.tolist(), strict=True)]


def test_heterogeneity_against_statsmodels() -> None:
    """Q, its p, I², the variance between slices and both means are those of statsmodels' meta-analysis."""
    theirs = combine_effects(np.array(EFFECTS), np.array(ERRORS) ** 2, method_re="dl")
    found = heterogeneity(SLICES)

    assert (found.q, found.freedom, found.i2, found.tau2) == pytest.approx((theirs.q, 4, theirs.i2, theirs.tau2))
    assert found.p == pytest.approx(theirs.test_homogeneity().pvalue)
    assert (found.common.value, found.common.error) == pytest.approx((theirs.mean_effect_fe, theirs.sd_eff_w_fe))
    assert (found.average.value, found.average.error) == pytest.approx((theirs.mean_effect_re, theirs.sd_eff_w_re))


def test_heterogeneity_keeps_its_error_rate_and_finds() -> None:
    """Equal slices are called unequal 5 % of the time, +- 4 SE; slices spread by twice their errors nearly always."""
    rng = np.random.default_rng(1)
    errors = rng.uniform(0.5, 2.0, 8)
    same = np.mean([heterogeneity(drawn(rng, 0.0, errors)[1]).p < 0.05 for _ in range(4000)])
    unlike = np.mean([heterogeneity(drawn(rng, 3.0, errors)[1]).p < 0.05 for _ in range(500)])

    assert same == pytest.approx(0.05, abs=4 * math.sqrt(0.05 * 0.95 / 4000))
    assert unlike > 0.9


def test_equal_slices_do_not_differ() -> None:
    """Slices that agree have no spread, p near 1, and shrink to what they agree on."""
    found = heterogeneity([Measurement(0.5, 0.1)] * 6)

    assert (found.q, found.tau2, found.i2, found.p) == pytest.approx((0, 0, 0, 1))
    assert [slice_.value for slice_ in shrunken([Measurement(0.5, 0.1)] * 6)] == pytest.approx([0.5] * 6)


@pytest.mark.parametrize("spread", [0.0, 0.5, 1.0, 4.0])
@pytest.mark.parametrize("slices", [5, 20])
def test_shrunken_intervals_cover_and_are_closer(spread: float, slices: int) -> None:
    """Over 1,500 draws intervals cover 94 % of slices or more, and estimates are nearer the truth than the raw ones."""
    rng = np.random.default_rng(2)
    errors = rng.uniform(0.5, 2.0, slices)
    covered, off = [], []
    for _ in range(1500):
        truth, measured = drawn(rng, spread, errors)
        found = shrunken(measured)
        covered += [s.interval.contains(true) for s, true in zip(found, truth.tolist(), strict=True)]
        off.append([((s.value - t) ** 2, (m.value - t) ** 2) for s, m, t in zip(found, measured, truth, strict=True)])
    ours, raw = np.mean(off, axis=(0, 1))

    assert np.mean(covered) >= 0.94
    assert ours < raw


def test_batting_averages() -> None:
    """
    Equal errors make it James and Stein's estimate: 18 batting averages of 1970, as Efron & Morris (1977) shrink them.

    Their factor is 0.212, and takes 0.400 to 0.294 and 0.156 to 0.242; the error is Morris' (1983).
    """
    hits = [18, 17, 16, 15, 14, 14, 13, 12, 11, 11, 10, 10, 10, 10, 10, 9, 8, 7]
    mean = sum(hits) / 45 / 18
    error = math.sqrt(mean * (1 - mean) / 45)
    found = shrunken([Measurement(hit / 45, error) for hit in hits])
    b = 1 - found[0].weight
    variance = error**2 * (1 - 17 / 18 * b) + 2 / 15 * (b * (18 / 45 - mean)) ** 2

    assert [round(found[i].value, 3) for i in (0, 17)] == [0.294, 0.242]
    assert found[0].weight == pytest.approx(0.212, abs=5e-4)
    assert found[0].error == pytest.approx(math.sqrt(variance))


def test_unequal_errors_by_hand() -> None:
    """With unequal errors each slice has its own shrinkage, and its own part of what is uncertain of the spread."""
    found, overall = shrunken(SLICES), heterogeneity(SLICES)
    w = [1 / (s.error**2 + overall.tau2) for s in SLICES]
    for s, measured, weight in zip(found, SLICES, w, strict=True):
        b = 2 / 4 * measured.error**2 * weight
        off = measured.value - overall.average.value
        of_spread = 2 / 2 * (b * off) ** 2 * weight / (sum(w) / 5)

        assert s.value == pytest.approx(measured.value - b * off)
        assert s.error**2 == pytest.approx(measured.error**2 * (1 - (1 - weight / sum(w)) * b) + of_spread)


def test_few_slices_are_left_alone() -> None:
    """Three slices or fewer tell too little of their spread: they stay as they are."""
    for s, measured in zip(shrunken(SLICES[:3]), SLICES, strict=False):
        assert (s.value, s.error, s.weight) == pytest.approx((measured.value, measured.error, 1.0))


def test_noisy_slices_shrink_more() -> None:
    """Less is left of a slice's own estimate the larger its error."""
    weights = [s.weight for s in shrunken(SLICES)]

    assert [EFFECTS[i] for i in np.argsort(weights)] == [EFFECTS[i] for i in np.argsort(ERRORS)[::-1]]


def test_apart_by_brute_force() -> None:
    """Each slice is compared with the inverse-variance mean of the others, by z, Holm and the normal mixture."""
    found = apart(SLICES, 4000, planned=5000)
    for i, (slice_, result) in enumerate(zip(SLICES, found, strict=True)):
        others = [(s.value, 1 / s.error**2) for j, s in enumerate(SLICES) if j != i]
        weight = sum(w for _, w in others)
        effect = slice_.value - sum(y * w for y, w in others) / weight
        error = math.sqrt(slice_.error**2 + 1 / weight)
        evidence = mixture.sequence(effect, error, 4000, planned=5000, alpha=0.05)

        assert (result.effect.value, result.effect.error) == pytest.approx((effect, error))
        assert result.p == pytest.approx(math.erfc(abs(effect / error) / math.sqrt(2)))
        assert result.log_e == pytest.approx(evidence.log_e)
    assert [r.p_holm for r in found] == pytest.approx(multipletests([r.p for r in found], method="holm")[1])


def test_apart_names_the_slice_that_differs() -> None:
    """One slice of ten that is 6 errors off is named nearly always; of equal ten, any is in 5 % of cases, + 4 SE."""
    rng = np.random.default_rng(3)
    errors = np.ones(10)
    named, false = 0, 0
    for _ in range(1000):
        _, measured = drawn(rng, 0.0, errors)
        false += min(s.p_holm for s in apart(measured, 1e4, planned=1e4)) < 0.05
        measured[4] = Measurement(measured[4].value + 6, 1.0)
        p = [s.p_holm for s in apart(measured, 1e4, planned=1e4)]
        named += p[4] < 0.05 and p[4] == min(p)

    assert false / 1000 < 0.05 + 4 * math.sqrt(0.05 * 0.95 / 1000)
    assert named > 950


def test_holm_against_statsmodels() -> None:
    """Holm's corrected p-values are those of statsmodels, ties and ones among them."""
    p = [0.01, 0.04, 0.03, 0.005, 0.04, 1.0]

    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])


def test_interaction() -> None:
    """The interaction is the difference of differences; errors add up as squares."""
    cells: Cells = ((Measurement(1.0, 0.1), Measurement(2.0, 0.2)), (Measurement(1.5, 0.2), Measurement(3.5, 0.4)))
    found = interaction(cells)

    assert found.effect == pytest.approx(1.0)
    assert found.error == pytest.approx(0.5)
    assert found.statistic == pytest.approx(2.0)
    assert found == interaction(cells, alpha=0.05) != interaction(cells, alpha=0.1)


def totals(rng: np.random.Generator, effect: float, users: int = 600) -> tuple[Floats, Floats, Cell]:
    """Return clicks and views of users with their own tastes, by cell and user, where both arms add `effect`."""
    cell = rng.integers(0, 4, users)
    views = 1 + rng.negative_binomial(1, 0.2, users)
    clicks = rng.binomial(views, np.minimum(rng.beta(2, 6, users) + effect * (cell == 3), 1.0))
    return clicks.astype(float), views.astype(float), cell


def test_interaction_of_clustered_events_keeps_its_error_rate() -> None:
    """Over 600 pairs of experiments without interaction, 5 % err, +- 4 SE and 1 %, by cells and by shared buckets."""
    rng = np.random.default_rng(4)
    wrong = np.zeros(2)
    for _ in range(600):
        clicks, views, cell = totals(rng, 0.0)
        wrong += [_by_cells(clicks, views, cell) < 0.05, _by_buckets(clicks, views, cell, rng) < 0.05]

    assert wrong / 600 == pytest.approx(np.array([0.05, 0.05]), abs=4 * math.sqrt(0.05 * 0.95 / 600) + 0.01)


def test_interaction_is_found() -> None:
    """A fifth more clicks where both arms meet is found by cells and by buckets."""
    rng = np.random.default_rng(5)
    clicks, views, cell = totals(rng, 0.2, users=4000)

    assert _by_cells(clicks, views, cell) < 0.001
    assert _by_buckets(clicks, views, cell, rng) < 0.001


def _by_cells(clicks: Floats, views: Floats, cell: Cell) -> float:
    found = [Measurement(*ratio_of_buckets(clicks[cell == i], views[cell == i])) for i in range(4)]
    return interaction(((found[0], found[1]), (found[2], found[3]))).p


def _by_buckets(clicks: Floats, views: Floats, cell: Cell, rng: np.random.Generator) -> float:
    place = cell * 40 + rng.integers(0, 40, len(cell))
    numerator, denominator = (np.bincount(place, values, 160).astype(float) for values in (clicks, views))
    return interaction_of_buckets(numerator.reshape(2, 2, 40), denominator.reshape(2, 2, 40)).p


def test_what_buckets_share_is_no_error() -> None:
    """A shock to a bucket, the same in all cells, leaves the interaction's error to what the cells do not share."""
    rng = np.random.default_rng(6)
    views = np.full((2, 2, 50), 100.0)
    found = []
    for _ in range(1000):
        rate = 0.3 + rng.normal(0, 0.2, 50) + rng.normal(0, 0.02, (2, 2, 50))
        found.append(interaction_of_buckets(rate * views, views))
    wrong = sum(comparison.p < 0.05 for comparison in found) / 1000

    assert np.mean([c.error or 0.0 for c in found]) == pytest.approx(0.02 * 2 / math.sqrt(50), rel=0.02)
    assert wrong == pytest.approx(0.05, abs=4 * math.sqrt(0.05 * 0.95 / 1000))


def test_what_cannot_differ() -> None:
    """One slice, slices without an error, totals of other shapes and cells of one bucket are refused."""
    with pytest.raises(ValueError, match="1 slices"):
        heterogeneity(SLICES[:1])
    with pytest.raises(ValueError, match="an error of 0"):
        shrunken([*SLICES, Measurement(0.1, 0.0)])
    with pytest.raises(ValueError, match=r"totals of shapes \(4, 3\)"):
        interaction_of_buckets(np.ones((4, 3)), np.ones((4, 3)))
    denominator = np.ones((2, 2, 3))
    denominator[1, 1, :2] = 0
    with pytest.raises(ValueError, match="a cell's denominator is 0"):
        interaction_of_buckets(np.ones((2, 2, 3)), denominator)
