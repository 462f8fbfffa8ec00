"""What moved in a column, in words for a person: categories by name, where numbers are, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from streams.core.alert.wording import figure
from streams.core.columns import Floats, Ints
from streams.core.detect.grid import LOWEST, quantiles
from streams.core.detect.reference import GONE, NAN, NEW, Reference
from streams.core.detect.standardized import terms

MOST = 3
"""So many things are named at most."""

_MATERIAL = 0.1  # of the distance, and
_NOTABLE = 0.05  # of all rows: what is less than either is not worth a word
_ENDS = np.array([0.05, 0.95])


def moved(
    reference: Reference,
    grid: Ints,
    weights: Floats,
    n: float,
    names: Mapping[int, str],
    center: float = 0.0,
) -> tuple[str, ...]:
    """
    Say what makes a tick's histogram differ from the reference's, what adds most to the distance first.

    Parameters
    ----------
    grid, weights, n
        The histogram of the tick: bins, their weights, and how many equally weighted rows tell as much.
    names
        What categories are called, by their bin; one without a name is not told of.
    center
        What was taken from each number.

    >>> usual = Reference.from_histogram("categorical", np.array([7, 8]), np.array([880.0, 120.0]), 1000.0)
    >>> moved(usual, np.array([7, 8]), np.array([69.0, 31.0]), 100.0, {8: "UA", 7: "DL"})
    ('UA 31 % instead of 12 %', 'DL 69 % instead of 88 %')
    """
    counts = reference.rebin(grid, weights)
    if not counts.sum() > 0:
        return ()
    now, before = counts / counts.sum(), reference.shares
    parts = terms(counts[None], np.array([n]), before[None], np.array([reference.n]))[0]
    material = (parts >= _MATERIAL * parts.sum()) | (np.abs(now - before) >= _NOTABLE)
    places = [place for place in np.argsort(-parts, kind="stable").tolist() if material[place]]
    told = list(_of_numbers(reference, grid, weights, center)) if reference.kind == "numeric" else []
    for place in places:
        label = _label(reference, place, grid, weights, names)
        share, usual = _percent(float(now[place])), _percent(float(before[place]))
        if label and share != usual:
            told.append(f"{label} {share} instead of {usual}")
    return tuple(told[:MOST])


def _label(reference: Reference, place: int, grid: Ints, weights: Floats, names: Mapping[int, str]) -> str:
    """What a bin is called; numbers are told of otherwise."""
    if place == GONE:
        return "missing"
    if reference.kind == "numeric":
        return "not a number" if place == NAN else ""
    own = place - NEW - 1
    if 0 <= own < len(reference.starts):
        return names.get(int(reference.starts[own]), "")
    inside = reference.place(grid) == place
    largest = int(grid[inside][weights[inside].argmax()]) if inside.any() else -1
    sort = "new ones" if place == NEW else "others"
    return f"{sort} such as {names[largest]}" if largest in names else sort


def _of_numbers(reference: Reference, grid: Ints, weights: Floats, center: float) -> Iterator[str]:
    """Where the middle is, or if that is where it was, where nine tenths are."""
    sides = ((grid, weights), (reference.grid, reference.weights))
    if not all((bins[sums > 0] >= LOWEST).any() for bins, sums in sides):
        return
    (now, usual) = (_number(float(quantiles(*side, np.array([0.5]))[0]), center) for side in sides)
    if now != usual:
        yield f"median {now} instead of {usual}"
        return
    (now, usual) = (" to ".join(_number(end, center) for end in quantiles(*side, _ENDS).tolist()) for side in sides)
    if now != usual:
        yield f"90 % from {now} instead of {usual}"


def _number(value: float, center: float) -> str:
    return f"{value + center:.6g}" if center else figure(value)


def _percent(share: float) -> str:
    """
    Write a share; a small one with a digit behind its point.

    >>> _percent(0.123), _percent(0.0123), _percent(0.0)
    ('12 %', '1.2 %', '0 %')
    """
    return f"{100 * share:.0f} %" if share >= 0.0995 or not share else f"{100 * share:.1f} %"
