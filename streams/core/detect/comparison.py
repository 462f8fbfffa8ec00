"""One column in one tick beside its reference, in all the ways in which people ask how different they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from streams.core.columns import Floats, Ints
from streams.core.detect.distances import (
    chi_square,
    hellinger,
    jensen_shannon,
    kolmogorov_smirnov,
    l_infinity,
    psi,
    psi_without_drift,
    shares_of,
    smoothed,
    wasserstein,
)
from streams.core.detect.grid import HIGHEST, LOWEST, merged, value_of
from streams.core.detect.reference import ABOVE, BELOW, GONE, NAN, NEW, ColumnKind, Reference, Verdict
from streams.core.detect.standardized import contributions, standardized, terms


@dataclass(frozen=True, slots=True)
class BinChange:
    """One bin of a reference: what it holds, its share in the reference and in the tick, and its part in the change."""

    holds: str
    reference: float
    current: float
    contribution: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """
    How a column in a tick differs from its reference.

    Attributes
    ----------
    verdict
        What the reference cannot see, if anything.
    n, reference_n
        Effective numbers of observations.
    z, distance, standard_error
        See `Standardized`: these alone are freed of the noise of small samples.
    psi, psi_without_drift
        Population stability index of shares smoothed by half an observation a bin, and about what it would be
        without drift.
    jensen_shannon, hellinger, l_infinity
        Other distances of the shares of the bins.
    chi_square, degrees, p
        Chi-square of the effective counts; its p-value is for one look.
    kolmogorov_smirnov, wasserstein
        Distances of the finite numbers of a numeric column, on the grid, the latter in the column's unit; None for
        categories, and where there are no numbers on one side.
    missing, not_a_number, out_of_range, new
        Shares of the tick: what is missing; NaN and numbers outside the reference's range (None for categories);
        categories that the reference never had (None for numbers).
    missing_before
        Share of the reference that is missing.
    bins
        Bins that are in use, in order.
    """

    verdict: Verdict
    n: float
    reference_n: float
    z: float
    distance: float
    standard_error: float
    psi: float
    psi_without_drift: float
    jensen_shannon: float
    hellinger: float
    l_infinity: float
    chi_square: float
    degrees: float
    p: float
    kolmogorov_smirnov: float | None
    wasserstein: float | None
    missing: float
    missing_before: float
    not_a_number: float | None
    out_of_range: float | None
    new: float | None
    bins: tuple[BinChange, ...]


def compare(
    reference: Reference,
    grid: Ints,
    weights: Floats,
    n: float,
    *,
    kind: ColumnKind | None = None,
    names: Mapping[int, str] | None = None,
) -> Comparison | Verdict:
    """
    Compare a column's histogram with its reference; a verdict instead says why that cannot be done.

    Parameters
    ----------
    grid, weights
        Bins from `bins_of` or `category_bins`, with their weights.
    n
        How many equally weighted observations tell as much: their number, if all weights are 1.
    kind
        What the column holds now, if that may be something else than in the reference.
    names
        Categories by their bin on the grid.

    Raises
    ------
    ValueError
        If there is not one weight a bin, or a weight or `n` is negative or not finite.
    """
    if not 0 <= n < np.inf:
        raise ValueError(f"n is {n}: a number of rows is 0 or more and finite")
    verdict = reference.verdict(kind)
    grid, weights = merged(grid, weights)
    if not verdict.judges:
        return verdict
    if not (len(grid) and n > 0):
        return Verdict(judges=False, why="the tick has no rows")
    counts = reference.rebin(grid, weights)
    return _compared(reference, verdict, counts, n, _on_the_grid(reference, grid, weights), names)


def _compared(
    reference: Reference,
    verdict: Verdict,
    counts: Floats,
    n: float,
    on_the_grid: tuple[float | None, float | None],
    names: Mapping[int, str] | None,
) -> Comparison:
    now, before = shares_of(counts), reference.shares
    occupied = (now > 0) | (before > 0)
    table = counts[None], np.array([n]), before[None], np.array([reference.n])
    found, numeric = standardized(*table), reference.kind == "numeric"
    statistic, degrees, p = chi_square(now * n, before * reference.n)
    parts = zip(reference.labels(names), before, now, contributions(terms(*table))[0], occupied, strict=True)
    return Comparison(
        verdict=verdict,
        n=n,
        reference_n=reference.n,
        z=float(found.z[0]),
        distance=float(found.distance[0]),
        standard_error=float(found.standard_error[0]),
        psi=float(psi(smoothed(now, n, occupied), smoothed(before, reference.n, occupied))),
        psi_without_drift=psi_without_drift(int(occupied.sum()), n, reference.n),
        jensen_shannon=float(jensen_shannon(now, before)),
        hellinger=float(hellinger(now, before)),
        l_infinity=float(l_infinity(now, before)),
        chi_square=float(statistic),
        degrees=float(degrees),
        p=float(p),
        kolmogorov_smirnov=on_the_grid[0],
        wasserstein=on_the_grid[1],
        missing=float(now[GONE]),
        missing_before=float(before[GONE]),
        not_a_number=float(now[NAN]) if numeric else None,
        out_of_range=float(now[BELOW] + now[ABOVE]) if numeric else None,
        new=None if numeric else float(now[NEW]),
        bins=tuple(BinChange(label, float(q), float(p), float(part)) for label, q, p, part, used in parts if used),
    )


def _on_the_grid(reference: Reference, grid: Ints, weights: Floats) -> tuple[float | None, float | None]:
    """Distances of Kolmogorov-Smirnov and Wasserstein of the finite numbers, if there are any on both sides."""
    if reference.kind == "categorical":
        return None, None
    now, before = (_finite(*side) for side in ((grid, weights), (reference.grid, reference.weights)))
    if not (len(now[0]) and len(before[0])):
        return None, None
    bins = np.union1d(now[0], before[0])
    p, q = (_spread(bins, *side) for side in (now, before))
    return float(kolmogorov_smirnov(p, q)), float(wasserstein(p, q, value_of(bins)))


def _finite(grid: Ints, weights: Floats) -> tuple[Ints, Floats]:
    some = (grid > LOWEST) & (grid < HIGHEST)
    return grid[some], weights[some]


def _spread(bins: Ints, grid: Ints, weights: Floats) -> Floats:
    """Shares of a histogram in the given bins, which have all of its own among them."""
    counts = np.zeros(len(bins))
    counts[np.searchsorted(bins, grid)] = weights
    return shares_of(counts)
