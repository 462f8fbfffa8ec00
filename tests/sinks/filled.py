"""Rows to fill a store with: three months of one model in two versions, and a record of every other kind."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from streams.sinks.clickhouse.rows import SCHEMAS, TableName

FIRST = datetime(2013, 1, 1, tzinfo=UTC)
SLICES: tuple[dict[str, str], ...] = ({}, {"carrier": "UA"}, {"carrier": "AA"})


def window_row(**changes: Any) -> dict[str, Any]:
    """Return a row of `windows`: accuracy of everything on the first of January, unless told otherwise."""
    row: dict[str, Any] = {
        "model": "delay",
        "version": "v1",
        "window": "1d",
        "window_start": FIRST,
        "window_end": FIRST + timedelta(days=1),
        "slice_id": 0,
        "slice": {},
        "metric": "accuracy",
        "value": 0.9,
        "low": 0.85,
        "high": 0.94,
        "n": 400.0,
        "n_effective": 380.0,
        "label_coverage": 0.8,
        **dict.fromkeys(("units", "maturity", "corrected", "corrected_low", "corrected_high", "corrected_n_effective")),
        "is_final": True,
        "revision": 1,
    }
    return row | changes


def verdict_row(**changes: Any) -> dict[str, Any]:
    """Return a row of `verdicts`: nothing is known of accuracy after the first of January, unless told otherwise."""
    row = {
        "model": "delay",
        "experiment": "weather",
        "metric": "accuracy",
        "kind": "primary",
        "arm": "with_weather",
        "control": "without",
        "tick": FIRST + timedelta(days=1),
        "verdict": "not enough evidence",
        "effect": 0.02,
        "low": -0.01,
        "high": 0.05,
        "error": 0.009,
        "arm_value": 0.92,
        "control_value": 0.9,
        "log_e": 0.4,
        "p": 0.67,
        "n_arm": 200.0,
        "n_control": 210.0,
        "n_effective_arm": 190.0,
        "n_effective_control": 200.0,
        "label_coverage_arm": 0.8,
        "label_coverage_control": 0.7,
        "alpha": 0.05,
        "margin": 0.0,
        "method": "asymptotic mixture",
        "first_reached": None,
        "needed": 1200.0,
        "revision": 1,
    }
    return row | changes


def signal_row(**changes: Any) -> dict[str, Any]:
    """Return a row of `signals`: accuracy of everything is as it was on the first of January, unless told otherwise."""
    row: dict[str, Any] = {
        "model": "delay",
        "slice_id": 0,
        "slice": {},
        "watch": "accuracy",
        "kind": "metric",
        "tick": FIRST + timedelta(days=1),
        "standing": "quiet",
        "value": 0.9,
        "reference": 0.91,
        **dict.fromkeys(("effect", "low", "high", "onset", "onset_low", "onset_high")),
        "n": 400.0,
        "n_effective": 380.0,
        "label_coverage": 0.8,
        "log_e": -1.5,
        "threshold": 6.4,
        "release": "",
        "method": "e-detector over ranks",
        "revision": 1,
    }
    return row | changes


CHANGED: dict[str, Any] = {
    "standing": "changed",
    "value": 0.7,
    "effect": -0.2,
    "low": -0.24,
    "high": -0.16,
    "log_e": 9.0,
    "onset": FIRST + timedelta(days=12),
    "onset_low": FIRST + timedelta(days=11),
    "onset_high": FIRST + timedelta(days=13),
    "release": "version v2",
}
"""What a row of `signals` says of a change that began on the thirteenth of January."""


def alert_row(**changes: Any) -> dict[str, Any]:
    """Return a row of `alerts`: accuracy fell on the thirteenth of January, unless told otherwise."""
    row: dict[str, Any] = {
        "dedup_key": "5f0c1d",
        "sequence": 1,
        "status": "firing",
        "reason": "new",
        "tick": FIRST + timedelta(days=14),
        "model": "delay",
        "rule": "quality",
        "kind": "metric",
        "watch": "accuracy",
        "slice": {},
        "severity": "page",
        "team": "flights",
        "state": "firing",
        "cause": "alone",
        "explanation": "",
        "title": "delay: accuracy fell from 0.91 to 0.7",
        **{name: CHANGED[name] for name in ("value", "effect", "low", "high")},
        "reference": 0.91,
        "n": 400.0,
        "n_effective": 380.0,
        "label_coverage": 0.8,
        "since": FIRST + timedelta(days=12),
        "since_low": FIRST + timedelta(days=11),
        "since_high": FIRST + timedelta(days=13),
        "opened": FIRST + timedelta(days=14),
        "flapping": False,
        "worst_slices": [{"carrier": "UA"}, {"carrier": "AA"}],
        "worst_effects": [-0.4, -0.1],
        "release": "version v2",
        "members": 3,
        "worst_members": ["brier rose from 0.1 to 0.2"],
        "query": "SELECT 1",
        "runbook": "docs/runbooks/quality-dropped.md",
        "called": "quality",
        "account": "The level changed by -0.21 [-0.25, -0.17].",
        "revision": 1,
    }
    return row | changes


def alerts(*rows: dict[str, Any]) -> pa.Table:
    """Return rows of `alerts` as the store takes them."""
    return table("alerts", rows)


def verdicts(*rows: dict[str, Any]) -> pa.Table:
    """Return rows of `verdicts` as the store takes them."""
    return table("verdicts", rows)


def windows(*rows: dict[str, Any]) -> pa.Table:
    """Return rows of `windows` as the store takes them."""
    return table("windows", rows)


def table(name: TableName, rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Return rows of a table as the store takes them."""
    schema = SCHEMAS[name]
    return pa.Table.from_pylist([{name: _plain(value) for name, value in row.items()} for row in rows], schema=schema)


def _plain(value: Any) -> Any:
    """Maps as Arrow takes them, also those in lists."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return list(value.items()) if isinstance(value, dict) else value


def months() -> pa.Table:
    """Return three months of days and months, two versions and three slices; one day is bad."""
    days = [(FIRST + timedelta(days=day), timedelta(days=1), "1d") for day in range(90)]
    wholes = [(datetime(2013, month, 1, tzinfo=UTC), timedelta(days=28), "1mo") for month in (1, 2, 3)]
    return windows(
        *(
            window_row(
                version=version,
                window=window,
                window_start=start,
                window_end=start + length,
                slice_id=slice_id,
                slice=attributes,
                **({"value": 0.5, "low": 0.45, "high": 0.55} if start.day == 13 else {}),
            )
            for start, length, window in days + wholes
            for version in ("v1", "v2")
            for slice_id, attributes in enumerate(SLICES)
        )
    )


def records() -> dict[TableName, pa.Table]:
    """Return a record or two for each of the other tables; one holds bytes that are not text."""
    event = {"request_id": "r1", "event_time": FIRST, "source": "events.jsonl"}
    sample = {"type": "prediction", "model": "delay", "version": "v1", "payload": '{"score": 0.7}'}
    reject = {"source": "events.jsonl", "type": "", "reason": "malformed", "detail": "not JSON"}
    orphan = {"type": "outcome", "reason": "late", "label": "on_time", "revision": 0}
    group = {"model": "delay", "first_seen": FIRST, "state": "admitted", "revision": 1}
    known = {"verdict": "better", "tick": FIRST + timedelta(days=2), "first_reached": FIRST + timedelta(days=2)}
    nothing = dict.fromkeys(("effect", "low", "high", "error", "arm_value", "control_value", "needed"))
    carrier = signal_row(slice_id=1, slice=SLICES[1], tick=FIRST + timedelta(days=14), **CHANGED)
    over = alert_row(sequence=2, status="resolved", state="ok", reason="recovered", tick=FIRST + timedelta(days=20))
    numbers = dict.fromkeys(("value", "reference", "effect", "low", "high", "label_coverage"))
    silent = {"dedup_key": "77aa", "slice": SLICES[1], "worst_slices": [], "worst_effects": [], "worst_members": []}
    unknown = alert_row(**numbers | silent | {"state": "no_data", "flapping": True})
    night = {"starts": FIRST, "ends": FIRST + timedelta(hours=8)}
    said = {"dedup_key": "5f0c1d", "author": "ana", "why": "it is being mended", "at": FIRST + timedelta(days=15)}
    about = ("dedup_key", "sequence", "status", "model", "rule", "severity", "tick")
    delivered = {name: alert_row()[name] for name in about} | {"at": FIRST + timedelta(days=14, seconds=2)}
    delivered |= {"route": "pager", "position": 7, "outcome": "sent", "detail": "202", "attempts": 2}
    ratio = {"metric": "sample_ratio", "kind": "sample_ratio", "control": "", "verdict": "match"}
    return {
        "samples": table("samples", [event | sample | {"inclusion_probability": 0.01, "position": 0}]),
        "rejected": table("rejected", [reject | {"position": 1, "original": b"\xff\x00{"}]),
        "orphans": table("orphans", [event | orphan | {"position": 2}]),
        "slices": table("slices", [group | {"slice_id": i, "slice": s} for i, s in enumerate(SLICES)]),
        "verdicts": verdicts(verdict_row(), verdict_row(low=0.01, **known), verdict_row(**nothing | ratio)),
        "signals": table("signals", [signal_row(), signal_row(tick=FIRST + timedelta(days=14), **CHANGED), carrier]),
        "alerts": alerts(alert_row(), over, unknown),
        "deliveries": table("deliveries", [delivered | {"route": "chat", "outcome": "silenced"}, delivered]),
        "silences": table("silences", [said | {"silence_id": "s1", "model": "delay", "rule": "*", **night}]),
        "acknowledgements": table("acknowledgements", [said]),
    }
