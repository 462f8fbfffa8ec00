"""Whether two stores hold the same tables, row for row."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import pyarrow as pa

Query = Callable[[str], pa.Table]

# What is compared of each table. Revisions and places differ by nature: a replay counts events and reads files.
TABLES = {
    "windows": "model, version, window, window_start, window_end, slice_id, slice, metric, value, low, high, n, "
    "n_effective, units, label_coverage, maturity, corrected, corrected_low, corrected_high, corrected_n_effective, "
    "is_final",
    "slices": "model, slice_id, slice, first_seen, state",
    "samples": "type, request_id, event_time, model, version, payload, inclusion_probability",
    "rejected": "type, reason, detail, original",
    "orphans": "type, reason, request_id, prediction_id, unit_id, event_time, label, value, kind, revision",
    "verdicts": "model, experiment, metric, kind, arm, control, tick, verdict, effect, low, high, error, arm_value, "
    "control_value, log_e, p, n_arm, n_control, n_effective_arm, n_effective_control, label_coverage_arm, "
    "label_coverage_control, alpha, margin, method, first_reached, needed",
    "signals": "model, slice_id, slice, watch, kind, tick, standing, value, reference, effect, low, high, n, "
    "n_effective, label_coverage, log_e, threshold, onset, onset_low, onset_high, release, method",
    "alerts": "dedup_key, sequence, status, reason, tick, model, rule, kind, watch, slice, severity, team, state, "
    "cause, explanation, title, value, reference, effect, low, high, n, n_effective, label_coverage, since, "
    "since_low, since_high, opened, flapping, worst_slices, worst_effects, release, members, worst_members, query, "
    "runbook, called, account",
}
# Sums of arms are plain floats, added up in whatever order they came; all other sums are exact, and alerts say both.
TOLERANCES = dict.fromkeys(TABLES, 1e-12) | {"verdicts": 1e-9, "alerts": 1e-9}


def differences(ours: Query, theirs: Query) -> list[str]:
    """Return what differs, a line for each table: the numbers of rows, and the first row that is not the same."""
    return [line for table in TABLES for line in _of_table(table, _rows(ours, table), _rows(theirs, table))]


def _rows(query: Query, table: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = query(f"SELECT {TABLES[table]} FROM {table} FINAL").to_pylist()  # noqa: S608
    for row in rows:
        row.update({name: sorted(value) for name, value in row.items() if isinstance(value, list)})
    return sorted(rows, key=_exact)


def _exact(row: dict[str, Any]) -> str:
    """What two rows have in common when they are about the same thing."""
    return repr([value for value in row.values() if not isinstance(value, float)])


def _of_table(table: str, ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> Iterable[str]:
    if len(ours) != len(theirs):
        yield f"{table}: {len(ours):,} rows, expected {len(theirs):,}"
    for one, other in zip(ours, theirs, strict=False):
        if not all(_same(one[name], other[name], TOLERANCES[table]) for name in other):
            yield f"{table}: {one}, expected {other}"
            return


def _same(one: Any, other: Any, tolerance: float) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=tolerance, abs_tol=1e-12)
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return all(_same(*pair, tolerance) for pair in zip(one, other, strict=True))
    return bool(one == other)
