"""What became of every event, added up over the partitions of the workers, as the store has it."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

_COUNTS = "SELECT sumMap(counts) AS counts FROM intake FINAL"
_OVERFLOW = "SELECT count() AS overflow FROM slices FINAL WHERE state = 'overflow'"


def read_counts(query: Callable[[str], pa.Table]) -> dict[str, int]:
    """Return the counts as a replay's report has them; `query` runs SQL on the store."""
    counts: dict[str, int] = dict(query(_COUNTS).to_pylist()[0]["counts"])
    return counts | {"overflow": query(_OVERFLOW).to_pylist()[0]["overflow"]}
