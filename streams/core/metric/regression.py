"""
How far numeric predictions are from the outcomes: error is score - value.

Fourth powers are rounded as they are summed, so that an interval's length is exact to about 1e-16 times the fourth
power of (offset / spread); where that is not small against it, the interval is NaN. Values themselves do not suffer.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from streams.core.exact import Exact
from streams.core.metric.base import Estimate, Floats, Metric, Totals
from streams.core.metric.estimators import mean, population, powers, proportion, where
from streams.core.metric.interval import divide, student

_ROUNDING = 2.0**-53
_CONSTANT = 2.0**-90  # a sum of squares this far below its terms is what exact sums leave of nothing


def _mean(variable: str, squared: str, among: str = "compared", low: float = 0.0) -> Callable[[Totals], Estimate]:
    def estimate(totals: Totals) -> Estimate:
        value, variance, members = mean(totals, variable, squared, among)
        limits = student(value, variance, members.n_effective, low=low)
        return Estimate(value, *limits, members.n, members.n_effective)

    return estimate


_mse = _mean("error_squared", "error_fourth")


def _rmse(totals: Totals) -> Estimate:
    """Root of the mean squared error; its interval is the root of that one's."""
    mse = _mse(totals)
    return Estimate(np.sqrt(mse.value), np.sqrt(mse.low), np.sqrt(mse.high), mse.n, mse.n_effective)


def _quantile_coverage(totals: Totals) -> Estimate:
    """Share of outcomes at or below the score: q for a model of the q-quantile."""
    return proportion(population(totals, "at_or_below"), population(totals, "compared"))


def _r2(totals: Totals) -> Estimate:
    """
    1 - SSE / SST, the share of the outcomes' variance that the scores explain; NaN where outcomes do not vary.

    SST = sum w v^2 - (sum w v)^2 / sum w cancels where outcomes are far from zero, and is computed from sums that
    carry their rounding. Delta method: an observation's residual is (error^2 - (SSE/SST) (v - mean)^2) / SST.
    """
    members = population(totals, "compared")
    weight = where(members.n > 0, totals.sums["1:compared"])
    first, second = (
        totals.sums[f"0:weighted_{name}"] + totals.sums[f"0:weighted_{name}_low"] for name in ("value", "value_squared")
    )
    centre = first / weight
    total = second - first * centre
    varies = total.value() > _CONSTANT * second.value()
    ratio = totals.sums["1:error_squared"] / where(varies, total)
    value = (Exact.of(np.ones(len(members.n))) - ratio).value()
    spread = _r2_spread(totals, centre, ratio)
    variance = members.replacement * divide(spread, total.value() ** 2)
    low, high = (
        np.where(np.isnan(spread), np.nan, limit) for limit in student(value, variance, members.n_effective, high=1.0)
    )
    return Estimate(value, low, high, members.n, members.n_effective)


def _r2_spread(totals: Totals, centre: Exact, ratio: Exact) -> Floats:
    """Sum of w^2 (error^2 - ratio (v - centre)^2)^2, NaN where rounding may be over a hundredth of it."""

    def sums(*names: str) -> tuple[Exact, ...]:
        return tuple(totals.sums[f"2:{name}"] for name in names)

    v0, v1, v2, v3, v4 = sums("compared", "value", "value_squared", "value_cubed", "value_fourth")
    e2, e2v, e2v2, e4 = sums("error_squared", "error_squared_value", "error_squared_value_squared", "error_fourth")
    two, four, six = (Exact.of(np.full(len(v0.hi), float(k))) for k in (2, 4, 6))
    crossed = e2v2 - centre * (two * e2v - centre * e2)
    fourth = v4 - centre * (four * v3 - centre * (six * v2 - centre * (four * v1 - centre * v0)))
    spread = (e4 - ratio * (two * crossed - ratio * fourth)).value()
    r = ratio.value()
    rounding = _ROUNDING * (e4.value() + 8 * r * e2v2.value() + 16 * r**2 * v4.value())
    return np.where(spread >= 100 * rounding, np.maximum(spread, 0.0), np.nan)


_R2_COLUMNS = (
    *powers("compared"),
    "0:weighted_value",
    "0:weighted_value_low",
    "0:weighted_value_squared",
    "0:weighted_value_squared_low",
    "1:error_squared",
    "2:error_squared",
    "2:error_squared_value",
    "2:error_squared_value_squared",
    "2:error_fourth",
    "2:value",
    "2:value_squared",
    "2:value_cubed",
    "2:value_fourth",
)


def _of_mean(variable: str, squared: str, among: str = "compared") -> tuple[str, ...]:
    return (*powers(among), f"1:{variable}", f"2:{variable}", f"2:{squared}")


def _metric(name: str, columns: tuple[str, ...], estimate: Callable[[Totals], Estimate]) -> Metric:
    return Metric(name, frozenset({"regression"}), columns, (), estimate)


_SQUARED_ERROR = _of_mean("error_squared", "error_fourth")

METRICS = (
    _metric("mae", _of_mean("absolute_error", "error_squared"), _mean("absolute_error", "error_squared")),
    _metric("mse", _SQUARED_ERROR, _mse),
    _metric("rmse", _SQUARED_ERROR, _rmse),
    _metric("bias", _of_mean("error", "error_squared"), _mean("error", "error_squared", low=-np.inf)),
    _metric("r2", _R2_COLUMNS, _r2),
    _metric(
        "mape",
        _of_mean("relative_error", "relative_error_squared", "nonzero"),
        _mean("relative_error", "relative_error_squared", "nonzero"),
    ),
    _metric("quantile_coverage", powers("compared", "at_or_below"), _quantile_coverage),
)
