"""Effect sizes with names, against scipy, statsmodels and worked examples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import Table2x2
from statsmodels.stats.proportion import proportion_effectsize

from streams.core.judge.effect_size import cohen_d, cohen_h, odds_ratio, relative_risk
from streams.core.judge.evidence import Interval
from streams.core.judge.moments import Moments

CONTROL, TREATMENT = (378, 3662), (462, 3568)


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_ratios_against_statsmodels(alpha: float) -> None:
    """Relative risk and odds ratio, and their intervals, are those of statsmodels' 2 by 2 table."""
    table = Table2x2([[TREATMENT[0], TREATMENT[1] - TREATMENT[0]], [CONTROL[0], CONTROL[1] - CONTROL[0]]])
    risk, odds = (size(CONTROL, TREATMENT, alpha=alpha) for size in (relative_risk, odds_ratio))

    assert (risk.value, odds.value) == pytest.approx((table.riskratio, table.oddsratio))
    assert (risk.interval.low, risk.interval.high) == pytest.approx(table.riskratio_confint(alpha))
    assert (odds.interval.low, odds.interval.high) == pytest.approx(table.oddsratio_confint(alpha))


def test_cohen_h() -> None:
    """Cohen's h is statsmodels', its sign treatment's, its error sqrt(1/n + 1/n)."""
    h = cohen_h((40, 100), (50, 100))

    assert h.value == pytest.approx(proportion_effectsize(0.5, 0.4))
    assert h.interval.high - h.value == pytest.approx(1.959964 * math.sqrt(0.02))


def test_cohen_d() -> None:
    """Cohen's d is t sqrt(1/n + 1/n) of Student's test; 5 % of 10,000 intervals miss, +- 4 SE and 0.5 %."""
    rng = np.random.default_rng(19)
    c, t = rng.normal(0, 2, (10_000, 30)), rng.normal(1, 2, (10_000, 40))
    found = [cohen_d(Moments.of(a), Moments.of(b)) for a, b in zip(c, t, strict=True)]
    misses = sum(not d.interval.contains(0.5) for d in found)

    assert found[0].value == pytest.approx(stats.ttest_ind(t[0], c[0]).statistic * math.sqrt(1 / 30 + 1 / 40))
    assert misses / 10_000 == pytest.approx(0.05, abs=4 * math.sqrt(0.05 * 0.95 / 10_000) + 0.005)


def test_empty_cells() -> None:
    """Where a cell is empty the value is 0 or infinite, and the interval excludes nothing."""
    nothing = Interval(0.0, math.inf)

    assert (relative_risk((0, 10), (2, 10)).value, relative_risk((0, 10), (2, 10)).interval) == (math.inf, nothing)
    assert (relative_risk((2, 10), (0, 10)).value, relative_risk((2, 10), (0, 10)).interval) == (0.0, nothing)
    assert (odds_ratio((5, 10), (10, 10)).value, odds_ratio((5, 10), (10, 10)).interval) == (math.inf, nothing)
    assert relative_risk((10, 10), (20, 20)).interval == nothing


def test_sizes_of_nothing() -> None:
    """Without successes there is no relative risk, without successes and failures no odds, without spread no d."""
    with pytest.raises(ValueError, match="0/10 and 0/20"):
        relative_risk((0, 10), (0, 20))
    with pytest.raises(ValueError, match="10/10 and 20/20"):
        odds_ratio((10, 10), (20, 20))
    with pytest.raises(ValueError, match="n is 2 and 2, and nothing varies"):
        cohen_d(Moments.of([1.0, 1.0]), Moments.of([2.0, 2.0]))
    with pytest.raises(ValueError, match="n is 2 and 0, and nothing varies"):
        cohen_d(Moments.of([1.0, 2.0]), Moments.of([]))
