"""Scenarios of many tests at once: the share of false ones among those found, for 200 monitors."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.random import Generator
from scipy import special

from streams.core.judge.many import AlphaBudget, Online, e_bh, lord, saffron
from tests.statistical.formulas import normal_log_e, one_sided_log_e
from tests.statistical.scenario import Floats, Mask, Scenario, Simulate

_MONITORS = 200
_LOOKS = 30
_RATE = 0.1


def false_share(rejected: Mask, null: Mask) -> float:
    """Share of true hypotheses among those rejected, 0 where none is."""
    return float((rejected & null).sum()) / max(1, int(rejected.sum()))


def stopped_when_found(rng: Generator, paths: int) -> Floats:
    """
    False discoveries of e-BH among monitors that share half of their noise, a tenth with a true effect.

    All are looked at together, and everything stops at the first discovery, or at the last look.
    """
    null = np.arange(_MONITORS) >= _MONITORS // 10
    time = np.arange(1, _LOOKS + 1)
    found = np.zeros(paths)
    for path in range(paths):
        common, own = rng.standard_normal((_LOOKS, 1)), rng.standard_normal((_LOOKS, _MONITORS))
        steps = math.sqrt(0.5) * (common + own) + np.where(null, 0.0, 0.3)
        z = np.cumsum(steps, axis=0) / np.sqrt(time)[:, None]
        log_e = normal_log_e(z, time[:, None], 4.0)
        rejected = np.zeros(_MONITORS, np.bool_)
        for look in log_e:
            rejected = np.array(e_bh(look.tolist(), _RATE))
            if rejected.any():
                break
        found[path] = false_share(rejected, null)
    return found


def in_order(ledger: Online, overlap: int, effects: float) -> Simulate:
    """
    False discoveries of a ledger of 200 tests, so many of them running at a time, of which a share has an effect.

    P-values of true hypotheses are uniform: always-valid ones are larger.
    """

    def one(rng: Generator) -> float:
        null = rng.random(_MONITORS) >= effects
        z = rng.standard_normal(_MONITORS) + np.where(null, 0.0, 3.0)
        p = special.ndtr(-z)
        state, rejected = ledger, np.zeros(_MONITORS, np.bool_)
        for first in range(0, _MONITORS, overlap):
            running = []
            for number in range(first, first + overlap):
                state, test = state.start()
                running.append((number, test))
            for number, test in running:
                state, rejected[number] = state.finish(test, float(p[number]))
        return false_share(rejected, null)

    return lambda rng, paths: np.array([one(rng) for _ in range(paths)])


def harmful_ships(rng: Generator, paths: int) -> Mask:
    """
    Say which experiments ever end in success although the arm is as harmful as the margin of one guardrail forbids.

    The primary metric and the two other guardrails gain; all metrics share half of their noise.
    """
    names, gains = ("clicks", "errors", "latency", "complaints"), np.array([1.0, 1.0, 1.0, 0.0])
    budget = AlphaBudget(0.05, {"clicks": 1.0}, 0.05, dict.fromkeys(names[1:], 0.05))
    time, half = np.arange(1, _LOOKS + 1)[:, None], math.sqrt(0.5)
    wrong = np.zeros(paths, np.bool_)
    for path in range(paths):
        noise = half * rng.standard_normal((_LOOKS, 1)) + half * rng.standard_normal((_LOOKS, len(names)))
        z = np.cumsum(noise + gains, axis=0) / np.sqrt(time)
        log_e = one_sided_log_e(z, time, 4.0).tolist()
        wrong[path] = any(budget.decide(dict(zip(names, look, strict=True))).success for look in log_e)
    return wrong


def _scenarios() -> Iterator[Scenario]:
    about = "200 monitors that share half of their noise, 10 % with an effect, stopped at the first discovery"
    yield Scenario("e-bh", "many.e_bh", about, _RATE, _LOOKS, stopped_when_found, (100, 2000))
    for name, method, ledger in (("lord", "many.lord", lord(_RATE)), ("saffron", "many.saffron", saffron(_RATE))):
        for effects in (0.1, 0.4):
            about = f"200 tests one after another, {effects:.0%} with an effect"
            simulate = in_order(ledger, 1, effects)
            yield Scenario(f"{name}-{effects:g}", method, about, _RATE, 1, simulate, (60, 1000))
        about = "200 tests, 10 at a time, 20% with an effect"
        yield Scenario(f"{name}-overlap", method, about, _RATE, 1, in_order(ledger, 10, 0.2), (60, 1000))
    about = "a success, with a guardrail that the arm harms by its margin, and two that it does not"
    yield Scenario("guardrails-all", "many.AlphaBudget", about, 0.05, _LOOKS, harmful_ships, (300, 4000))


SCENARIOS = tuple(_scenarios())
