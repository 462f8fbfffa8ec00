"""Many tests at once, against published numbers, statsmodels, definitions and seeded simulation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats
from statsmodels.stats.multitest import multipletests

from streams.core.judge.many import (
    Adjusted,
    AlphaBudget,
    Online,
    average,
    benjamini_hochberg,
    benjamini_yekutieli,
    bonferroni,
    e_bh,
    holm,
    integrated_calibrator,
    kappa_calibrator,
    lord,
    product,
    saffron,
    shafer_calibrator,
)
from tests.core.judge.published import vectors

CALIBRATORS = (kappa_calibrator, shafer_calibrator, integrated_calibrator)
ADJUSTMENTS = {
    "fdr_bh": benjamini_hochberg,
    "fdr_by": benjamini_yekutieli,
    "bonferroni": bonferroni,
    "holm": holm,
}
log_e_values = st.lists(st.floats(-20, 20), max_size=12)
# The p-values of the onlineFDR package's tests of overlapping experiments.
OVERLAPPING = (1e-7, 3e-4, 0.1, 5e-4)


def one_by_one(ledger: Online, p: Sequence[float]) -> dict[str, list[Any]]:
    """Levels and rejections when each test finishes before the next starts."""
    levels, rejected = [], []
    for value in p:
        ledger, test = ledger.start()
        ledger, found = ledger.finish(test, value)
        levels.append(test.level)
        rejected.append(found)
    return {"levels": levels, "reject": rejected}


def adjusted(found: Adjusted) -> dict[str, Any]:
    return {"reject": found.reject, "p": found.p}


METHODS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "e_bh": lambda i: {"value": e_bh([math.log(e) if e else -math.inf for e in i["e"]], i["alpha"])},
    "calibrators": lambda i: {
        "shafer": math.exp(shafer_calibrator(i["p"])),
        "kappa": math.exp(kappa_calibrator(i["p"], 0.5)),
        "integrated": math.exp(integrated_calibrator(i["p"])),
    },
    "benjamini_hochberg": lambda i: adjusted(benjamini_hochberg(**i)),
    "benjamini_yekutieli": lambda i: adjusted(benjamini_yekutieli(**i)),
    "bonferroni": lambda i: adjusted(bonferroni(**i)),
    "lord": lambda i: one_by_one(lord(i["alpha"], i["wealth"]), i["p"]),
    "saffron": lambda i: one_by_one(saffron(i["alpha"], i["wealth"], i["candidate"]), i["p"]),
}


@pytest.mark.parametrize("vector", vectors("many"))
def test_published_numbers(vector: Mapping[str, Any]) -> None:
    """Published e-values and p-values give the published rejections, levels and e-values."""
    found = METHODS[vector["method"]](vector["inputs"])

    for name, expected in vector["expected"].items():
        np.testing.assert_allclose(found[name], expected, rtol=0, atol=vector["tolerance"])


@settings(max_examples=30)
@given(p=st.lists(st.floats(0, 1), min_size=1, max_size=15), alpha=st.floats(0.01, 0.5))
def test_adjusted_p_values_are_those_of_statsmodels(p: list[float], alpha: float) -> None:
    """Benjamini-Hochberg, Benjamini-Yekutieli, Bonferroni and Holm adjust as statsmodels does."""
    for method, adjust in ADJUSTMENTS.items():
        found = adjust(p, alpha)

        np.testing.assert_allclose(found.p, multipletests(p, alpha, method)[1], atol=1e-12)
        assert found.reject == tuple(value <= alpha for value in found.p)


@given(log_e=log_e_values, alpha=st.floats(0.01, 0.5))
def test_e_bh_is_its_definition(log_e: list[float], alpha: float) -> None:
    """Rejected are the k largest, for the largest k whose k-th is at least m / (alpha k)."""
    m, ordered = len(log_e), sorted(log_e, reverse=True)
    k = max((k for k in range(1, m + 1) if ordered[k - 1] >= math.log(m / (alpha * k))), default=0)
    found = e_bh(log_e, alpha)

    assert sum(found) == k
    assert sorted((e for e, yes in zip(log_e, found, strict=True) if yes), reverse=True) == ordered[:k]
    assert e_bh(log_e, alpha, [2.0] * m if m else None) == pytest.approx(found)


def test_e_bh_by_weight() -> None:
    """A hypothesis of thrice the importance needs a third of the evidence; the others need more."""
    log_e = [math.log(15), math.log(15)]

    assert e_bh(log_e, 0.1, [3, 1]) == (True, False)
    assert e_bh(log_e, 0.1) == (True, True)
    assert e_bh([math.log(20), -math.inf], 0.1) == (True, False)
    assert e_bh([math.log(19), math.inf], 0.05) == (False, True)


def false_share(rejected: Sequence[bool], null: np.ndarray) -> float:
    return float(np.sum(np.asarray(rejected) & null)) / max(1, sum(rejected))


def test_e_bh_controls_false_discoveries_of_dependent_monitors() -> None:
    """
    Two hundred monitors that share most of their noise, a quarter with a true effect, in a thousand runs.

    The mean share of false ones among those found is at most alpha + 4 standard errors.
    """
    rng, alpha, runs = np.random.default_rng(31), 0.2, 1000
    null = np.arange(200) >= 50
    noise = math.sqrt(0.7) * rng.normal(size=(runs, 1)) + math.sqrt(0.3) * rng.normal(size=(runs, 200))
    z = noise + np.where(null, 0.0, 3.0)
    shares = np.array([false_share(e_bh(run, alpha), null) for run in 3 * z - 4.5])  # against a mean of 0, for 3

    assert 0 < shares.mean() <= alpha + 4 * shares.std() / math.sqrt(runs)


@pytest.mark.parametrize("ledger", [lord(0.1), saffron(0.1)])
@pytest.mark.parametrize("overlap", [1, 10])
def test_ledgers_control_false_discoveries(ledger: Online, overlap: int) -> None:
    """
    Two hundred tests, a fifth with a true effect, one after another or ten at a time, in two hundred runs.

    The mean share of false ones among those found is at most alpha + 4 standard errors.
    """
    rng, shares = np.random.default_rng(32), []
    for _ in range(200):
        null = rng.random(200) >= 0.2
        p = stats.norm.sf(rng.normal(size=200) + np.where(null, 0.0, 3.5))
        state, rejected = ledger, []
        for first in range(0, 200, overlap):
            tests = []
            for _ in range(overlap):
                state, test = state.start()
                tests.append(test)
            for offset, test in enumerate(tests):
                state, found = state.finish(test, float(p[first + offset]))
                rejected.append(found)
        shares.append(false_share(rejected, null))

    assert 0 < np.mean(shares) <= 0.1 + 4 * np.std(shares) / math.sqrt(200)


@pytest.mark.parametrize(
    ("ledger", "ends", "expected"),
    [
        (lord(0.05), (1, 2, 3, 4), [True, True, False, True]),
        (lord(0.05), (4, 4, 4, 4), [True, False, False, False]),
        (saffron(0.05), (1, 2, 3, 4), [True, True, False, True]),
        (saffron(0.05), (4, 4, 4, 4), [True, True, False, True]),
    ],
)
def test_overlapping_tests_are_those_of_the_onlinefdr_package(
    ledger: Online, ends: Sequence[int], expected: list[bool]
) -> None:
    """Decision times 1, 2, 3, 4 and 4, 4, 4, 4 give the rejections that onlineFDR 2.19.1 (R) tests for."""
    assert overlapping(ledger, OVERLAPPING, ends)[1] == expected


def overlapping(ledger: Online, p: Sequence[float], ends: Sequence[int]) -> tuple[list[float], list[bool]]:
    """Levels and rejections when the k-th test finishes after `ends[k]` tests have started."""
    tests, rejected = {}, {}
    for time in range(1, max(ends) + 1):
        if time <= len(p):
            ledger, tests[time] = ledger.start()
        for k in [k for k, end in enumerate(ends, 1) if end == time]:
            ledger, rejected[k] = ledger.finish(tests[k], p[k - 1])
    return [tests[k].level for k in sorted(tests)], [rejected[k] for k in sorted(rejected)]


def gamma_of_lord(j: int) -> float:
    return 0.07720838 * math.log(max(j, 2)) / (j * math.exp(math.sqrt(math.log(j))))


def levels_by_definition(
    p: Sequence[float], ends: Sequence[int], alpha: float, wealth: float, candidate: float
) -> list[float]:
    """Levels from the whole history of the tests known at each start, as Zrnic, Ramdas & Jordan 2021 define them."""
    gamma = (lambda j: 0.4374901658 / j**1.6) if candidate else gamma_of_lord
    levels: list[float] = []
    for t in range(1, len(p) + 1):
        known = [k for k in range(1, t) if ends[k - 1] < t]
        rejections = sorted(ends[k - 1] for k in known if p[k - 1] <= levels[k - 1])
        candidates = [k for k in known if candidate and p[k - 1] <= candidate]
        level = wealth * gamma(t - len(candidates))
        for order, time in enumerate(rejections):
            later = sum(k > time for k in candidates)
            level += (alpha - wealth if order == 0 else alpha) * gamma(t - time - later)
        levels.append(min(candidate, (1 - candidate) * level) if candidate else level)
    return levels


@given(
    tests=st.lists(st.tuples(st.sampled_from([0.0, 1e-9, 1e-4, 0.02, 0.3, 0.6, 0.9]), st.integers(0, 6)), max_size=25),
    candidate=st.sampled_from([0.0, 0.5, 0.25]),
)
def test_levels_of_overlapping_tests_are_their_definition(tests: list[tuple[float, int]], candidate: float) -> None:
    """However long tests take, each level follows from what had finished when its test started."""
    p = [value for value, _ in tests]
    ends = [k + lasting for k, (_, lasting) in enumerate(tests, 1)]
    ledger = saffron(0.1, 0.04, candidate) if candidate else lord(0.1, 0.04)

    found = overlapping(ledger, p, ends)[0] if tests else []

    np.testing.assert_allclose(found, levels_by_definition(p, ends, 0.1, 0.04, candidate), rtol=1e-12)


def test_a_ledger_never_spends_more_than_its_wealth() -> None:
    """When nothing is ever found, levels add up to less than the wealth: SAFFRON's nearly do after 2,000 tests."""
    slow = one_by_one(lord(0.05), [0.9] * 2000)["levels"]
    fast = one_by_one(saffron(0.05), [0.9] * 2000)["levels"]

    assert 0.3 * 0.005 < sum(slow) < 0.005
    assert 0.97 * 0.0125 < sum(fast) < 0.0125
    assert one_by_one(saffron(0.05), [0.4] * 9)["levels"] == pytest.approx([fast[0]] * 9)  # candidates are free


def test_a_ledger_is_a_value() -> None:
    """Starting and finishing leave the earlier state as it was, and a test finishes once, in its own ledger."""
    ledger = lord(0.05)
    running, test = ledger.start()
    done, rejected = running.finish(test, 0.0)

    assert (ledger.started, running.started, len(running.running), done.running, rejected) == (
        0,
        1,
        1,
        frozenset(),
        True,
    )
    assert running.finish(test, 1.0)[1] is False
    with pytest.raises(ValueError, match=r"test 1 at level .* is not running"):
        done.finish(test, 0.5)
    with pytest.raises(ValueError, match="p is nan"):
        running.finish(test, math.nan)


@pytest.mark.parametrize("calibrator", CALIBRATORS)
def test_calibrated_e_values_have_mean_one(calibrator: Callable[[float], float]) -> None:
    """Over uniform p-values the e-values average to 1: the integral of a calibrator, in terms of -ln p."""
    mean = integrate.quad(lambda s: math.exp(calibrator(math.exp(-s)) - s) if s else 0.0, 0, 600, limit=2000)[0]

    # The integrated calibrator's tail, 1 / s**2, is cut off at 600.
    assert mean == pytest.approx(1.0, abs=1 / 600 + 1e-6)


@pytest.mark.parametrize("calibrator", CALIBRATORS)
def test_calibrators_fall_from_infinity(calibrator: Callable[[float], float]) -> None:
    """A smaller p-value is more evidence, at 0 without limit, and in between nothing overflows or jumps."""
    found = [calibrator(p) for p in (0.0, 1e-300, 1e-12, 0.01, 0.3, 0.998, 0.9985, 0.9991, 0.9995, 1 - 1e-12, 1.0)]

    assert found[0] == math.inf
    assert math.isfinite(found[1])
    assert all(earlier > later for earlier, later in pairwise(found))


def test_the_integrated_calibrator_is_one_formula() -> None:
    """On either side of where the series takes over, both agree; at 1 it is a half."""
    assert integrated_calibrator(math.exp(-0.00100001)) == pytest.approx(
        integrated_calibrator(math.exp(-0.00099999)), abs=1e-8
    )
    assert integrated_calibrator(1.0) == math.log(0.5)


@given(log_e=st.lists(st.floats(-700, 700), min_size=1, max_size=8))
def test_averages_and_products(log_e: list[float]) -> None:
    """The average is between the smallest and the largest, and the product's logarithm is the sum."""
    assert min(log_e) - 1e-9 <= average(log_e) <= max(log_e) + 1e-9
    assert product(log_e) == math.fsum(log_e)


def test_an_average_by_weight() -> None:
    """Weights are shares of their sum: (3 * 10 + 1 * 2) / 4 = 8, and an infinite e-value stays infinite."""
    assert average([math.log(10), math.log(2)], [3, 1]) == pytest.approx(math.log(8))
    assert average([math.inf, -math.inf]) == math.inf
    assert product([]) == 0.0


def budget(**changes: Any) -> AlphaBudget:
    parts: dict[str, Any] = {
        "alpha": 0.05,
        "primary": {"clicks": 3, "sales": 1},
        "primary_alpha": 0.04,
        "guardrails": {"latency": 0.05, "errors": 0.01},
        "exploratory": ("shares", "visits"),
        "exploratory_alpha": 0.01,
    }
    return AlphaBudget(**{**parts, **changes})


def test_the_budget_is_split_by_role() -> None:
    """Primaries share their part by weight, guardrails have their own, and exploratory metrics share theirs."""
    expected = {"clicks": 0.03, "sales": 0.01, "latency": 0.05, "errors": 0.01, "shares": 0.005, "visits": 0.005}

    assert budget().levels() == pytest.approx(expected)


def test_a_success_needs_a_primary_and_every_guardrail() -> None:
    """A primary beyond its level and all guardrails beyond theirs make a success; exploratory metrics never do."""
    nothing = dict.fromkeys(budget().levels(), 0.0)
    safe = {"latency": math.log(21), "errors": math.log(101)}

    won = budget().decide({**nothing, **safe, "clicks": math.log(34)})
    harmed = budget().decide({**nothing, "errors": 9.0, "clicks": 9.0, "sales": 9.0})
    curious = budget().decide({**nothing, **safe, "shares": 9.0, "visits": math.log(99)})

    assert (won.primary, won.passed, won.open, won.success) == (("clicks",), ("latency", "errors"), (), True)
    assert (harmed.primary, harmed.open, harmed.success) == (("clicks", "sales"), ("latency",), False)
    assert (curious.primary, curious.exploratory, curious.success) == ((), ("shares",), False)


def test_primaries_may_share_by_e_bh() -> None:
    """With e-BH two primaries that just miss their Bonferroni levels can stand together."""
    log_e = dict.fromkeys(budget().levels(), 0.0) | {"a": math.log(30), "b": math.log(30)}
    parts = {"primary": {"a": 1, "b": 1}}

    assert budget(**parts).decide(log_e).primary == ()
    assert budget(**parts, method="e-bh").decide(log_e).primary == ("a", "b")


def test_luck_seldom_makes_a_success() -> None:
    """With no effect on any metric, and equal e-values at worst, successes are at most as many as the primary alpha."""
    rng = np.random.default_rng(33)
    names = list(budget().levels())
    log_e = 3 * rng.normal(size=(20_000, len(names))) - 4.5
    log_e[:, 2:4] = 50.0  # guardrails that pass
    successes = np.mean([budget().decide(dict(zip(names, run, strict=True))).success for run in log_e])

    assert 0 < successes <= 0.04 + 4 * math.sqrt(0.04 * 0.96 / 20_000)


@pytest.mark.parametrize(
    ("attempt", "message"),
    [
        (lambda: e_bh([1.0], 0.0), "alpha is 0.0"),
        (lambda: e_bh([math.nan], 0.1), "none may be NaN"),
        (lambda: e_bh([1.0, 2.0], 0.1, [1.0]), "there must be 2"),
        (lambda: e_bh([1.0, 2.0], 0.1, [1.0, 0.0]), "each positive"),
        (lambda: average([]), "at least one"),
        (lambda: bonferroni([0.5, 1.5], 0.1), "from 0 to 1"),
        (lambda: holm([], 0.1), "one or more"),
        (lambda: benjamini_hochberg([0.5], 1.0), "alpha is 1.0"),
        (lambda: kappa_calibrator(0.5, 1.0), "kappa is 1.0"),
        (lambda: shafer_calibrator(-0.1), "p is -0.1"),
        (lambda: lord(0.05, 0.06), "wealth is 0.06"),
        (lambda: saffron(0.05, candidate=1.0), "candidate is 1.0"),
        (lambda: budget(primary_alpha=0.045), "of an alpha of 0.05: give less"),
        (lambda: budget(guardrails={"latency": 0.06}), '"latency" has alpha 0.06'),
        (lambda: budget(primary={}), "at least one"),
        (lambda: budget(exploratory=("clicks",)), r"\['clicks'\] have two roles"),
        (lambda: budget(exploratory_alpha=0.0), "alpha is 0.0"),
        (lambda: budget().decide({"clicks": 1.0}), "have no e-value"),
    ],
)
def test_what_is_wrong_is_said(attempt: Callable[[], object], message: str) -> None:
    """Values and parameters that make no sense are refused, by name and value."""
    with pytest.raises(ValueError, match=message):
        attempt()
