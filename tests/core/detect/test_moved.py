"""What moved in a column is said in words that an engineer can act on."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from streams.core.columns import Floats, Ints
from streams.core.detect.grid import MISSING, bins_of, category_bins
from streams.core.detect.moved import MOST, moved
from streams.core.detect.reference import Reference
from streams.core.ids import hash_strings

CARRIERS = ("UA", "DL", "EV", "AA")


def bins(*names: str) -> Ints:
    return category_bins(hash_strings(pa.array(names)))


def called(*names: str) -> dict[int, str]:
    return dict(zip(bins(*names).tolist(), names, strict=True))


def usual(counts: tuple[float, ...] = (120, 400, 300, 180)) -> Reference:
    return Reference.from_histogram("categorical", bins(*CARRIERS), np.array(counts), sum(counts))


def of_numbers(values: Floats, center: float = 0.0) -> tuple[Ints, Floats]:
    return bins_of(values - center), np.ones(len(values))


def test_categories_are_named_with_both_shares() -> None:
    """The carrier that took over comes first, then the one that lost; one that stayed as it was is not told."""
    said = moved(usual(), bins(*CARRIERS), np.array([310.0, 210, 300, 180]), 1_000.0, called(*CARRIERS))

    assert said == ("UA 31 % instead of 12 %", "DL 21 % instead of 40 %")


def test_new_categories_and_missing_ones_are_told() -> None:
    """A new one by the text of the most frequent of them, what is missing as missing, one that is gone by its name."""
    grid, weights = np.append(bins("UA", "EV", "AA", "XX", "YY"), MISSING), np.array([120.0, 300, 180, 250, 50, 100])
    said = moved(usual(), grid, weights, 1_000.0, called(*CARRIERS, "XX", "YY"))

    assert said == (
        "DL 0 % instead of 40 %",
        "new ones such as XX 30 % instead of 0 %",
        "missing 10 % instead of 0 %",
    )


def test_a_category_without_a_name_is_not_told() -> None:
    """Its bin means nothing to anybody."""
    said = moved(usual(), bins(*CARRIERS), np.array([310.0, 210, 300, 180]), 1_000.0, called("DL"))

    assert said == ("DL 21 % instead of 40 %",)


def test_rare_categories_are_told_together() -> None:
    """Of many, those without a bin of their own are others, by the text of the most frequent."""
    names = [f"c{number}" for number in range(60)]
    reference = Reference.from_histogram("categorical", bins(*names), np.full(60, 50.0), 3_000.0)
    weights = np.full(60, 50.0)
    weights[7] = 1_000.0

    assert moved(reference, bins(*names), weights, 3_000.0, called(*names))[0].startswith("others such as c7 ")


def test_of_numbers_the_middle_is_told() -> None:
    """Where the median is now and was before, and what is missing; where the middle stayed, where most of them are."""
    values = np.random.default_rng(1).normal(100, 10, 5_000)
    reference = Reference.from_histogram("numeric", *of_numbers(values), 5_000.0)
    grid, weights = of_numbers(values + 30)
    wide = moved(reference, *of_numbers(100 + 3 * (values - 100)), 5_000.0, {})

    assert moved(reference, np.append(grid, MISSING), np.append(weights, 500.0), 5_500.0, {}) == (
        "median 132 instead of 98",
        "missing 9.1 % instead of 0 %",
    )
    assert wide == ("90 % from 51 to 148 instead of 82 to 118",)


def test_numbers_with_a_center_are_told_as_they_are() -> None:
    """The center is added again."""
    values = np.random.default_rng(1).normal(290, 2, 5_000)
    reference = Reference.from_histogram("numeric", *of_numbers(values, 290), 5_000.0)

    (said,) = moved(reference, *of_numbers(values + 1.5, 290), 5_000.0, {}, 290)
    assert float(said.split()[1]) == pytest.approx(291.5, abs=0.06)
    assert float(said.split()[-1]) == pytest.approx(290, abs=0.06)


def test_little_is_told() -> None:
    """So many things at most, and nothing of a tick without rows, or of numbers where there are none."""
    some = moved(usual((1, 1, 1, 997)), bins(*CARRIERS), np.array([250.0] * 4), 1_000.0, called(*CARRIERS))
    nothing = Reference.from_histogram("numeric", np.array([MISSING]), np.array([500.0]), 500.0)

    assert len(some) == MOST
    assert moved(usual(), bins(), np.empty(0), 0.0, {}) == ()
    assert moved(nothing, *of_numbers(np.ones(500)), 500.0, {}) == ("missing 0 % instead of 100 %",)
