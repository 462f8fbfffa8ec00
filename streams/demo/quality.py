"""What the report shows of the view `quality`: one cell a metric, version, month and slice, and the worst of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pyarrow as pa

from streams.demo.events import MODEL

Query = Callable[[str], pa.Table]
"""Runs SQL on a store."""

METRICS = {"accuracy": "accuracy", "precision": "precision", "recall": "recall", "brier": "Brier", "roc_auc": "ROC AUC"}
"""The metrics shown, by their names in the store, and how a heading calls them."""

_MONTHS = f"""
SELECT version, metric, slice, formatDateTime(window_start, '%Y-%m') AS month, value, low, high, n, n_effective,
       label_coverage
FROM quality
WHERE model = '{MODEL}' AND window = '1mo'
ORDER BY month, version, metric
"""  # noqa: S608 - the model's name is ours


@dataclass(frozen=True)
class Cell:
    """
    One estimate: of a metric, for a version, in a month, in a slice (`{}` is the whole).

    `value`, `low` and `high` (95 %) are None where there is not enough evidence for them.
    """

    version: str
    metric: str
    slice: dict[str, str]
    month: str
    value: float | None
    low: float | None
    high: float | None
    n: float
    n_effective: float
    label_coverage: float


def read_months(query: Query) -> list[Cell]:
    """Read every estimate for a calendar month, in order of month, version and metric."""
    return [Cell(**{**row, "slice": dict(row["slice"])}) for row in query(_MONTHS).to_pylist()]


def worst_slices(cells: Iterable[Cell], attribute: str, at_most: int, enough: float) -> list[Cell]:
    """
    Rank the groups of one attribute by how bad the Brier score of either version surely was in some month.

    A cell counts if its effective sample size is at least `enough`, and for the lower end of its interval, so that
    a small group does not come first by chance. Of each group the worst cell is kept; worst first.
    """
    worst: dict[str, Cell] = {}
    for cell in sorted(cells, key=_surely, reverse=True):
        if cell.metric == "brier" and list(cell.slice) == [attribute] and cell.n_effective >= enough:
            worst.setdefault(cell.slice[attribute], cell)
    return [cell for cell in worst.values() if cell.low is not None][:at_most]


def _surely(cell: Cell) -> float:
    return -1.0 if cell.low is None else cell.low
