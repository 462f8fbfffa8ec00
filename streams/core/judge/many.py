"""
Many tests at once: which findings stand when there were many chances to find something by luck.

e-values (given as logarithms) may be averaged however they depend on each other, and multiplied only when
independent or sequential. p-values need independence for most of what is here: each function says what it needs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from streams.core.judge.evidence import check_alpha

Floats = npt.NDArray[np.float64]

_ROUNDING = 1e-9  # relative: parts that add up to the whole may miss it by so much
_SERIES_BELOW = 1e-3  # there the series is exact to a part in 1e10


@dataclass(frozen=True, slots=True)
class Adjusted:
    """Which hypotheses are rejected, and the smallest alpha at which each would be; in the order they came in."""

    reject: tuple[bool, ...]
    p: tuple[float, ...]


def e_bh(log_e: Sequence[float], alpha: float, weights: Sequence[float] | None = None) -> tuple[bool, ...]:
    """
    Choose hypotheses so that on average at most a share alpha of them is true (e-BH, Wang & Ramdas 2022).

    Rejects the k hypotheses with the largest e-values, for the largest k at which all of them are m / (alpha k) or
    more, m being the number of hypotheses. Valid for e-values that depend on each other in any way.

    Parameters
    ----------
    log_e
        Logarithms of the e-values; -inf and inf are allowed.
    weights
        Importance of each hypothesis, told in advance: positive. Each e-value is multiplied by its share of the sum,
        times m. Equal when not given.

    >>> e_bh([math.log(e) for e in (100, 30, 12, 8, 45, 1, 60)], 0.1)
    (True, True, False, False, True, False, True)
    """
    check_alpha(alpha)
    values = _logarithms(log_e)
    m = len(values)
    if weights is not None:
        values = values + np.log(_weights(weights, m) * m)
    order = np.argsort(-values, kind="stable")
    enough = values[order] >= np.log(m / (alpha * np.arange(1, m + 1)))
    rejected = np.zeros(m, bool)
    rejected[order[: int(np.flatnonzero(enough).max(initial=-1)) + 1]] = True
    return tuple(rejected.tolist())


def benjamini_hochberg(p: Sequence[float], alpha: float) -> Adjusted:
    """Control the false discovery rate of p-values, independent or positively dependent (Benjamini & Hochberg 1995)."""
    return _adjusted(stats.false_discovery_control(_p_values(p), method="bh"), alpha)


def benjamini_yekutieli(p: Sequence[float], alpha: float) -> Adjusted:
    """Control the false discovery rate of p-values under any dependence (Benjamini & Yekutieli 2001)."""
    return _adjusted(stats.false_discovery_control(_p_values(p), method="by"), alpha)


def bonferroni(p: Sequence[float], alpha: float) -> Adjusted:
    """Control the chance of any false rejection, under any dependence."""
    return _adjusted(np.minimum(_p_values(p) * len(p), 1.0), alpha)


def holm(p: Sequence[float], alpha: float) -> Adjusted:
    """As `bonferroni`, and never with fewer rejections (Holm 1979)."""
    values = _p_values(p)
    order = np.argsort(values, kind="stable")
    scaled = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    return _adjusted(np.minimum(scaled, 1.0)[np.argsort(order)], alpha)


def kappa_calibrator(p: float, kappa: float = 0.5) -> float:
    """
    Logarithm of the e-value kappa p^(kappa - 1) (Vovk & Wang 2021); inf at p = 0.

    >>> round(math.exp(kappa_calibrator(0.01)), 9)
    5.0
    """
    if not 0 < kappa < 1:
        raise ValueError(f"kappa is {kappa}: a calibrator's exponent is more than 0 and less than 1")
    return math.log(kappa) + (1 - kappa) * _surprise(p)


def shafer_calibrator(p: float) -> float:
    """Logarithm of the e-value 1 / sqrt(p) - 1 (Shafer 2021); inf at p = 0 and -inf at p = 1."""
    half = _surprise(p) / 2
    return half + math.log(-math.expm1(-half)) if half > 0 else -math.inf


def integrated_calibrator(p: float) -> float:
    """
    Logarithm of the e-value (1 - p + p ln p) / (p ln(p)^2), the mean of all kappa calibrators (Vovk & Wang 2021).

    inf at p = 0.
    """
    surprise = _surprise(p)
    if surprise < _SERIES_BELOW:  # where the formula is 0 / 0
        return math.log(1 / 2 + surprise / 6 + surprise**2 / 24)
    if math.isinf(surprise):
        return math.inf
    return surprise - 2 * math.log(surprise) + math.log1p(-math.exp(-surprise) * (1 + surprise))


def average(log_e: Sequence[float], weights: Sequence[float] | None = None) -> float:
    """
    Logarithm of the weighted mean of e-values: an e-value however these depend on each other (Vovk & Wang 2021).

    Weights must have been told in advance; equal when not given.
    """
    values = _logarithms(log_e)
    shares = _weights([1.0] * len(values) if weights is None else weights, len(values))
    return float(special.logsumexp(values, b=shares))


def product(log_e: Sequence[float]) -> float:
    """
    Logarithm of the product of e-values: an e-value only when they are independent or sequential.

    Sequential: each is an e-value whatever happened before it. Metrics of the same units are neither: `average` them.
    """
    return math.fsum(_logarithms(log_e).tolist())


@dataclass(frozen=True, slots=True)
class RunningTest:
    """Its number in the order of starting, from 1, and the level its p-value must reach."""

    number: int
    level: float


@dataclass(frozen=True, slots=True)
class _Rejection:
    """When a rejection became known, in tests started, and how many candidates that started later are known."""

    time: int
    candidates: int = 0


@dataclass(frozen=True, slots=True)
class Online:
    """
    A ledger of tests that come one after another without end, with the false discovery rate at most alpha throughout.

    A test gets its level when it starts, out of what the tests that finished by then have left and earned. So tests
    may overlap (LORD* and SAFFRON*, Zrnic, Ramdas & Jordan 2021); when each finishes before the next starts, these
    are LORD++ and SAFFRON. The p-values of true hypotheses must be independent, and valid when their tests finish.
    The order of starts and finishes matters: keep one ledger, opened by `lord` or `saffron`.

    Attributes
    ----------
    wealth
        Part of alpha that can be spent before anything is rejected.
    candidate
        A p-value at most this is a candidate, which SAFFRON spends nothing on: 0 for LORD, which has none.
    started, running, rejections, candidates
        Tests started so far, those unfinished, the rejections, and the finished candidates.

    >>> ledger, test = lord(0.05).start()
    >>> round(test.level, 6)
    0.000268
    >>> ledger, rejected = ledger.finish(test, 1e-5)
    >>> rejected, round(ledger.start()[1].level, 6)
    (True, 0.002466)
    """

    alpha: float
    wealth: float
    candidate: float
    started: int = 0
    running: frozenset[RunningTest] = frozenset()
    rejections: tuple[_Rejection, ...] = ()
    candidates: int = 0

    def start(self) -> tuple[Online, RunningTest]:
        """Begin the next test: the state with it, and the test with its level."""
        time = self.started + 1
        level = self.wealth * self._share(time - self.candidates)
        for order, rejection in enumerate(self.rejections):
            earned = self.alpha - self.wealth if order == 0 else self.alpha
            level += earned * self._share(time - rejection.time - rejection.candidates)
        test = RunningTest(time, min(self.candidate, (1 - self.candidate) * level) if self.candidate else level)
        return replace(self, started=time, running=self.running | {test}), test

    def finish(self, test: RunningTest, p: float) -> tuple[Online, bool]:
        """End a test with its p-value: the state without it, and whether its hypothesis is rejected."""
        if test not in self.running:
            raise ValueError(f"test {test.number} at level {test.level} is not running: it finishes once, here")
        if not 0 <= p <= 1:
            raise ValueError(f"p is {p}: a p-value is from 0 to 1")
        known, candidate = self.rejections, 0 < self.candidate >= p
        if candidate:
            known = tuple(replace(r, candidates=r.candidates + (test.number > r.time)) for r in known)
        rejected = p <= test.level
        state = replace(
            self,
            running=self.running - {test},
            rejections=(*known, _Rejection(self.started)) if rejected else known,
            candidates=self.candidates + candidate,
        )
        return state, rejected

    def _share(self, index: int) -> float:
        """Part of the wealth that goes to the index-th test after it was earned; the parts sum to 1."""
        if self.candidate:
            return 0.4374901658 / math.pow(index, 1.6)
        return 0.07720838 * math.log(max(index, 2)) / (index * math.exp(math.sqrt(math.log(index))))


def lord(alpha: float, wealth: float | None = None) -> Online:
    """
    Open a ledger of LORD++ (Ramdas, Yang, Wainwright & Jordan 2017), with `wealth` alpha / 10 when not given.

    Its sequence of shares is that of Javanmard & Montanari 2018, equation 31.
    """
    return _ledger(alpha, alpha / 10 if wealth is None else wealth, 0.0)


def saffron(alpha: float, wealth: float | None = None, candidate: float = 0.5) -> Online:
    """
    Open a ledger of SAFFRON (Ramdas, Zrnic, Wainwright & Jordan 2018), with `wealth` alpha / 2 when not given.

    Stronger than LORD++ where many hypotheses are false; weaker where p-values of true ones are seldom small.
    """
    if not 0 < candidate < 1:
        raise ValueError(f"candidate is {candidate}: the largest p-value of a candidate is more than 0, less than 1")
    return _ledger(alpha, alpha / 2 if wealth is None else wealth, candidate)


@dataclass(frozen=True, slots=True)
class Decision:
    """What the metrics of an experiment show, by name."""

    primary: tuple[str, ...]
    passed: tuple[str, ...]
    open: tuple[str, ...]
    exploratory: tuple[str, ...]

    @property
    def success(self) -> bool:
        """Whether a primary metric has improved and every guardrail has passed."""
        return bool(self.primary) and not self.open


@dataclass(frozen=True)
class AlphaBudget:
    """
    The error rate of one experiment, split over its metrics before it starts.

    The rule: only a primary metric can make the experiment a success, and the chance that one does so by luck is at
    most `primary_alpha`, split among them by weight. Every guardrail must be shown to be no worse than its margin
    allows. As all of them must, each has an alpha of its own, and a treatment that harms one gets past it with at most
    that chance (Berger 1982). Exploratory metrics decide nothing: of those named, on average at most a share
    `exploratory_alpha` is luck.

    Attributes
    ----------
    alpha
        The whole. The primary and the exploratory part together must not exceed it, and no guardrail's alpha may.
    primary
        Weight of each primary metric.
    guardrails
        Alpha of each guardrail, whose hypothesis is that it is worse than its margin.
    exploratory
        The other metrics.
    method
        How primaries share their part: "bonferroni" as above; "e-bh" bounds the share of luck among those named.

    Raises
    ------
    ValueError
        If the parts exceed alpha, there is no primary metric, a weight is not positive, or a name is used twice.
    """

    alpha: float
    primary: Mapping[str, float]
    primary_alpha: float
    guardrails: Mapping[str, float] = field(default_factory=dict)
    exploratory: Sequence[str] = ()
    exploratory_alpha: float = 0.0
    method: Literal["bonferroni", "e-bh"] = "bonferroni"

    def __post_init__(self) -> None:
        check_alpha(self.alpha)
        check_alpha(self.primary_alpha)
        if self.exploratory:
            check_alpha(self.exploratory_alpha)
        _weights(list(self.primary.values()), len(self.primary))
        spent = self.primary_alpha + self.exploratory_alpha
        if spent > self.alpha * (1 + _ROUNDING):
            raise ValueError(f"primary and exploratory metrics take {spent} of an alpha of {self.alpha}: give less")
        for name, alpha in self.guardrails.items():
            check_alpha(alpha)
            if alpha > self.alpha:
                raise ValueError(f'guardrail "{name}" has alpha {alpha}: at most that of the experiment, {self.alpha}')
        names = [*self.primary, *self.guardrails, *self.exploratory]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"metrics {twice} have two roles: each is primary, a guardrail or exploratory")

    def levels(self) -> dict[str, float]:
        """Alpha at which to draw each metric's interval: all of one role hold together, but for the guardrails'."""
        total = sum(self.primary.values())
        return {
            **{name: self.primary_alpha * weight / total for name, weight in self.primary.items()},
            **self.guardrails,
            **{name: self.exploratory_alpha / len(self.exploratory) for name in self.exploratory},
        }

    def decide(self, log_e: Mapping[str, float]) -> Decision:
        """
        Apply the rule to the logarithms of the metrics' e-values, at any look; raise ValueError where one is missing.

        A primary's and an exploratory metric's e-value is against no effect, a guardrail's against harm.
        """
        levels = self.levels()
        missing = [name for name in levels if name not in log_e]
        if missing:
            raise ValueError(f"metrics {missing} have no e-value: give each of them one, 0 where nothing is known")
        reached = {name for name, level in levels.items() if log_e[name] >= -math.log(level)}
        if self.method == "e-bh":
            primary = _chosen(tuple(self.primary), log_e, self.primary_alpha, tuple(self.primary.values()))
        else:
            primary = tuple(name for name in self.primary if name in reached)
        return Decision(
            primary,
            passed=tuple(name for name in self.guardrails if name in reached),
            open=tuple(name for name in self.guardrails if name not in reached),
            exploratory=_chosen(self.exploratory, log_e, self.exploratory_alpha),
        )


def _chosen(
    names: Sequence[str], log_e: Mapping[str, float], alpha: float, weights: Sequence[float] | None = None
) -> tuple[str, ...]:
    """Names of the hypotheses that e-BH rejects."""
    rejected = e_bh([log_e[name] for name in names], alpha, weights) if names else ()
    return tuple(name for name, yes in zip(names, rejected, strict=True) if yes)


def _ledger(alpha: float, wealth: float, candidate: float) -> Online:
    """Check the parameters that both kinds of ledger have."""
    check_alpha(alpha)
    if not 0 < wealth <= alpha:
        raise ValueError(f"wealth is {wealth}: it is a part of alpha, {alpha}, and not nothing")
    return Online(alpha, wealth, candidate)


def _adjusted(p: Floats, alpha: float) -> Adjusted:
    check_alpha(alpha)
    return Adjusted(tuple((p <= alpha).tolist()), tuple(p.tolist()))


def _surprise(p: float) -> float:
    """Return -ln p, inf at 0."""
    if not 0 <= p <= 1:
        raise ValueError(f"p is {p}: a p-value is from 0 to 1")
    return -math.log(p) if p > 0 else math.inf


def _p_values(p: Sequence[float]) -> Floats:
    values = np.asarray(p, np.float64)
    if not len(values) or not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"p-values are {values.tolist()}: there must be one or more, each from 0 to 1")
    return values


def _logarithms(log_e: Sequence[float]) -> Floats:
    values = np.asarray(log_e, np.float64)
    if np.isnan(values).any():
        raise ValueError(f"logarithms of e-values are {values.tolist()}: none may be NaN")
    return values


def _weights(weights: Sequence[float], count: int) -> Floats:
    """Weights as shares of their sum."""
    found = np.asarray(weights, np.float64)
    if len(found) != count or count == 0 or not ((found > 0) & np.isfinite(found)).all():
        raise ValueError(f"weights are {found.tolist()}: there must be {count}, at least one, and each positive")
    shares: Floats = found / found.sum()
    return shares
