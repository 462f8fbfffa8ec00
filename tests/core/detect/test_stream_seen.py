"""What river's detectors are shown of a tick: numbers and errors of the slices that are asked for, as in the events."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.columns import Floats
from streams.core.detect.column_sums import NOTHING, ColumnSums, Entries
from streams.core.detect.cut import Cut, where
from streams.core.detect.error_sample import Errors
from streams.core.detect.grid import RELATIVE_ACCURACY, bins_of, category_bins
from streams.core.detect.measuring import Signal
from streams.core.detect.stream_seen import Column, Seen, mean_of, missing_in, seen_in, share_of
from streams.core.detect.stream_spec import StreamSpec
from streams.core.detect.watched import Tick
from streams.core.groups import Slice
from streams.core.ids import hash_strings, hash_text

WHOLE, GERMAN, FRENCH = (Slice("m", *of) for of in (((), ()), (("country",), ("de",)), (("country",), ("fr",))))
NUMBERS, CATEGORIES = Column(1), Column(2, numeric=False)

values = st.lists(st.none() | st.floats(-1e6, 1e6).filter(lambda one: abs(one) > 1e-3), min_size=1, max_size=30)


def entries(number: int, bins: list[int], rows: int, weight: float = 1.0) -> Entries:
    """Return the histogram of a column in a tick of so many equally weighted predictions."""
    sums = ColumnSums()
    cell = sums.cell(0, WHOLE)
    sums.size(np.full(rows, cell), np.full(rows, weight), np.ones(rows))
    sums.add(np.full(len(bins), cell), np.full(len(bins), number), np.array(bins, np.int64), np.full(len(bins), weight))
    return sums.take(1)[0][WHOLE]


def of_numbers(told: list[float], rows: int, weight: float = 1.0) -> Entries:
    """Return the histogram of numbers."""
    return entries(1, bins_of(np.array(told, np.float64)).tolist(), rows, weight)


def of_texts(told: list[str], rows: int) -> Entries:
    """Return the histogram of categories."""
    return entries(2, category_bins(hash_strings(pa.array(told, pa.string()))).tolist(), rows)


def bin_of(text: str) -> int:
    return int(category_bins(np.array([hash_text(text)], np.uint64))[0])


@given(values, st.sampled_from((1.0, 4.0)))
def test_means_and_missing_values_are_those_of_the_rows(told: list[float | None], weight: float) -> None:
    """The mean is that of the numbers, to the accuracy of the grid; what is missing is counted among all rows."""
    there = [one for one in told if one is not None]
    held = of_numbers(there, len(told), weight)
    mean, missing = mean_of(held, NUMBERS), missing_in(held, NUMBERS)

    assert missing.value == pytest.approx(1 - len(there) / len(told))
    assert missing.n == pytest.approx(len(told))
    assert mean.any == bool(there)
    if there:
        assert abs(mean.value - np.mean(there)) <= RELATIVE_ACCURACY * np.mean(np.abs(there)) * 1.04
        assert mean.n_effective == pytest.approx(len(there))


def test_numbers_that_are_none_are_missing() -> None:
    """NaN counts as missing, what is infinite has no mean but is there, and a center is added again."""
    held = of_numbers([1.0, math.nan, math.inf, 2.0], 5)

    assert mean_of(held, NUMBERS).value == pytest.approx(1.5, rel=RELATIVE_ACCURACY * 1.04)
    assert mean_of(held, Column(1, center=280.0)).value == pytest.approx(281.5, rel=0.001)
    assert missing_in(held, NUMBERS).value == pytest.approx(2 / 5)
    assert not mean_of(of_numbers([math.nan, -math.inf], 3), NUMBERS).any


def test_a_mean_has_a_square() -> None:
    """The largest numbers are drawn in, so that a detector can go on with what it makes of them."""
    value = mean_of(of_numbers([1e308], 1), NUMBERS).value

    assert math.isfinite(value * value)
    assert mean_of(of_numbers([-1e308], 1), NUMBERS).value == -value


def test_shares_are_among_the_values_that_are_there() -> None:
    """A missing value is no other category: the share of one stays when more are missing."""
    held = of_texts(["de", "de", "fr", "it"], 10)

    assert share_of(held, CATEGORIES, bin_of("de")).value == pytest.approx(0.5)
    assert share_of(held, CATEGORIES, bin_of("us")).value == 0.0
    assert share_of(held, CATEGORIES, bin_of("de")).n == pytest.approx(4)
    assert missing_in(held, CATEGORIES).value == pytest.approx(0.6)


def test_labels_of_a_tick_without_predictions_have_a_share() -> None:
    """Outcomes are of other predictions, and what a correction took back of an earlier tick counts as nothing."""
    held = Entries(np.array([2, 2]), np.array([bin_of("0"), bin_of("1")]), np.array([-1.0, 3.0]))
    seen = share_of(held, CATEGORIES, bin_of("1"))

    assert (seen.value, seen.n) == (1.0, 3.0)
    assert not share_of(NOTHING, CATEGORIES, bin_of("1")).any
    assert not missing_in(NOTHING, CATEGORIES).any


def tick() -> Tick:
    """Return a tick with a metric, a column and errors of the whole, of a slice, and of another one."""
    slices = (WHOLE, GERMAN, FRENCH)
    signals = [Signal(0, one, "accuracy", 0.5 + n / 10, 0.1, 9.0, 8.0, 0.7) for n, one in enumerate(slices)]
    cells = {one: of_numbers([1.0 + n], 2) for n, one in enumerate(slices)}
    errors = {
        one: Errors(np.arange(3, dtype=np.uint64), np.array([2, 1, 0]), np.array([0.0, n, 1.0]))
        for n, one in enumerate(slices)
    }
    return Tick("m", 1, signals, cells, {}, errors)


def shown(spec: StreamSpec) -> dict[Slice, Floats]:
    """Return what a detector is shown of each slice."""
    found: dict[tuple[tuple[str, str], ...], Seen] = seen_in(spec, tick(), {"score": NUMBERS})
    return {one: found[where(one)].values for one in (WHOLE, GERMAN, FRENCH) if where(one) in found}


@pytest.mark.parametrize(
    ("cut", "slices"),
    [(Cut(), {WHOLE}), (Cut(("country",)), {GERMAN, FRENCH}), (Cut(("country",), ("fr",)), {FRENCH})],
)
def test_a_detector_is_shown_its_slices(cut: Cut, slices: set[Slice]) -> None:
    """The whole, each slice by an attribute, or a single one, of metrics, columns and errors alike."""
    errors = shown(StreamSpec(None, "adwin", {}, 2, cut=cut))
    metric = shown(StreamSpec("accuracy", "adwin", {}, cut=cut))
    column = shown(StreamSpec(None, "adwin", {}, cut=cut, column="score"))

    assert errors.keys() == metric.keys() == column.keys() == slices
    for one in slices:
        n = (WHOLE, GERMAN, FRENCH).index(one)
        assert errors[one].tolist() == [n, 0.0]  # the two with the smallest ranks, the earlier one first
        assert metric[one].tolist() == [0.5 + n / 10]
        assert column[one].tolist() == [pytest.approx(1.0 + n, rel=0.031)]


def test_a_cut_names_slices_in_any_order_of_its_attributes() -> None:
    """What a configuration declares in one order is the slice that the model has in another."""
    one = Slice("m", ("country", "device"), ("de", "phone"))

    assert Cut(("device", "country"), ("phone", "de")).holds(where(one))
    assert Cut(("device", "country")).holds(where(one))
    assert not Cut(("device", "country"), ("de", "phone")).holds(where(one))
    assert not Cut(("country",)).holds(where(one))
