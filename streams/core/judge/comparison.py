"""
One metric in two arms, from the sums of their buckets of units: what is known of the difference, at any look.

Which method speaks is decided by a rule that the data's own order cannot bend:

- the mixture confidence sequence speaks, with the error that the buckets show, once half of the buckets of both arms
  are *effective*: of what is counted, of what it is divided by and, of a share, of what is not counted. With fewer, as
  when a few buckets hold most of the events, how much the ratio varies cannot be estimated, and looks raise false
  alarms;
- until then a share is judged exactly, from counts, if every observation weighs 1 and is of a unit of its own;
- else nothing is said.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from streams.core.columns import Floats, Ints
from streams.core.exposure import BUCKETS
from streams.core.judge import bernoulli, mixture
from streams.core.judge.evidence import Evidence, Interval
from streams.core.judge.fixed import Measurement
from streams.core.judge.proportions import share
from streams.core.judge.quantile import Cumulative, quantile_difference
from streams.core.trial import LATENCY_EDGES

FEWEST_BUCKETS = BUCKETS / 2  # effective ones
_ROUNDING = 1e-12
_FARTHEST = 1e15  # observations: what needs more of them is out of reach

EXACT, MIXTURE, SILENT = "exact counts", "mixture over buckets of units", "too little to say"
QUANTILE = "exact quantiles"


@dataclass(frozen=True)
class ArmSums:
    """
    Sums of a ratio metric in one arm, each of shape (buckets,).

    Weighted numerator and denominator, the number of observations in the denominator, their squared weights; and, for
    shares, the number of events in the numerator. `once` says that no unit was observed twice.
    """

    numerator: Floats
    denominator: Floats
    n: Floats
    squares: Floats
    events: Floats | None = None
    once: bool = False

    @property
    def value(self) -> float:
        """The metric; NaN without observations."""
        total = float(self.denominator.sum())
        return float(self.numerator.sum()) / total if total > 0 else math.nan

    @property
    def n_effective(self) -> float:
        """Kish's effective number of observations."""
        squares = float(self.squares.sum())
        return float(self.denominator.sum()) ** 2 / squares if squares > 0 else 0.0

    def counts(self) -> tuple[int, int] | None:
        """(events, observations), if each weighs 1, is an event or none, and is of a unit of its own."""
        if (
            self.events is None
            or not self.once
            or not np.array_equal(self.n, self.squares)
            or not np.array_equal(self.n, self.denominator)
        ):
            return None
        return round(float(self.events.sum())), round(float(self.n.sum()))

    @property
    def effective_buckets(self) -> float:
        """How many buckets of equal size tell as much, of the sums that are spread least evenly (Kish 1965)."""
        sums = [np.abs(self.numerator), self.denominator]
        if self.events is not None:
            sums.append(np.maximum(self.denominator - self.numerator, 0.0))
        squares = [float(one @ one) for one in sums]
        return min(float(one.sum()) ** 2 / many if many > 0 else 0.0 for one, many in zip(sums, squares, strict=True))

    def influence(self) -> Floats:
        """What each bucket adds to the error of the ratio (Deng, Knoblich & Lu 2018, 3.2)."""
        return (self.numerator - self.value * self.denominator) / float(self.denominator.sum())


@dataclass(frozen=True)
class Finding:
    """
    What a look at a metric in two arms found.

    Attributes
    ----------
    evidence
        What is known of the effect; None as long as nothing is.
    method
        By which method.
    error
        Standard error of the effect: between buckets, or, for exact counts, sqrt(p0 q0 / n0 + p1 q1 / n1); None where
        there is none: for an arm whose counted observations are all alike, and for quantiles.
    needed
        How many more observations would make the effect known; None where that cannot be told.
    """

    evidence: Evidence | None
    method: str
    error: float | None = None
    needed: float | None = None


def compare(control: ArmSums, arm: ArmSums, *, planned: float, alpha: float, harm: float | None = None) -> Finding:
    """
    Compare an arm with the control.

    Parameters
    ----------
    planned
        Observations of both arms together at which the interval shall be narrowest.
    harm
        The effect that a guardrail must not reach, with its sign: the e-value is then against effects beyond it, and
        not against no effect.
    """
    if not (control.denominator.sum() > 0 and arm.denominator.sum() > 0):
        return Finding(None, SILENT)
    if min(control.effective_buckets, arm.effective_buckets) >= FEWEST_BUCKETS:
        return _asymptotic(control, arm, planned, alpha, harm)
    counts = control.counts(), arm.counts()
    if counts[0] is None or counts[1] is None:
        return Finding(None, SILENT)
    return _exact(counts[0], counts[1], planned, alpha, harm)


def _exact(control: tuple[int, int], arm: tuple[int, int], planned: float, alpha: float, harm: float | None) -> Finding:
    shown = bernoulli.difference(control, arm, planned=planned, alpha=alpha)
    errors = share(control).error, share(arm).error
    return Finding(_against(shown, harm), EXACT, math.hypot(*errors) if all(errors) else None)


def compare_quantiles(
    control: tuple[Ints, int],
    arm: tuple[Ints, int],
    level: float,
    *,
    planned: float,
    alpha: float,
    harm: float | None = None,
) -> tuple[Finding, tuple[float, float]]:
    """
    Compare a quantile of latencies in an arm with that in the control, exactly, whatever their distribution.

    Parameters
    ----------
    control, arm
        How many answers are in each bin between `LATENCY_EDGES`, and how many were sampled, so that they do not count
        as one: then a quantile has no exact interval, and nothing is said.
    level
        Of the quantile, such as 0.95.
    planned, alpha, harm
        As for `compare`.

    Returns
    -------
    What was found, and the quantiles (control, arm), in ms: the edges that they are at most.
    """
    counted = [_cumulative(bins) for bins, _ in (control, arm)]
    values = counted[0].quantile(level), counted[1].quantile(level)
    if control[1] or arm[1] or not (counted[0].n and counted[1].n):
        return Finding(None, SILENT), values
    shown = quantile_difference(counted[0], counted[1], level, planned=max(planned / 2, 1.0), alpha=alpha)
    return Finding(_against(shown, harm), QUANTILE), values


def _cumulative(bins: Ints) -> Cumulative:
    return Cumulative(LATENCY_EDGES, np.cumsum(bins[:-1]), int(bins.sum()))


def _against(shown: Evidence, harm: float | None) -> Evidence:
    """Evidence against no effect, where it is evidence against harm as well; else none."""
    if harm is not None and (harm != 0 or shown.estimate * _away(harm) <= 0):
        return Evidence(shown.estimate, shown.interval, 0.0, 1.0)
    return shown


def _asymptotic(control: ArmSums, arm: ArmSums, planned: float, alpha: float, harm: float | None) -> Finding:
    residuals = arm.influence() - control.influence()
    buckets = len(residuals)
    error = math.sqrt(buckets / (buckets - 1) * float(residuals @ residuals))
    if error <= _ROUNDING * (abs(arm.value) + abs(control.value)):
        return Finding(None, SILENT, None)  # nothing varies but what was rounded
    effect = Measurement(arm.value - control.value, error, buckets - 1)
    n = float(control.n.sum() + arm.n.sum())
    shown = mixture.t_sequence(effect, n, planned=planned, alpha=alpha)
    if harm is not None:
        against = mixture.sequence(
            effect.value,
            error,
            n,
            planned=planned,
            alpha=alpha,
            alternative="greater" if _away(harm) > 0 else "less",
            null=harm,
        )
        shown = Evidence(shown.estimate, shown.interval, against.log_e, against.p)
    return Finding(shown, MIXTURE, error, _needed(effect, n, planned, alpha, harm or 0.0))


def _away(harm: float) -> int:
    """Which way effects are harmless: a margin of 0 carries its sign as -0.0 and 0.0 do."""
    return 1 if math.copysign(1.0, harm) < 0 else -1


def _needed(effect: Measurement, n: float, planned: float, alpha: float, null: float) -> float | None:
    """How many more observations would show the effect, if it and its spread stay as they are; None if it is shown."""
    distance, rho = abs(effect.value - null), mixture.t_planned_rho(planned, alpha)

    def shows(total: float) -> bool:
        error = effect.error * math.sqrt(n / total)
        return mixture.t_half_width(error, effect.freedom, total, rho, alpha) < distance

    if shows(n) or not shows(_FARTHEST):
        return None
    low, high = n, _FARTHEST
    while high / low > 1.001:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if shows(middle) else (middle, high)
    return high - n


Verdict = str
BETTER, WORSE, EQUIVALENT, OPEN = "better", "worse", "equivalent", "not enough evidence"


def verdict(interval: Interval, *, higher_is_better: bool, margin: float = 0.0, negligible: float = 0.0) -> Verdict:
    """
    Say what an interval of the effect (arm minus control) means.

    `margin` is how much worse a guardrail may get: an arm that is not worse by more is equivalent, and one is worse
    only when the whole interval is beyond it. Effects within `negligible`, the smallest that matter, are equivalent.

    >>> verdict(Interval(0.01, 0.05), higher_is_better=False), verdict(Interval(-0.01, 0.01), higher_is_better=True)
    ('worse', 'not enough evidence')
    >>> verdict(Interval(-0.01, 0.01), higher_is_better=True, negligible=0.02)
    'equivalent'
    """
    low, high = (interval.low, interval.high) if higher_is_better else (-interval.high, -interval.low)
    if low > 0:
        return BETTER
    if high < -margin:
        return WORSE
    if (margin > 0 and low > -margin) or (-negligible < low and high < negligible):
        return EQUIVALENT
    return OPEN


def sums_of(sums: Floats, places: Mapping[str, int], arm: int, *, once: bool = False) -> ArmSums:
    """Sums of one arm, from all sums of a trial (columns, arms, buckets), by what each column is."""
    held = {name: sums[place, arm] for name, place in places.items()}
    return ArmSums(held["numerator"], held["denominator"], held["n"], held["squares"], held.get("events"), once)
