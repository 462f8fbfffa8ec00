"""Probabilities and their log-odds."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def probability(log_odds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return 1 / (1 + e^-x)."""
    return np.asarray(1 / (1 + np.exp(-np.clip(log_odds, -30.0, 30.0))))


def log_odds(probability: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return log(p / (1 - p)) of numbers between 0 and 1."""
    return np.asarray(np.log(probability) - np.log1p(-probability))
