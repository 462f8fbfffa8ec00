"""
What an alert is to be called: the model's quality, missing or late labels, or an outage; and the evidence for that.

The numbers are those of the findings of one tick: how far the alert's own watch moved since its onset, and how far
traffic, labels and answers did, of all that the model is asked. So they are known when the alert is told.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from streams.core.alert.notice import Notice
from streams.core.alert.wording import figure
from streams.core.detect.explain import Beside, Call, Change, explain, limits_of, operations
from streams.core.detect.finding import Finding
from streams.core.detect.measuring import LABEL_COVERAGE, TRAFFIC, Z
from streams.core.detect.plan import LABEL_DELAY
from streams.core.judge.evidence import Interval
from streams.core.judge.fixed import Measurement

_QUALITY = ("metric", "threshold")
_LATENCY = "latency_"
_LEAST = 1e-9  # of the level before: of nothing there is no logarithm
_NEAR = 0.1  # of the level before: below, an error is taken as if it were there, since it is no share of nothing


def with_call(notice: Notice, main: Finding, findings: Sequence[Finding]) -> Notice:
    """
    Say what a notice is to be called.

    `main` is what was found of its watch, `findings` all that was found of the model in this tick. Columns, assertions
    and experiments say themselves what they are about: they are called nothing.
    """
    calls = list(_calls(main, findings))
    if not calls:
        return replace(notice, called="", account="")
    account = " ".join(call.evidence for call in calls)
    return replace(notice, called=calls[0].cause, account=f"{account}{_around_release(main)}")


def _calls(main: Finding, findings: Sequence[Finding]) -> Iterator[Call]:
    beside = beside_of(findings)
    if main.kind == "traffic" or (main.kind in _QUALITY and main.watch.startswith(_LATENCY)):
        yield from _of_operations(main, beside)
    elif main.kind in _QUALITY:
        moved = next((one for one in findings if _is_change(one, main)), None)
        if moved is not None:
            yield from explain(_change(moved), beside)


def beside_of(findings: Sequence[Finding]) -> Beside:
    """Return how far traffic, labels and answers moved, as far as a change of these is likely."""
    whole = {one.watch: one for one in findings if not one.slice and one.kind in ("traffic", "metric")}
    slowest = max((name for name in whole if name.startswith(_LATENCY)), default="")
    return Beside(
        traffic=_traffic(whole.get(TRAFFIC)),
        latency=_logarithm(whole.get(slowest)),
        coverage=_logarithm(whole.get(LABEL_COVERAGE)),
        delay=_measured(whole.get(LABEL_DELAY)),
    )


def _of_operations(main: Finding, beside: Beside) -> Iterator[Call]:
    """What traffic, labels or answers are to be called: what they are about, whatever else there is."""
    about = {TRAFFIC: "traffic", LABEL_COVERAGE: "coverage", LABEL_DELAY: "delay"}.get(main.watch, "latency")
    alone = replace(Beside(), **{about: getattr(beside, about)})
    if about in {"coverage", "delay"}:
        alone = replace(alone, coverage=beside.coverage, delay=beside.delay)
    yield from operations(alone)


def _is_change(one: Finding, main: Finding) -> bool:
    """Whether a finding says how far the watch of an alert moved since its onset."""
    same = one.kind == "metric" and (one.watch, one.slice) == (main.watch, main.slice)
    return same and bool(one.effect) and math.isfinite(one.effect) and one.low <= one.effect <= one.high


def _change(moved: Finding) -> Change:
    limits = limits_of(moved.watch)
    before = min(max(moved.reference, limits[0]), limits[1]) if limits else moved.reference
    return Change(before, moved.effect, Interval(moved.low, moved.high), limits=limits)


def _measured(finding: Finding | None) -> Measurement | None:
    """How far a watch moved since its onset; None while there is none."""
    if finding is None or not all(map(math.isfinite, (finding.effect, finding.low, finding.high))):
        return None
    return Measurement(finding.effect, max(finding.high - finding.low, 0.0) / (2 * Z))


def _traffic(finding: Finding | None) -> Measurement | None:
    """The same of traffic; that nothing was asked where it was due is known without an onset."""
    fell = math.nan if finding is None else finding.value - finding.reference
    if finding is not None and finding.standing == "no data" and math.isfinite(fell):
        return Measurement(fell, 0.0)
    return _measured(finding)


def _logarithm(finding: Finding | None) -> Measurement | None:
    """The same of the logarithm of a positive number, by the delta method."""
    moved = _measured(finding)
    if finding is None or moved is None or not finding.reference > 0:
        return None
    after = max(finding.reference + moved.value, _LEAST * finding.reference)
    return Measurement(math.log(after / finding.reference), moved.error / max(after, _NEAR * finding.reference))


def _around_release(main: Finding) -> str:
    """Say what was before and after the release that is nearest, if there is one."""
    if not main.release or main.kind != "metric" or not math.isfinite(main.reference + main.effect):
        return ""
    before, after = figure(main.reference), figure(main.reference + main.effect)
    return f" It was {before} before {main.release}, and has been {after} since."
