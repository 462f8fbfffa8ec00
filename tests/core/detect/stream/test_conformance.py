"""What every detector on a stream promises, whichever it is."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import drift

from streams.core.columns import Floats
from streams.core.detect.stream.catalogue import NAMES, detector_for
from streams.core.detect.stream.parameters import Value
from streams.core.detect.stream.protocol import StreamDetector

SILENT: dict[str, dict[str, Value]] = {
    "page_hinkley": {"threshold": 10.0},
    "kswin": {"alpha": 1e-5},
    "ddm": {"warm_start": 300},
    "eddm": {"warm_start": 100, "alpha": 0.85, "beta": 0.75},
}
"""Parameters with which those that flag too much or too little by default tell the streams here apart."""

RAW: dict[str, Callable[[], Any]] = {
    "adwin": drift.ADWIN,
    "page_hinkley": drift.PageHinkley,
    "kswin": lambda: drift.KSWIN(seed=0),
    "ddm": drift.binary.DDM,
    "eddm": drift.binary.EDDM,
    "hddm_a": drift.binary.HDDMA,
    "hddm_w": drift.binary.HDDMW,
    "fhddm": drift.binary.FHDDM,
}
OTHER: dict[str, dict[str, Value]] = {
    "adwin": {"delta": 0.1, "clock": 1, "max_buckets": 2},
    "page_hinkley": {"mode": "up", "threshold": 5.0},
    "kswin": {"alpha": 0.02, "window_size": 60, "stat_size": 20, "seed": 7},
    "ddm": {"warm_start": 5},
    "eddm": {"alpha": 0.99},
    "hddm_a": {"two_sided_test": True, "warning_confidence": 0.1, "drift_confidence": 0.05},
    "hddm_w": {"two_sided_test": True, "lambda_val": 0.2},
    "fhddm": {"short_window_size": 25, "confidence_level": 1e-3},
}
"""Parameters other than river's, with which more of the code is reached."""

every = pytest.mark.parametrize("name", NAMES)


def errors(seed: int, *parts: tuple[int, float]) -> Floats:
    """Errors at one rate after the other."""
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.random(n) < rate for n, rate in parts]).astype(np.float64)


def signal(detector: StreamDetector, seed: int, *parts: tuple[int, float]) -> Floats:
    """Errors, or for a detector that takes numbers their means over blocks of ten with as many of them."""
    if detector.binary:
        return errors(seed, *parts)
    means: Floats = errors(seed, *((10 * n, rate) for n, rate in parts)).reshape(-1, 10).mean(axis=1)
    return means


@every
def test_an_increase_is_found(name: str) -> None:
    """Errors that go from 10 % to 50 % are flagged within 300 values, and not before."""
    detector = detector_for(name, **SILENT.get(name, {}))

    changes = detector.update(signal(detector, 1, (1_500, 0.1), (300, 0.5)))

    assert changes
    assert changes[0] >= 1_500
    assert detector.changes == len(changes)
    assert detector.seen == 1_800


@every
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_constant_stream_is_silent(name: str, value: float) -> None:
    """A stream of one value raises neither a change nor a warning."""
    detector = detector_for(name)

    assert detector.update(np.full(1_000, value)) == []
    assert detector.warnings == []


@every
def test_a_steady_stream_is_mostly_silent(name: str) -> None:
    """Errors at 10 % throughout flag at most once in 3,000 values."""
    detector = detector_for(name, **SILENT.get(name, {}))

    assert len(detector.update(signal(detector, 2, (3_000, 0.1)))) <= 1


@every
def test_river_says_the_same(name: str) -> None:
    """Changes are those of river's own detector; FHDDM's are those that it finds in values that are 1 - error."""
    detector, raw = detector_for(name), RAW[name]()
    values = signal(detector, 3, (800, 0.1), (800, 0.5), (400, 0.1))
    expected = []
    for place, value in enumerate(values):
        raw.update(1 - int(value) if name == "fhddm" else value)
        if raw.drift_detected:
            expected.append(place)

    assert detector.update(values) == expected
    assert expected


@pytest.mark.parametrize("other", [False, True])
@every
@settings(max_examples=12, deadline=None)
@given(cuts=st.lists(st.integers(0, 700), max_size=4), seed=st.integers(0, 5))
def test_cuts_and_restarts_change_nothing(name: str, other: bool, cuts: list[int], seed: int) -> None:
    """However a stream is cut, and restored at every cut, changes, warnings and state are the same."""
    whole = detector_for(name, **(OTHER[name] if other else {}))
    values = signal(whole, seed, (250, 0.1), (250, 0.6), (200, 0.1))
    expected = whole.update(values)

    detector = detector_for(name, **(OTHER[name] if other else {}))
    changes, warnings = [], []
    for first, last in zip([0, *sorted(cuts)], [*sorted(cuts), 700], strict=True):
        restored = detector_for(name, **(OTHER[name] if other else {}))
        restored.restore(detector.snapshot())
        detector = restored
        changes += [first + place for place in detector.update(values[first:last])]
        warnings += [first + place for place in detector.warnings]

    assert changes == expected
    assert warnings == whole.warnings
    assert (detector.seen, detector.changes) == (700, len(expected))
    np.testing.assert_equal(detector.snapshot(), whole.snapshot())


@every
def test_a_snapshot_is_plain_data_of_its_own(name: str) -> None:
    """A snapshot holds nothing of river, and does not change as the detector goes on."""
    detector = detector_for(name, **OTHER[name])
    values = signal(detector, 4, (300, 0.1), (300, 0.5))
    detector.update(values[:400])
    saved = detector.snapshot()
    copy = detector_for(name, **OTHER[name])
    copy.restore(saved)

    assert_plain(saved)
    expected = detector.update(values[400:])
    assert copy.update(values[400:]) == expected
    np.testing.assert_equal(copy.snapshot(), detector.snapshot())


def assert_plain(value: object) -> None:
    if isinstance(value, dict):
        assert all(isinstance(key, str) for key in value)
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            assert_plain(part)
    else:
        assert type(value) in {str, int, float, bool, type(None), np.ndarray}


@every
def test_after_a_change_it_is_as_new(name: str) -> None:
    """The changes that follow a change are those that a new detector finds in what follows."""
    detector, new = (detector_for(name, **OTHER[name]) for _ in range(2))
    values = signal(detector, 5, (600, 0.1), (600, 0.7), (600, 0.1), (600, 0.7))
    first, *rest = detector.update(values)

    assert rest == [first + 1 + place for place in new.update(values[first + 1 :])]
    assert rest


@every
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(name: str, bad: float) -> None:
    """A value that is not finite is refused with its place and the detector's name; nothing of the block is seen."""
    detector = detector_for(name)
    detector.update(np.array([0.0, 1.0]))
    before = detector.snapshot()

    with pytest.raises(ValueError, match=rf"{name}: value 4 is {bad}; it takes"):
        detector.update(np.array([0.0, 1.0, bad, 0.0]))

    np.testing.assert_equal(detector.snapshot(), before)


@every
def test_half_an_error_is_refused_where_errors_are_seen(name: str) -> None:
    """A detector of errors takes 0 and 1 only; the others take any number."""
    detector = detector_for(name)

    if detector.binary:
        with pytest.raises(ValueError, match=rf"{name}: value 1 is 0.5; it takes 0 or 1, where 1 is an error"):
            detector.update(np.array([0.0, 0.5]))
    else:
        assert detector.update(np.array([-3.0, 0.5])) == []


@every
def test_blocks_are_one_dimensional_and_may_be_empty(name: str) -> None:
    """An empty block is seen as nothing; one of two dimensions is refused."""
    detector = detector_for(name)

    assert detector.update(np.array([])) == []
    assert detector.seen == 0
    with pytest.raises(ValueError, match=r"one-dimensional blocks, and was given one of shape \(1, 2\)"):
        detector.update(np.zeros((1, 2)))


@every
def test_a_snapshot_of_another_detector_is_refused(name: str) -> None:
    """A snapshot of another kind, of other parameters or with other fields is refused, and nothing is replaced."""
    detector = detector_for(name)
    saved = detector.snapshot()
    other = detector_for("ddm" if name != "ddm" else "eddm").snapshot()
    wrong = {
        "detector": other,
        "parameters": detector_for(name, **OTHER[name]).snapshot(),
        "layout": saved | {"layout": 2},
        "fields": saved | {"state": other["state"]},
    }
    detector.update(np.array([1.0, 0.0, 0.0]))
    before = detector.snapshot()

    for what, snapshot in wrong.items():
        with pytest.raises(ValueError, match=f"{what}.*start the detector anew"):
            detector.restore(snapshot)
    np.testing.assert_equal(detector.snapshot(), before)


@pytest.mark.parametrize("name", ["ddm", "eddm", "hddm_a", "hddm_w"])
def test_a_warning_comes_before_the_change(name: str) -> None:
    """Of detectors that warn, a slow increase raises a warning before the change, each where it begins."""
    detector = detector_for(name, **SILENT.get(name, {}))
    changes = detector.update(errors(6, (1_000, 0.1), *((20, rate) for rate in np.linspace(0.1, 0.6, 50))))

    assert min(detector.warnings) < min(changes)
    assert not set(detector.warnings) & set(changes)


def documented(name: str) -> Floats:
    """The stream of the example in river's documentation: two distributions, one after the other."""
    rng = random.Random(42 if detector_for(name).binary else 12345)
    if name == "fhddm":
        return 1.0 - np.array(rng.choices([0, 1], k=250) + rng.choices([0, 1], k=250, weights=[0.9, 0.1]))
    values = rng.choices([0, 1], k=1000)
    if detector_for(name).binary:
        return np.array(values + rng.choices([0, 1], k=1000, weights=[0.3, 0.7]), np.float64)
    return np.array(values + rng.choices(range(4, 8), k=1000), np.float64)


@pytest.mark.parametrize(
    ("name", "parameters", "expected"),
    [
        ("adwin", {}, 1023),
        ("page_hinkley", {}, 1006),
        ("kswin", {"alpha": 0.0001, "seed": 42}, 1016),
        ("ddm", {}, 1334),
        ("eddm", {"alpha": 0.8, "beta": 0.75}, 1278),
        ("hddm_a", {}, 1206),
        ("hddm_w", {}, 1077),
        ("fhddm", {}, 315),
        ("fhddm", {"short_window_size": 20}, 279),
    ],
)
def test_published_examples(name: str, parameters: dict[str, Value], expected: int) -> None:
    """The change in the example of river's documentation is found where that says; FHDDM's in 1 - its values."""
    assert detector_for(name, **parameters).update(documented(name)) == [expected]


@every
def test_detectors_share_nothing(name: str) -> None:
    """Two that see different streams in turn, as two slices do, find what each finds alone."""
    streams = [signal(detector_for(name), seed, (300, 0.1), (300, 0.5)) for seed in (6, 7)]
    alone = [detector_for(name, **OTHER[name]) for _ in streams]
    expected = [one.update(values) for one, values in zip(alone, streams, strict=True)]
    beside: list[list[int]] = [[], []]
    detectors = [detector_for(name, **OTHER[name]) for _ in streams]
    for first in range(0, 600, 50):
        for found, one, values in zip(beside, detectors, streams, strict=True):
            found += [first + place for place in one.update(values[first : first + 50])]

    assert beside == expected
    assert all(expected)
