"""ADWIN's window as fields with names."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river._river_rust.drift import AdaptiveWindowing

from streams.core.columns import Floats
from streams.core.detect.stream.adwin_window import load_window, save_window


def filled(values: Floats, max_buckets: int = 5) -> AdaptiveWindowing:
    window = AdaptiveWindowing(max_buckets=max_buckets)
    for value in values.tolist():
        window.update(value)
    return window


@settings(max_examples=50, deadline=None)
@given(n=st.integers(0, 600), max_buckets=st.integers(1, 7), scale=st.floats(1e-3, 1e6))
def test_fields_are_what_river_says(n: int, max_buckets: int, scale: float) -> None:
    """The fields agree with what river tells of its window, and the buckets sum to the values that are in it."""
    values = scale * np.random.default_rng(n).normal(size=n)
    window = filled(values, max_buckets)
    saved = save_window(window)
    kept = int(window.get_width())

    assert (saved["width"], saved["total"]) == (window.get_width(), window.get_total())
    assert (saved["variance"], saved["n_detections"]) == (window.get_variance(), window.get_n_detections())
    assert sum(2**row * len(buckets) for row, buckets in enumerate(saved["rows"])) == kept
    assert sum(buckets[:, 0].sum() for buckets in saved["rows"]) == pytest.approx(
        values[n - kept :].sum(), abs=1e-9 * scale
    )


@settings(max_examples=50, deadline=None)
@given(n=st.integers(0, 600), max_buckets=st.integers(1, 7))
def test_a_new_window_takes_what_another_knew(n: int, max_buckets: int) -> None:
    """A window that is given the fields of another has its very bytes."""
    window = filled(np.random.default_rng(n).random(n), max_buckets)
    copy = load_window(AdaptiveWindowing(max_buckets=max_buckets), save_window(window))

    assert copy.__getstate__() == window.__getstate__()


class Foreign:
    """A window whose bytes are in another layout."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __getstate__(self) -> bytes:
        return self._data

    def __getnewargs__(self) -> tuple[float, int, int, int, int]:
        return (0.002, 32, 5, 5, 10)

    def __setstate__(self, state: bytes) -> None:
        raise AssertionError(state)


@pytest.mark.parametrize("data", [b"", b"\0" * 300, filled(np.ones(9)).__getstate__() + b"\0" * 8])
def test_an_unknown_layout_is_refused(data: bytes) -> None:
    """Bytes in another layout are neither read nor written."""
    known = save_window(filled(np.ones(9)))

    with pytest.raises(ValueError, match=r"unknown layout: use river 0\.26"):
        save_window(Foreign(data))
    with pytest.raises(ValueError, match=r"unknown layout: use river 0\.26"):
        load_window(Foreign(data), known)
