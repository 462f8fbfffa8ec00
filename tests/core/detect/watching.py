"""Detectors to be tested, and what they say."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.core.detect.detectors import STANDINGS, Detectors, Looks, Sides
from streams.core.detect.sensitivity import Sensitivity

Floats = npt.NDArray[np.float64]
NAN = math.nan


def made(signals: int, reference: int = 30, season: int = 1, sides: Sides = "both", apart: float = 1000) -> Detectors:
    detectors = Detectors(Sensitivity(apart, reference, season))
    for at in range(signals):
        detectors.row(f"signal {at}", sides=sides)
    return detectors


def watch(detectors: Detectors, values: Floats, errors: Floats | float = NAN, start: int = 0) -> list[Looks]:
    """Look at each row of `values`, shape (ticks, signals), as a tick."""
    ticks, signals = values.shape
    known = np.broadcast_to(np.asarray(errors, float), values.shape)
    return [detectors.look(start + at, np.arange(signals), values[at], known[at]) for at in range(ticks)]


def standings(looks: list[Looks], signal: int = 0) -> list[str]:
    return [STANDINGS[look.standing[signal]] for look in looks]


def noise(seed: int, ticks: int, signals: int = 1) -> Floats:
    return np.random.default_rng(seed).standard_normal((ticks, signals))


def same(one: Any, other: Any) -> bool:
    """Say whether snapshots are equal."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    return bool(one == other)
