"""What detect and alert leave, as rows of the tables `signals` and `alerts`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from streams.core.alert.notice import Notice, to_json
from streams.core.detect.finding import Finding
from streams.core.groups import Slice
from streams.core.quality import slice_ids

_TIME = pa.timestamp("us", tz="UTC")
_SLICE = pa.map_(pa.string(), pa.string())

_SIGNALS: dict[str, pa.DataType] = {
    "model": pa.string(),
    "slice_id": pa.uint64(),
    "slice": _SLICE,
    "watch": pa.string(),
    "kind": pa.string(),
    "tick": _TIME,
    "standing": pa.string(),
    **dict.fromkeys(("value", "reference", "effect", "low", "high"), pa.float64()),
    **dict.fromkeys(("n", "n_effective", "label_coverage", "log_e", "threshold"), pa.float64()),
    **dict.fromkeys(("onset", "onset_low", "onset_high"), _TIME),
    "release": pa.string(),
    "method": pa.string(),
    "revision": pa.uint64(),
}

_ALERTS: dict[str, pa.DataType] = {
    "dedup_key": pa.string(),
    "sequence": pa.uint32(),
    **dict.fromkeys(("status", "reason"), pa.string()),
    "tick": _TIME,
    **dict.fromkeys(("model", "rule", "kind", "watch"), pa.string()),
    "slice": _SLICE,
    **dict.fromkeys(("severity", "team", "state", "cause", "explanation", "title"), pa.string()),
    **dict.fromkeys(("value", "reference", "effect", "low", "high"), pa.float64()),
    **dict.fromkeys(("n", "n_effective", "label_coverage"), pa.float64()),
    **dict.fromkeys(("since", "since_low", "since_high", "opened"), _TIME),
    "flapping": pa.bool_(),
    "worst_slices": pa.list_(_SLICE),
    "worst_effects": pa.list_(pa.float64()),
    "release": pa.string(),
    "members": pa.uint32(),
    "worst_members": pa.list_(pa.string()),
    **dict.fromkeys(("query", "runbook", "called", "account"), pa.string()),
    "revision": pa.uint64(),
}


def signal_rows(findings: Sequence[Finding], revision: int) -> pa.Table:
    """Rows of the table `signals`: one a watch and tick."""
    slices = [Slice(one.model, *_parts(one.slice)) for one in findings]
    columns: dict[str, Any] = {
        "slice_id": slice_ids(slices).cast(pa.uint64()),
        "slice": [list(one.slice) for one in findings],
        "revision": [revision] * len(findings),
    }
    for name in _SIGNALS.keys() - columns.keys():
        columns[name] = [getattr(one, name) for one in findings]
    return _table(columns, _SIGNALS)


def alert_rows(notices: Sequence[Notice], revision: int) -> pa.Table:
    """Rows of the table `alerts`: one a notice."""
    told = [to_json(one) for one in notices]
    columns: dict[str, Any] = {name: [one.get(name) for one in told] for name in _ALERTS}
    columns["sequence"] = [one["revision"] for one in told]
    columns["revision"] = [revision] * len(told)
    columns["slice"] = [list(one["slice"].items()) for one in told]
    columns["worst_slices"] = [[list(each.items()) for each in one["worst_slices"]] for one in told]
    return _table(columns, _ALERTS)


def _parts(pairs: Sequence[tuple[str, str]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tuple(name for name, _ in pairs), tuple(value for _, value in pairs)


def _table(columns: dict[str, Any], kinds: dict[str, pa.DataType]) -> pa.Table:
    made = {}
    for name, kind in kinds.items():
        values = columns[name]
        made[name] = pa.array(values, pa.int64()).cast(kind) if kind == _TIME else pa.array(values, kind)
    return pa.table(made)
