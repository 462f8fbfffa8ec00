"""Populations for the tests of sampling, and how far a mean of estimates may be from the truth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from streams.core.assertion.events import Events
from streams.core.columns import Floats, Hashes, Ints
from streams.core.window_spec import HOUR
from tests.core.making import make_batch, prediction

POPULATIONS = 2_000
STANDARD_ERRORS = 4.5  # a mean that is right is farther off than that 7 times in a million


def keys(rng: np.random.Generator, many: int) -> Hashes:
    """Draw hashes of ids."""
    return rng.integers(0, 2**64, many, np.uint64)


def numbered(many: int) -> Ints:
    """Refer to rows by their numbers."""
    return np.arange(many, dtype=np.int64)


def predictions(many: int, **fields: Sequence[Any]) -> Events:
    """Events of `m`, one a minute unless `event_time` says otherwise; each other field has its values in turn."""
    rows = [
        prediction(f"p{row}", row * HOUR // 60) | {name: values[row % len(values)] for name, values in fields.items()}
        for row in range(many)
    ]
    return Events(make_batch("prediction", rows).table)


def assert_unbiased(estimates: Iterable[float], truth: float) -> None:
    """The mean of estimates is the truth, but for chance."""
    drawn: Floats = np.array(list(estimates))
    error = drawn.std(ddof=1) / np.sqrt(len(drawn))

    assert abs(drawn.mean() - truth) <= STANDARD_ERRORS * error + 1e-9 * abs(truth), (drawn.mean(), truth, error)
