"""
What a change of quality is: the model's, or of labels, of an outage, or of who was asked.

Four rules, each of which needs a change beside the quality's that is proven (its standard errors beyond what chance
gives once in a thousand) and material:

- label coverage fell: "delayed labels" if labels also took longer, else "missing labels";
- traffic changed, requests failed or answers slowed: "outage / traffic";
- the mix is most of the change, and on its side: "mix of traffic";
- "quality", unless all of the change is accounted for.

What stands beside a change need not be its cause. So quality is ruled out only if two things hold: what was lost or
broken could have moved the level as far as the change may be, even at the worst; and slices by themselves moved no
further than the margin. A real drop beside an outage is told as both.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from streams.core.detect.movers import Movement
from streams.core.judge.evidence import Interval
from streams.core.judge.fixed import Measurement, critical

Cause = Literal["quality", "missing labels", "delayed labels", "outage / traffic", "mix of traffic"]

CHANCE = 0.001
"""Of a change beside as large as is seen, if there is none: 3.3 standard errors, with few ticks more."""

COVERAGE_FELL = math.log(0.9)
TRAFFIC_CHANGED = math.log(1.25)
LATENCY_ROSE = math.log(1.5)
DELAY_ROSE = math.log(1.5)
FAILURES_ROSE = 0.02
"""What is material: changes of logarithms, but for failures, which are a share of requests."""

MOST = 0.5
"""Of the whole change, for the mix to be called its cause."""

_SHARES = ("accuracy", "brier", "hit_rate", "mrr", "ndcg", "quantile_coverage")  # one event has 0 to 1
_LARGEST = 700.0  # logarithm that floats can undo


@dataclass(frozen=True, slots=True)
class Beside:
    """
    What happened to a model's other signals at the same time, after less before; None where it is not known.

    Attributes
    ----------
    traffic
        Of the logarithm of the rate of requests.
    latency
        Of the logarithm of the time to answer.
    failures
        Of the share of requests that failed.
    coverage
        Of the logarithm of the share of predictions with a label.
    delay
        Of the logarithm of the time until a label.
    movement
        What slices did.
    """

    traffic: Measurement | None = None
    latency: Measurement | None = None
    failures: Measurement | None = None
    coverage: Measurement | None = None
    delay: Measurement | None = None
    movement: Movement | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """
    A change of quality that was found.

    Attributes
    ----------
    before
        The level before.
    effect, interval
        After less before; the interval must hold the effect.
    margin
        Changes up to this one do not matter.
    limits
        The lowest and the highest value that the metric can have for one event, (0, 1) for a share; None if it has
        none: then nothing that was lost can account for a change.

    Raises
    ------
    ValueError
        If the effect is 0 or not within its interval, the margin is negative, or `before` is beyond the limits.
    """

    before: float
    effect: float
    interval: Interval
    margin: float = 0.0
    limits: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if not self.effect or not self.interval.contains(self.effect) or not self.margin >= 0:
            raise ValueError(
                f"a change of {self.effect} in [{self.interval.low}, {self.interval.high}] with a margin of "
                f"{self.margin}: the change must not be 0, nor outside its interval, nor the margin negative"
            )
        if self.limits and not self.limits[0] <= self.before <= self.limits[1]:
            raise ValueError(f"a level of {self.before} before is beyond the metric's limits {self.limits}")

    @property
    def side(self) -> float:
        """1.0 for a rise, -1.0 for a fall."""
        return math.copysign(1.0, self.effect)

    @property
    def most(self) -> float:
        """How far the level may have moved, on the side of the effect."""
        return self.interval.high if self.effect > 0 else -self.interval.low


@dataclass(frozen=True, slots=True)
class Call:
    """A cause, and its evidence in a sentence."""

    cause: Cause
    evidence: str


def explain(change: Change, beside: Beside) -> tuple[Call, ...]:
    """
    Call a change of quality what it is, the likeliest cause first.

    "quality" is last where something else may be all of the change but the model is not ruled out, first where nothing
    else can be, and left out where it is ruled out.
    """
    others = [*operations(beside), *_mix(change, beside.movement)]
    mixed = any(call.cause == "mix of traffic" for call in others)
    possible = math.inf if mixed else _at_most(change, beside)
    if possible >= change.most and _slices_stayed(change, beside.movement):
        return tuple(others)
    quality = Call("quality", _evidence(change, beside.movement, others, possible))
    return (*others, quality) if possible >= abs(change.effect) else (quality, *others)


def operations(beside: Beside) -> tuple[Call, ...]:
    """Call what happened to labels, traffic and answers what it is, whether or not anything else changed."""
    return (*_labels(beside), *_outage(beside))


def limits_of(metric: str) -> tuple[float, float] | None:
    """Return the lowest and the highest value that a metric can have for one event; None if it has none."""
    return (0.0, 1.0) if metric.partition("@")[0] in _SHARES else None


def proven(change: Measurement | None) -> float:
    """
    Return the change if it is proven, else 0: beyond `critical(CHANCE)` standard errors.

    What never varied before and after, and changed, has an error of 0 and is proven.
    """
    if change is None or abs(change.value) <= critical(CHANCE, change.freedom) * change.error:
        return 0.0
    return change.value


def lost(beside: Beside) -> float:
    """Share of the events that would have been seen before, and are not now."""
    return -math.expm1(min(proven(beside.traffic), 0.0) + min(proven(beside.coverage), 0.0))


def broken(beside: Beside) -> float:
    """Share of the events now that are failed requests, or more than came before."""
    came = -math.expm1(-max(proven(beside.traffic), 0.0))
    return min(max(proven(beside.failures), 0.0) + came, 1.0)


def _at_most(change: Change, beside: Beside) -> float:
    """
    How far what was lost or broken can have moved the level, at the worst (as Manski 1990 bounds what is missing).

    If a share m is lost, and would have been as far on the other side as can be, those left are off by m / (1 - m)
    times the distance of the level before to that limit. If a share is broken, by it times the distance to the limit
    on the side of the change.
    """
    if change.limits is None:
        return 0.0
    away, towards = (abs(limit - change.before) for limit in change.limits[:: -1 if change.effect < 0 else 1])
    m = min(lost(beside), 1 - 1e-9)
    return m / (1 - m) * away + broken(beside) * towards


def _slices_stayed(change: Change, movement: Movement | None) -> bool:
    return movement is not None and change.side * movement.within.value <= change.margin


def _labels(beside: Beside) -> Iterator[Call]:
    coverage, delay = proven(beside.coverage), proven(beside.delay)
    slower = delay >= DELAY_ROSE
    took = (
        f"and labels took {_percent(delay)} as long as before" if slower else "and labels did not take provably longer"
    )
    if coverage <= COVERAGE_FELL:
        yield Call(
            "delayed labels" if slower else "missing labels",
            f"Label coverage fell to {_percent(coverage)} of what it was, {took}.",
        )
    elif slower:
        yield Call(
            "delayed labels", f"Labels took {_percent(delay)} as long as before, while coverage did not provably fall."
        )


def _outage(beside: Beside) -> Iterator[Call]:
    traffic, latency, failures = (proven(one) for one in (beside.traffic, beside.latency, beside.failures))
    seen = []
    if abs(traffic) >= TRAFFIC_CHANGED:
        seen.append(f"traffic {'fell' if traffic < 0 else 'rose'} to {_percent(traffic)} of what it was")
    if failures >= FAILURES_ROSE:
        seen.append(f"{100 * failures:.3g} % more of the requests failed")
    if latency >= LATENCY_ROSE:
        seen.append(f"answers took {_percent(latency)} as long as before")
    if seen:
        yield Call("outage / traffic", f"At the same time {', and '.join(seen)}.")


def _mix(change: Change, movement: Movement | None) -> Iterator[Call]:
    if movement is None:
        return
    total, mix = (change.side * part.value for part in (movement.total, movement.mix))
    if total > 0 and mix >= MOST * total and not movement.mix.interval.contains(0.0):
        yield Call(
            "mix of traffic",
            f"Of a change of {movement.total.value:.3g}, {movement.mix.value:.3g} is that slices have other shares of "
            f"the traffic, and {movement.within.value:.3g} is within slices.",
        )


def _evidence(change: Change, movement: Movement | None, others: list[Call], possible: float) -> str:
    moved = f"The level changed by {change.effect:.3g} [{change.interval.low:.3g}, {change.interval.high:.3g}]"
    if not others:
        return f"{moved}, and nothing else is known to have changed at that time."
    if possible >= abs(change.effect):
        slices = "are not known" if movement is None else f"by themselves changed by {movement.within.value:.3g}"
        return f"{moved}; that can have other causes, but slices {slices}, and the model is not ruled out."
    if change.limits is None:
        return f"{moved}; how much of it has other causes cannot be told, as the metric has no limits."
    return f"{moved}; what was lost or broken accounts for {possible:.3g} of it at the most."


def _percent(logarithm: float) -> str:
    """Write exp(logarithm) in percent."""
    return f"{100 * math.exp(min(logarithm, _LARGEST)):.3g} %"
