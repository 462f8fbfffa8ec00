"""
Sampled events stand for those left out: weighted totals and ratios of 2,000 populations under four ways to sample.

Every population is drawn from the same distribution and then sampled; what is kept weighs one over the chance that it
had (Horvitz & Thompson 1952; ratios, Hájek 1971). Sums and estimates are beside what their population says in full,
intervals beside the truth of the distribution. Sums have no bias. A ratio has one that vanishes with the number of
observations: at most its standard error times the relative error of its denominator (Hartley & Ross 1954).

The seeds are fixed. Were they drawn anew, each of about a hundred comparisons would be beyond the 4 standard errors
of the simulation that it is allowed once in 16,000 times.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cache

import numpy as np
import pytest

from streams.core.block import FEEDBACK_KINDS
from streams.core.columns import Mask
from streams.core.exact import Exact
from streams.core.metric.base import Changes, Floats, Ints, Source, Task, Totals
from streams.core.metric.estimators import group_sums
from streams.core.metric.registry import metric_for
from streams.core.metric.variables import variable

POPULATIONS, SIZE = 2_000, 800
ERRORS = 4.0  # standard errors of the simulation
LEAST = 0.95 - ERRORS * np.sqrt(0.95 * 0.05 / POPULATIONS)

Chance = Callable[[Floats], Floats]
Rows = tuple[Changes, Ints]
"""Changes of one source, and the population that each is of."""


@dataclass(frozen=True)
class Design:
    """The chance that a prediction is recorded, by its score, and that an outcome is, by whether it shows an error."""

    prediction: Chance
    outcome: Chance


@dataclass(frozen=True)
class Measured:
    """A metric: of which task, from what it is, its truth, and the variables whose weights it is divided by."""

    task: Task
    source: Source
    truth: float
    among: tuple[str, ...]


def _all(column: Floats) -> Floats:
    return np.ones(len(column))


def _rare_scores(score: Floats) -> Floats:
    return np.where(score > 0.8, 1.0, 0.1)


def _errors(wrong: Floats) -> Floats:
    return np.where(wrong > 0, 1.0, 0.2)


DESIGNS = {
    "uniform": Design(lambda score: np.full(len(score), 0.3), _all),
    "rare scores in full": Design(_rare_scores, _all),
    "errors in full": Design(_all, _errors),
    "both": Design(lambda score: np.where(score > 0.8, 1.0, 0.3), _errors),
}
METRICS = {
    "count": Measured("binary", "traffic", SIZE, ()),
    "accuracy": Measured("binary", "label", 0.8125, ("tp", "tn", "fp", "fn")),
    "precision": Measured("binary", "label", 0.65, ("tp", "fp")),
    "recall": Measured("binary", "label", 0.8125, ("tp", "fn")),
    "mae": Measured("regression", "label", np.sqrt(2 / np.pi), ("compared",)),
    "mean_rating": Measured("binary", "feedback", 0.8125 * 4 + 0.1875 * 2, ("rated",)),
}


def changes(rows: int, **columns: Floats) -> Changes:
    """Rows of which only these columns are known."""
    unknown, none = np.full(rows, np.nan), np.full(rows, -1)
    codes = {"actual", "predicted", "rank", "kind"}
    named = {one.name: none if one.name in codes else unknown for one in fields(Changes)}
    return Changes(**{**named, "weight": np.ones(rows), "prediction_weight": np.ones(rows), **columns})


@cache
def drawn(task: Task) -> tuple[Changes, Floats, Floats]:
    """
    Draw all populations: the labels of all predictions, which answers are wrong, and their ratings, NaN for half.

    Three in ten are positive, with scores of Beta(4, 2), those of the others of Beta(2, 4): beyond 0.5 are 13/16 and
    3/16. Numbers are missed by N(0, 1), and wrong if by more than 1. Good answers have 3 to 5 stars, wrong ones 1 to 3.
    """
    rng, rows = np.random.default_rng(2_013), POPULATIONS * SIZE
    y = (rng.random(rows) < 0.3).astype(np.float64)
    score = np.where(y == 1, rng.beta(4, 2, rows), rng.beta(2, 4, rows))
    if task == "regression":
        missed = rng.standard_normal(rows)
        return changes(rows, score=score, value=score + missed), np.where(np.abs(missed) > 1, 1.0, 0.0), score
    yhat = np.where(score > 0.5, 1.0, 0.0)
    wrong = np.where(y != yhat, 1.0, 0.0)
    stars = rng.integers(1, 4, rows) + np.where(wrong > 0, 0.0, 2.0)
    return changes(rows, score=score, y=y, yhat=yhat), wrong, np.where(rng.random(rows) < 0.5, stars, np.nan)


def taken(task: Task, source: Source, design: Design, seed: int) -> Rows:
    """Sample predictions, outcomes and what is heard of predictions; weights are as the pipeline has them."""
    labels, wrong, stars = drawn(task)
    rng, rows = np.random.default_rng(seed), len(wrong)
    chance = design.prediction(labels.score)
    kept = rng.random(rows) < chance
    weight = 1 / chance
    if source == "label":
        told = design.outcome(wrong)
        kept &= rng.random(rows) < told
        labels = replace(labels, weight=weight / told, prediction_weight=weight)
    elif source == "feedback":
        kept &= ~np.isnan(stars)
        rating = np.full(rows, FEEDBACK_KINDS.index("rating"))
        labels = replace(changes(rows, value=stars), kind=rating, weight=weight, prediction_weight=weight)
    else:
        labels = replace(changes(rows), weight=weight, prediction_weight=weight)
    return _only(labels, kept), np.flatnonzero(kept) // SIZE


def _only(all_of_them: Changes, kept: Mask) -> Changes:
    if kept.all():
        return all_of_them
    return Changes(**{one.name: getattr(all_of_them, one.name)[kept] for one in fields(Changes)})


def totals(name: str, task: Task, rows: Rows) -> Totals:
    """Sums of what a metric reads, with the populations as windows."""
    seen, population = rows
    sums = {}
    for column in metric_for(name, task).columns:
        power, _, named = column.partition(":")
        source, of = variable(named)
        values = seen.weight ** int(power) * of(seen) * (source != "summary")  # of which there are none here
        sums[column] = Exact.of(group_sums(population, values, POPULATIONS))
    return Totals(sums, {}, np.full(POPULATIONS, 60.0))


EVERY = Design(_all, _all)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("design", DESIGNS)
def test_samples_stand_for_all(name: str, design: str) -> None:
    """
    Weighted sums are unbiased, ratios nearly; 95 % intervals hold the truth at least as often as they say.

    More often where errors are looked at in full: a share is then known better than its interval, by Kish's size, says.
    """
    known, metric = METRICS[name], metric_for(name, METRICS[name].task)
    whole, some = (
        totals(name, known.task, taken(known.task, known.source, how, seed))
        for seed, how in enumerate((EVERY, DESIGNS[design]))
    )
    found = metric.estimate(some)
    missed = found.value - metric.estimate(whole).value
    held = np.mean((found.low <= known.truth) & (known.truth <= found.high))

    for column in (one for one in metric.columns if one.startswith("1:")):
        error = some[column] - whole[column]
        assert abs(error.mean()) <= ERRORS * error.std() / np.sqrt(POPULATIONS) + 1e-9, column
    assert abs(missed.mean()) <= (relative_error(known, some, whole) + ERRORS / np.sqrt(POPULATIONS)) * missed.std()
    assert held >= LEAST


def relative_error(known: Measured, some: Totals, whole: Totals) -> float:
    """Return the relative standard error of the sum of weights that a ratio is divided by; 0 for a total."""
    sums = [sum((each[f"1:{variable}"] for variable in known.among), np.zeros(POPULATIONS)) for each in (some, whole)]
    return float((sums[0] - sums[1]).std() / sums[1].mean()) if known.among else 0.0


def test_unweighted_samples_do_not() -> None:
    """Were the same rows counted once each, all that is looked at in full would count too much."""
    seen, population = taken("binary", "label", DESIGNS["errors in full"], 1)
    plain = metric_for("accuracy", "binary").estimate(
        totals("accuracy", "binary", (replace(seen, weight=np.ones(len(population))), population))
    )

    assert np.mean(plain.value) < 0.5
