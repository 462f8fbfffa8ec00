"""
Two arms as the pipeline judges them: sums by bucket of units, looked at again and again by `comparison.compare`.

Most looks are screened for all paths at once by the formulas, written here a second time with numpy. Whatever the
screen finds is put to `compare` itself, whose answer counts; what it does not find is put to it now and then.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.random import Generator

from streams.core.exposure import BUCKETS
from streams.core.judge import comparison, mixture
from streams.core.judge.boundaries import best_rho, beta_strength
from streams.core.judge.comparison import ArmSums, Finding
from tests.statistical.formulas import difference_at_most, one_sided_log_e, t_log_e
from tests.statistical.scenario import ALPHA, Floats, Ints, Mask

Question = Literal["interval", "passed", "e-value"]
"""What would be an error: an interval without the truth, a harmful arm that passes, an e-value against true harm."""

_SAMPLED = 1  # paths a look that are put to `compare` although the screen found nothing
_ROUNDING = 1e-6


@dataclass
class Sums:
    """Sums of each path, arm and bucket, shape (paths, arms, BUCKETS); `is_share` and `once` as of an arm."""

    numerator: Floats
    denominator: Floats
    n: Floats
    squares: Floats
    is_share: bool = False
    once: bool = False

    def plus(self, other: Sums) -> Sums:
        """Return these and others together."""
        return Sums(
            self.numerator + other.numerator,
            self.denominator + other.denominator,
            self.n + other.n,
            self.squares + other.squares,
            self.is_share,
            self.once,
        )

    def of_arms(self, *arms: int) -> Sums:
        """Return the sums of some arms."""
        here = list(arms)
        return Sums(
            self.numerator[:, here],
            self.denominator[:, here],
            self.n[:, here],
            self.squares[:, here],
            self.is_share,
            self.once,
        )

    def of_path(self, path: int, arm: int) -> ArmSums:
        """Return what the pipeline holds of one arm."""
        here = path, arm
        events = self.numerator[here] if self.is_share else None
        return ArmSums(
            self.numerator[here], self.denominator[here], self.n[here], self.squares[here], events, self.once
        )


Population = Callable[[Generator, int], Iterator[Sums]]
"""From a source of random numbers and a number of paths to what each look adds."""


@dataclass(frozen=True)
class Rule:
    """How arms are compared, and what would be an error."""

    planned: float
    alpha: float = ALPHA
    truth: float = 0.0
    harm: float | None = None
    question: Question = "interval"

    def compare(self, sums: Sums, path: int) -> Finding:
        """Ask the pipeline."""
        arms = (sums.of_path(path, arm) for arm in (0, 1))
        return comparison.compare(*arms, planned=self.planned, alpha=self.alpha, harm=self.harm)

    def is_wrong(self, found: Finding) -> bool:
        """Say whether a finding is an error; more of the metric is better."""
        shown = found.evidence
        if shown is None:
            return False
        if self.question == "e-value":
            return shown.log_e >= -math.log(self.alpha)
        if self.question == "passed":
            verdict = comparison.verdict(shown.interval, higher_is_better=True, margin=-(self.harm or 0.0))
            return verdict in (comparison.BETTER, comparison.EQUIVALENT)
        return not shown.interval.contains(self.truth)


@dataclass
class Watch:
    """Looks at one comparison on many paths: which have gone wrong, and at which look first (-1: at none)."""

    rule: Rule
    rng: Generator
    first: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    _looks: int = 0

    def look(self, sums: Sums) -> None:
        """Look at everything so far, of a control and an arm."""
        if not self._looks:
            self.first = np.full(len(sums.n), -1)
        exact, speaks = _methods(sums)
        certain = speaks & ~exact & self._mixture_errs(sums)
        suspected = certain | (exact & self._counts_may_err(sums, exact))
        sampled = self.rng.integers(0, len(suspected), _SAMPLED).tolist()
        for path in {*np.flatnonzero(suspected & ~self.wrong).tolist(), *sampled}:
            found = self.rule.compare(sums, path)
            wrong = self.rule.is_wrong(found)
            assert certain[path] <= wrong <= suspected[path], (path, found)
            assert (found.method == comparison.EXACT) == exact[path], (path, found)
            if wrong and self.first[path] < 0:
                self.first[path] = self._looks
        self._looks += 1

    @property
    def wrong(self) -> Mask:
        """Which paths have gone wrong so far."""
        return np.asarray(self.first >= 0)

    def _mixture_errs(self, sums: Sums) -> Mask:
        """Whether the mixture over buckets errs, wherever it speaks."""
        rule, n, threshold = self.rule, sums.n.sum(axis=(1, 2)), -math.log(self.rule.alpha)
        effect, error = _measured(sums)
        known = error > _ROUNDING**2  # and not because something was rounded
        t = np.divide(effect - rule.truth, error, out=np.zeros_like(error), where=known)
        if rule.question == "e-value":
            rho = mixture.planned_rho(rule.planned, rule.alpha, one_sided=True)
            return np.asarray(known & (one_sided_log_e(t, n, rho) >= threshold))
        rho = mixture.t_planned_rho(rule.planned, rule.alpha)
        beyond = t_log_e(t, BUCKETS - 1, n, rho) > threshold
        return np.asarray(known & beyond & ((t > 0) | (rule.question == "interval")))

    def _counts_may_err(self, sums: Sums, where: Mask) -> Mask:
        """Whether the exact comparison may err, on the paths where it speaks."""
        rule, may = self.rule, np.zeros(len(where), np.bool_)
        (k0, k1), (n0, n1) = (part[where].sum(axis=2).T for part in (sums.numerator, sums.n))
        strength = beta_strength(best_rho(rule.planned / 2, rule.alpha))
        may[where] = difference_at_most((k0, n0), (k1, n1), rule.truth, strength) > -math.log(rule.alpha) - _ROUNDING
        return may


def watch(population: Population, rule: Rule) -> Callable[[Generator, int], Mask]:
    """Return the simulation that says which paths ever go wrong."""
    return lambda rng, paths: watched(population, rule, rng, paths).wrong


def watched(population: Population, rule: Rule, rng: Generator, paths: int) -> Watch:
    """Look after everything that a population adds."""
    looked = Watch(rule, rng.spawn(1)[0])
    for sums in so_far(population(rng, paths)):
        looked.look(sums)
    return looked


def so_far(added: Iterable[Sums]) -> Iterator[Sums]:
    """Add up what each look adds."""
    total: Sums | None = None
    for one in added:
        total = one if total is None else total.plus(one)
        yield total


def _methods(sums: Sums) -> tuple[Mask, Mask]:
    """Which paths are judged from counts, and for which the mixture speaks: the rule of comparison.py, again."""
    present = (sums.denominator.sum(axis=2) > 0).all(axis=1)
    spread = [sums.numerator, sums.denominator, *([sums.denominator - sums.numerator] if sums.is_share else [])]
    filled = np.logical_and.reduce([(_effective(one) >= comparison.FEWEST_BUCKETS).all(axis=1) for one in spread])
    alike = np.array_equal(sums.n, sums.squares) and np.array_equal(sums.n, sums.denominator)
    exact = present & ~filled & (sums.is_share and sums.once and alike)
    return np.asarray(exact), np.asarray(present & filled)


def _effective(sums: Floats) -> Floats:
    """Effective number of buckets of each path and arm."""
    squares = (sums * sums).sum(axis=2)
    total = np.abs(sums).sum(axis=2)
    return np.asarray(np.divide(total * total, squares, out=np.zeros_like(squares), where=squares > 0))


def _measured(sums: Sums) -> tuple[Floats, Floats]:
    """Difference of the arms' ratios and its standard error, both 0 where an arm has nothing."""
    below = np.maximum(sums.denominator.sum(axis=2), 1e-300)
    value = sums.numerator.sum(axis=2) / below
    influence = (sums.numerator - value[..., None] * sums.denominator) / below[..., None]
    apart = influence[:, 1] - influence[:, 0]
    return value[:, 1] - value[:, 0], np.sqrt(BUCKETS / (BUCKETS - 1) * (apart * apart).sum(axis=1))
