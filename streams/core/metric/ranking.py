"""
Where the one relevant item of a request came in its ranking: NDCG, hit rate and reciprocal rank.

Cut-offs are part of the name, as in `ndcg@10`; any from 1 to 1,000 will do.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from streams.core.metric.base import Estimate, Metric, Totals
from streams.core.metric.estimators import mean, population, powers, proportion
from streams.core.metric.interval import bounded
from streams.core.metric.variables import MAX_CUTOFF

CUTOFF = 10
"""The cut-off shown where names are listed."""

_NAME = re.compile(r"(?P<base>ndcg|hit_rate)@(?P<cutoff>[1-9][0-9]{0,3})")


def _bounded_mean(variable: str, squared: str) -> Callable[[Totals], Estimate]:
    def estimate(totals: Totals) -> Estimate:
        value, variance, among = mean(totals, variable, squared, "ranked")
        return Estimate(value, *bounded(value, variance, among.n_effective), among.n, among.n_effective)

    return estimate


def _mean_metric(name: str, variable: str, squared: str) -> Metric:
    columns = (*powers("ranked"), f"1:{variable}", f"2:{variable}", f"2:{squared}")
    return Metric(name, frozenset({"ranking"}), columns, (), _bounded_mean(variable, squared))


def _hit_rate(cutoff: int) -> Metric:
    hit = f"hit@{cutoff}"

    def estimate(totals: Totals) -> Estimate:
        return proportion(population(totals, hit), population(totals, "ranked"))

    return Metric(f"hit_rate@{cutoff}", frozenset({"ranking"}), powers("ranked", hit), (), estimate)


def ranking_metric(name: str) -> Metric:
    """
    Make the metric of a name with a cut-off, `ndcg@k` or `hit_rate@k`.

    Raises
    ------
    KeyError
        When the name is of another form, or k is not from 1 to 1,000.
    """
    parts = _NAME.fullmatch(name)
    if parts is None or int(parts["cutoff"]) > MAX_CUTOFF:
        raise KeyError(name)
    cutoff = int(parts["cutoff"])
    if parts["base"] == "hit_rate":
        return _hit_rate(cutoff)
    return _mean_metric(name, f"ndcg@{cutoff}", f"ndcg_squared@{cutoff}")


METRICS = (
    _mean_metric("mrr", "reciprocal_rank", "reciprocal_rank_squared"),
    ranking_metric(f"ndcg@{CUTOFF}"),
    ranking_metric(f"hit_rate@{CUTOFF}"),
)
