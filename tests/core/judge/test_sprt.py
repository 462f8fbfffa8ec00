"""Wald's test: published ratios, thresholds, and error rates by simulation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from streams.core.judge.sprt import bernoulli, decide, poisson, thresholds
from tests.core.judge.published import Method, assert_agrees, vectors

METHODS: dict[str, Method] = {
    "bernoulli": lambda i: {"log_ratio": bernoulli(i["successes"], i["n"], i["p0"], i["p1"])},
    "poisson": lambda i: {"log_ratio": poisson(i["events"], i["exposure"], i["lambda0"], i["lambda1"])},
}
ALPHA, BETA = 0.05, 0.2


@pytest.mark.parametrize("vector", vectors("sprt"))
def test_published_numbers(vector: Mapping[str, Any]) -> None:
    """Published totals give the published log-likelihood ratios."""
    assert_agrees(METHODS, vector)


@given(st.integers(0, 500), st.integers(0, 500), st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_ratios_are_those_of_the_likelihoods(successes: int, failures: int, p0: float, p1: float) -> None:
    """The ratios are differences of scipy's log-likelihoods, and swapping the hypotheses changes their sign."""
    if p0 == p1:
        return
    trials = successes + failures
    binomial = stats.binom.logpmf(successes, trials, p1) - stats.binom.logpmf(successes, trials, p0)
    counts = stats.poisson.logpmf(successes, 100 * p1) - stats.poisson.logpmf(successes, 100 * p0)

    assert bernoulli(successes, trials, p0, p1) == pytest.approx(binomial, rel=1e-8, abs=1e-8)
    assert poisson(successes, 100, p0, p1) == pytest.approx(counts, rel=1e-8, abs=1e-8)
    assert bernoulli(successes, trials, p1, p0) == pytest.approx(-bernoulli(successes, trials, p0, p1))


def test_thresholds_and_decisions() -> None:
    """At alpha 0.05 and beta 0.2 H1 is accepted from 2.7726 on, H0 from -1.5581 on, and nothing between."""
    low, high = thresholds(ALPHA, BETA)

    assert (low, high) == pytest.approx((-1.5581446, 2.7725887), abs=1e-7)
    assert decide(high, ALPHA, BETA) == "accept_H1"
    assert decide(low, ALPHA, BETA) == "accept_H0"
    assert decide(math.nextafter(high, 0), ALPHA, BETA) == decide(math.nextafter(low, 0), ALPHA, BETA) == "continue"


def accepted_h1(rate: float, seed: int, runs: int = 2000, trials: int = 3000) -> float:
    """Share of runs in which the first decision, looking after every trial, is for H1; undecided runs count."""
    rng = np.random.default_rng(seed)
    successes = np.cumsum(rng.random((runs, trials)) < rate, axis=1)
    n = np.arange(1, trials + 1)
    step = math.log(0.15 / 0.1), math.log(0.85 / 0.9)
    ratio = successes * step[0] + (n - successes) * step[1]
    low, high = thresholds(ALPHA, BETA)
    assert ratio[0, 99] == pytest.approx(bernoulli(int(successes[0, 99]), 100, 0.1, 0.15))
    over, under = (np.where(hit.any(axis=1), hit.argmax(axis=1), trials) for hit in (ratio >= high, ratio <= low))
    return float((over < under).mean())


def test_error_rates() -> None:
    """Looking after every trial, both error rates keep Wald's inequalities, within 4 standard errors of 2,000 runs."""
    alpha, beta = accepted_h1(0.1, 1), 1 - accepted_h1(0.15, 2)

    assert alpha <= ALPHA / (1 - BETA) + 4 * math.sqrt(ALPHA / 2000)
    assert beta <= BETA / (1 - ALPHA) + 4 * math.sqrt(BETA / 2000)
    assert alpha + beta <= ALPHA + BETA + 4 * math.sqrt((ALPHA + BETA) / 2000)
    assert alpha > ALPHA / 2  # else the thresholds would be far too careful


def test_what_cannot_be_is_refused() -> None:
    """Rates that are equal or impossible, counts that are, and error rates without a test are refused by name."""
    with pytest.raises(ValueError, match="a coin would do as well"):
        thresholds(0.5, 0.5)
    for successes, trials, p0, p1 in ((5, 4, 0.1, 0.2), (1, 4, 0.0, 0.2), (1, 4, 0.2, 0.2)):
        with pytest.raises(ValueError, match=f"{successes}/{trials} with shares {p0} and {p1}"):
            bernoulli(successes, trials, p0, p1)
    for events, exposure, rate0, rate1 in ((-1, 4, 0.1, 0.2), (1, 4, 0.0, 0.2), (1, 4, 0.2, 0.2)):
        with pytest.raises(ValueError, match=f"{events} events in {exposure} with rates {rate0} and {rate1}"):
            poisson(events, exposure, rate0, rate1)
