"""Detectors by name, and what their parameters may be."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import pytest
from river import drift

from streams.core.detect.stream.catalogue import NAMES, detector_for
from streams.core.detect.stream.parameters import Value

RIVER: dict[str, Callable[..., Any]] = {
    "adwin": drift.ADWIN,
    "page_hinkley": drift.PageHinkley,
    "kswin": drift.KSWIN,
    "ddm": drift.binary.DDM,
    "eddm": drift.binary.EDDM,
    "hddm_a": drift.binary.HDDMA,
    "hddm_w": drift.binary.HDDMW,
    "fhddm": drift.binary.FHDDM,
}


def test_every_detector_of_river_has_a_name() -> None:
    """The names are those of river's detectors; those in `river.drift.binary` take errors."""
    assert set(NAMES) == set(RIVER)
    assert {name for name in NAMES if detector_for(name).binary} == {
        name for name, made in RIVER.items() if hasattr(drift.binary, getattr(made, "__name__", ""))
    }


@pytest.mark.parametrize("name", NAMES)
def test_parameters_and_defaults_are_rivers(name: str) -> None:
    """Parameters have river's names and defaults, but that KSWIN has a seed and begins with no window."""
    signature = inspect.signature(RIVER[name]).parameters
    expected = {key: parameter.default for key, parameter in signature.items() if key != "window"}
    if name == "kswin":
        expected["seed"] = 0

    assert detector_for(name).snapshot()["parameters"] == expected


def test_an_unknown_name_is_refused() -> None:
    """An unknown detector is refused with the likeliest that was meant and all that there are."""
    with pytest.raises(ValueError, match=r"no detector `adwim`; did you mean `adwin`\? Allowed: adwin, ddm, eddm"):
        detector_for("adwim")


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("adwin", {"dleta": 0.1}, "adwin has no parameter `dleta`; did you mean `delta`? Allowed: clock, delta"),
        ("adwin", {"delta": 0}, "adwin: `delta` is 0, and must be a number above 0 and below 1"),
        ("adwin", {"delta": 1.0}, "adwin: `delta` is 1.0, and must be a number above 0 and below 1"),
        ("adwin", {"delta": True}, "adwin: `delta` is true, and must be a number above 0 and below 1"),
        ("adwin", {"delta": "0.1"}, 'adwin: `delta` is "0.1", and must be a number above 0 and below 1'),
        ("adwin", {"clock": 0}, "adwin: `clock` is 0, and must be a whole number from 1 to 1,000,000"),
        ("adwin", {"clock": None}, "adwin: `clock` is null, and must be a whole number from 1 to 1,000,000"),
        ("adwin", {"max_buckets": 5.0}, "adwin: `max_buckets` is 5.0, and must be a whole number from 1"),
        ("adwin", {"grace_period": 2**31}, "adwin: `grace_period` is 2147483648, and must be a whole number from 1"),
        ("page_hinkley", {"delta": -1}, "page_hinkley: `delta` is -1, and must be a number of at least 0"),
        ("page_hinkley", {"threshold": float("inf")}, "`threshold` is Infinity, and must be a number above 0"),
        ("page_hinkley", {"alpha": 1.5}, "`alpha` is 1.5, and must be a number above 0 and at most 1"),
        ("page_hinkley", {"mode": "sideways"}, '`mode` is "sideways", and must be one of up, down, both'),
        ("kswin", {"stat_size": 51}, "kswin: 2 times `stat_size` (51) must be at most `window_size` (100)"),
        ("kswin", {"seed": -1}, "kswin: `seed` is -1, and must be a whole number from 0 to 1,000,000"),
        ("ddm", {"warning_threshold": 4}, "ddm: `warning_threshold` (4) must be at most `drift_threshold` (3.0)"),
        ("eddm", {"beta": 0.99}, "eddm: `beta` (0.99) must be at most `alpha` (0.95)"),
        (
            "hddm_a",
            {"drift_confidence": 0.01},
            "`drift_confidence` (0.01) must be at most `warning_confidence` (0.005)",
        ),
        ("hddm_a", {"two_sided_test": 1}, "hddm_a: `two_sided_test` is 1, and must be true or false"),
        ("hddm_w", {"lambda_val": 1.0}, "hddm_w: `lambda_val` is 1.0, and must be a number above 0 and below 1"),
        ("fhddm", {"short_window_size": 101}, "`short_window_size` (101) must be at most `sliding_window_size` (100)"),
    ],
)
def test_a_parameter_that_may_not_be_is_refused(name: str, parameters: dict[str, Value], message: str) -> None:
    """A parameter that is unknown, has a wrong value or is out of order is refused with what it may be."""
    with pytest.raises(ValueError, match=re.escape(message)):
        detector_for(name, **parameters)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("page_hinkley", {"delta": 0, "alpha": 1, "mode": "down"}),
        ("kswin", {"stat_size": 50}),
        ("eddm", {"alpha": 1.0, "beta": 1.0}),
        ("fhddm", {"short_window_size": None}),
        ("fhddm", {"short_window_size": 100}),
    ],
)
def test_the_ends_of_what_may_be_are_allowed(name: str, parameters: dict[str, Value]) -> None:
    """Values at the ends that are allowed make a detector."""
    assert (
        detector_for(name, **parameters).snapshot()["parameters"] | parameters
        == (detector_for(name, **parameters).snapshot()["parameters"])
    )
