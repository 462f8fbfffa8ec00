"""The normal mixture: published numbers under all its names, and what it promises of every look."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from streams.core.judge import mixture as m
from streams.core.judge.evidence import Alternative, Evidence, Interval, p_of
from streams.core.judge.fixed import Measurement
from streams.core.judge.lift import lift as lift_of
from streams.core.judge.means import mean
from streams.core.judge.moments import Moments
from streams.core.judge.proportions import share
from tests.core.judge.published import Method, assert_agrees, vectors

Inputs = Mapping[str, Any]
Numbers = dict[str, float | None]

ALTERNATIVES: tuple[Alternative, ...] = get_args(Alternative)
ALPHA = 0.05
effects = st.floats(-1e3, 1e3)
errors = st.floats(1e-3, 1e3)
counts = st.floats(1, 1e9)
levels = st.floats(1e-6, 0.45)


def numbers(shown: Evidence, error: float) -> Numbers:
    interval = shown.interval
    return {"estimate": shown.estimate, "se": error, "p_value": shown.p, "low": interval.low, "high": interval.high}


def arms(i: Inputs) -> tuple[Measurement, Measurement, float]:
    a, b = (mean(Moments.of_sums(arm["n"], arm["sum"], arm["sum_squares"])) for arm in (i["a"], i["b"]))
    return a, b, i["a"]["n"] + i["b"]["n"]


def difference(i: Inputs) -> Numbers:
    a, b, n = arms(i)
    return numbers(m.difference(a, b, n, planned=i["N_star"], alpha=i["alpha"]), math.hypot(a.error, b.error))


def closed_greater(estimate: float, error: float, n: float, i: Inputs) -> Numbers:
    rho = m.planned_rho(i["N_star"], i["alpha"], one_sided=True)
    low = estimate - m.closed_half_width_one_sided(error, n, rho, i["alpha"])
    return {"estimate": estimate, "se": error, "p_value": m.bisected_p(estimate, error, n, rho), "low": low}


def closed_greater_difference(i: Inputs) -> Numbers:
    a, b, n = arms(i)
    return closed_greater(b.value - a.value, math.hypot(a.error, b.error), n, i)


def closed_greater_lift(i: Inputs) -> Numbers:
    a, b, n = arms(i)
    effect = lift_of(a, b)
    return closed_greater(effect.value, effect.error, n, i)


def shares(i: Inputs, *, lift: bool) -> Numbers:
    a, b = share(tuple(i["a"])), share(tuple(i["b"]))
    error = lift_of(a, b).error if lift else math.hypot(a.error, b.error)
    method = m.share_lift if lift else m.share_difference
    return numbers(method(tuple(i["a"]), tuple(i["b"]), planned=i["N_star"], alpha=i["alpha"]), error)


def half_width(i: Inputs) -> Numbers:
    rho = m.planned_rho(i["N_star"], i["alpha"])
    return {"half_width": m.half_width(math.sqrt(i["sigma2"] / i["n"]), i["n"], rho, i["alpha"])}


def closed_half_width(i: Inputs) -> Numbers:
    rho, error = m.planned_rho(i["N_star"], i["alpha"], one_sided=True), math.sqrt(i["sigma2"] / i["n"])
    return {"half_width": m.closed_half_width_one_sided(error, i["n"], rho, i["alpha"])}


def msprt(difference: float, variance: float, i: Inputs) -> Numbers:
    n = i["n_pairs"]
    log_lambda = m.log_e(difference, math.sqrt(variance / n), n, m.msprt_rho(variance, i["tau2"]))
    return {"V_n": variance, "log_lambda": log_lambda, "p_value": p_of(log_lambda)}


def msprt_bernoulli(i: Inputs) -> Numbers:
    a, b = i["p_a"], i["p_b"]
    return msprt(b - a, a * (1 - a) + b * (1 - b), i)


def msprt_half_width(i: Inputs) -> Numbers:
    rho = m.msprt_rho(i["V"], i["tau2"])
    half = m.half_width(math.sqrt(i["V"] / i["n_pairs"]), i["n_pairs"], rho, i["alpha"])
    return {"rho": rho, "half_width": half}


def eppo(i: Inputs) -> Numbers:
    rho = m.planned_rho(i["N_tune"], 1 - i["confidence"])
    return {"rho": rho, "B": m.half_width(1.0, i["t"], rho, 1 - i["confidence"])}


def avlm(i: Inputs) -> Numbers:
    log_e = m.t_log_e(i["t"], i["nu"], i["n"], i["g"])
    radius = m.t_half_width(1.0, i["nu"], i["n"], i["g"], i["alpha"])
    return {"log_e": log_e, "p": p_of(log_e), "radius_in_se": radius}


def identity(i: Inputs) -> Numbers:
    rho, error = m.msprt_rho(i["V"], i["tau2"]), math.sqrt(i["V"] / i["n"])
    log_e = m.log_e(i["mean_diff"], error, i["n"], rho)
    return {"log_e": log_e, "rho_howard": rho, "rho2_growthbook": 1 / rho}


METHODS: dict[str, Method] = {
    "growthbook_rho": lambda i: {"rho": m.planned_rho(i["N_star"], i["alpha"]) ** -0.5},
    "half_width": half_width,
    "closed_half_width_one_sided": closed_half_width,
    "difference": difference,
    "closed_greater": closed_greater_difference,
    "closed_greater_lift": closed_greater_lift,
    "share_difference": lambda i: shares(i, lift=False),
    "share_lift": lambda i: shares(i, lift=True),
    "msprt": lambda i: msprt(i["mean_diff"], 2 * i["sigma2_per_arm"], i),
    "msprt_bernoulli": msprt_bernoulli,
    "msprt_half_width": msprt_half_width,
    "eppo": eppo,
    "exact_rho": lambda i: {
        "exact": 1 / m.exact_rho(i["t_opt"], i["alpha"]),
        "approx": 1 / m.planned_rho(i["t_opt"], i["alpha"]),
    },
    "drconfseq_margin": lambda i: {"margin": m.half_width(i["t"] ** -0.5, i["t"], 1 / i["rho2"], i["alpha"])},
    "avlm": avlm,
    "savvi": lambda i: {"log_e": m.t_log_e(math.sqrt(i["t2"]), i["nu"], i["z2"], i["phi"])},
    "identity": identity,
}


@pytest.mark.parametrize("vector", vectors("mixture"))
def test_published_numbers(vector: Inputs) -> None:
    """Every published rho, half-width, e-value, p-value and interval is reproduced, under its own name."""
    assert_agrees(METHODS, vector)


@pytest.mark.parametrize(
    ("estimate", "error", "n", "rho"), [(0.3, 0.1, 500, 80), (-0.02, 0.05, 9, 100), (2, 0.3, 60, 5)]
)
def test_e_values_are_mixtures_of_likelihood_ratios(estimate: float, error: float, n: float, rho: float) -> None:
    """The e-values are the likelihood ratio averaged over normal effects of variance SE² n / rho, or positive ones."""
    tau = error * math.sqrt(n / rho)

    def ratio(effect: float) -> float:
        likelihood: float = stats.norm.pdf(estimate, effect, error) / stats.norm.pdf(estimate, 0, error)
        return likelihood * float(stats.norm.pdf(effect, 0, tau))

    reach = 12 * tau
    below, above = (
        integrate.quad(ratio, *ends, points=[estimate] if ends[0] < estimate < ends[1] else None, limit=400)[0]
        for ends in ((-reach, 0.0), (0.0, reach))
    )
    assert m.log_e(estimate, error, n, rho) == pytest.approx(math.log(below + above), abs=1e-7)
    assert m.log_e_one_sided(estimate, error, n, rho) == pytest.approx(math.log(2 * above), abs=1e-7)


@given(effects, errors, counts, levels, st.sampled_from(ALTERNATIVES), st.floats(-10, 10))
def test_p_values_and_intervals_agree(
    effect: float, error: float, n: float, alpha: float, alternative: Alternative, null: float
) -> None:
    """P is at most alpha exactly when the interval excludes the null; and log e is finite, whatever the effect."""
    shown = m.sequence(effect, error, n, planned=1e4, alpha=alpha, alternative=alternative, null=null)

    assert math.isfinite(shown.log_e)
    assert shown.p == p_of(shown.log_e)
    if abs(shown.log_e + math.log(alpha)) > 1e-6:
        assert (shown.p < alpha) == (not shown.interval.contains(null))


@given(effects, errors, counts, levels)
def test_swapping_the_arms_mirrors_what_is_shown(effect: float, error: float, n: float, alpha: float) -> None:
    """With the sign of the effect changes the sign of the limits, and "greater" becomes "less"."""
    mirror: dict[Alternative, Alternative] = {"two-sided": "two-sided", "greater": "less", "less": "greater"}
    for one, other in mirror.items():
        shown = m.sequence(effect, error, n, planned=500, alpha=alpha, alternative=one)
        mirrored = m.sequence(-effect, error, n, planned=500, alpha=alpha, alternative=other)
        assert mirrored.interval == Interval(-shown.interval.high, -shown.interval.low)
        assert (mirrored.log_e, mirrored.p) == (shown.log_e, shown.p)


@given(errors, counts, st.floats(1, 1e9), levels)
def test_less_error_and_more_certainty(error: float, n: float, planned: float, alpha: float) -> None:
    """Half-widths grow with the standard error and with certainty; a one-sided limit is nearer; all exceed z."""
    rho = m.planned_rho(planned, alpha)
    half = m.half_width(error, n, rho, alpha)
    nearer = m.half_width_one_sided(error, n, rho, alpha)

    assert m.half_width(2 * error, n, rho, alpha) == pytest.approx(2 * half)
    assert m.half_width(error, n, rho, alpha / 2) > half > error * stats.norm.isf(alpha / 2)
    assert error * stats.norm.isf(alpha) < nearer < half
    assert nearer <= m.closed_half_width_one_sided(error, n, rho, alpha) * (1 + 1e-12)


@given(st.floats(1, 1e9), levels)
def test_the_exact_rho_is_best(planned: float, alpha: float) -> None:
    """No other rho gives a narrower interval at the planned size, and the usual approximation costs under 2 %."""
    best = m.half_width(1.0, planned, m.exact_rho(planned, alpha), alpha)

    for factor in (0.5, 0.9, 1.1, 2.0):
        assert m.half_width(1.0, planned, m.exact_rho(planned, alpha) * factor, alpha) > best
    assert best <= m.half_width(1.0, planned, m.planned_rho(planned, alpha), alpha) < 1.02 * best


@pytest.mark.parametrize("alternative", ALTERNATIVES)
@pytest.mark.parametrize("effect", [1e3, -1e3])
def test_a_billion_units_and_a_thousand_standard_errors(effect: float, alternative: Alternative) -> None:
    """Nothing overflows at n = 1e9 and effects of 1,000 standard errors, either way."""
    shown = m.sequence(effect, 1.0, 1e9, planned=1e9, alpha=ALPHA, alternative=alternative)

    towards = alternative == "two-sided" or (effect > 0) == (alternative == "greater")
    assert shown.log_e > 4e5 if towards else -20 < shown.log_e < 0
    assert shown.interval.contains(effect)


def test_far_from_the_side_in_question() -> None:
    """A one-sided e-value keeps its digits where the normal's tail would underflow."""
    asymptotic = -math.log(1000 * math.sqrt(math.pi / 2) * math.sqrt(0.5)) - 0.5 * math.log(2)  # Mills' ratio

    assert m.log_e_one_sided(-1000.0, 1.0, 1e6, 1e6) == pytest.approx(asymptotic, abs=1e-5)


@pytest.mark.parametrize("control", [(4, 1000), (996, 1000), (500, 1000)])
def test_enough(control: tuple[int, int]) -> None:
    """Both arms need 5 successes and 5 failures: until then nothing is shown."""
    shown = m.share_difference(control, (50, 1000), planned=1000, alpha=ALPHA)

    if m.enough(control, (50, 1000)):
        assert shown.interval.width < 1
    else:
        assert (shown.interval, shown.log_e, shown.p) == (Interval.everything(), 0.0, 1.0)
        assert shown.estimate == pytest.approx(0.05 - control[0] / 1000)


def test_lifts_on_the_log_scale() -> None:
    """A log lift is the difference of logarithms: never below -100 %, and reversed by swapping the arms."""
    a, b = Measurement(2.0, 0.9), Measurement(3.0, 0.3)
    shown = m.log_lift(a, b, 100, planned=100, alpha=ALPHA)
    swapped = m.log_lift(b, a, 100, planned=100, alpha=ALPHA)

    ratio = m.sequence(math.log(1.5), math.hypot(0.45, 0.1), 100, planned=100, alpha=ALPHA)
    assert shown.estimate == pytest.approx(0.5)
    assert (shown.log_e, shown.p) == (ratio.log_e, ratio.p)
    assert shown.interval.low == pytest.approx(math.expm1(ratio.interval.low))
    assert shown.interval.low > -1
    assert (1 + shown.interval.high) * (1 + swapped.interval.low) == pytest.approx(1)
    assert m.log_lift(a, b, 100, planned=100, alpha=ALPHA, alternative="greater").interval.high == math.inf


def test_the_t_mixture_becomes_the_normal_one() -> None:
    """With a billion degrees of freedom the t e-value, half-width and rho are those of the normal mixture."""
    assert m.t_log_e(3.0, 1e9, 500, 80) == pytest.approx(m.log_e(3.0, 1.0, 500, 80), abs=1e-6)
    assert m.t_half_width(2.0, 1e9, 500, 80, ALPHA) == pytest.approx(m.half_width(2.0, 500, 80, ALPHA), rel=1e-6)
    assert m.t_planned_rho(1e6, ALPHA) == pytest.approx(m.exact_rho(1e6, ALPHA), rel=1e-4)


@given(st.floats(-50, 50), st.integers(3, 10**6), st.integers(3, 10**6), levels)
def test_t_p_values_and_intervals_agree(t: float, n: int, planned: int, alpha: float) -> None:
    """P is at most alpha exactly when the t interval excludes the null, also where no t statistic is enough."""
    shown = m.t_sequence(Measurement(2 * t + 1, 2.0, n - 2), n, planned=planned, alpha=alpha, null=1.0)

    if abs(shown.log_e + math.log(alpha)) > 1e-6:
        assert (shown.p < alpha) == (not shown.interval.contains(1.0))


def test_too_few_units_for_any_t_statistic() -> None:
    """With one degree of freedom no t statistic, however large, may be enough: then the interval is everything."""
    assert m.t_half_width(1.0, 1, 3, 50, ALPHA) == math.inf
    assert m.t_log_e(1e9, 1, 3, 50) < -math.log(ALPHA)


@pytest.mark.parametrize("alternative", ["greater", "less"])
def test_one_sided_sequences_have_a_rho_of_their_own(alternative: Alternative) -> None:
    """A one-sided limit is tuned for one side: with alpha doubled, which brings it nearer at the planned size."""
    shown = m.sequence(3.0, 2.0, 500, planned=500, alpha=ALPHA, alternative=alternative)
    rho = m.planned_rho(500, 2 * ALPHA)

    half = m.half_width_one_sided(2.0, 500, rho, ALPHA)
    assert shown.interval == (
        Interval(3 - half, math.inf) if alternative == "greater" else Interval(-math.inf, 3 + half)
    )
    assert half < m.half_width_one_sided(2.0, 500, m.planned_rho(500, ALPHA), ALPHA)


@given(st.integers(3, 10**6), levels)
def test_the_planned_t_rho_is_best(planned: int, alpha: float) -> None:
    """No other rho gives a narrower t interval at the planned size."""
    rho = m.t_planned_rho(planned, alpha)
    best = m.t_half_width(1.0, planned - 2, planned, rho, alpha)

    for factor in (0.5, 0.9, 1.1, 2.0):
        assert m.t_half_width(1.0, planned - 2, planned, rho * factor, alpha) >= best * (1 - 1e-9)


def test_bisection_ends_where_the_closed_form_does() -> None:
    """The bisected p is the level at which the closed interval just excludes 0, kept between 0.00001 and 0.4999."""
    rho = m.planned_rho(5000, ALPHA, one_sided=True)
    p = m.bisected_p(0.29, 0.125, 7000, rho)

    assert m.closed_half_width_one_sided(0.125, 7000, rho, p) == pytest.approx(0.29, abs=3e-6)
    assert m.bisected_p(-0.29, 0.125, 7000, rho) == 0.4999
    assert m.bisected_p(29, 0.125, 7000, rho) == 1e-5
    huge = m.bisected_p(0.29e15, 0.125e15, 7000, rho)  # where no level brings the limit within 0.000001 of 0
    assert huge == pytest.approx(p, rel=1e-4)


def test_no_error_says_nothing() -> None:
    """With a standard error of 0 the data did not vary: nothing is excluded, and the e-value is 1."""
    for shown in (
        m.sequence(1.0, 0.0, 10, planned=10, alpha=ALPHA),
        m.t_sequence(Measurement(1.0, 0.0, 8), 10, planned=10, alpha=ALPHA),
    ):
        assert shown == Evidence(1.0, Interval.everything(), 0.0, 1.0)


def test_what_cannot_be_is_refused() -> None:
    """Numbers that are none, negative errors, no units and impossible plans are refused by name."""
    for effect, error, n in ((math.nan, 1, 1), (math.inf, 1, 1), (1, -1, 1), (1, math.inf, 1), (1, 1, 0), (1, 1, -2)):
        with pytest.raises(ValueError, match=f"standard error {error} at n={n}"):
            m.sequence(effect, error, n, planned=10, alpha=ALPHA)
    for planned in (0, -1, math.inf, math.nan):
        for rho in (m.planned_rho, m.exact_rho, m.t_planned_rho):
            with pytest.raises(ValueError, match="cannot be tight at"):
                rho(planned, ALPHA)
    with pytest.raises(ValueError, match="nothing is left to measure errors"):
        m.t_planned_rho(2, ALPHA)
    with pytest.raises(ValueError, match="a logarithm needs both above 0"):
        m.log_lift(Measurement(0.0, 1.0), Measurement(1.0, 1.0), 10, planned=10, alpha=ALPHA)
    with pytest.raises(ValueError, match="control's value is 0"):
        m.share_lift((0, 10), (1, 10), planned=10, alpha=ALPHA)
