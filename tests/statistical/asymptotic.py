"""Scenarios of the normal mixture and of group-sequential tests, from (sum, sum of squares, n) of each arm."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np
from numpy.random import Generator

from streams.core.judge import group_sequential, mixture
from streams.core.judge.evidence import Alternative, Evidence
from streams.core.judge.fixed import Measurement
from streams.core.judge.group_sequential import Design, Spending
from tests.statistical.formulas import normal_log_e, one_sided_log_e, t_log_e
from tests.statistical.populations import Draw, lognormal, normal
from tests.statistical.scenario import ALPHA, Floats, Mask, Scenario, confirm, ever

_THRESHOLD = -math.log(ALPHA)


@dataclass(frozen=True)
class Look:
    """Means and standard errors of both arms on all paths, shape (2, paths), and the size of each arm."""

    means: Floats
    errors: Floats
    sizes: tuple[int, int]

    @property
    def n(self) -> int:
        """Units of both arms."""
        return sum(self.sizes)

    def arm(self, arm: int, path: int) -> Measurement:
        """Return one arm on one path."""
        return Measurement(float(self.means[arm, path]), float(self.errors[arm, path]), self.sizes[arm] - 1.0)

    @property
    def difference(self) -> tuple[Floats, Floats]:
        """Treatment less control, and its standard error."""
        return self.means[1] - self.means[0], np.hypot(*self.errors)


def looks_at(draw: Draw, blocks: tuple[int, int], looks: int, rng: Generator, paths: int) -> Iterator[Look]:
    """Draw a block of each arm, look, and go on."""
    totals = np.zeros((2, 2, paths))
    for look in range(1, looks + 1):
        for arm, block in enumerate(blocks):
            values = draw(rng, (paths, block))
            totals[:, arm] += values.sum(axis=1), (values * values).sum(axis=1)
        sizes = blocks[0] * look, blocks[1] * look
        n = np.array(sizes)[:, None]
        means = totals[0] / n
        yield Look(means, np.sqrt(np.maximum(totals[1] - n * means**2, 0.0) / np.maximum(n - 1, 1) / n), sizes)


Estimate = Callable[[Look], tuple[Floats, Floats]]
Public = Callable[[Look, int], Evidence]


def difference(look: Look) -> tuple[Floats, Floats]:
    """Difference of the means and its standard error."""
    return look.difference


def lift(look: Look) -> tuple[Floats, Floats]:
    """Relative lift and its standard error by the delta method."""
    ratio = look.means[1] / look.means[0]
    return ratio - 1, np.hypot(look.errors[1], ratio * look.errors[0]) / np.abs(look.means[0])


def log_ratio(look: Look) -> tuple[Floats, Floats]:
    """Logarithm of the ratio and its standard error."""
    return np.log(look.means[1] / look.means[0]), np.hypot(*(look.errors / look.means))


def two_sided(planned: float, estimate: Estimate, public: Callable[..., Evidence], sample: Iterator[Look]) -> Mask:
    """Say which paths the two-sided mixture ever errs on."""
    rng, rho = np.random.default_rng(1), mixture.planned_rho(planned, ALPHA)

    def errs(look: Look) -> Mask:
        value, error = estimate(look)
        log_e = normal_log_e(value / error, look.n, rho)
        wrong = log_e >= _THRESHOLD

        def asked(path: int) -> float:
            arms = look.arm(0, path), look.arm(1, path)
            return public(*arms, look.n, planned=planned, alpha=ALPHA).log_e

        confirm(log_e, asked, wrong, rng)
        return np.asarray(wrong)

    return ever(errs(look) for look in sample)


def one_sided(planned: float, alternative: Alternative, sample: Iterator[Look]) -> Mask:
    """Say which paths the one-sided mixture ever errs on."""
    rng, rho = np.random.default_rng(1), mixture.planned_rho(planned, ALPHA, one_sided=True)
    sign = 1 if alternative == "greater" else -1

    def errs(look: Look) -> Mask:
        value, error = look.difference
        log_e = one_sided_log_e(sign * value / error, look.n, rho)
        wrong = log_e >= _THRESHOLD

        def asked(path: int) -> float:
            arms = look.arm(0, path), look.arm(1, path)
            return mixture.difference(*arms, look.n, planned=planned, alpha=ALPHA, alternative=alternative).log_e

        confirm(log_e, asked, wrong, rng)
        return np.asarray(wrong)

    return ever(errs(look) for look in sample)


def by_t(planned: float, sample: Iterator[Look]) -> Mask:
    """Say which paths the t mixture ever errs on, with the pooled standard error of equal arms."""
    rng, rho = np.random.default_rng(1), mixture.t_planned_rho(planned, ALPHA)

    def errs(look: Look) -> Mask:
        value, error = look.difference
        freedom = look.n - 2.0
        log_e = t_log_e(value / error, freedom, look.n, rho)
        wrong = log_e >= _THRESHOLD

        def asked(path: int) -> float:
            effect = Measurement(float(value[path]), float(error[path]), freedom)
            return mixture.t_sequence(effect, look.n, planned=planned, alpha=ALPHA).log_e

        confirm(log_e, asked, wrong, rng)
        return np.asarray(wrong)

    return ever(errs(look) for look in sample)


def missed(planned: float, sigma: float, sample: Iterator[Look]) -> Mask:
    """Say which paths have an interval, of the first arm alone, that misses the mean of lognormal values."""
    truth, rng = math.exp(sigma * sigma / 2), np.random.default_rng(1)
    rho = mixture.planned_rho(planned, ALPHA)

    def errs(look: Look) -> Mask:
        n, mean, error = look.sizes[0], look.means[0], look.errors[0]
        wrong = np.abs(mean - truth) > error * mixture.half_width(1.0, n, rho, ALPHA)
        for path in [*np.flatnonzero(wrong)[:20].tolist(), *rng.integers(0, len(wrong), 2).tolist()]:
            shown = mixture.sequence(float(mean[path]), float(error[path]), n, planned=planned, alpha=ALPHA)
            assert shown.interval.contains(truth) != wrong[path], (path, shown)
        return np.asarray(wrong)

    return ever(errs(look) for look in sample)


def crossed(design: Design, looks: int, beyond: float = 1.0) -> Callable[[Generator, int], Mask]:
    """Return the simulation of a group-sequential test without an effect, at looks at random information."""

    def simulate(rng: Generator, paths: int) -> Mask:
        information = np.sort(rng.random(looks - 1)) * design.planned * beyond
        tests, found = group_sequential.Looks(design), np.zeros(paths, np.bool_)
        total, last = np.zeros(paths), 0.0
        for now in [*information.tolist(), design.planned * beyond]:
            total += math.sqrt(now - last) * rng.standard_normal(paths)
            tests, last = tests.at(now), now
            z = total / math.sqrt(now)
            sides = {"two-sided": np.abs(z), "greater": z, "less": -z}[design.alternative]
            wrong = sides > tests.bound
            assert tests.crossed(float(z[0])) == wrong[0], z[0]
            found |= wrong
        return found

    return simulate


@dataclass(frozen=True)
class Sample:
    """Values of two arms, looked at after each block from a certain one on."""

    draw: Draw
    blocks: tuple[int, int] = (50, 50)
    looks: int = 60
    first: int = 1

    def judged(self, judge: Callable[[Iterator[Look]], Mask]) -> Callable[[Generator, int], Mask]:
        """Return the simulation that says which paths a judge ever errs on."""

        def simulate(rng: Generator, paths: int) -> Mask:
            sample = looks_at(self.draw, self.blocks, self.looks + self.first - 1, rng, paths)
            return judge(islice(sample, self.first - 1, None))

        return simulate


_SKEWED = Sample(lognormal(1.0), first=2)
_SKEWED_LIKE = "lognormal values, sigma 1, 50/50"
_PAIRS = Sample(normal, (1, 1), first=2)
_DIFFERS = partial(two_sided, 3000, difference, mixture.difference)
_LIFTS = partial(two_sided, 3000, lift, mixture.relative_lift)
_LOG_LIFTS = partial(two_sided, 3000, log_ratio, mixture.log_lift)

_Named = tuple[str, str, str, Sample, Callable[[Iterator[Look]], Mask]]
_PROMISES: tuple[_Named, ...] = (
    ("mixture-normal", "mixture.difference", "normal values, 50/50", Sample(normal, first=2), _DIFFERS),
    ("mixture-normal-99/1", "mixture.difference", "normal values, 99/1", Sample(normal, (1980, 20), first=5), _DIFFERS),
    ("mixture-lognormal-1", "mixture.difference", _SKEWED_LIKE, _SKEWED, _DIFFERS),
    (
        "mixture-lognormal-2",
        "mixture.difference",
        "lognormal values, sigma 2, 50/50",
        Sample(lognormal(2.0), first=4),
        _DIFFERS,
    ),
    ("mixture-lift", "mixture.relative_lift", _SKEWED_LIKE, _SKEWED, _LIFTS),
    ("mixture-log-lift", "mixture.log_lift", _SKEWED_LIKE, _SKEWED, _LOG_LIFTS),
    ("mixture-greater", "mixture.difference, greater", _SKEWED_LIKE, _SKEWED, partial(one_sided, 3000, "greater")),
    ("mixture-less", "mixture.difference, less", _SKEWED_LIKE, _SKEWED, partial(one_sided, 3000, "less")),
    ("mixture-t", "mixture.t_sequence", "normal values, from 4 on, at every pair", _PAIRS, partial(by_t, 40)),
    (
        "coverage-lognormal-1",
        "mixture.sequence",
        "an interval misses the mean of lognormal values, sigma 1",
        Sample(lognormal(1.0), (100, 2), 40),
        partial(missed, 1000, 1.0),
    ),
)
_LIMITS: tuple[_Named, ...] = (
    (
        "coverage-lognormal-2",
        "mixture.sequence",
        "an interval misses the mean of lognormal values, sigma 2: a kurtosis of 9 million",
        Sample(lognormal(2.0), (100, 2), 40),
        partial(missed, 1000, 2.0),
    ),
    (
        "mixture-lognormal-2-90/10",
        "mixture.difference",
        "lognormal values, sigma 2, 90/10, from 100 of the smaller arm on",
        Sample(lognormal(2.0), (450, 50), first=2),
        _DIFFERS,
    ),
    (
        "mixture-few",
        "mixture.difference",
        "normal values, from 4 on, at every pair: t_sequence is for that",
        _PAIRS,
        partial(two_sided, 40, difference, mixture.difference),
    ),
)


def _mixtures() -> Iterator[Scenario]:
    for name, method, about, sample, judge in _PROMISES:
        yield Scenario(name, method, about, ALPHA, sample.looks, sample.judged(judge), (400, 8000))
    for name, method, about, sample, judge in _LIMITS:
        yield Scenario(name, method, about, ALPHA, sample.looks, sample.judged(judge), (400, 4000), "limit")


def _group_sequential() -> Iterator[Scenario]:
    kinds: tuple[tuple[str, Spending, Alternative, float], ...] = (
        ("power", "power", "two-sided", 1.0),
        ("obrien-fleming", "obrien-fleming", "two-sided", 1.0),
        ("pocock", "pocock", "greater", 1.0),
        ("beyond-plan", "power", "two-sided", 2.0),
    )
    for name, spending, alternative, beyond in kinds:
        design = Design(planned=1000, alpha=ALPHA, alternative=alternative, spending=spending)
        told = "up to the plan" if beyond == 1 else "up to twice what was planned"
        about = f"spending {spending}, {alternative}, at random times {told}"
        simulate = crossed(design, 20, beyond)
        yield Scenario(f"group-{name}", "group_sequential.Looks", about, ALPHA, 20, simulate, (2000, 50_000))


SCENARIOS = (*_mixtures(), *_group_sequential())
