"""How labels read, a task at a time, and the sums that changes become."""

from __future__ import annotations

from fractions import Fraction
from math import nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.columns import Columns
from streams.core.flatten import RANKING_PLACES
from streams.core.ids import hash_text
from streams.core.metric.base import Changes, Task
from streams.core.metric.histograms import CLASSES, HISTOGRAMS
from streams.core.metric.layout import Layout
from streams.core.panes import Slots
from streams.core.summarize import Summarizer, Terms, label_changes
from tests.core.making import ints, make_config
from tests.driving import drive, final_numbers
from tests.streams_strategy import Delivery, Event, Part

SECOND = 1_000_000
CLOSED, OPEN, STRICT = 0, 1, 2  # cohorts: the negative is named, is any other label, the threshold is 0.8


def hashes(labels: list[str | None]) -> np.ndarray:
    return np.array([0 if label is None else hash_text(label) for label in labels], np.uint64)


TERMS = Terms(hashes(["1", "yes", "1"]), hashes(["0", None, "0"]), np.array([0.5, 0.5, 0.8]))


def read(task: Task, classes: Slots | None = None, **columns: Any) -> Changes:
    """Label changes of rows given by their columns, weights 1."""
    rows: Columns = {name: np.asarray(column) for name, column in columns.items()}
    ones = np.ones(len(rows["score" if "score" in rows else "label"]))
    return label_changes(task, rows | {"weight": ones, "prediction_weight": ones}, TERMS, classes or Slots())


def binary(cohort: int, labels: list[str | None], predicted: list[str | None], scores: list[float]) -> Changes:
    cohorts = np.full(len(labels), cohort)
    return read("binary", cohort=cohorts, label=hashes(labels), predicted=hashes(predicted), score=scores)


def sides(values: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else value for value in values.tolist()]


def test_a_named_negative_leaves_other_labels_unread() -> None:
    """With both classes named, a third label is neither, and null is none."""
    changes = binary(CLOSED, ["1", "0", "2", None], [None] * 4, [nan] * 4)

    assert sides(changes.y) == [1, 0, None, None]


def test_an_unnamed_negative_is_any_other_label() -> None:
    """With only the positive named, everything else is the negative, and null is still none."""
    changes = binary(OPEN, ["yes", "no", "", None], ["no", None, "yes", None], [nan] * 4)

    assert sides(changes.y) == [1, 0, 0, None]
    assert sides(changes.yhat) == [0, None, 1, None]


@pytest.mark.parametrize(("cohort", "threshold"), [(CLOSED, 0.5), (STRICT, 0.8)])
def test_a_score_at_the_threshold_predicts_yes(cohort: int, threshold: float) -> None:
    """From the threshold up it is a yes, below it a no, without a score it is nothing."""
    below = np.nextafter(threshold, 0)
    changes = binary(cohort, [None] * 5, [None] * 5, [threshold, below, 1.0, 0.0, nan])

    assert sides(changes.yhat) == [1, 0, 1, 0, None]


def test_a_predicted_label_goes_before_the_score() -> None:
    """Where the prediction named its label, the score does not decide; one that is no class says nothing."""
    changes = binary(CLOSED, [None] * 3, ["0", "1", "2"], [0.9, 0.1, 0.9])

    assert sides(changes.yhat) == [0, 1, None]


def test_classes_are_numbered_as_they_are_first_seen() -> None:
    """Actual and predicted labels share their numbers, from batch to batch; null is -1."""
    classes = Slots()
    first = read("multiclass", classes, label=hashes(["a", None, "b"]), predicted=hashes(["b", "a", None]))
    later = read("multiclass", classes, label=hashes(["c", "b"]), predicted=hashes(["a", "c"]))
    a, b, c = first.actual[0], first.actual[2], later.actual[0]

    assert (first.actual.tolist(), first.predicted.tolist()) == ([a, -1, b], [b, a, -1])
    assert (later.actual.tolist(), later.predicted.tolist()) == ([c, b], [a, c])
    assert len({a, b, c}) == 3


def test_more_classes_than_codes_share_the_last() -> None:
    """Labels past the number of class codes are counted as one class."""
    classes = Slots()
    classes.resolve(ints(range(CLASSES)))

    changes = read("multiclass", classes, label=hashes(["x", "y"]), predicted=hashes(["y", None]))

    assert (changes.actual.tolist(), changes.predicted.tolist()) == ([CLASSES - 1] * 2, [CLASSES - 1, -1])


def test_regression_compares_numbers() -> None:
    """Score and value pass as they are; nothing else is set."""
    changes = read("regression", score=np.array([1.5, nan]), value=np.array([nan, -2.0]))

    assert (sides(changes.score), sides(changes.value)) == ([1.5, None], [None, -2.0])
    assert (sides(changes.y), changes.rank.tolist()) == ([None, None], [-1, -1])


def test_the_rank_is_the_place_of_the_relevant_item() -> None:
    """Places count from 1; an item that is not in the list has 0, a missing label -1."""
    ranking = np.zeros((5, RANKING_PLACES), np.uint64)
    ranking[:, :3] = hashes(["a", "b", "a"])
    ranking[4] = 0
    labels = hashes(["a", "b", "z", None, "a"])

    assert read("ranking", label=labels, ranking=ranking).rank.tolist() == [1, 2, 0, -1, 0]


def test_a_task_without_labels_reads_none() -> None:
    """For the task `none` only weights are set."""
    changes = read("none", label=hashes(["a"]))

    assert (changes.weight.tolist(), sides(changes.y), changes.actual.tolist()) == ([1.0], [None], [-1])


def summarizer() -> Summarizer:
    columns = ("0:labelled", "1:error", "2:labelled")
    return Summarizer(Layout(columns, {}), 10 * SECOND)


def regression_rows(rows: list[tuple[int, int, float, float, float]]) -> tuple[Columns, Changes]:
    """Rows of (cohort, second, sign, weight, value); the score is 0, so that the error is minus the value."""
    cohort, second, sign, weight, value = (np.array(column) for column in zip(*rows, strict=True))
    columns = {"cohort": cohort, "time": second.astype(np.int64) * SECOND, "sign": sign.astype(float)}
    weights = weight.astype(float)
    read_as = {"weight": weights, "prediction_weight": weights, "score": np.zeros(len(rows)), "value": value}
    return columns, label_changes("regression", columns | read_as, TERMS, Slots())


def sums(of: Summarizer) -> dict[tuple[int, int], list[float]]:
    """Sums of every cell by (cohort, pane start in seconds)."""
    cohort, time, slot, _ = of.panes.live()
    values = [of.panes.cells.read(name, slot).value().tolist() for name in of.panes.cells.columns]
    places = zip(cohort.tolist(), (time // SECOND).tolist(), strict=True)
    return dict(zip(places, map(list, zip(*values, strict=True)), strict=True))


def test_changes_add_up_by_cohort_and_pane() -> None:
    """Powers of the weight multiply the variable; cells are cohorts in panes."""
    made = summarizer()
    made.add(
        "label", *regression_rows([(1, 3, 1, 2.0, 5.0), (1, 9, 1, 3.0, 1.0), (1, 10, 1, 1.0, 7.0), (0, 3, 1, 4.0, nan)])
    )

    assert sums(made) == {(0, 0): [0.0, 0.0, 0.0], (1, 0): [2.0, -13.0, 13.0], (1, 10): [1.0, -7.0, 1.0]}


def test_only_columns_of_the_source_are_added() -> None:
    """Changes of one source leave the sums of the others alone, and no rows touch no cell."""
    made = summarizer()
    columns, changes = regression_rows([(1, 3, 1, 2.0, 5.0)])
    made.add("feedback", columns, changes)
    made.add("label", {}, changes)

    assert sums(made) == {(1, 0): [0.0, 0.0, 0.0]}


changes_of_one_cell = st.lists(
    st.tuples(
        st.just(1), st.integers(0, 9), st.just(1), st.sampled_from([1.0, 2.5, 1000.0]), st.integers(-(2**30), 2**30)
    ),
    min_size=1,
    max_size=10,
)


@given(kept=changes_of_one_cell, wrong=changes_of_one_cell, data=st.data())
def test_what_is_taken_back_was_never_there(kept: list[Any], wrong: list[Any], data: st.DataObject) -> None:
    """Adding and subtracting changes, cut and ordered in any way, leaves the true sums of the others."""
    rows = [*kept, *wrong, *((cohort, second, -1, *rest) for cohort, second, _, *rest in wrong)]
    shuffled = data.draw(st.permutations(rows))
    cut = data.draw(st.integers(1, len(rows)))
    made = summarizer()
    for part in (shuffled[:cut], shuffled[cut:]):
        if part:
            made.add("label", *regression_rows(part))

    labelled = float(len(kept))
    error = float(-sum(Fraction(weight) * Fraction(value) for *_, weight, value in kept))
    squares = float(sum(Fraction(weight) ** 2 for *_, weight, _ in kept))
    assert sums(made) == {(1, 0): [labelled, error, squares]}


def test_histograms_count_and_take_back() -> None:
    """A change falls in its bin with its weight, and a retraction leaves the bin empty."""
    made = Summarizer(Layout(("0:labelled",), {"confusion": HISTOGRAMS["confusion"].columns}), 10 * SECOND)
    classes = Slots()
    for sign in (1.0, 1.0, -1.0):
        rows = {"cohort": ints([1, 1]), "time": ints([0, 0]), "sign": np.full(2, sign)}
        changes = read("multiclass", classes, label=hashes(["a", None]), predicted=hashes(["b", "b"]))
        made.add("label", rows, changes)
    _, bins, entry = made.panes.entries("confusion")
    a, b = (int(classes.resolve(hashes([label]).view(np.int64))[0]) for label in "ab")

    assert bins.tolist() == [a * CLASSES + b]
    assert made.panes.histograms["confusion"].read("0:paired", entry).value().tolist() == [1.0]


def test_corrected_outliers_leave_no_trace_in_an_interval() -> None:
    """Mistaken values near 1e9, later corrected, end in the interval of events that were never mistaken."""
    config = make_config({"price": {"task": "regression", "metrics": ["mse"]}})
    base: Event = {"type": "prediction", "model": "price", "version": "1", "score": 0.0}
    predictions = [base | {"prediction_id": f"p{i}", "event_time": i} for i in range(6)]
    truth: list[Event] = [
        {"type": "outcome", "prediction_id": f"p{i}", "event_time": 20 + i, "value": 1 + i / 10, "revision": 1}
        for i in range(6)
    ]
    mistakes = [event | {"value": 999_999_999 - event["value"], "revision": 0} for event in truth]

    plain, corrected = (
        drive(config, Delivery(("a",), [Part("a", part) for part in parts]))[1]["windows"]
        for parts in ([predictions, truth], [predictions, mistakes, truth])
    )

    assert final_numbers(corrected).keys() == final_numbers(plain).keys()
    for bound in ("value", "low", "high"):
        assert corrected[-1][bound] == pytest.approx(plain[-1][bound], rel=1e-9)
