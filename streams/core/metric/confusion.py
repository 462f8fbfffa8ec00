"""Confusion matrices of R windows at once, as a list of their non-empty cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streams.core.columns import Mask
from streams.core.metric.base import Floats, Ints, Totals
from streams.core.metric.estimators import Population, group_sums
from streams.core.metric.histograms import CLASSES


@dataclass(frozen=True)
class Confusion:
    """
    Cells (E of them) and classes (C, those that occur in a row as actual or predicted; each row has its own).

    `row` (E,) is a cell's row, `actual` and `predicted` (E,) its classes, `cell` its contents;
    `class_row` (C,) is the row that a class belongs to.
    """

    rows: int
    row: Ints
    actual: Ints
    predicted: Ints
    cell: Population
    class_row: Ints

    @property
    def diagonal(self) -> Floats:
        """1 for cells of right predictions, else 0, shape (E,)."""
        return np.where(self.actual == self.predicted, 1.0, 0.0)

    @property
    def total(self) -> Population:
        """All pairs of a row, shape (R,)."""
        return self._grouped(self.row, self.rows)

    @property
    def by_actual(self) -> Population:
        """Observations of a class, shape (C,)."""
        return self._grouped(self.actual, len(self.class_row))

    @property
    def by_predicted(self) -> Population:
        """Predictions of a class, shape (C,)."""
        return self._grouped(self.predicted, len(self.class_row))

    @property
    def right(self) -> Population:
        """Right predictions of a class, shape (C,)."""
        return self._grouped(self.actual, len(self.class_row), self.diagonal)

    @property
    def mixed(self) -> Mask:
        """Rows with more than one actual and more than one predicted class, by counts, which do not round."""
        actual = self.over_classes(np.where(self.by_actual.n > 0, 1.0, 0.0)) > 1
        predicted = self.over_classes(np.where(self.by_predicted.n > 0, 1.0, 0.0)) > 1
        return np.logical_and(actual, predicted)

    def over_cells(self, values: Floats) -> Floats:
        """Sum values of cells (E,) by row."""
        return group_sums(self.row, values, self.rows)

    def over_classes(self, values: Floats) -> Floats:
        """Sum values of classes (C,) by row."""
        return group_sums(self.class_row, values, self.rows)

    def _grouped(self, groups: Ints, size: int, keep: Floats | float = 1.0) -> Population:
        parts = (self.cell.n, self.cell.weight, self.cell.square)
        return Population(*(group_sums(groups, part * keep, size) for part in parts))


def confusion_of_cells(rows: int, row: Ints, codes: Ints, cell: Population) -> Confusion:
    """Build from cells given by their row and the code of their pair of classes; empty cells are left out."""
    filled = cell.n > 0
    row, codes = row[filled], codes[filled]
    actual, predicted = row * CLASSES + codes // CLASSES, row * CLASSES + codes % CLASSES
    classes, index = np.unique(np.concatenate([actual, predicted]), return_inverse=True)
    kept = Population(cell.n[filled], cell.weight[filled], cell.square[filled])
    return Confusion(rows, row, index[: len(row)], index[len(row) :], kept, classes // CLASSES)


def confusion_of(totals: Totals) -> Confusion:
    """Build from the `confusion` histogram, for models of many classes."""
    histogram = totals.histograms["confusion"]
    cell = Population(*(histogram.columns[f"{power}:paired"] for power in range(3)))
    return confusion_of_cells(histogram.rows, histogram.row, histogram.bin, cell)
