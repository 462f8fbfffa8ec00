"""References: their bins, what they expect, and what they say of themselves when they are poor."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.columns import Floats, Ints
from streams.core.detect.grid import HIGHEST, MISSING, NOT_A_NUMBER, bins_of, category_bins, merged
from streams.core.detect.reference import ABOVE, BELOW, BINS, GONE, LEAST_ROWS, NAN, NEW, ColumnKind, Reference
from streams.core.detect.standardized import standardized

Rng = np.random.Generator

numbers = st.lists(st.floats(allow_subnormal=False), min_size=1, max_size=200)
categories = st.lists(st.integers(1, 60), min_size=1, max_size=300)


def numeric(values: npt.ArrayLike) -> Reference:
    values = np.asarray(values, np.float64)
    return Reference.from_histogram("numeric", bins_of(values), np.ones(len(values)), len(values))


def categorical(bins: npt.ArrayLike) -> Reference:
    bins = np.asarray(bins, np.int64)
    return Reference.from_histogram("categorical", bins, np.ones(len(bins)), len(bins))


def hashes(categories: Ints) -> Ints:
    """Bins of categories that are numbered, by a hash that mixes well (splitmix64)."""
    mixed = (categories.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return category_bins(mixed ^ (mixed >> np.uint64(31)))


def test_numbers_are_in_bins_of_equal_shares() -> None:
    """Of a smooth distribution each of the 16 bins of numbers has about a sixteenth, and the special ones nothing."""
    shares = numeric(np.random.default_rng(1).lognormal(0, 2, 50_000)).shares

    assert np.abs(shares[BELOW + 1 : ABOVE] - 1 / 16).max() < 0.02
    assert shares[[GONE, NAN, BELOW, ABOVE]].tolist() == [0, 0, 0, 0]
    assert shares.sum() == pytest.approx(1)


def test_a_heavy_value_is_a_bin_by_itself() -> None:
    """A value with more than a sixteenth of the rows shares its bin with few others."""
    values = np.concatenate([np.zeros(700), np.random.default_rng(2).normal(0, 1, 300)])
    reference = numeric(values)

    zeros = int(reference.place(bins_of(np.zeros(1)))[0])

    assert 0.7 <= reference.shares[zeros] <= 0.75
    assert (reference.shares > 0).sum() >= 4


def test_what_is_not_in_range_has_bins_of_its_own() -> None:
    """Missing, NaN, and numbers below and above the reference's are told apart, infinities among the latter."""
    reference = numeric(np.linspace(-5, 5, 1_000))
    strange = bins_of(np.array([1, math.nan, -6, -math.inf, 6, math.inf]), np.array([True] + [False] * 5))

    assert reference.place(strange).tolist() == [GONE, NAN, BELOW, BELOW, ABOVE, ABOVE]
    assert reference.rebin(strange, np.arange(6.0))[[GONE, NAN, BELOW, ABOVE]].tolist() == [0, 1, 5, 9]


@given(numbers, numbers)
def test_every_number_has_a_bin(known: list[float], now: list[float]) -> None:
    """No weight is lost, bins go up with the numbers, and of the reference's own none is out of range."""
    reference = numeric(known)
    finite = np.sort(np.array([value for value in now if not math.isnan(value)]))

    assert reference.rebin(bins_of(np.array(now)), np.ones(len(now))).sum() == len(now)
    assert (np.diff(reference.place(bins_of(finite))) >= 0).all()
    assert reference.shares.sum() == pytest.approx(1)
    assert reference.shares[[BELOW, ABOVE]].tolist() == [0, 0]


@given(categories, categories)
def test_every_category_has_a_bin(known: list[int], now: list[int]) -> None:
    """No weight is lost, what the reference never had is new, what it had is not, and 0 is missing."""
    reference = categorical([MISSING, *known])
    places = reference.place(np.array([MISSING, *now]))

    assert places[0] == GONE
    assert (places[1:] == NEW).tolist() == [category not in known for category in now]
    assert places.max() < BINS
    assert reference.rebin(np.array(now), np.ones(len(now))).sum() == len(now)
    assert reference.shares.sum() == pytest.approx(1)


def test_few_categories_have_a_bin_each() -> None:
    """Up to 17 categories that were seen more than once have bins of their own, the most frequent first."""
    reference = categorical(np.repeat(np.arange(1, 18), np.arange(2, 19) * 10))

    assert reference.place(np.arange(17, 0, -1)).tolist() == list(range(2, 19))
    assert reference.shares[2] == pytest.approx(18 / sum(range(2, 19)))
    assert categorical([5, 6, 6, 7, 7, 7]).starts.tolist() == [7, 6]


def test_of_many_categories_the_frequent_ones_do() -> None:
    """Of more, those with 5 % have a bin each and the others are spread over the rest."""
    counts = np.concatenate([[300, 200], np.full(50, 10)])
    reference = categorical(np.repeat(np.arange(1, 53), counts))

    assert reference.starts.tolist() == [1, 2]
    assert reference.place(np.array([1, 2])).tolist() == [2, 3]
    assert set(reference.place(np.arange(3, 53)).tolist()) == set(range(4, BINS))


def test_unseen_categories_are_expected() -> None:
    """New categories are expected as often as the reference has ones seen once, and in truth they come so often."""
    rng = np.random.default_rng(3)
    shares = 1 / np.arange(1, 5_001)
    rows = hashes(rng.choice(5_000, 12_000, p=shares / shares.sum()))
    reference, new = categorical(rows[:2_000]), NEW

    came = reference.rebin(*merged(rows[2_000:], np.ones(10_000))) / 10_000

    assert reference.shares[new] > 0.1
    assert reference.shares[new] == pytest.approx(came[new], abs=5 * math.sqrt(0.25 / 2_000))
    assert categorical([7] * 500 + [8] * 500).shares[new] == 0


def draws(column: str, rng: Rng, n: int) -> tuple[ColumnKind, Ints]:
    """Grid bins of n values of a made-up column."""
    if column == "normal":
        return "numeric", bins_of(rng.normal(size=n))
    if column == "with gaps":
        return "numeric", bins_of(np.where(rng.random(n) < 0.6, 0, rng.lognormal(0, 2, n)), rng.random(n) < 0.1)
    many = {"ten": 10, "fifty": 50, "thousand": 1_000, "million": 1_000_000}[column]
    if column == "million":
        return "categorical", hashes(np.floor(many ** rng.random(n)).astype(np.int64))  # shares fall as 1 / rank
    return "categorical", hashes(rng.integers(0, many, n))


@pytest.mark.parametrize("column", ["normal", "with gaps", "ten", "fifty", "thousand", "million"])
def test_ticks_like_the_reference_are_no_drift(column: str) -> None:
    """Though bins are made of the reference, ticks that are smaller have z with mean 0 and deviation 1."""
    rng, m = np.random.default_rng(4), 10_000
    z: list[Floats] = []
    for n in (100, 2_000):
        counts, shares = [], []
        for _ in range(25):
            kind, known = draws(column, rng, m)
            reference = Reference.from_histogram(kind, known, np.ones(m), m)
            counts += [reference.rebin(draws(column, rng, n)[1], np.ones(n)) for _ in range(6)]
            shares += [reference.shares] * 6
        z.append(standardized(np.array(counts), np.full(150, float(n)), np.array(shares), np.full(150, float(m))).z)
    every = np.concatenate(z)

    assert abs(every.mean()) <= 0.15 + 4 / math.sqrt(300)
    assert abs(every.std() - 1) <= 0.15 + 4 / math.sqrt(600)


@pytest.mark.parametrize("kind", ["numeric", "categorical"])
def test_a_restored_reference_is_the_same(kind: Literal["numeric", "categorical"]) -> None:
    """A reference made again from its snapshot has the same bins, shares and labels, and shares no arrays with it."""
    grid = bins_of(np.random.default_rng(5).normal(size=500)) if kind == "numeric" else np.arange(500) % 40 + 1
    reference = Reference.from_histogram(kind, grid, np.full(500, 0.5), 321.5)

    saved = reference.snapshot()
    again = Reference.restore(saved)
    saved["weights"][:] = 0

    np.testing.assert_array_equal(again.shares, reference.shares)
    np.testing.assert_array_equal(again.place(np.arange(HIGHEST)), reference.place(np.arange(HIGHEST)))
    assert (again.n, again.labels(), again.kind) == (reference.n, reference.labels(), kind)
    assert {type(value) for value in saved.values()} == {str, float, np.ndarray}


def test_the_order_of_the_rows_does_not_matter() -> None:
    """A histogram with its entries in any order, merged or not, makes the same reference."""
    rows = np.random.default_rng(6).integers(1, 200, 3_000)
    one, other = categorical(rows), Reference.from_histogram("categorical", *merged(rows[::-1], np.ones(3_000)), 3_000)

    np.testing.assert_array_equal(one.shares, other.shares)
    np.testing.assert_array_equal(one.starts, other.starts)


def test_a_good_reference_judges() -> None:
    """With rows enough and some values, a reference judges, and has nothing to add."""
    verdict = numeric(np.arange(100.0)).verdict("numeric")

    assert (verdict.judges, verdict.why, str(verdict)) == (True, "", "judges")


@pytest.mark.parametrize(
    ("reference", "kind", "why"),
    [
        (numeric([]), None, "cannot judge: the reference has no rows"),
        (numeric(np.arange(10.0)), None, f"cannot judge: the reference has 10 effective rows, it needs {LEAST_ROWS}"),
        (numeric(np.arange(500.0)), "categorical", "cannot judge: the reference is numeric, the column is categorical"),
        (categorical([1, 2] * 500), "numeric", "cannot judge: the reference is categorical, the column is numeric"),
        (
            categorical(np.arange(1, 200).repeat([2] * 9 + [1] * 190)),
            None,
            (
                "cannot judge: 91% of the reference are categories seen once, as in an identifier: "
                "most of what comes is new"
            ),
        ),
        (
            numeric(np.full(500, 3.0)),
            None,
            "judges, but all of the reference is in one bin (3 to 3.125): only what is not is seen",
        ),
        (
            numeric(np.full(500, math.nan)),
            None,
            "judges, but all of the reference is in one bin (not a number): only what is not is seen",
        ),
        (
            categorical(np.full(500, MISSING)),
            None,
            "judges, but all of the reference is in one bin (missing): only what is not is seen",
        ),
        (
            categorical(np.full(500, 77)),
            None,
            "judges, but all of the reference is in one bin (category 77): only what is not is seen",
        ),
    ],
)
def test_poor_references_say_so(reference: Reference, kind: ColumnKind | None, why: str) -> None:
    """Too few rows, another schema and identifiers cannot be judged; one value can, with a limit that is named."""
    assert str(reference.verdict(kind)) == why
    assert reference.verdict(kind).judges == (not why.startswith("cannot"))
    assert np.isfinite(reference.shares).all()


def test_a_million_categories() -> None:
    """With a million categories most new ones look known, which the verdict says; the rest of it works."""
    reference = categorical(hashes(np.arange(1_000_000)))

    assert reference.blindness > 0.99
    assert "of new categories look like known ones" in str(reference.verdict())
    assert reference.shares.sum() == pytest.approx(1)
    assert categorical([1, 2] * 500).blindness == pytest.approx(2 / 65_535)
    assert numeric(np.arange(100.0)).blindness == 0


def test_labels() -> None:
    """Bins are described in words, categories by their names where these are known."""
    numbers = numeric(np.concatenate([np.full(600, -2.0), np.full(600, 4.0)])).labels()
    kinds = categorical([5] * 60 + [6] * 50).labels({5: "UA"})

    assert numbers[:5] == ("missing", "not a number", "below -2.125", "-2.125 to 4", "4 to 4.25")
    assert (numbers[5], numbers[ABOVE]) == ("", "above 4.25")
    assert kinds[:5] == ("missing", "new", "UA", "category 6", "others, group 1")
    assert numeric([math.nan] * 3).labels()[ABOVE] == "any number"


def test_bad_histograms_are_refused() -> None:
    """Bins of no such column and numbers of rows that are none are refused."""
    one = np.ones(1)
    with pytest.raises(ValueError, match=f"bins go from {HIGHEST + 1} to {HIGHEST + 1}: numeric ones are 0 to"):
        Reference.from_histogram("numeric", np.array([HIGHEST + 1]), one, 1)
    with pytest.raises(ValueError, match="categorical ones are 0 to 65535"):
        categorical([-1])
    with pytest.raises(ValueError, match=f"bins go from {HIGHEST + 5} to"):
        numeric([1.0]).rebin(np.array([HIGHEST + 5]), one)
    for n in (-1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="a number of rows is 0 or more and finite"):
            Reference.from_histogram("numeric", np.array([NOT_A_NUMBER]), one, n)
