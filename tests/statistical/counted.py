"""Scenarios of counts: units in their shares, units that cross, events at changing rates."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
from numpy.random import Generator
from scipy import special

from streams.core.judge.counts import rate_ratio, rate_ratio_beyond
from streams.core.judge.looks import CROSSING_TOLERANCE, SHARE_ALPHA, SHARE_MARGIN
from streams.core.judge.sample_ratio import chi_square, crossovers, sample_ratio
from tests.statistical.formulas import dirichlet_log_e
from tests.statistical.scenario import ALPHA, Floats, Ints, Mask, Scenario, Simulate, confirm, ever

_LOOKS, _BLOCK = 200, 500
_SCALE = 10_000.0
_RATE_SCALE = 100.0


def counts_so_far(rng: Generator, paths: int, shares: Sequence[float]) -> Iterator[Ints]:
    """Units of each arm so far, shape (paths, arms), look by look."""
    total = np.zeros((paths, len(shares)), np.int64)
    for _ in range(_LOOKS):
        total += rng.multinomial(_BLOCK, shares, size=paths)
        yield total


def mismatches(true: Sequence[float], weights: Sequence[float], minimum_effect: float) -> Simulate:
    """Say which experiments ever get a mismatch, all being as promised up to the minimum effect."""
    promised = np.array(weights) / sum(weights)

    def simulate(rng: Generator, paths: int) -> Mask:
        wrong = np.zeros(paths, np.bool_)
        for counts in counts_so_far(rng, paths, true):
            log_e = dirichlet_log_e(counts, promised, _SCALE)
            if minimum_effect:
                log_e -= excess(counts, promised) - excess(counts, nearest(counts, promised, minimum_effect))
            mismatch = log_e >= -math.log(SHARE_ALPHA)
            judged = partial(sample_ratio, weights=weights, minimum_effect=minimum_effect, alpha=SHARE_ALPHA)
            confirm(log_e, lambda path: judged(counts[path].tolist()).log_e, mismatch & ~wrong, rng)  # noqa: B023
            wrong |= mismatch
        return wrong

    return simulate


def excess(counts: Ints, shares: Floats) -> Floats:
    """By how much the observed shares explain counts better than these, shape (paths,)."""
    observed = counts / counts.sum(axis=1, keepdims=True)
    return np.asarray(special.rel_entr(observed, shares).sum(axis=1) * counts.sum(axis=1))


def nearest(counts: Ints, promised: Floats, minimum_effect: float) -> Floats:
    """Of the shares of two arms within the minimum effect, those that explain the counts best."""
    least = (promised * minimum_effect).min()  # what the smaller arm may be off, and so the other
    first = np.clip(counts[:, 0] / counts.sum(axis=1), promised[0] - least, promised[0] + least)
    return np.stack([first, 1 - first], axis=1)


def shares_missed(rng: Generator, paths: int) -> Mask:
    """Say which experiments ever have an interval that misses the true share of any of three arms."""
    true, wrong = (0.52, 0.28, 0.2), np.zeros(paths, np.bool_)
    for look, counts in enumerate(counts_so_far(rng, paths, true)):
        for path in np.flatnonzero(~wrong).tolist() if look % 20 == 0 else []:
            intervals = sample_ratio(counts[path].tolist(), (0.5, 0.3, 0.2), alpha=ALPHA).intervals
            wrong[path] = not all(one.contains(share) for one, share in zip(intervals, true, strict=True))
    return wrong


def chi_square_alarms(rng: Generator, paths: int) -> Mask:
    """Say which experiments ever get a chi-square p-value below alpha."""

    def errs(counts: Ints) -> Mask:
        expected = counts.sum(axis=1, keepdims=True) / 2
        p = special.chdtrc(1, ((counts - expected) ** 2 / expected).sum(axis=1))
        assert math.isclose(chi_square(counts[0].tolist(), (1, 1))[2], float(p[0]), rel_tol=1e-9)
        return np.asarray(p < SHARE_ALPHA)

    return ever(errs(counts) for counts in counts_so_far(rng, paths, (0.5, 0.5)))


def crossing(share: float, later: int, verdict: str, rng: Generator, paths: int) -> Mask:
    """Say which experiments ever get this verdict; units are counted at once, and cross so many looks later."""
    wrong = np.zeros(paths, np.bool_)
    crossed = np.cumsum(rng.binomial(_BLOCK, share, (_LOOKS, paths)), axis=0)
    tolerated = np.array([1 - CROSSING_TOLERANCE, CROSSING_TOLERANCE])
    for look in range(later, _LOOKS):
        n, known = _BLOCK * (look + 1), crossed[look - later]
        log_e = dirichlet_log_e(np.stack([n - known, known], axis=1), tolerated, _SCALE)
        beyond = known > CROSSING_TOLERANCE * n if verdict == "fail" else known < CROSSING_TOLERANCE * n
        for path in np.flatnonzero((log_e >= -math.log(SHARE_ALPHA) - 1e-6) & beyond & ~wrong).tolist():
            found = crossovers(int(known[path]), n, tolerance=CROSSING_TOLERANCE, alpha=SHARE_ALPHA)
            wrong[path] = found.verdict == verdict
    return wrong


def events_so_far(rng: Generator, paths: int, exposure_share: float, ratio: float, looks: int) -> Iterator[Floats]:
    """Events of control and treatment so far, shape (paths, 2), at a rate that both arms' common fate changes."""
    total = np.zeros((paths, 2))
    means = np.array([1 - exposure_share, exposure_share * ratio])
    for look in range(looks):
        rate = 10 * (1 + 0.9 * math.sin(look / 5))
        total += rng.poisson(rate * means, (paths, 2))
        yield total


def rates_err(exposure_share: float, rng: Generator, paths: int) -> Mask:
    """Say which pairs of equal rates are ever told apart."""
    shares = np.array([1 - exposure_share, exposure_share])

    def errs(events: Floats) -> Mask:
        log_e = dirichlet_log_e(events, shares, _RATE_SCALE)
        wrong = log_e >= -math.log(ALPHA)

        def asked(path: int) -> float:
            control, treatment = (int(number) for number in events[path])
            return rate_ratio(control, treatment, exposure_share, scale=_RATE_SCALE, alpha=ALPHA).log_e

        confirm(log_e, asked, wrong, rng)
        return np.asarray(wrong)

    return ever(errs(events) for events in events_so_far(rng, paths, exposure_share, 1.0, 100))


def harmful_rates_pass(rng: Generator, paths: int) -> Mask:
    """Say which arms with exactly 5 % more events are ever shown to have fewer than 5 % more."""
    bound, wrong = math.log(1.05), np.zeros(paths, np.bool_)
    for events in events_so_far(rng, paths, 0.5, 1.05, 60):
        for path in np.flatnonzero(~wrong & (events[:, 1] < events[:, 0])).tolist():
            control, treatment = (int(number) for number in events[path])
            log_e = rate_ratio_beyond(control, treatment, 0.5, scale=_RATE_SCALE, bound=bound, alternative="less")
            wrong[path] = log_e >= -math.log(ALPHA)
    return wrong


def _units() -> Iterator[Scenario]:
    half, tenth = SHARE_MARGIN / 2, SHARE_MARGIN / 10
    for name, true, weights, effect, about in (
        ("srm-50/50", (0.5, 0.5), (1.0, 1.0), 0.0, "arms of 50/50, as promised, no minimum effect"),
        ("srm-90/10", (0.9, 0.1), (9.0, 1.0), 0.0, "arms of 90/10, as promised, no minimum effect"),
        ("srm-five", (0.2,) * 5, (1.0,) * 5, 0.0, "five equal arms, as promised, no minimum effect"),
        ("srm-effect", (0.5 + half, 0.5 - half), (1.0, 1.0), SHARE_MARGIN, "arms of 50/50, off by the minimum effect"),
        (
            "srm-effect-90/10",
            (0.9 - tenth, 0.1 + tenth),
            (9.0, 1.0),
            SHARE_MARGIN,
            "arms of 90/10, the smaller off by the minimum effect",
        ),
    ):
        simulate = mismatches(true, weights, effect)
        yield Scenario(name, "sample_ratio", f"{about}, 100,000 units", SHARE_ALPHA, _LOOKS, simulate, (1000, 10_000))
    about = "three arms that are not as promised: an interval ever misses its arm's true share"
    yield Scenario("srm-coverage", "sample_ratio", about, ALPHA, 10, shares_missed, (200, 2000))
    about = "chi-square after every block, arms of 50/50, as promised"
    simulate = chi_square_alarms
    yield Scenario("naive-srm", "chi_square", about, SHARE_ALPHA, _LOOKS, simulate, (1000, 10_000), "contrast")


def _crossings() -> Iterator[Scenario]:
    for name, later, about in (
        ("crossovers", 0, "as many units cross as is tolerated, at once: a mismatch"),
        ("crossovers-late", 20, "as many units cross as is tolerated, 20 looks after they were counted: a mismatch"),
    ):
        simulate = partial(crossing, CROSSING_TOLERANCE, later, "fail")
        yield Scenario(name, "crossovers", about, SHARE_ALPHA, _LOOKS, simulate, (1000, 10_000))
    about = "a fifth more units cross than is tolerated, 20 looks after they were counted: a match, for a while"
    simulate = partial(crossing, 1.2 * CROSSING_TOLERANCE, 20, "pass")
    yield Scenario("crossovers-too-early", "crossovers", about, SHARE_ALPHA, _LOOKS, simulate, (1000, 10_000), "limit")


def _rates() -> Iterator[Scenario]:
    for split, named in ((0.5, "50/50"), (0.1, "90/10")):
        about = f"equal rates of events that rise and fall, {named}"
        simulate = partial(rates_err, split)
        yield Scenario(f"rate-{named}", "counts.rate_ratio", about, ALPHA, 100, simulate, (1000, 10_000))
    about = "5 % more events, and shown to be fewer than 5 % more"
    sizes = (100, 1000)
    yield Scenario("rate-guardrail", "counts.rate_ratio_beyond", about, ALPHA, 60, harmful_rates_pass, sizes)


SCENARIOS = (*_units(), *_crossings(), *_rates())
