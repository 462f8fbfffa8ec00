"""Tests of two shares, against published numbers, scipy and statsmodels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as their_mcnemar
from statsmodels.stats.proportion import proportions_ztest
from statsmodels.stats.proportion import test_proportions_2indep as their_unpooled

from streams.core.judge import bernoulli
from streams.core.judge.evidence import Alternative, Interval
from streams.core.judge.fixed import tail
from streams.core.judge.proportions import (
    chi_square,
    fisher,
    mcnemar,
    mcnemar_exact,
    pooled_z,
    share,
    unpooled_z,
    welch_t,
)
from tests.core.judge.published import Method, assert_agrees, vectors

COUNTS = [((378, 3662), (462, 3568)), ((3, 20), (9, 25)), ((1, 20), (5, 25)), ((20, 20), (3, 9))]
STATSMODELS = {"two-sided": "two-sided", "greater": "larger", "less": "smaller"}


def of_table(table: list[list[int]], *, yates: bool) -> dict[str, float | None]:
    (k0, rest0), (k1, rest1) = table
    found = chi_square((k0, k0 + rest0), (k1, k1 + rest1), yates=yates)
    return {"chi2": found.statistic, "p": found.p}


def of_discordant(inputs: Mapping[str, int]) -> dict[str, float | None]:
    discordant = inputs["control_only"], inputs["treatment_only"]
    plain, exact, sequence = mcnemar(*discordant), mcnemar_exact(*discordant), bernoulli.paired(*discordant, alpha=0.05)
    fixed = {"p_exact": exact.p, "chi2": plain.statistic, "p_chi2": plain.p}
    return {**fixed, "log_e": sequence.log_e, "p_sequence": sequence.p}


def pooled(inputs: Mapping[str, Any]) -> dict[str, float | None]:
    found = pooled_z(inputs["a"], inputs["b"], alternative=inputs["alternative"])
    return {"z": found.statistic, "p": found.p}


def unpooled(inputs: Mapping[str, Any]) -> dict[str, float | None]:
    found = unpooled_z(inputs["a"], inputs["b"])
    return {"z": found.statistic, "p": found.p}


METHODS: dict[str, Method] = {
    "pooled_z": pooled,
    "unpooled_z": unpooled,
    "chi_square": lambda i: of_table(i["table"], yates=i["yates"]),
    "mcnemar": of_discordant,
    "tail": lambda i: {"p": tail(i["z"], math.inf, "two-sided")},
}


@pytest.mark.parametrize("vector", vectors("proportions"))
def test_published_numbers(vector: Mapping[str, Any]) -> None:
    """Published counts give the published statistics."""
    assert_agrees(METHODS, vector)


def test_a_hundred_against_a_hundred_and_twenty() -> None:
    """100/1000 against 120/1000 is p = 0.153 by every test without a correction; 0.157 is of another question."""
    c, t = (100, 1000), (120, 1000)
    found = [pooled_z(c, t).p, unpooled_z(c, t).p, welch_t(c, t).p, chi_square(c, t).p]

    assert [round(p, 3) for p in found] == [0.153, 0.153, 0.153, 0.153]
    assert round(tail((120 - 100) / math.sqrt(100 + 100), math.inf, "two-sided"), 4) == 0.1573
    assert round(fisher(c, t).p, 4) == 0.1744


@pytest.mark.parametrize(("control", "treatment"), COUNTS)
@pytest.mark.parametrize("alternative", STATSMODELS)
def test_against_statsmodels_and_scipy(
    control: tuple[int, int], treatment: tuple[int, int], alternative: Alternative
) -> None:
    """Both z tests are those of statsmodels, chi-square with and without Yates and Fisher's those of scipy."""
    (k0, n0), (k1, n1) = control, treatment
    theirs = proportions_ztest([k1, k0], [n1, n0], alternative=STATSMODELS[alternative])
    found = pooled_z(control, treatment, alternative=alternative)

    assert (found.statistic, found.p) == pytest.approx(theirs)
    wald = their_unpooled(k1, n1, k0, n0, method="wald", alternative=STATSMODELS[alternative])
    unpooled = unpooled_z(control, treatment, alternative=alternative)
    assert (unpooled.statistic, unpooled.p) == pytest.approx((wald.statistic, wald.pvalue))
    table = [[k1, n1 - k1], [k0, n0 - k0]]
    exact = stats.fisher_exact(table, alternative=alternative)
    assert fisher(control, treatment, alternative=alternative).p == pytest.approx(exact.pvalue, rel=1e-12)
    for yates in (False, True):
        chi2 = stats.chi2_contingency(table, correction=yates)
        ours = chi_square(control, treatment, yates=yates)
        assert (ours.statistic, ours.p) == pytest.approx((chi2.statistic, chi2.pvalue))


def test_pooled_z_squared_is_chi_square() -> None:
    """The uncorrected chi-square is the pooled z, squared, with the same p."""
    for control, treatment in COUNTS:
        z, chi2 = pooled_z(control, treatment), chi_square(control, treatment)

        assert (z.statistic**2, z.p) == pytest.approx((chi2.statistic, chi2.p))


def test_effects_are_differences_of_shares() -> None:
    """Every test of shares has treatment's share less control's as its effect; those with an interval, at 95 %."""
    control, treatment = (3, 20), (9, 25)
    for test in (unpooled_z, welch_t, pooled_z, chi_square, fisher):
        assert test(control, treatment).effect == pytest.approx(0.36 - 0.15)
    for interval_test in (unpooled_z, welch_t):
        assert interval_test(control, treatment) == interval_test(control, treatment, alpha=0.05)


def test_fisher_by_enumeration() -> None:
    """Fisher's p adds the probabilities of all tables with these margins that are no more likely."""
    probabilities = stats.hypergeom.pmf(np.arange(13), 45, 12, 25)
    own = probabilities[9]
    found = fisher((3, 20), (9, 25))

    assert found.statistic == pytest.approx(own)
    assert found.p == pytest.approx(probabilities[probabilities <= own * (1 + 1e-9)].sum())


@pytest.mark.parametrize(("only_c", "only_t"), [(30, 15), (0, 6), (7, 7), (1, 0), (120, 151)])
def test_mcnemar_against_statsmodels(only_c: int, only_t: int) -> None:
    """McNemar's exact and asymptotic tests, with and without correction, are those of statsmodels."""
    table = [[10, only_c], [only_t, 10]]
    found = [mcnemar_exact(only_c, only_t), mcnemar(only_c, only_t), mcnemar(only_c, only_t, corrected=True)]
    kinds = [(True, False), (False, False), (False, True)]
    for ours, (exact, corrected) in zip(found, kinds, strict=True):
        if (corrected, only_c) == (True, only_t):
            continue  # statsmodels squares -1 there, and corrects away from the null
        theirs = their_mcnemar(table, exact=exact, correction=corrected)

        assert (ours.statistic, ours.p) == pytest.approx((theirs.statistic, theirs.pvalue))
        assert ours.effect == only_t / (only_c + only_t) - 0.5


def test_exact_mcnemar_interval_agrees_with_its_test() -> None:
    """The interval excludes one half exactly when p is below alpha."""
    for only_t in range(41):
        found = mcnemar_exact(40 - only_t, only_t, alpha=0.05)

        assert found.interval is not None
        assert found.interval.contains(0.0) == (found.p > 0.05)


def test_billions_of_trials() -> None:
    """At 1e9 trials p-values are those of the normal approximation, which is exact there to six digits."""
    n = 10**9
    c, t = (n // 2, n), (n // 2 + 40_000, n)
    expected = pooled_z(c, t).p

    assert fisher(c, t).p == pytest.approx(expected, rel=1e-3)
    assert chi_square(c, t).p == pytest.approx(expected)
    assert mcnemar_exact(n // 2 - 40_000, n // 2 + 40_000).p == pytest.approx(0.011412, rel=1e-3)


@pytest.mark.parametrize("arms", [((0, 10), (0, 20)), ((10, 10), (20, 20))])
def test_shares_that_do_not_vary(arms: tuple[tuple[int, int], tuple[int, int]]) -> None:
    """If all trials or none succeed there is no evidence of a difference, by any test."""
    found = [pooled_z(*arms), unpooled_z(*arms), welch_t(*arms), chi_square(*arms), fisher(*arms)]

    assert [comparison.p for comparison in found] == [1.0] * 5
    assert found[1].interval == Interval.everything()


def test_type_i_error_of_one_look() -> None:
    """At one look with equal shares the z tests err 5 % of the time, +- 4 standard errors and 0.3 %."""
    rng = np.random.default_rng(7)
    counts = rng.binomial(1000, 0.1, (10_000, 2)).tolist()
    for test in (pooled_z, unpooled_z):
        errors = sum(test((a, 1000), (b, 1000)).p < 0.05 for a, b in counts)

        assert errors / 10_000 == pytest.approx(0.05, abs=4 * math.sqrt(0.05 * 0.95 / 10_000) + 0.003)


def test_bad_counts() -> None:
    """More successes than trials, no trials, one trial for t, and no discordant items are refused."""
    with pytest.raises(ValueError, match="500/100"):
        share((500, 100))
    with pytest.raises(ValueError, match="0/0"):
        chi_square((1, 2), (0, 0))
    with pytest.raises(ValueError, match="arm 1/1: degrees of freedom"):
        welch_t((1, 1), (1, 2))
    with pytest.raises(ValueError, match="0/0"):
        mcnemar(0, 0)
