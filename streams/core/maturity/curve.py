"""
Delay curves: which share of the labels that come at all have come, by how old the prediction is.

Predictions of one tick of time are a *cohort*. What is known of a cohort ends at its age: labels that take longer are
still to come. Two estimators allow for that. Kaplan & Meier's (1958) asks of the predictions that had no label yet how
many got one, and so says how many will ever have one. Where the predictions that will get one are not known, as of a
class that only the label shows, one looks back instead: of the labels with at most this delay, how many had less
(Lynden-Bell 1971; Lagakos, Barraj & De Gruttola 1988). That says which share of all that come have come; insurers know
it as the chain ladder (Mack 1993), which stays defined where a correction takes a label back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from streams.core.columns import Floats, Ints

SECOND = 1_000_000
_A_DOUBLING = 3  # bins for each doubling of the delay

Matrix = Floats
"""Sums by cohort (row) and bin of the delay (column)."""


def delay_bins(delays: Ints) -> Ints:
    """
    Bins of delays in us: bin 0 up to a second, and three for each doubling after it, upper edges included.

    >>> delay_bins(np.array([-5, 1_000_000, 1_000_001, 2_000_000, 2_000_001])).tolist()
    [0, 0, 1, 3, 4]
    """
    seconds = np.maximum(delays, SECOND) / SECOND
    return np.ceil(np.round(np.log2(seconds) * _A_DOUBLING, 9)).astype(np.int64)


def delay_edges(horizon: int) -> Floats:
    """Upper edges of the bins, us, of all delays up to the horizon, which ends the last one."""
    last = int(delay_bins(np.array([horizon]))[0])
    edges = SECOND * np.exp2(np.arange(last + 1) / _A_DOUBLING)
    edges[last] = max(float(horizon), edges[0])
    return edges


@dataclass(frozen=True)
class Curve:
    """
    Share of what will have come by the horizon that has come by each delay, with how far off its logarithm may be.

    `edges` are the delays, us, of which the last is the horizon, where `share` is 1; `error` are standard errors of
    log(share), infinite where the share is 0. `ever` is the share of predictions that have a label by the horizon, NaN
    where the curve does not say it.
    """

    edges: Floats
    share: Floats
    error: Floats
    ever: float = math.nan

    def shifted(self, errors: float) -> Curve:
        """Return the curve moved by so many standard errors, within 0 and 1."""
        moved = self.share * np.exp(np.where(self.share > 0, errors * np.nan_to_num(self.error, posinf=0.0), 0.0))
        return Curve(self.edges, np.clip(moved, 0.0, 1.0), self.error, self.ever)

    def between(self, youngest: Floats, oldest: Floats) -> Floats:
        """
        Share that has come of predictions whose ages, us, are spread evenly between two bounds and above 0, shape (n,).

        Between edges the curve is a straight line, from 0 at the age 0.
        """
        low, high = np.maximum(youngest, 0.0), np.maximum(oldest, 0.0)
        wide = high > low
        area = self._area(high) - self._area(low)
        return np.clip(np.where(wide, area / np.where(wide, high - low, 1.0), self._at(high)), 0.0, 1.0)

    def _at(self, ages: Floats) -> Floats:
        return np.interp(ages, np.concatenate(([0.0], self.edges)), np.concatenate(([0.0], self.share)))

    def _area(self, ages: Floats) -> Floats:
        """Area under the curve from 0 to each age."""
        x = np.concatenate(([0.0], self.edges))
        y = np.concatenate(([0.0], self.share))
        upto = np.concatenate(([0.0], np.cumsum(np.diff(x) * (y[1:] + y[:-1]) / 2)))
        place = np.clip(np.searchsorted(x, ages, "right") - 1, 0, len(x) - 1)
        return upto[place] + (ages - x[place]) * (y[place] + self._at(ages)) / 2


def kaplan_meier(
    arrived: Matrix, predictions: Floats, ages: Floats, edges: Floats, design: float = 1.0
) -> Curve | None:
    """
    Delay curve from predictions with and without labels.

    Parameters
    ----------
    arrived
        Labels that came, by cohort and bin of their delay, shape (cohorts, bins).
    predictions
        How many predictions each cohort made, shape (cohorts,).
    ages
        Age of each cohort's youngest prediction, us: labels are known up to it.
    edges
        Upper edges of the bins, us (`delay_edges`).
    design
        How many times larger the variance is for weights that differ, sum w^2 / sum w; 1 without weights.

    Returns
    -------
    The curve, relative to its value at the horizon; None where no cohort is as old as the horizon, or no label came.
    Standard errors by Greenwood's formula (1926), of which the parts up to each delay and after it are independent.
    """
    known = ages[:, None] >= edges
    before = np.cumsum(arrived, axis=1) - arrived
    at_risk = np.where(known, predictions[:, None] - before, 0.0).sum(axis=0)
    events = np.where(known, arrived, 0.0).sum(axis=0)
    if not predictions[known[:, -1]].sum() > 0:
        return None
    alive: Floats = np.multiply.accumulate(1 - np.clip(_divide(events, at_risk), 0.0, 1.0))
    come = 1 - alive
    if not come[-1] > 0:
        return None
    greenwood = np.maximum(_divide(events, at_risk * (at_risk - events)), 0.0) * design
    share = np.clip(come / come[-1], 0.0, 1.0)
    return Curve(edges, share, _relative_error(alive, come, greenwood), float(come[-1]))


def _relative_error(alive: Floats, come: Floats, greenwood: Floats) -> Floats:
    """
    Standard error of log F(a) - log F(H), F the share that has come, from the terms of the variance of log S = log 1-F.

    A term up to a moves it by S(a)/F(a) - S(H)/F(H), one after a by S(H)/F(H).
    """
    some = come > 0
    odds, at_end = _divide(alive, come), alive[-1] / come[-1]
    upto = np.cumsum(greenwood)
    variance = (odds - at_end) ** 2 * upto + at_end**2 * (upto[-1] - upto)
    return np.where(some, np.sqrt(np.maximum(variance, 0.0)), math.inf)


def arrival_curve(arrived: Matrix, ages: Floats, edges: Floats, design: float = 1.0) -> Curve | None:
    """
    Delay curve from labels alone: parameters as for `kaplan_meier`.

    share(j-1) = share(j) * (1 - d_j / R_j), back from 1 at the horizon, with d_j the labels of delay j and R_j those
    of delay j or less, both of the cohorts that are old enough to show delay j (Lagakos et al. 1988, eq. 2.2).

    Returns
    -------
    None where no cohort is as old as the horizon, or none of those has a label.
    """
    known = ages[:, None] >= edges
    events = np.where(known, arrived, 0.0).sum(axis=0)
    at_most = np.where(known, np.cumsum(arrived, axis=1), 0.0).sum(axis=0)
    if not at_most[-1] > 0:
        return None
    less = at_most - events
    steps = np.where(at_most[1:] > 0, np.maximum(_divide(less, at_most)[1:], 0.0), 1.0)
    share = np.concatenate((np.cumprod(steps[::-1])[::-1], [1.0]))
    term = np.maximum(_divide(events, at_most * less)[1:], 0.0)
    variance = np.concatenate((np.cumsum(term[::-1])[::-1], [0.0])) * design
    return Curve(edges, np.clip(share, 0.0, 1.0), np.where(share > 0, np.sqrt(variance), math.inf))


def _divide(numerator: Floats, denominator: Floats) -> Floats:
    """Quotient, 0 where the denominator is not positive."""
    return np.divide(numerator, denominator, out=np.zeros(len(numerator)), where=denominator > 0)
