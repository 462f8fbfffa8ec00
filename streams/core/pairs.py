"""Distinct codes, and pairs of tick and cohort, found for many rows at once."""

from __future__ import annotations

import numpy as np

from streams.core.columns import Ints

_DENSE = 8  # places for each row up to which it pays to have one for each code


def distinct(codes: Ints) -> tuple[Ints, Ints]:
    """
    Return the distinct codes, from 0 on, sorted, and for each row the place of its own.

    >>> [found.tolist() for found in distinct(np.array([7, 3, 7]))]
    [[3, 7], [1, 0, 1]]
    """
    span = int(codes.max(initial=-1)) + 1
    if span > _DENSE * len(codes):
        return np.unique(codes, return_inverse=True)
    there = np.zeros(span, np.bool_)
    there[codes] = True
    found = np.flatnonzero(there)
    place = np.empty(span, np.int64)
    place[found] = np.arange(len(found))
    return found, place[codes]


def pairs_of(ticks: Ints, cohorts: Ints) -> tuple[list[tuple[int, int]], Ints]:
    """
    Return the distinct pairs of tick and cohort, sorted, and for each row the place of its own.

    >>> pairs, place = pairs_of(np.array([5, -1, 5]), np.array([0, 2, 0]))
    >>> pairs, place.tolist()
    ([(-1, 2), (5, 0)], [1, 0, 1])
    """
    if not len(ticks):
        return [], np.empty(0, np.int64)
    first, width = int(ticks.min()), int(cohorts.max()) + 1
    found, place = distinct((ticks - first) * width + cohorts)
    return [(first + tick, cohort) for tick, cohort in (divmod(code, width) for code in found.tolist())], place
