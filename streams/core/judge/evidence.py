"""What a sequential method says at one look: an estimate, an interval, an e-value and a p-value."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Alternative = Literal["two-sided", "greater", "less"]


@dataclass(frozen=True, slots=True)
class Interval:
    """
    A closed interval, with -inf and inf where nothing is known.

    Raises
    ------
    ValueError
        If a limit is NaN, or the lower is above the upper.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ValueError(f"an interval cannot run from {self.low} to {self.high}: low must be at most high")

    @classmethod
    def everything(cls) -> Interval:
        """Return the interval that excludes nothing."""
        return cls(-math.inf, math.inf)

    @property
    def width(self) -> float:
        """Distance between the limits, inf where a side is unbounded."""
        return self.high - self.low if self.high > self.low else 0.0

    def contains(self, value: float) -> bool:
        """Say whether `value` is between the limits, or is one of them."""
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Evidence:
    """
    What a sequential method says at one look, in the units of the metric.

    Attributes
    ----------
    estimate
        The best guess.
    interval
        Covers the truth at every look at once, with probability at least 1 - alpha.
    log_e
        Natural logarithm of the e-value against the null. Under the null, exp(log_e) ever exceeds 1/alpha
        with probability at most alpha (Ville's inequality).
    p
        min(1, exp(-log_e)): a p-value that stays valid however often and whenever one looks.
    """

    estimate: float
    interval: Interval
    log_e: float
    p: float


def check_alpha(alpha: float) -> None:
    """
    Refuse an error rate that is not strictly between 0 and 1.

    Raises
    ------
    ValueError
        If it is not, or is NaN.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha}: an error rate must be more than 0 and less than 1, such as 0.05")


def p_of(log_e: float) -> float:
    """
    Always-valid p-value of an e-value, min(1, 1/e) (Ville's inequality).

    >>> p_of(0.0), round(p_of(3.0), 4), p_of(-2.0)
    (1.0, 0.0498, 1.0)
    """
    return math.exp(-max(log_e, 0.0))
