"""Tests of means, for one look: Welch's, Student's and the paired t test, each from mergeable moments."""

from __future__ import annotations

import math

from streams.core.judge.evidence import Alternative
from streams.core.judge.fixed import Comparison, Measurement, Name, judged, minus
from streams.core.judge.moments import JointMoments, Moments

WELCH = Name("Welch's t", "(mt - mc) / sqrt(st²/nt + sc²/nc), Welch-Satterthwaite freedom")
STUDENT = Name("Student's t", "(mt - mc) / (s sqrt(1/nt + 1/nc)), s² pooled, nt + nc - 2 freedom")
PAIRED = Name("paired t", "mean(t - c) / (sd(t - c) / sqrt(n)), n - 1 freedom")


def mean(arm: Moments) -> Measurement:
    """Measure an arm's mean, with n - 1 degrees of freedom; a ValueError below two observations."""
    return Measurement(arm.mean, arm.error, arm.n - 1)


def welch(
    control: Moments,
    treatment: Moments,
    *,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
    null: float = 0.0,
) -> Comparison:
    """
    Compare means without supposing equal variances (Welch 1947).

    >>> round(welch(Moments.of([1, 2, 3, 4]), Moments.of([3, 4, 5, 9])).p, 4)
    0.1277
    """
    return judged(WELCH, minus(mean(treatment), mean(control)), alpha, alternative, null)


def student(
    control: Moments,
    treatment: Moments,
    *,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
    null: float = 0.0,
) -> Comparison:
    """Compare means that are supposed to have one variance (Student 1908; Fisher 1925, section 24.1)."""
    freedom = control.n + treatment.n - 2
    if min(control.n, treatment.n) < 1 or freedom < 1:
        raise ValueError(f"n is {control.n} and {treatment.n}: Student's t needs 3 observations, and some in each arm")
    variance = (control.m2 + treatment.m2) / freedom
    error = math.sqrt(variance * (1 / control.n + 1 / treatment.n))
    return judged(STUDENT, Measurement(treatment.mean - control.mean, error, freedom), alpha, alternative, null)


def paired(
    pairs: JointMoments,
    *,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
    null: float = 0.0,
) -> Comparison:
    """Compare two measurements of the same units: `pairs` are the moments of (control, treatment)."""
    return judged(PAIRED, mean(pairs.linear((-1.0, 1.0))), alpha, alternative, null)
