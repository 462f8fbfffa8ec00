"""
The detectors on a stream by name, each with its parameters, which have river's names and defaults.

| name | takes | sees | what else to know |
|---|---|---|---|
| `adwin` | numbers in [0, 1] for its promise to hold | both ways | looks at every `clock`-th value only |
| `page_hinkley` | numbers; thresholds are in their unit | as `mode` says | forgets at the rate `alpha` |
| `kswin` | numbers | any change of shape | tests at every value: dear, and `alpha` is for each test |
| `ddm` | errors | increases | the first error after an error-free start is flagged |
| `eddm` | errors | increases | flags often on steady streams with river's defaults |
| `hddm_a`, `hddm_w` | errors | increases, or `two_sided_test` | averages, and weighted averages |
| `fhddm` | errors | increases | learns anew for `sliding_window_size` values |

None keeps a rate of false alarms that was asked for: it has to be measured. All forget everything at a change, also
ADWIN, whose paper keeps the part of the window after it, and KSWIN, which draws the same numbers again from then on.
FHDDM of river flags a *decrease*, so it is given 1 where there is no error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from streams.config.problems import unknown
from streams.core.detect.stream import state
from streams.core.detect.stream.parameters import (
    Choice,
    Number,
    Order,
    Parameter,
    Switch,
    Value,
    Whole,
    complete,
    probability,
)
from streams.core.detect.stream.protocol import StreamDetector
from streams.core.detect.stream.river_detector import Kind, RiverDetector

_FLAGS = state.plain("_drift_detected", "_warning_detected")
_CONFIDENCES = {"drift_confidence": probability(0.001), "warning_confidence": probability(0.005)}
_CONFIDENT = Order("drift_confidence", "warning_confidence")


@dataclass(frozen=True)
class _Entry:
    kind: Kind
    parameters: Mapping[str, Parameter]
    orders: tuple[Order, ...] = ()


_ENTRIES = (
    _Entry(
        Kind("adwin", "ADWIN", (*_FLAGS, state.adwin("_helper"))),
        {
            "delta": probability(0.002),
            "clock": Whole(32),
            "max_buckets": Whole(5),
            "min_window_length": Whole(5),
            "grace_period": Whole(10),
        },
    ),
    _Entry(
        Kind(
            "page_hinkley",
            "PageHinkley",
            (
                *_FLAGS,
                state.mean("_x_mean"),
                *state.plain("_sum_increase", "_sum_decrease", "_min_increase", "_max_decrease"),
            ),
        ),
        {
            "min_instances": Whole(30),
            "delta": Number(0.005, without=()),
            "threshold": Number(50.0),
            "alpha": Number(0.9999, high=1.0),
            "mode": Choice("both", ("up", "down", "both")),
        },
    ),
    _Entry(
        Kind("kswin", "KSWIN", (*_FLAGS, state.window("window"), state.generator("_rng"))),
        {"alpha": probability(0.005), "window_size": Whole(100), "stat_size": Whole(30), "seed": Whole(0, least=0)},
        (Order("stat_size", "window_size", times=2),),
    ),
    _Entry(
        Kind("ddm", "DDM", (*_FLAGS, state.mean("_p"), *state.plain("_p_min", "_s_min", "_ps_min")), binary=True),
        {"warm_start": Whole(30), "warning_threshold": Number(2.0), "drift_threshold": Number(3.0)},
        (Order("warning_threshold", "drift_threshold"),),
    ),
    _Entry(
        Kind(
            "eddm",
            "EDDM",
            (
                *_FLAGS,
                state.variance("_error_distances"),
                *state.plain("_n", "_last_error", "_n_errors", "_p2s_prime_max"),
            ),
            binary=True,
        ),
        {"warm_start": Whole(30), "alpha": Number(0.95, high=1.0), "beta": Number(0.9, high=1.0)},
        (Order("beta", "alpha"),),
    ),
    _Entry(
        Kind("hddm_a", "HDDMA", (*_FLAGS, *map(state.mean, ("_x_min", "_x_max", "_z"))), binary=True),
        _CONFIDENCES | {"two_sided_test": Switch(default=False)},
        (_CONFIDENT,),
    ),
    _Entry(
        Kind(
            "hddm_w",
            "HDDMW",
            (
                *_FLAGS,
                *map(state.sample, ("_total", "_s1_decr", "_s1_incr", "_s2_decr", "_s2_incr")),
                *state.plain("_incr_cutpoint", "_decr_cutpoint"),
            ),
            binary=True,
        ),
        _CONFIDENCES | {"lambda_val": probability(0.05), "two_sided_test": Switch(default=False)},
        (_CONFIDENT,),
    ),
    _Entry(
        Kind(
            "fhddm",
            "FHDDM",
            (*_FLAGS, state.window("_sliding_window"), *state.plain("n_one", "_u_max", "_u_short_max")),
            binary=True,
            sees_decreases=True,
        ),
        {"sliding_window_size": Whole(100), "confidence_level": probability(1e-6), "short_window_size": Whole(None)},
        (Order("short_window_size", "sliding_window_size"),),
    ),
)
_BY_NAME = {entry.kind.name: entry for entry in _ENTRIES}

NAMES = tuple(_BY_NAME)
"""Names that the configuration may give."""


def detector_for(name: str, **parameters: Value) -> StreamDetector:
    """
    Make a new detector.

    Parameters
    ----------
    name
        One of `NAMES`.
    **parameters
        Those that are not to have their default.

    Raises
    ------
    ValueError
        There is no such detector, or no such parameter, or it may not have that value.
    ModuleNotFoundError
        The package river is not installed.

    >>> detector_for("ddm", warm_start=0)
    Traceback (most recent call last):
    ValueError: ddm: `warm_start` is 0, and must be a whole number from 1 to 1,000,000
    """
    if name not in _BY_NAME:
        raise ValueError(f"there is no detector `{name}`{unknown(name, NAMES)}")
    entry = _BY_NAME[name]
    return RiverDetector(entry.kind, complete(name, entry.parameters, entry.orders, parameters))
