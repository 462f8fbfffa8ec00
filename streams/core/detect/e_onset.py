"""
When a change began, and how large it is, from the last scores of a signal.

Before its onset a signal's fresh scores have mean 0, after it an unknown mean. With a normal prior on that mean, each
tick has a likelihood of being the onset; made to sum to 1 over the ticks that are remembered, they are its posterior
under a flat prior (Smith 1975, Biometrika 62: 407-416, with known variance). The onset is where it is highest, and its
interval what is left after cutting 2.5 % from either end. That the reference's own mean is uncertain counts: n ticks
since the onset tell as much as n / (1 + n / reference ticks).

A posterior is no promise: tests/statistical/drift_promise.py says how often the interval holds the truth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_PRIOR = 0.25  # precision of the shift, in ticks: a standard deviation of 2
_CUT = 5.0  # scores are cut here, so that one odd tick makes no onset
_TAIL = 0.025


@dataclass(frozen=True)
class Onset:
    """Places, among the remembered ticks, of the onset and of the limits of its interval; shape (R,)."""

    at: Ints
    low: Ints
    high: Ints


def onset(scores: Floats, signs: Floats, reference: Floats) -> Onset:
    """
    Find the onset among the remembered ticks.

    Parameters
    ----------
    scores
        Fresh scores, oldest first, shape (R, H): NaN where there were no data or the onset cannot be, never the last.
    signs
        1 if the shift is upwards, -1 if downwards, shape (R,).
    reference
        Ticks that the score's usual mean is known from, shape (R,).
    """
    known = ~np.isnan(scores)
    cut = np.where(known, np.clip(scores * signs[:, None], -_CUT, _CUT), 0)
    since = np.cumsum(cut[:, ::-1], axis=1)[:, ::-1]
    n = np.cumsum(known[:, ::-1], axis=1)[:, ::-1]
    told = n / (1 + n / reference[:, None])
    mean = np.maximum(since, 0) / np.maximum(n, 1)
    likely = 0.5 * (mean * told) ** 2 / (told + _PRIOR) - 0.5 * np.log1p(told / _PRIOR)
    likely = np.where(known, likely, -np.inf)
    posterior = np.exp(likely - likely.max(axis=1, keepdims=True))
    posterior /= posterior.sum(axis=1, keepdims=True)
    up_to = np.cumsum(posterior, axis=1)
    return Onset(
        posterior.argmax(axis=1),
        (up_to < _TAIL).sum(axis=1),
        np.minimum((up_to < 1 - _TAIL).sum(axis=1), cut.shape[1] - 1),
    )
