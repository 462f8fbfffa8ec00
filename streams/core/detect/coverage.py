"""
Label coverage: how many labels came in a tick, beside how many were due in it.

A label that comes in a tick is of a prediction made so many ticks before, its *lag*. What share of the predictions gets
its label at each lag is an average over all ticks so far, in which what is older counts less. The labels that are due
in a tick are the predictions of the ticks before, each spread over later ticks as these shares say. So traffic that
falls or rises has fewer or more labels due just when these come, and moves nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from streams.core.columns import Floats, Ints

MOST_LAGS = 1_000
"""Ticks after which a label counts as one that came just then."""

_KEPT = 1 - 1 / 64  # of what a lag weighs, from tick to tick


class Coverage:
    """The label coverage of one model."""

    def __init__(self) -> None:
        self._made: dict[int, float] = {}  # predictions by tick; NaN of one that was not looked at
        self._asked: dict[int, float] = {}  # the same, added up until then
        self._came: Floats = np.zeros(0)  # labels by lag

    def look(self, number: int, made: float, lags: Ints, labels: Floats) -> tuple[float, float, float] | None:
        """
        Look at a tick by its number.

        Parameters
        ----------
        number
            Of the tick; each is after the last one.
        made
            Predictions made in it.
        lags, labels
            How many ticks before the predictions were made of which labels came, and how many came of each.

        Returns
        -------
        tuple or None
            Labels that came beside those that were due, the standard error of that (Poisson's), and how many were due.
            None where it is not known yet when labels come, or less than one was due.
        """
        passed = self._remember(number, made)
        came = np.bincount(np.clip(lags, 0, MOST_LAGS), labels, len(self._came))
        before = np.array([self._made.get(number - lag, math.nan) for lag in range(len(came))])
        asked = np.array([self._asked.get(number - lag, 0.0) for lag in range(len(came))])
        known = np.isfinite(before)  # a tick that was not looked at says nothing
        grown = np.append(self._came, np.zeros(len(came) - len(self._came)))
        self._came = grown * _KEPT**passed + np.where(known, came, 0.0)
        shares = np.divide(self._came, asked, out=np.zeros(len(came)), where=asked > 0).clip(0.0)
        due = float(shares[known] @ before[known]) / float(shares.sum()) if shares.any() else 0.0
        if due < 1:
            return None
        share = max(float(came[known].sum()), 0.0) / due
        return share, math.sqrt(max(share, 1 / due) / due), due

    def _remember(self, number: int, made: float) -> int:
        """Note what was predicted in a tick, and return how many ticks have passed since the last one."""
        last = max(self._made, default=number - 1)
        for tick in range(max(last + 1, number - MOST_LAGS), number + 1):
            count = made if tick == number else math.nan
            self._made[tick] = count
            self._asked[tick] = self._asked.get(tick - 1, 0.0) * _KEPT + (0.0 if math.isnan(count) else count)
        for old in [tick for tick in self._made if tick < number - MOST_LAGS]:
            del self._made[old], self._asked[old]
        return number - last

    def snapshot(self) -> dict[str, Any]:
        """Everything as plain data and arrays."""
        ticks = [[tick, count, self._asked[tick]] for tick, count in self._made.items()]
        return {"ticks": ticks, "came": self._came.copy()}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Replace everything by a snapshot."""
        self._made = {tick: count for tick, count, _ in saved["ticks"]}
        self._asked = {tick: asked for tick, _, asked in saved["ticks"]}
        self._came = saved["came"].copy()
