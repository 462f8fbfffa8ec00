"""
Which share of what will come of a cell has come: the delay curves of a moment, asked for many cells at once.

A cell is what one cohort of groups did in one pane of prediction time. A slice with few labels has the curve of its
whole model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from streams.core.columns import Floats, Ints
from streams.core.groups import Slice
from streams.core.maturity.curve import Curve, arrival_curve, delay_edges, kaplan_meier
from streams.core.maturity.delays import Cohorts, Delays, Followed, Kind

FEWEST = 100
"""Labels (or pieces of feedback of a kind) from which on a slice has a curve of its own."""

Curves = Mapping[Kind, Curve | None]


@dataclass(frozen=True)
class Ages:
    """Cells whose shares are asked for: the slice of each as its place in `slices`, and its youngest and oldest age."""

    slices: Sequence[Slice]
    slice: Ints
    youngest: Floats
    oldest: Floats


@dataclass
class CurveBook:
    """The delay curves of one model, drawn anew whenever the watermark has passed another tick."""

    delays: Delays
    followed: Followed
    _drawn: int | None = None
    _whole: Curves = field(default_factory=dict)
    _own: dict[Slice, Curves] = field(default_factory=dict)

    def draw(self, watermark: int) -> None:
        """Draw the curves from what is known at a watermark (us)."""
        tick = self.followed.tick
        if self._drawn == watermark // tick:
            return
        self._drawn = watermark // tick
        known = self.delays.cohorts(self.followed, self._drawn * tick)
        ends = next(iter(known.values())).end if known else np.empty(0, np.int64)
        edges, ages = delay_edges(self.followed.horizon), (self._drawn * tick - ends).astype(np.float64)
        self._own = {slice_: _curves(one, ages, edges) for slice_, one in known.items()}
        self._whole = _curves(_together(list(known.values())), ages, edges) if known else {}

    def curve(self, slice_: Slice, kind: Kind) -> Curve | None:
        """Return the curve of a slice, of the whole where its own rests on too little; None: not known yet."""
        own = self._own.get(slice_, {}).get(kind)
        return own if own is not None else self._whole.get(kind)

    def shares(self, kind: Kind, cells: Ages, shift: float = 0.0) -> Floats:
        """
        Share of each cell that has come, (n,), with curves moved by so many errors; NaN where it is not known.

        Of cells that are older than a label may be everything has come, whatever is known of younger ones.
        """
        shares = np.where(cells.youngest >= self.followed.horizon, 1.0, np.nan)
        for number, slice_ in enumerate(cells.slices):
            curve = self.curve(slice_, kind)
            mine = (cells.slice == number) & np.isnan(shares)
            if curve is not None and mine.any():
                shares[mine] = curve.shifted(shift).between(cells.youngest[mine], cells.oldest[mine])
        return shares


def _curves(known: Cohorts, ages: Floats, edges: Floats) -> Curves:
    """Draw the curves that rest on enough; that of labels of any class knows the predictions that have none."""
    curves: dict[Kind, Curve | None] = {}
    for kind, arrived in known.arrived.items():
        if arrived.sum() < FEWEST * known.design:
            continue
        if kind == "label":
            curves[kind] = kaplan_meier(arrived, known.made, ages, edges, known.design)
        else:
            curves[kind] = arrival_curve(arrived, ages, edges, known.design)
    return curves


def _together(parts: Sequence[Cohorts]) -> Cohorts:
    first = parts[0]
    arrived = {kind: np.sum([one.arrived[kind] for one in parts], axis=0) for kind in first.arrived}
    made, squares = np.sum([one.made for one in parts], axis=0), np.sum([one.squares for one in parts], axis=0)
    return Cohorts(first.end, made, squares, arrived)
