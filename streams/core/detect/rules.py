"""Alert rules as they follow from what is watched of a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from streams.config.detection import OPERATIONS, WatchConfig
from streams.config.experiment_problems import direction_of
from streams.config.stream_detectors import StreamConfig
from streams.core.alert.rule import AlertRule, Harm, OnNoData
from streams.core.detect.assertion_watch import SEVERITIES
from streams.core.detect.limits import Limit
from streams.core.detect.measuring import LABEL_COVERAGE, TRAFFIC
from streams.core.detect.plan import LABEL_DELAY, Watch
from streams.core.detect.stream_spec import spec_of
from streams.core.window_spec import DAY

_OF_TRAFFIC: Mapping[str, Harm] = {TRAFFIC: "either", LABEL_COVERAGE: "lower", LABEL_DELAY: "higher"}


_PAGES: Mapping[str, str] = {
    "metric": "quality-dropped",
    "column": "column-drifted",
    "assertion": "assertion-failing",
    "threshold": "quality-dropped",
    TRAFFIC: "traffic-changed",
    LABEL_COVERAGE: "labels-missing",
    LABEL_DELAY: "labels-delayed",
}
_STEADY = 7 * DAY  # for so long an alert that flaps must be quiet


def rules(watch: Watch, declared: WatchConfig, tick: int) -> list[AlertRule]:
    """Return the rules for one model: of its metrics, columns, traffic and labels, limits and assertions."""
    usual = AlertRule("usual", team=declared.team, flap_ticks=max(_STEADY // tick, 2))
    found = [*_of_metrics(watch, declared, usual), *_of_traffic(declared, usual)]
    drift = replace(usual, name="drift", severity=declared.column_severity, kinds=("column",))
    found.append(replace(drift, margin=declared.column_margin, runbook=_page(declared, "column")))
    for name, limit in limits_of(declared).items():
        limited = replace(usual, name=f"limit of {name}", severity=declared.severity, watches=(name,))
        limited = replace(limited, kinds=("threshold",), direction=limit.harm)
        found.append(replace(limited, runbook=_page(declared, "threshold")))
    found += _of_detectors(declared, usual)
    for rule in watch.rules:
        named = replace(usual, name=f"assertion {rule.name}", watches=(rule.name,), kinds=("assertion",))
        found.append(
            replace(named, severity=SEVERITIES[rule.severity], direction="higher", runbook=_page(declared, "assertion"))
        )
    return found


def limits_of(declared: WatchConfig) -> dict[str, Limit]:
    """Return the limits by metric."""
    return {name: Limit(name, one.at_least, one.at_most) for name, one in declared.limits.items()}


def _of_metrics(watch: Watch, declared: WatchConfig, usual: AlertRule) -> Iterator[AlertRule]:
    margins = {name: declared.margins.get(name, 0.0) for name in watch.metrics}
    quality = replace(usual, severity=declared.severity, kinds=("metric",), runbook=_page(declared, "metric"))
    for name, margin in margins.items():
        if margin:
            yield replace(quality, name=f"quality of {name}", watches=(name,), margin=margin)
    others = tuple(name for name, margin in margins.items() if not margin)
    if others:
        yield replace(quality, name="quality", watches=others)


def _of_traffic(declared: WatchConfig, usual: AlertRule) -> Iterator[AlertRule]:
    for name, wide in OPERATIONS.items():
        silence: OnNoData = "fire" if name == TRAFFIC else "ignore"  # without traffic there are no labels either
        traffic = replace(usual, name=name, severity=declared.severity, watches=(name,), kinds=("traffic",))
        margin = declared.margins.get(name, wide)
        yield replace(traffic, margin=margin, on_no_data=silence, runbook=_page(declared, name))


def _of_detectors(declared: WatchConfig, usual: AlertRule) -> Iterator[AlertRule]:
    for one in declared.detectors:
        if one.severity is not None:
            spec = spec_of(one)
            flags = replace(usual, name=f"detector {spec.name}{spec.cut}", severity=one.severity, kinds=("metric",))
            page = _page(declared, "metric" if one.column is None else "column")
            yield replace(flags, watches=(spec.name,), cut=spec.cut, runbook=page)


def _page(declared: WatchConfig, what: str) -> str:
    return declared.runbook or f"docs/runbooks/{_PAGES[what]}.md"


def harms(metrics: Sequence[str], detectors: Sequence[StreamConfig] = ()) -> Mapping[str, Harm]:
    """Return which way each watch is worse; either way where that is not known."""
    found = dict(_OF_TRAFFIC)
    of_metrics = [(name, name) for name in metrics]
    by_river = [(spec_of(one).name, one.metric) for one in detectors if one.column is None]
    for watch, metric in (*of_metrics, *by_river):
        direction = "lower" if metric is None else direction_of(metric)  # the fewer errors, the better
        if direction is not None:
            found[watch] = "lower" if direction == "higher" else "higher"
    return found
