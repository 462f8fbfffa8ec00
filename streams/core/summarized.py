"""
Summaries that services make: power sums of the predictions that they did not send, as rows that add to the panes.

A summary says three sums of its predictions' weights: how many there are, their weights, and the squares of these.
Any such three are those of rows of weight 0, 1 and 2, each counted so many times: then every column of the panes,
which adds a power of the weight, comes out as the summary has it, and no stage behind needs to know of summaries.
The sums of scores are those of such rows as well: rows that are an answer and score 0, rows that score 1 and are no
answer, and one that has nothing but the square of a score.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from streams.core.columns import Columns, Floats, Ints, concat, from_arrow, take
from streams.core.metric.base import Source
from streams.core.metric.histograms import latency_value
from streams.core.validate import LARGEST_SCORE

_WEIGHTS = (0.0, 1.0, 2.0)
_SCORING = ("answers", "score", "score_squared")


def times_of(n: Floats, weight: Floats, square: Floats) -> tuple[Floats, Floats, Floats]:
    """
    How many rows of weight 0, 1 and 2 have these power sums; fewer than none where the sums say so.

    >>> times_of(np.array([10.0]), np.array([10.0]), np.array([10.0]))
    (array([0.]), array([10.]), array([0.]))
    """
    twice = (square - weight) / 2
    once = weight - 2 * twice
    return n - once - twice, once, twice


def summarized_rows(table: pa.RecordBatch, chosen: Ints, cohort: npt.NDArray[np.int32]) -> Mapping[Source, Columns]:
    """
    Rows of the chosen summaries: of their predictions ("summary"), latencies ("timing") and scores ("scoring").

    `cohort` is aligned with `chosen`. A summary counts at the time at which it begins.
    """
    time = from_arrow(table["event_time"])[chosen]
    base = {"cohort": cohort, "time": time, "known": time}
    base |= {"arms": np.zeros(len(chosen), np.uint64), "bucket": np.zeros(len(chosen), np.uint8)}
    sums = (from_arrow(table[name]).astype(np.float64)[chosen] for name in ("n", "weight", "square"))
    counted = _rows(base | {"latency": np.full(len(chosen), np.nan)}, *sums)
    return {
        "summary": counted,
        "timing": _timing(table, chosen, base),
        "scoring": _scoring(table, chosen, base),
    }


def scoring_rows(traffic: Columns) -> Columns:
    """Rows of the predictions that have a score, from all of them as they come."""
    some = take(traffic, np.isfinite(traffic["score"]))
    score = np.clip(some["score"], -LARGEST_SCORE, LARGEST_SCORE)
    return some | {"answers": np.ones(len(score)), "score": score, "score_squared": score**2}


def _timing(table: pa.RecordBatch, chosen: Ints, base: Columns) -> Columns:
    """Rows of the bins of latencies; the value that stands for a bin lies in it."""
    row = np.full(len(table), -1, np.int64)
    row[chosen] = np.arange(len(chosen))
    owner = row[from_arrow(pc.list_parent_indices(table["latency_bin"]))]
    mine = np.flatnonzero(owner >= 0)
    bins, *sums = (
        from_arrow(table[f"latency_{name}"].flatten())[mine].astype(np.float64)
        for name in ("bin", "n", "weight", "square")
    )
    return _rows(take(base, owner[mine]) | {"latency": latency_value(bins.astype(np.int64))}, *sums)


def _scoring(table: pa.RecordBatch, chosen: Ints, base: Columns) -> Columns:
    """Rows of what summaries say of scores; power 0 is asked of answers only, so that of scores it may be anything."""
    said = np.flatnonzero(from_arrow(table["score_n"].is_valid())[chosen])
    sums = {
        name: from_arrow(table[f"score_{name}"].fill_null(0)).astype(np.float64)[chosen[said]]
        for name in ("n", "weight", "square", "weight_sum", "square_sum", "square_squares")
    }
    first, second, squares = (sums[name] for name in ("weight_sum", "square_sum", "square_squares"))
    parts = [
        _rows(take(base, said) | {one: np.full(len(said), float(one == name)) for one in _SCORING}, *three)
        for name, three in zip(
            _SCORING,
            ((sums["n"], sums["weight"], sums["square"]), (first, first, second), (squares, squares, squares)),
            strict=True,
        )
    ]
    return concat(parts)


def _rows(base: Columns, n: Floats, weight: Floats, square: Floats) -> Columns:
    parts = [
        take(base | {"weight": np.full(len(n), one), "sign": times}, times != 0)
        for one, times in zip(_WEIGHTS, times_of(n, weight, square), strict=True)
    ]
    return concat(parts)
