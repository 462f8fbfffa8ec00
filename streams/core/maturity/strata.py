"""
Weights that make the labelled ones stand for all: post-stratification by response.

Who rates, and what gets labelled, is no fair sample. Within a stratum of declared attributes those with an answer
stand for those without: each counts as many times as there were predictions for one answer (Holt & Smith 1979; as
response propensities: Little & Rubin 2019, 3.3).
"""

from __future__ import annotations

import numpy as np

from streams.core.columns import Floats, Ints

FEWEST = 10
"""Answers from which on a stratum stands for itself; smaller ones of a window are put together."""

MOST_UNHEARD = 0.05
"""Share of predictions in strata without an answer from which on a window has no corrected value."""


def responses(window: Ints, stratum: Ints, predictions: Floats, answers: Floats, count: Floats) -> Floats:
    """
    Weight of the answers of each cell, (n,): predictions of its stratum in its window over answers there.

    Parameters
    ----------
    window, stratum
        Numbers from 0 of the window and the stratum of each cell.
    predictions, answers
        Weights of all predictions of each cell, and of those with an answer.
    count
        How many answers each cell has.

    Returns
    -------
    NaN in windows in which more than `MOST_UNHEARD` of the predictions are in strata without an answer to stand for
    them, 1 in cells without answers.
    """
    if not len(window):
        return np.empty(0)
    width = int(stratum.max()) + 1
    place = _pooled(window * (width + 1) + stratum, window * (width + 1) + width, count)
    size = int(place.max()) + 1
    made, heard = np.bincount(place, predictions, size), np.bincount(place, answers, size)
    factor = np.divide(made, heard, out=np.ones(size), where=heard > 0)[place]
    unheard = np.bincount(window, np.where(heard[place] > 0, 0.0, predictions))
    too_many = unheard > MOST_UNHEARD * np.bincount(window, predictions)
    return np.where(too_many[window], np.nan, factor)


def _pooled(own: Ints, rest: Ints, count: Floats) -> Ints:
    """Return the place of each cell: its own stratum's, or the rest of its window where that has too few answers."""
    total = np.bincount(own, count)
    return np.where(total[own] < FEWEST, rest, own)
