"""Looks say when each verdict was first reached, how sure an effect is, and which effect would do harm."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from streams.core.columns import Floats
from streams.core.exposure import BUCKETS
from streams.core.judge.looks import Judge, Plan, Role, verdict_rows
from streams.core.metric.ratio import ratio_for
from streams.core.trial import Trial
from streams.sinks.clickhouse.rows import checked

Counts = tuple[npt.ArrayLike, npt.ArrayLike]
"""Predictions that were right, and all of them, by bucket; a single number is in the first bucket."""

Course = list[tuple[str, int | None]]
"""Verdicts look by look, with the tick at which each was first reached."""

NOTHING: Counts = (0, 0)
MANY = 1_000_000


def judge(*arms: str, **changes: Any) -> Judge:
    """Return the judge of a trial on accuracy, whose first arm is the control; ten million units came to each."""
    one = unattended(*arms, **changes)
    list(one.look(0, sums(one, ()), np.array([10 * MANY] * len(arms) + [0]), 0))
    return one


def unattended(*arms: str, **changes: Any) -> Judge:
    """Return the judge of a trial on accuracy that no unit has come to."""
    role = replace(Role("accuracy", "primary", higher_is_better=True, alpha=0.05), **changes)
    ratio = ratio_for("accuracy", "binary")
    assert ratio is not None
    trial = Trial("fraud", "e", "binary", arms, {"accuracy": ratio}, {})
    return Judge(Plan(trial, 0, (1.0,) * len(arms), 500.0, (role,)))


def sums(one: Judge, counts: tuple[Counts, ...]) -> Floats:
    """Return what a tick adds to the sums of each arm."""
    trial = one.plan.trial
    added = np.zeros((trial.width, len(trial.arms), BUCKETS))
    for arm, (right, every) in enumerate(counts):
        for name, place in ((name, trial.place(name)) for name in trial.columns):
            values = np.atleast_1d(np.asarray(right if name.endswith(":tp + tn") else every, float))
            added[place, arm, : len(values)] = values
    return added


def look(one: Judge, tick: int, *counts: Counts, units: tuple[int, ...] = ()) -> list[dict[str, Any]]:
    """Take a look, and return its rows as the store has them: without the checks of units unless they are given."""
    seen = np.array(units or [10 * MANY] * len(one.plan.trial.arms) + [0])
    table = checked("verdicts", verdict_rows(one.look(tick, sums(one, counts), seen, 0), 1))
    return [row for row in table.to_pylist() if units or row["metric"] not in ("sample_ratio", "crossovers")]


def reached(row: dict[str, Any]) -> tuple[str, int | None]:
    """Return a row's verdict, and the tick at which it was first reached."""
    first = row["first_reached"]
    return row["verdict"], None if first is None else round(first.timestamp() * 1e6)


def courses(one: Judge, ticks: Sequence[tuple[Counts, ...]], *, restored: bool) -> list[Course]:
    """Look at tick after tick, perhaps with a new judge for each, and return the course of each comparison."""
    told = []
    for tick, counts in enumerate(ticks, 1):
        told.append([reached(row) for row in look(one, tick, *counts)])
        if restored:
            saved, one = one.snapshot(), Judge(one.plan)
            one.restore(saved)
    return [list(course) for course in zip(*told, strict=True)]


@pytest.mark.parametrize("restored", [False, True])
def test_a_verdict_that_comes_back_was_first_reached_back_then(restored: bool) -> None:
    """Better, lost, and better again: the first tick stays the first, with snapshots in between as well."""
    ticks = [((0, 60), (30, 60)), (NOTHING, (0, 200)), (NOTHING, (200, 200))]

    assert courses(judge("a", "b"), ticks, restored=restored) == [
        [("better", 1), ("not enough evidence", None), ("better", 1)]
    ]


@pytest.mark.parametrize("restored", [False, True])
def test_each_verdict_of_each_arm_has_its_own_first_tick(restored: bool) -> None:
    """An arm that was better, worse and better has two first ticks, and another arm has one of its own."""
    ticks = [
        ((9, 18), (200, 200), NOTHING),
        (NOTHING, (0, 10_000), NOTHING),
        (NOTHING, (MANY, MANY), (200, 200)),
    ]

    assert courses(judge("a", "b", "c"), ticks, restored=restored) == [
        [("better", 1), ("worse", 2), ("better", 1)],
        [("not enough evidence", None), ("not enough evidence", None), ("better", 3)],
    ]


def test_a_tick_that_changed_nothing_is_no_look() -> None:
    """A tick is no look if nothing came in it, or only what was taken back; what came late is seen at the next one."""
    one = judge("a", "b")
    weight = 1 / 0.3
    undone = sums(one, ((0, weight + weight - weight - weight + 1e-15), NOTHING))

    assert look(one, 5) == []
    assert list(one.look(6, undone, np.array([10 * MANY, 10 * MANY, 0]), 0)) == []
    assert [row["n_arm"] for row in look(one, 7, (0, 60), (30, 60))] == [60]
    assert look(one, 7, (0, 60), (30, 60)) == []
    assert [row["n_arm"] for row in look(one, 8, NOTHING, (0, 1))] == [121]


def test_a_unit_in_an_arm_that_nobody_declared_is_looked_at() -> None:
    """Units that came to no declared arm add to no sum, and are a look at the sample ratio, once."""
    one = unattended("a", "b")
    [ratio, *_] = look(one, 1, units=(0, 0, 1))
    again = Judge(one.plan)
    again.restore(one.snapshot())

    assert (ratio["arm"], ratio["verdict"]) == ("__unknown__", "mismatch")
    assert look(again, 2, units=(0, 0, 1)) == []
    assert len(look(again, 3, units=(0, 0, 2))) == 3


def test_a_mismatch_is_first_reached_whichever_arm_is_the_worst() -> None:
    """The arm that the sample ratio names changes, and the tick of its first mismatch does not."""
    one = unattended("a", "b", "c")
    units = [(MANY, 2 * MANY, MANY, 0), (MANY, MANY, MANY, 0), (MANY, MANY, 2 * MANY, 0)]
    told = [look(one, tick, (1, 1), units=each)[0] for tick, each in enumerate(units, 1)]

    assert [(row["arm"], *reached(row)) for row in told] == [
        ("b", "mismatch", 1),
        ("a", "match", 2),
        ("c", "mismatch", 1),
    ]


def test_the_error_between_buckets() -> None:
    """Where every bucket has as many observations, effect over error is the t of paired buckets."""
    rng = np.random.default_rng(5)
    every = np.full(BUCKETS, 40)
    right = [rng.binomial(40, share, BUCKETS) for share in (0.5, 0.6)]
    [row] = look(judge("a", "b"), 1, *((hits, every) for hits in right))
    paired = stats.ttest_rel(right[1] / every, right[0] / every)

    assert row["method"] == "mixture over buckets of units"
    assert row["effect"] / row["error"] == pytest.approx(paired.statistic, rel=1e-9)
    assert paired.df == BUCKETS - 1


def test_the_error_of_exact_counts() -> None:
    """Of counts, the error is that of two shares, each with its own variance; it is unknown where an arm has none."""
    [row] = look(judge("a", "b"), 1, (4, 100), (9, 80))
    unpooled = math.sqrt(0.04 * 0.96 / 100 + 9 / 80 * 71 / 80 / 80)
    alike = [look(judge("a", "b"), 1, (4, 100), arm)[0] for arm in ((0, 80), (80, 80))]

    assert row["error"] == pytest.approx(unpooled, rel=1e-12)
    assert [(row["method"], row["error"]) for row in alike] == [("exact counts", None)] * 2


@pytest.mark.parametrize(("units", "method"), [(80, "exact counts"), (79, "too little to say")])
def test_few_are_counted_only_where_no_unit_came_twice(units: int, method: str) -> None:
    """Predictions of one unit are no independent observations: exact counts take them for such, so nothing is said."""
    rows = look(judge("a", "b"), 1, (4, 100), (9, 80), units=(MANY, units, 0))

    assert rows[-1]["method"] == method


@pytest.mark.parametrize(("buckets", "method"), [(31, "too little to say"), (32, "mixture over buckets of units")])
def test_the_mixture_speaks_of_half_of_the_buckets(buckets: int, method: str) -> None:
    """Until as many buckets as half of all have what is counted, and what is not, it cannot say how these vary."""
    hits = np.r_[np.ones(buckets), np.zeros(BUCKETS - buckets)]
    spread = (hits, 2 * hits), (hits, 2 * np.ones(BUCKETS))
    row = look(unattended("a", "b"), 1, *spread, units=(1, 1, 0))[-1]

    assert row["method"] == method


def test_where_nothing_is_known_there_is_no_error() -> None:
    """An arm without observations has no effect and no error; neither have the checks."""
    rows = look(unattended("a", "b"), 1, (5, 10), NOTHING, units=(50, 60, 0))

    assert [(row["metric"], row["error"]) for row in rows] == [
        ("sample_ratio", None),
        ("crossovers", None),
        ("accuracy", None),
    ]
    assert rows[-1]["effect"] is None


@pytest.mark.parametrize(
    ("changes", "margin"),
    [
        ({"kind": "guardrail", "margin": 0.02, "higher_is_better": True}, -0.02),
        ({"kind": "guardrail", "margin": 0.02, "higher_is_better": False}, 0.02),
        ({"kind": "guardrail", "higher_is_better": True}, 0.0),
        ({"negligible": 0.3}, 0.0),
    ],
)
def test_the_margin_is_on_the_side_of_harm(changes: dict[str, Any], margin: float) -> None:
    """A row has the effect beyond which its guardrail is harmed; other metrics and checks have 0, without a sign."""
    rows = look(judge("a", "b", **changes), 1, (4, 100), (9, 80), units=(100, 80, 0))
    margins = [row["margin"] for row in rows]

    assert margins == [0.0, 0.0, margin]
    assert [math.copysign(1.0, each) for each in margins if not each] == [1.0] * margins.count(0.0)
