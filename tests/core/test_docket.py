"""What the configuration says of experiments becomes trials, and alpha is split as docs/statistics.md says."""

from __future__ import annotations

from typing import Any

import pytest

from streams.core.docket import Docket, docket
from tests.core.making import make_config

MODELS = {"fraud": {"task": "binary", "positive": "1"}, "rank": {"task": "ranking"}}


def read(**experiments: dict[str, Any]) -> Docket:
    return docket(make_config(MODELS, experimentation={"experiments": experiments, "tick": "5m"}))


def test_without_experiments_there_is_nothing() -> None:
    """No experiments: no trials, no exposures, and predictions are held without them."""
    assert (read().plans, read().exposures) == ((), None)


def test_an_experiment_is_a_trial_of_each_of_its_models() -> None:
    """Two models: two trials with the same arms; the control, weights and planned observations are as declared."""
    found = read(e={"models": ["fraud", "rank"], "arms": {"a": 1, "b": 3}, "control": "b", "planned": 700})

    assert [(plan.trial.model, plan.trial.experiment) for plan in found.plans] == [("fraud", "e"), ("rank", "e")]
    assert {(plan.trial.arms, plan.control, plan.weights, plan.planned) for plan in found.plans} == {
        (("a", "b"), 1, (1.0, 3.0), 700.0)
    }
    assert found.tick == 300_000_000


@pytest.mark.parametrize(
    ("metrics", "levels"),
    [
        ({"primary": ["accuracy"]}, {"accuracy": 0.05}),
        ({"primary": ["accuracy", "brier"]}, {"accuracy": 0.025, "brier": 0.025}),
        (
            {"primary": ["accuracy"], "guardrail": ["crash_rate"], "exploratory": ["recall", "precision"]},
            {"accuracy": 0.04, "crash_rate": 0.05, "recall": 0.005, "precision": 0.005},
        ),
        ({"guardrail": ["crash_rate", "latency_p95"]}, {"crash_rate": 0.05, "latency_p95": 0.05}),
        ({"exploratory": ["recall", "precision"]}, {"recall": 0.025, "precision": 0.025}),
    ],
)
def test_alpha_is_split_over_metrics_and_arms(metrics: dict[str, Any], levels: dict[str, float]) -> None:
    """Primaries share what exploratory metrics leave, a guardrail has all of it; three arms halve each."""
    for arms, others in (({"a": 1, "b": 1}, 1), ({"a": 1, "b": 1, "c": 1}, 2)):
        (plan,) = read(e={"model": "fraud", "arms": arms, "metrics": metrics}).plans
        found = {role.metric: role.alpha * others for role in plan.roles}

        assert found == pytest.approx(levels)


def test_roles_carry_what_they_are_judged_by() -> None:
    """Direction, margin and the smallest effect that matters come from the declaration, to the metrics they are for."""
    metrics = {
        "primary": [{"metric": "mean_score", "direction": "lower"}],
        "guardrail": [{"metric": "latency_p99", "margin": 5}],
    }
    (plan,) = read(e={"model": "fraud", "arms": {"a": 1, "b": 1}, "metrics": metrics, "minimum_effect": 0.02}).plans
    primary, guardrail = plan.roles

    assert (primary.higher_is_better, primary.margin, primary.negligible) == (False, 0.0, 0.02)
    assert (guardrail.higher_is_better, guardrail.margin, guardrail.negligible) == (False, 5.0, 0.0)
    assert (list(plan.trial.ratios), plan.trial.quantiles) == (["mean_score"], {"latency_p99": 0.99})
