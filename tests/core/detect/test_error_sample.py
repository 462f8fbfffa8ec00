"""The sample of single errors: that of all errors of a tick, however they were cut, and whatever was read first."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.columns import Columns
from streams.core.detect.cut import WHOLE, Cut, where
from streams.core.detect.error_sample import Errors, ErrorSample, errors_of, ranks
from streams.core.groups import Groups, Slice, SlicePlan
from streams.core.ids import mix
from streams.core.metric.base import Changes

SIZE = 5
Label = tuple[int, int, int, float, int]
"""Tick, prediction, when it was known, its weight, and its error."""

labels = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 40), st.integers(0, 3), st.sampled_from((1.0, 4.0)), st.integers(0, 1)),
    max_size=40,
    unique_by=lambda one: one[1],
)


NO_ERRORS = Errors(np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0))


def sample_of() -> ErrorSample:
    """Return the sample of a model that is asked for errors of the whole only."""
    return ErrorSample({"m": {WHOLE: SIZE}}, Groups({"m": SlicePlan(((),), 9)}))


def hashes(predictions: list[int]) -> np.ndarray:
    return mix(np.array(predictions, np.uint64), np.full(len(predictions), np.uint64(7)))


def add(sample: ErrorSample, told: list[tuple[Label, int]], first: bool = True) -> None:
    """Add labels, or take them back."""
    if told:
        tick, prediction, time, weight, error = (
            np.array(column) for column in zip(*[one for one, _ in told], strict=True)
        )
        rows: Columns = {
            "id": hashes(prediction.tolist()),
            "cohort": np.zeros(len(told), np.int64),
            "known": time,
            "weight": weight,
            "sign": np.array([sign for _, sign in told], float),
            "first": np.full(len(told), first),
        }
        sample.add("m", tick, error.astype(float), rows)


def taken(sample: ErrorSample) -> dict[int, list[tuple[int, float]]]:
    """Return time and error of what the detectors see, by tick."""
    found = {}
    for (_, tick), by_slice in sample.take(9):
        errors = by_slice.get(Slice("m", (), ()), NO_ERRORS)
        some = Errors(errors.id[:SIZE], errors.time[:SIZE], errors.value[:SIZE])
        found[tick] = Counter(zip(some.time.tolist(), some.value.tolist(), strict=True))
    return {tick: sorted(counted.elements()) for tick, counted in found.items() if counted}


def expected(told: list[Label]) -> dict[int, list[tuple[int, float]]]:
    """Of each tick the labels with the smallest ranks, one by one."""
    found = {}
    for tick in {label[0] for label in told}:
        here = [label for label in told if label[0] == tick]
        here.sort(key=lambda one: float(ranks(mix(hashes([one[1]]), KEY), np.array([one[3]]))[0]))
        found[tick] = sorted((time, float(error)) for _, _, time, _, error in here[:SIZE])
    return found


KEY = np.array([0x6572726F72730001], np.uint64)


@given(labels, st.data())
def test_parts_have_the_sample_of_the_whole(told: list[Label], data: st.DataObject) -> None:
    """In any order, in any blocks, in three partitions, stopped and restored: what one look at all labels has."""
    told = data.draw(st.permutations(told))
    together = sample_of()
    for part in range(3):
        mine = [(label, 1) for label in told if label[1] % 3 == part]
        size = data.draw(st.integers(1, 10))
        sample = sample_of()
        for first in range(0, len(mine), size):
            add(sample, mine[first : first + size])
            if data.draw(st.booleans()):
                together.merge(sample.collect())
        together.merge(sample.collect())
    again = sample_of()
    again.restore(together.snapshot())

    assert taken(together) == taken(again) == expected(told)


@given(labels, st.data())
def test_what_was_taken_back_makes_no_difference(told: list[Label], data: st.DataObject) -> None:
    """Labels that were read too early and taken back, before or after others came, as many as there is room for."""
    wrong = [(tick, prediction + 100, time, weight, error) for tick, prediction, time, weight, error in told[:SIZE]]
    steps = data.draw(st.permutations([(label, 1) for label in told + wrong]))
    sample = sample_of()
    back = data.draw(st.integers(0, len(steps)))
    add(sample, steps[:back])
    add(sample, [(label, -1) for label in wrong])
    add(sample, steps[back:])

    assert taken(sample) == expected(told)


COUNTRIES = ("de", "fr", "it", "__missing__")
PLANS = {"m": SlicePlan(((), ("country",), ("country", "device")), 3)}  # so that some slices are refused
ASKED = {
    WHOLE: SIZE,
    Cut(("country",)): 3,
    Cut(("country", "device"), ("de", "a")): 2,
    Cut(("country", "device"), ("__other__", "__other__")): 4,
}


def cohort_of(groups: Groups, prediction: int) -> int:
    """Return the cohort of a prediction; it was made at a time of its own."""
    named = {"country": COUNTRIES[prediction % 4], "device": "ab"[prediction % 3 == 0]}
    return groups.cohort("m", "1", named, prediction)


def add_sliced(sample: ErrorSample, groups: Groups, told: list[Label]) -> None:
    """Add labels to the samples of their slices."""
    if told:
        tick, prediction, time, weight, error = (np.array(column) for column in zip(*told, strict=True))
        rows: Columns = {"id": hashes(prediction.tolist()), "known": time, "weight": weight}
        rows |= {"sign": np.ones(len(told)), "first": np.ones(len(told), np.bool_)}
        rows["cohort"] = np.array([cohort_of(groups, one) for one in prediction.tolist()], np.int64)
        sample.add("m", tick, error.astype(float), rows)


def sliced(sample: ErrorSample) -> dict[tuple[int, Slice], list[tuple[int, float]]]:
    """Return time and error of what detectors see at most of each tick and slice."""
    found = {}
    for (_, tick), by_slice in sample.take(9):
        for one, errors in by_slice.items():
            most = max(most for cut, most in ASKED.items() if cut.holds(where(one)))
            found[tick, one] = sorted(list(zip(errors.time.tolist(), errors.value.tolist(), strict=True))[:most])
    return found


def expected_in_slices(told: list[Label], groups: Groups) -> dict[tuple[int, Slice], list[tuple[int, float]]]:
    """Of each tick and slice that is shown and asked for, the labels with the smallest ranks, one by one."""
    mine: dict[Slice, list[Label]] = {}
    for label in told:
        for attributes in PLANS["m"].slices:
            one = groups.counted_in(groups.slice_of(cohort_of(groups, label[1]), attributes))
            mine.setdefault(one, []).append(label)
    found = {}
    for one, some in mine.items():
        asked = [most for cut, most in ASKED.items() if cut.holds(where(one))]
        for tick in {label[0] for label in some} if asked else ():
            ranked = sorted(
                (float(ranks(mix(hashes([p]), KEY), np.array([w]))[0]), time, error)
                for at, p, time, w, error in some
                if at == tick
            )
            found[tick, one] = sorted((time, float(error)) for _, time, error in ranked[: max(asked)])
    return found


@given(labels, st.data())
def test_slices_have_samples_of_their_own(told: list[Label], data: st.DataObject) -> None:
    """In any order, blocks and partitions, slices admitted early or late: each slice has the sample of its labels."""
    together = Groups(PLANS)
    meeting = ErrorSample({"m": ASKED}, together)
    for part in range(2):
        groups = Groups(PLANS)
        sample = ErrorSample({"m": ASKED}, groups)
        mine = data.draw(st.permutations([label for label in told if label[1] % 2 == part]))
        size = data.draw(st.integers(1, 10))
        for first in range(0, len(mine), size):
            add_sliced(sample, groups, mine[first : first + size])
            if data.draw(st.booleans()):
                meeting.merge(sample.collect())
        meeting.merge(sample.collect())
    for label in told:
        cohort_of(together, label[1])
    together.admit(99)
    again = ErrorSample({"m": ASKED}, together)
    again.restore(meeting.snapshot())

    alone = Groups(PLANS)
    one_by_one = ErrorSample({"m": ASKED}, alone)
    for label in sorted(told, key=lambda one: one[1]):
        alone.admit(label[1] - data.draw(st.integers(0, 9)))
        add_sliced(one_by_one, alone, [label])
    alone.admit(99)

    expected = expected_in_slices(told, together)
    assert sliced(meeting) == sliced(again) == sliced(one_by_one) == expected


def test_a_slice_that_is_refused_has_no_sample() -> None:
    """Labels of a slice that was asked for by name, and then refused, are of no use to anybody."""
    groups = Groups(PLANS)
    sample = ErrorSample({"m": {Cut(("country",), ("__missing__",)): SIZE}}, groups)
    told = [(0, one, 0, 1.0, 1) for one in range(8)]  # the fourth country is the last to come
    add_sliced(sample, groups, told)
    groups.admit(99)

    assert groups.counted_in(Slice("m", ("country",), ("__missing__",))).values == ("__other__",)
    assert [by_slice for _, by_slice in sample.take(9)] == [{}]


def test_samples_of_before_there_were_slices_are_of_the_whole() -> None:
    """What an earlier version kept or sent says of no slice, and is that of all labels."""
    sample, again = sample_of(), sample_of()
    add(sample, [((0, one, 0, 1.0, 1), 1) for one in range(4)])
    [piece] = sample.snapshot()
    rows = {name: column for name, column in piece["rows"].items() if name != "slice"}
    again.restore([{"model": "m", "tick": 0, "rows": rows}])

    assert taken(again) == taken(sample) != {}


def test_a_correction_is_no_error_of_its_own() -> None:
    """Labels that are not the first of their predictions, and those of which there is no telling, are passed over."""
    sample = sample_of()
    add(sample, [((0, 1, 0, 1.0, 1), 1)], first=False)
    rows: Columns = {"id": hashes([1]), "cohort": np.zeros(1, np.int64)}
    rows |= {"known": np.zeros(1, np.int64), "weight": np.ones(1), "sign": np.ones(1)}
    sample.add("m", np.zeros(1, np.int64), np.array([np.nan]), rows | {"first": np.ones(1, np.bool_)})

    assert taken(sample) == {}
    assert not sample.asks("other")


def test_a_heavier_label_comes_in_as_much_more_often() -> None:
    """A tenth of the labels weigh nine times as much, so that about half of a small sample is theirs."""
    hashed = mix(np.arange(40_000, dtype=np.uint64), np.full(40_000, np.uint64(11)))
    weight = np.where(np.arange(40_000) % 10 == 0, 9.0, 1.0)
    chosen = np.argsort(ranks(hashed, weight))[:1_000]
    error = np.sqrt(0.25 / 1_000)

    assert abs((weight[chosen] == 9).mean() - 0.5) < 4 * error


def test_errors_are_seen_in_the_order_in_which_they_became_known() -> None:
    """The smallest ranks come first, and of these the earliest; at the same time they go by their hash."""
    errors = Errors(np.array([9, 3, 1], np.uint64), np.array([5, 5, 2]), np.array([0.9, 0.3, 0.1]))

    assert errors.first(2).tolist() == [0.3, 0.9]
    assert errors.first(9).tolist() == [0.1, 0.3, 0.9]


def changes(**columns: Any) -> Changes:
    """Label changes with these columns, and nothing else."""
    floats = (
        "weight",
        "prediction_weight",
        "latency",
        "answers",
        "score",
        "score_squared",
        "y",
        "yhat",
        "value",
        "first",
    )
    rows = len(next(iter(columns.values())))
    absent: dict[str, Any] = dict.fromkeys(floats, np.full(rows, np.nan))
    codes = dict.fromkeys(("actual", "predicted", "rank", "kind"), np.full(rows, -1))
    return Changes(**(absent | codes | {name: np.array(column) for name, column in columns.items()}))


def test_errors_by_task() -> None:
    """Wrong or right where answers are classes or rankings, how far where they are numbers, NaN without an answer."""
    nan = np.nan
    binary = errors_of("binary", changes(y=[1.0, 0.0, nan, 1.0], yhat=[1.0, 1.0, 1.0, nan]))
    classes = errors_of("multiclass", changes(actual=[2, 2, -1], predicted=[2, 1, 0]))

    np.testing.assert_array_equal(binary, [0, 1, nan, nan])
    np.testing.assert_array_equal(classes, [0, 1, nan])
    np.testing.assert_array_equal(errors_of("ranking", changes(rank=[1, 3, 0, -1])), [0, 1, 1, nan])
    np.testing.assert_array_equal(errors_of("regression", changes(score=[1.0, nan], value=[3.5, 1.0])), [2.5, nan])
    with pytest.raises(ValueError, match="no errors"):
        errors_of("none", changes(y=[1.0]))
