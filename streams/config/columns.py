"""Columns that may be watched: their names, and which of them hold numbers."""

from __future__ import annotations

from streams.config.problems import shown, unknown

PLAIN_COLUMNS = ("score", "label", "latency_ms", "outcome")
"""Columns that every model may have: its answers, how long they took, and the truth."""

NUMERIC = ("score", "latency_ms")
"""Those that hold numbers for every model."""

KEYED_COLUMNS = ("features", "attributes")
"""What is written in front of the name of a feature or an attribute: `features.age`, `attributes.country`."""


def column_name(name: str) -> str:
    """
    Return the name of a column.

    Raises
    ------
    ValueError
        It is none, with what may have been meant.
    """
    kind, dot, rest = name.partition(".")
    if name in PLAIN_COLUMNS or (dot and kind in KEYED_COLUMNS and rest):
        return name
    raise ValueError(f"{shown(name)} is no column{unknown(name, (*PLAIN_COLUMNS, 'features.NAME', 'attributes.NAME'))}")


def holds_numbers(column: str, task: str) -> bool:
    """
    Whether a column holds numbers for a model of this task; categories if not.

    >>> holds_numbers("features.age", "binary"), holds_numbers("outcome", "binary")
    (True, False)
    """
    return column in NUMERIC or column.startswith("features.") or (column == "outcome" and task == "regression")
