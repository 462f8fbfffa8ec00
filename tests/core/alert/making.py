"""Findings, rules and alerting of a model called delays, an hour a tick, for the tests of alerts."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from streams.core.alert.alerting import Alerting
from streams.core.alert.cause import Grouping
from streams.core.alert.notice import Notice
from streams.core.alert.rule import AlertRule
from streams.core.detect.finding import Finding, Slice
from streams.core.window_spec import HOUR

START = 1_373_587_200_000_000
"""2013-07-12 00:00."""

WHOLE: Slice = ()
EV: Slice = (("carrier", "EV"),)
EV_JFK: Slice = (("carrier", "EV"), ("origin", "JFK"))
UA: Slice = (("carrier", "UA"),)

GROUPING = Grouping(HOUR)

QUALITY = AlertRule("quality", severity="page", kinds=("metric",), margin=0.02, recovery_margin=0.01, team="models")
COLUMNS = AlertRule("columns", kinds=("column",), team="models")
TRAFFIC = AlertRule("traffic", severity="page", kinds=("traffic", "pipeline"), on_no_data="fire", team="models")
RULES = (QUALITY, COLUMNS, TRAFFIC)


def at(hour: int) -> int:
    """Return the end of a tick."""
    return START + hour * HOUR


def finding(watch: str, hour: int, interval: tuple[float, float] | None = None, **changes: Any) -> Finding:
    """Return a finding: of a change by an interval, else of nothing unusual."""
    low, high = (-0.001, 0.001) if interval is None else interval
    usual: dict[str, Any] = {"model": "delays", "slice": WHOLE, "kind": "metric", "watch": watch, "tick": at(hour)}
    usual |= {"standing": "quiet" if interval is None else "changed", "value": 0.8, "reference": 0.84}
    usual |= {"effect": (low + high) / 2, "low": low, "high": high, "n": 1000.0, "n_effective": 900.0}
    return Finding(**(usual | {"label_coverage": 0.9} | changes))


def fell(watch: str, hour: int, **changes: Any) -> Finding:
    """Return a finding of a metric that fell by about 0.04."""
    return finding(watch, hour, (-0.05, -0.03), **changes)


def moved(column: str, hour: int, **changes: Any) -> Finding:
    """Return a finding of a column that moved."""
    return finding(column, hour, (0.2, 0.4), **({"kind": "column", "label_coverage": math.nan} | changes))


def gone(watch: str, hour: int, **changes: Any) -> Finding:
    """Return a finding that there was nothing to look at."""
    unknown: dict[str, Any] = dict.fromkeys(("value", "effect", "low", "high", "label_coverage"), math.nan)
    return finding(watch, hour, None, standing="no data", n=0.0, n_effective=0.0, **(unknown | changes))


def silence(hour: int, **changes: Any) -> Finding:
    """Return a finding that no events came."""
    return gone("traffic", hour, kind="traffic", **changes)


def quiet(watch: str, hour: int, **changes: Any) -> Finding:
    """Return a finding of nothing unusual."""
    return finding(watch, hour, **changes)


def alerting(*rules: AlertRule, grouping: Grouping = GROUPING, **options: Any) -> Alerting:
    """Return the alerting of the model, of which lower accuracy and less traffic are worse."""
    worse = {"accuracy": "lower", "recall": "lower", "traffic": "lower", "label_coverage": "lower"}
    return Alerting("delays", rules or RULES, grouping, **({"worse": worse} | options))


def told(one: Alerting, hour: int, findings: Iterable[Finding]) -> list[tuple[str, str, str]]:
    """Take a step, and return status, cause and watch of each notice."""
    return [(notice.status, notice.cause, notice.watch) for notice in one.step(at(hour), findings)]


def restarted(one: Alerting, *rules: AlertRule) -> Alerting:
    """Return the alerting that goes on from the state of another one."""
    other = alerting(*rules)
    other.restore(one.snapshot())
    return other


def only(one: Alerting, hour: int, *findings: Finding) -> Notice:
    """Take a step that is worth one notice, and return it."""
    (notice,) = one.step(at(hour), findings)
    return notice
