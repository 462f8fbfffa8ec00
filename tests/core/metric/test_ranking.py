"""Ranking metrics against scikit-learn and by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn import metrics as sk

from streams.core.metric.base import Estimate
from streams.core.metric.ranking import ranking_metric

Evaluate = Callable[..., Estimate]


@pytest.mark.parametrize("cutoff", [1, 3, 10])
@pytest.mark.parametrize("weighted", [False, True])
def test_ndcg_is_scikit_learns(cutoff: int, weighted: bool, evaluate: Evaluate) -> None:
    """NDCG of one relevant item among twelve equals scikit-learn's ndcg_score."""
    rng = np.random.default_rng(cutoff)
    rank = rng.integers(1, 13, 80)
    weight = 1 / rng.uniform(0.2, 1, 80) if weighted else np.ones(80)

    e = evaluate(f"ndcg@{cutoff}", "ranking", rank=rank, weight=weight)

    relevant = (np.arange(1, 13) == rank[:, None]).astype(int)
    order = np.tile(np.arange(12, 0, -1), (80, 1))
    np.testing.assert_allclose(e.value, sk.ndcg_score(relevant, order, k=cutoff, sample_weight=weight), rtol=1e-12)


def test_reciprocal_rank_and_hits(evaluate: Evaluate) -> None:
    """Ranks 1, 2, 4 and none: MRR is 1.75/4, half are hit within two; a request without a label is not counted."""
    ranks = [1, 2, 4, 0, -1]

    mrr, hit = (evaluate(name, "ranking", rank=ranks) for name in ("mrr", "hit_rate@2"))

    assert mrr.value[0] == 1.75 / 4
    assert hit.value[0] == 0.5
    assert mrr.n[0] == hit.n[0] == 4


@pytest.mark.parametrize("name", ["mrr", "ndcg@5", "hit_rate@5"])
def test_first_every_time_is_not_certain(name: str, evaluate: Evaluate) -> None:
    """Ten requests answered first of all give 1, with a lower limit that ten can support."""
    e = evaluate(name, "ranking", rank=[1] * 10)

    assert e.value[0] == 1.0
    assert 0.6 < e.low[0] < 0.8


@pytest.mark.parametrize("name", ["ndcg@0", "ndcg@1001", "ndcg@-1", "ndcg@1.5", "hit_rate@010", "precision@5", "ndcg"])
def test_unknown_cutoffs(name: str) -> None:
    """A cut-off that is no whole number from 1 to 1,000 makes no metric."""
    with pytest.raises(KeyError, match=name):
        ranking_metric(name)


def test_largest_cutoff() -> None:
    """A cut-off of 1,000 is known, and part of the name."""
    assert ranking_metric("ndcg@1000").name == "ndcg@1000"
