"""What users did about answers: the mean rating, and shares of predictions with at least one feedback of a kind."""

from __future__ import annotations

from streams.core.metric.base import Estimate, Metric, Task, Totals
from streams.core.metric.estimators import mean, population, powers, proportion
from streams.core.metric.interval import student

EVERY_TASK: frozenset[Task] = frozenset({"binary", "multiclass", "regression", "ranking", "none"})

RATES = {
    "complaint_rate": "complaint",
    "edit_rate": "edit",
    "click_rate": "click",
    "conversion_rate": "conversion",
    "acceptance_rate": "accept",
    "override_rate": "override",
    "crash_rate": "crash",
}
"""Kind of feedback by the name of its rate."""


def _mean_rating(totals: Totals) -> Estimate:
    """Weighted mean of all ratings, several of one prediction counting as several."""
    value, variance, among = mean(totals, "rating", "rating_squared", "rated")
    return Estimate(value, *student(value, variance, among.n_effective), among.n, among.n_effective)


def _rate(name: str, kind: str) -> Metric:
    def estimate(totals: Totals) -> Estimate:
        return proportion(population(totals, kind), population(totals, "predictions"))

    return Metric(name, EVERY_TASK, powers("predictions", kind), (), estimate)


METRICS = (
    Metric("mean_rating", EVERY_TASK, (*powers("rated"), "1:rating", "2:rating", "2:rating_squared"), (), _mean_rating),
    *(_rate(name, kind) for name, kind in RATES.items()),
)
