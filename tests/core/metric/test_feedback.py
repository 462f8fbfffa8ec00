"""Ratings and rates of feedback, from traffic and feedback rows together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from streams.core.block import FEEDBACK_KINDS
from streams.core.metric.base import Totals
from streams.core.metric.interval import wilson
from streams.core.metric.registry import metric_for

Build = Callable[..., Totals]

KINDS = {
    "complaint_rate": "complaint",
    "edit_rate": "edit",
    "click_rate": "click",
    "conversion_rate": "conversion",
    "acceptance_rate": "accept",
    "override_rate": "override",
    "crash_rate": "crash",
}


@pytest.mark.parametrize("name", KINDS)
def test_rate_of_each_kind(name: str, build: Build) -> None:
    """A rate is the share of predictions with at least one feedback of its kind, with Wilson's interval."""
    metric = metric_for(name, "none")
    kind = FEEDBACK_KINDS.index(KINDS[name])
    feedback = {"kind": [kind, kind, kind, (kind + 1) % 9], "first": [1, 0, 1, 1]}

    e = metric.estimate(build([metric], traffic={"latency": np.zeros(10)}, feedback=feedback))

    assert (e.value[0], e.n[0]) == (0.2, 10)
    np.testing.assert_allclose([e.low, e.high], wilson(np.array([0.2]), np.array([10.0])))


def test_weighted_rate(build: Build) -> None:
    """Feedback weighs what its prediction weighs: one click on a prediction that stands for four of six is 2/3."""
    metric = metric_for("click_rate", "none")
    feedback = {"kind": [FEEDBACK_KINDS.index("click")], "first": [1], "weight": [4.0]}

    e = metric.estimate(build([metric], traffic={"latency": np.zeros(3), "weight": [1.0, 1, 4]}, feedback=feedback))

    np.testing.assert_allclose(e.value, 4 / 6)
    np.testing.assert_allclose(e.n_effective, 2.0)


def test_mean_rating(build: Build) -> None:
    """Every rating counts, by its weight, and nothing else does."""
    metric = metric_for("mean_rating", "none")
    rating, click = FEEDBACK_KINDS.index("rating"), FEEDBACK_KINDS.index("click")
    feedback = {"kind": [rating, rating, click], "value": [5.0, 2.0, 9.0], "first": [1, 0, 1], "weight": [1.0, 2, 1]}

    e = metric.estimate(build([metric], feedback=feedback))

    assert (e.value[0], e.n[0]) == (3.0, 2)
    assert e.low[0] < 3.0 < e.high[0]
