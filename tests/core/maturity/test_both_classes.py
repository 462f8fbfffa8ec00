"""Corrected estimates of metrics that both classes add to: against simulated cohorts, and against single rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from streams.core.catalog import Catalog
from streams.core.columns import Columns, Floats, Ints
from streams.core.ids import hash_text
from streams.core.maturity.corrected import LEAST_SHARE, SHARE_SEEN, Late, correct
from streams.core.maturity.delays import Kind
from streams.core.maturity.parts import parts_of
from streams.core.measures import Measures
from streams.core.metric.base import Estimate
from streams.core.metric.interval import Z
from streams.core.metric.layout import layout
from streams.core.metric.registry import metric_for, metrics_for
from streams.core.panes import Panes, cohort_of
from streams.core.summarize import Summarizer
from streams.core.window import Pieces, totals_of
from tests.core.making import make_config
from tests.core.maturity.cohorts import DAY, START, model, slow_positives
from tests.core.maturity.scored import scores, truths
from tests.core.metric.conftest import make_changes, make_totals
from tests.driving import drive
from tests.streams_strategy import Delivery, Event, Part

POPULATIONS = 100
LABELLED = sorted(set(metrics_for("binary")) - set(metrics_for("none")))
PIECES, SECONDS = 3, 60.0


@pytest.fixture(scope="module")
def looked() -> list[dict[str, dict[str, Any]]]:
    """Return the last windows of many populations, by metric."""
    found = [slow_positives(seed, list(truths()), scores) for seed in range(POPULATIONS)]
    return [{row["metric"]: row for row in rows} for rows in found]


@pytest.mark.parametrize("name", list(truths()))
def test_slow_positives(looked: list[dict[str, dict[str, Any]]], name: str) -> None:
    """
    The corrected estimate is right, and its 95 % intervals hold the truth as often as they say.

    Within four standard errors of the simulation. What is not linear in its sums may also be off by a tenth of its
    interval's length.
    """
    truth, rows = truths()[name], [one[name] for one in looked]
    corrected = np.array([one["corrected"] for one in rows])
    low, high = (np.array([one[part] for one in rows]) for part in ("corrected_low", "corrected_high"))
    curved = 0.1 * (high - low).mean() if name in {"f1", "ece", "calibration_slope"} else 0.0

    assert abs(corrected.mean() - truth) < 4 * corrected.std() / math.sqrt(POPULATIONS) + curved
    assert ((low <= truth) & (truth <= high)).mean() > 0.95 - 4 * math.sqrt(0.95 * 0.05 / POPULATIONS)
    assert (high - low).mean() < 1.4 * 2 * Z * corrected.std()


@pytest.mark.parametrize(
    ("name", "plain"), [("brier", 0.080), ("log_loss", 0.292), ("mean_score", 0.242), ("ece", 0.139)]
)
def test_plain_values_are_biased(looked: list[dict[str, dict[str, Any]]], name: str, plain: float) -> None:
    """In the same windows fewer than a quarter of the plain intervals hold the truth; their mean is as documented."""
    inside = [one[name]["low"] <= truths()[name] <= one[name]["high"] for one in looked]

    assert np.mean(inside) < 0.25
    assert np.mean([one[name]["value"] for one in looked]) == pytest.approx(plain, abs=1e-3)


def test_partitions_merge(looked: list[dict[str, dict[str, Any]]]) -> None:
    """Summed up in three partitions that are merged, the same predictions give the same rows."""
    for row in slow_positives(0, list(truths()), scores, partitions=3):
        whole = looked[0][row["metric"]]
        assert row == whole | {name: pytest.approx(of, rel=1e-9) for name, of in whole.items() if isinstance(of, float)}


Shares = Mapping[Kind, Floats]


def _panes(rows: Columns) -> Panes:
    """Sum up the label rows of a model that follows delays, in pieces of a second."""
    metrics = [metric_for(name, "binary") for name in LABELLED]
    made = Summarizer(layout(metrics, LABELLED), 1_000_000)
    keys = {"cohort": np.zeros(len(rows["y"]), np.int64), "time": rows["piece"] * 1_000_000}
    every = keys | {"sign": np.ones(len(rows["y"]))}
    changes = make_changes({name: column for name, column in rows.items() if name != "piece"})
    made.add("traffic", every, changes)
    made.add("label", every, changes)
    positive = np.flatnonzero(rows["y"] == 1)
    made.add("positive", {name: column[positive] for name, column in every.items()}, changes.take(positive))
    return made.panes


def _correct(rows: Columns, shares: Shares, name: str) -> Estimate:
    """Correct one window of pieces of which these shares have come."""
    panes = _panes(rows)
    _, time, slot, _ = panes.live()
    none, metric = np.zeros_like(slot), metric_for(name, "binary")
    parts = parts_of(panes, Pieces(slot, none, none, time), none, np.array([SECONDS]), layout([metric], [name]))
    late = Late(strata=False, shares=lambda kind, _: shares[kind][parts.time // 1_000_000])
    return correct(parts, late, metric, "binary")


def _plain(rows: Columns, name: str) -> Estimate:
    metric, held = metric_for(name, "binary"), {name: of for name, of in rows.items() if name != "piece"}
    return metric.estimate(make_totals([metric], {"label": held, "traffic": held}, 1, SECONDS))


@st.composite
def _rows(draw: st.DrawFn) -> Columns:
    size = draw(st.integers(1, 30))

    def column(values: list[float]) -> Floats:
        return np.array(draw(st.lists(st.sampled_from(values), min_size=size, max_size=size)))

    piece: Ints = column([float(piece) for piece in range(PIECES)]).astype(np.int64)
    named = {"y": column([0, 1]), "yhat": column([0, 1]), "score": column([0.1, 0.25, 0.4, 0.8, 0.95])}
    return {"piece": piece, **named, "weight": column([1.0, 2.5])}


_share = st.lists(st.sampled_from([0.01, 0.3, 0.85, 1.0]), min_size=PIECES, max_size=PIECES).map(np.array)


@given(_rows(), _share, _share, st.sampled_from([name for name in LABELLED if name != "calibration_slope"]))
def test_rows_by_their_weights(rows: Columns, negative: Floats, positive: Floats, name: str) -> None:
    """A correction is the plain estimate of rows that weigh one over what has come of their class in their piece."""
    share = np.where(rows["y"] == 1, positive[rows["piece"]], negative[rows["piece"]])
    classes = {"recall": {1}, "specificity": {0}}.get(name, {0, 1})
    old = [of[rows["piece"]] >= LEAST_SHARE for y, of in ((0, negative), (1, positive)) if y in classes]
    kept = {name: of[np.logical_and.reduce(old)] for name, of in rows.items()}
    assume(all((kept["y"] == y).any() for y in (0, 1)))
    kept["weight"] = kept["weight"] / share[np.logical_and.reduce(old)]

    corrected = _correct(rows, {"negative": negative, "positive": positive}, name)

    if np.isnan(corrected.value[0]) and name in {"precision", "f1", "average_precision"}:
        return  # none of a class is counted: see below
    expected = _plain(kept, name)
    for part in ("value", "low", "high", "n", "n_effective"):
        np.testing.assert_allclose(getattr(corrected, part), getattr(expected, part), rtol=1e-7, atol=1e-9)


@given(_rows(), st.sampled_from(LABELLED))
def test_everything_has_come(rows: Columns, name: str) -> None:
    """Where everything has come, the corrected estimate is the plain one, whichever classes there are."""
    every = np.ones(PIECES)

    corrected = _correct(rows, {"negative": every, "positive": every}, name)

    panes = _panes(rows)
    _, time, slot, _ = panes.live()
    pieces = Pieces(slot, np.zeros_like(slot), np.zeros_like(slot), time)
    plain = metric_for(name, "binary").estimate(totals_of(panes, pieces, np.array([SECONDS])))
    for part in ("value", "low", "high", "n", "n_effective"):
        np.testing.assert_allclose(getattr(corrected, part), getattr(plain, part), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["brier", "log_loss", "ece", "positive_rate", "accuracy", "f1"])
def test_nothing_of_a_class(name: str) -> None:
    """Without a positive, nothing is said before four in five should be there, and as much as ever after that."""
    size = 20
    held = {"y": np.zeros(size), "yhat": np.ones(size), "score": np.linspace(0.1, 0.9, size), "weight": np.ones(size)}
    rows = {"piece": np.arange(size) % PIECES, **held}

    def said(share: float) -> Estimate:
        return _correct(rows, {"negative": np.ones(PIECES), "positive": np.full(PIECES, share)}, name)

    few, enough = said(SHARE_SEEN - 0.01), said(SHARE_SEEN + 0.01)

    assert [float(getattr(few, part)[0]) for part in ("value", "low", "high")] == pytest.approx(
        [math.nan] * 3, nan_ok=True
    )
    assert enough.value == pytest.approx(_plain(rows, name).value)


def test_how_much_should_be_there() -> None:
    """At the least share, one in 20 windows at Wilson's limit for none of n have none; at less, more have."""
    assert math.exp(-SHARE_SEEN * Z**2) < 0.05 < math.exp(-(SHARE_SEEN - 0.03) * Z**2)


def _told(number: int, name: str, label: str) -> list[Event]:
    time, ids = START + number * DAY // 100, {"request_id": f"{name}{number}"}
    score = (number % 10) / 10 + 0.05
    first = {"type": "prediction", **ids, "prediction_id": f"{name}{number}", "event_time": time, "model": name}
    outcome = {"type": "outcome", **ids, "event_time": time + DAY // 50, "label": label}
    return [first | {"version": "1", "score": score, "attributes": {"c": "a"}}, outcome]


def _tables(events: list[Event], size: int, **models: Any) -> list[dict[str, Any]]:
    ordered = sorted(events, key=lambda event: event["event_time"])
    parts = [Part("a", ordered[at : at + size]) for at in range(0, len(ordered), size)]
    rows = drive(make_config(models, disorder="1h"), Delivery(("a",), parts))[1]["windows"]
    return [row for row in rows if not row["slice"]]


def test_labels_that_are_taken_back() -> None:
    """A label that is corrected to the other class is no longer among the positives, nor one of other models."""
    events = [event for number in range(300) for event in _told(number, "m", str(number % 2))]
    others = [event for number in range(300) for event in _told(number, "o", "1")]
    events += _told(6_000, "m", "0")  # when all labels of the others have come
    for number in range(1, 300, 4):
        told = _told(number, "m", "0")[1]
        events.append(told | {"event_time": told["event_time"] + DAY // 10, "revision": 1})
    metrics = ["brier", "log_loss", "ece"]
    late = {"m": model(metrics, delays=True), "o": model(metrics)}

    for size in (41, 1_000_000):
        rows = _tables(events + others, size, **late)
        final = [row for row in rows if row["is_final"] and row["model"] == "m"]
        assert {row["metric"] for row in final} == set(metrics)
        for row in final:
            assert row["corrected"] == pytest.approx(row["value"], rel=1e-12)
        assert all(row["corrected"] is None for row in rows if row["model"] == "o")


def test_positives_of_models_that_follow_delays() -> None:
    """Only their positives are summed apart, and what a corrected label had added is taken back."""
    catalog = Catalog(make_config({"m": model(["brier"], delays=True), "o": model(["brier"])}))
    m, o = (catalog.groups.cohort(name, "1", {"c": "a"}, START) for name in ("m", "o"))
    measures, wanted = Measures(catalog), catalog.layout("binary").columns
    labels = {"label": hash_text("1"), "score": 0.25, "predicted": 0, "weight": 2.0, "prediction_weight": 2.0}

    def add(cohort: int, sign: float, **changed: Any) -> None:
        row = {"cohort": cohort, "time": START, "known": START, "sign": sign} | labels | changed
        types: dict[str, Any] = {"label": np.uint64, "predicted": np.uint64}
        measures.add("label", {name: np.array([of], types.get(name)) for name, of in row.items()})

    for cohort in (m, o, m):
        add(cohort, 1.0)
    add(m, 1.0, label=hash_text("0"))
    add(m, -1.0)
    cells = measures.collect()["tasks"]["binary"]["cells"]

    sums = dict(zip(wanted, cells["parts"].sum(axis=0), strict=True))
    assert cohort_of(cells["key"]).tolist() == sorted([m, o])
    assert sums["1:positive_brier"].tolist() == [2 * 0.75**2, 0.0]
    assert sums["1:brier"].tolist() == [2 * 0.75**2 + 2 * 0.25**2, 2 * 0.75**2]


def test_only_what_is_asked_for_is_summed() -> None:
    """What positives alone add is summed for models that follow delays, and for none of their other metrics."""
    metrics = ["brier", "ece"]

    def columns(**labels: object) -> set[str]:
        models = {"m": model(metrics, **labels), "o": model(["log_loss"])}
        wanted = Catalog(make_config(models)).layout("binary")
        every = {*wanted.columns, *(one for of in wanted.histograms.values() for one in of)}
        return {one for one in every if "positive_" in one}

    assert columns() == columns(strata=["c"]) == set()
    assert columns(delays=True) == {
        *("1:positive_brier", "2:positive_brier", "2:positive_brier_squared", "1:positive_score")
    }
