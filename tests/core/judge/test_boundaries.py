"""Curved boundaries: the published numbers, and each mixture against its defining integral."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, special

from streams.core.judge import boundaries as b
from tests.core.judge.published import Method, assert_agrees, vectors


def rho(inputs: Mapping[str, Any], *, one_sided: bool) -> float:
    return b.best_rho(inputs["v_opt"], inputs["alpha_opt"], one_sided=one_sided)


def log_of(mixture: Callable[..., float], *names: str, one_sided: bool) -> Method:
    return lambda i: {"log_e": mixture(i["s"], i["v"], rho(i, one_sided=one_sided), *(i[name] for name in names))}


def bound_of(bound: Callable[..., float], *names: str, one_sided: bool) -> Method:
    return lambda i: {"s": bound(i["v"], i["alpha"], rho(i, one_sided=one_sided), *(i[name] for name in names))}


METHODS: dict[str, Method] = {
    "best_rho": lambda i: {"rho": rho(i, one_sided=False)},
    "normal_log": log_of(b.normal_log, one_sided=False),
    "normal_bound": bound_of(b.normal_bound, one_sided=False),
    "normal_log_one_sided": log_of(b.normal_log_one_sided, one_sided=True),
    "normal_bound_one_sided": bound_of(b.normal_bound_one_sided, one_sided=True),
    "gamma_exponential_log": log_of(b.gamma_exponential_log, "c", one_sided=True),
    "gamma_exponential_bound": bound_of(b.gamma_exponential_bound, "c", one_sided=True),
    "gamma_poisson_log": log_of(b.gamma_poisson_log, "c", one_sided=True),
    "gamma_poisson_bound": bound_of(b.gamma_poisson_bound, "c", one_sided=True),
    "beta_binomial_log": log_of(b.beta_binomial_log, "g", "h", one_sided=False),
    "beta_binomial_bound": bound_of(b.beta_binomial_bound, "g", "h", one_sided=False),
    "beta_binomial_log_one_sided": lambda i: {
        "log_e": b.beta_binomial_log(i["s"], i["v"], rho(i, one_sided=True), i["g"], i["h"], one_sided=True)
    },
    "beta_binomial_bound_one_sided": lambda i: {
        "s": b.beta_binomial_bound(i["v"], i["alpha"], rho(i, one_sided=True), i["g"], i["h"], one_sided=True)
    },
    "poly_stitching_bound": lambda i: {
        "s": b.poly_stitching_bound(i["v"], i["alpha"], i["v_min"], scale=i["c"], s=i["s"], eta=i["eta"])
    },
}


@pytest.mark.parametrize("vector", vectors("boundaries"))
def test_published_numbers(vector: Mapping[str, Any]) -> None:
    """Every published mixture and bound is reproduced."""
    assert_agrees(METHODS, vector)


def log_integral(log_density: Callable[[float], float], low: float, high: float) -> float:
    """Logarithm of the integral of exp(log_density), by quadrature around its peak."""
    points = [low + (high - low) * i / 4000 for i in range(1, 4000)]
    peak = max(log_density(x) for x in points)
    found, _ = integrate.quad(lambda x: math.exp(log_density(x) - peak), low, high, limit=500, epsabs=0, epsrel=1e-10)
    return peak + math.log(found)


@pytest.mark.parametrize(("s", "v", "rho"), [(0, 10, 3), (12, 40, 5), (-12, 40, 5), (60, 100, 20)])
def test_the_normal_mixtures_are_their_integrals(s: float, v: float, rho: float) -> None:
    """Exp(x s - x² v / 2), averaged over a normal x of variance 1/rho, or over its positive half."""

    def log_density(x: float) -> float:
        return x * s - x * x * v / 2 - rho * x * x / 2 + 0.5 * math.log(rho / (2 * math.pi))

    assert b.normal_log(s, v, rho) == pytest.approx(log_integral(log_density, -8, 8), abs=1e-8)
    half = math.log(2) + log_integral(log_density, 0, 8)
    assert b.normal_log_one_sided(s, v, rho) == pytest.approx(half, abs=1e-8)


@pytest.mark.parametrize(("s", "v", "rho", "c"), [(0, 10, 3, 1), (12, 40, 5, 1), (60, 100, 20, 0.5), (5, 2, 9, 3)])
def test_the_gamma_exponential_mixture_is_its_integral(s: float, v: float, rho: float, c: float) -> None:
    """Exp(x s - psi(x) v), psi of an exponential tail, averaged over a gamma law of 1 - c x, cut to be positive."""
    shape = rho / c**2
    constant = shape * math.log(shape) - math.lgamma(shape) - math.log(float(special.gammainc(shape, shape)))

    def log_density(y: float) -> float:  # y = 1 - c x, in (0, 1]
        psi = (y - 1 - math.log(y)) / c**2
        return (1 - y) / c * s - psi * v + constant + (shape - 1) * math.log(y) - shape * y

    assert b.gamma_exponential_log(s, v, rho, c) == pytest.approx(log_integral(log_density, 0, 1), abs=1e-7)


@pytest.mark.parametrize(("s", "v", "rho", "c"), [(0, 10, 3, 1), (12, 40, 5, 1), (60, 100, 20, 0.5), (5, 2, 9, 3)])
def test_the_gamma_poisson_mixture_is_its_integral(s: float, v: float, rho: float, c: float) -> None:
    """Exp(x s - psi(x) v), psi of a Poisson tail, averaged over a gamma law of exp(c x), cut to be at least 1."""
    shape = rho / c**2
    constant = shape * math.log(shape) - math.lgamma(shape) - math.log(float(special.gammaincc(shape, shape)))

    def log_density(y: float) -> float:  # y = exp(c x), at least 1
        psi = (y - 1 - math.log(y)) / c**2
        return math.log(y) / c * s - psi * v + constant + (shape - 1) * math.log(y) - shape * y

    assert b.gamma_poisson_log(s, v, rho, c) == pytest.approx(log_integral(log_density, 1, 60), abs=1e-7)


@pytest.mark.parametrize(("up", "down", "g", "h"), [(7, 30, 0.2, 0.8), (0, 12, 0.5, 0.5), (30, 60, 1.0, 2.0)])
def test_the_beta_binomial_mixture_is_its_integral(up: int, down: int, g: float, h: float) -> None:
    """The likelihood ratio of steps up and down against no drift, averaged over a beta law of the share of steps up."""
    p, rho, s, v = g / (g + h), 3.0, up * h - down * g, (up + down) * g * h
    a, c = b.beta_strength(rho, g, h) * p, b.beta_strength(rho, g, h) * (1 - p)

    def log_density(x: float) -> float:
        likelihood = up * math.log(x / p) + down * math.log((1 - x) / (1 - p))
        return likelihood + (a - 1) * math.log(x) + (c - 1) * math.log1p(-x) - float(special.betaln(a, c))

    assert b.beta_binomial_log(s, v, rho, g, h) == pytest.approx(log_integral(log_density, 0, 1), abs=1e-6)


BOUNDS: dict[str, tuple[Callable[[float, float], float], Callable[[float, float], float]]] = {
    "normal": (lambda s, v: b.normal_log(s, v, 7.0), lambda v, alpha: b.normal_bound(v, alpha, 7.0)),
    "one-sided normal": (
        lambda s, v: b.normal_log_one_sided(s, v, 7.0),
        lambda v, alpha: b.normal_bound_one_sided(v, alpha, 7.0),
    ),
    "gamma-exponential": (
        lambda s, v: b.gamma_exponential_log(s, v, 7.0, 1.5),
        lambda v, alpha: b.gamma_exponential_bound(v, alpha, 7.0, 1.5),
    ),
    "gamma-Poisson": (
        lambda s, v: b.gamma_poisson_log(s, v, 7.0, 1.5),
        lambda v, alpha: b.gamma_poisson_bound(v, alpha, 7.0, 1.5),
    ),
    "beta-binomial": (
        lambda s, v: b.beta_binomial_log(s, v, 7.0, 0.1, 0.9),
        lambda v, alpha: b.beta_binomial_bound(v, alpha, 7.0, 0.1, 0.9),
    ),
}


@pytest.mark.parametrize("name", BOUNDS)
@given(v=st.floats(1, 1e9), alpha=st.floats(1e-9, 0.5))
def test_a_bound_is_where_its_mixture_reaches_the_threshold(name: str, v: float, alpha: float) -> None:
    """At the bound the log e-value is log(1/alpha), for any v up to 1e9; less error needs a larger bound."""
    mixture, bound = BOUNDS[name]
    at = bound(v, alpha)

    if name != "beta-binomial" or at < v / 0.1:  # there the sum may not be able to reach it
        assert mixture(at, v) == pytest.approx(-math.log(alpha), abs=1e-6)
    assert bound(v, alpha / 2) >= at > 0


@pytest.mark.parametrize(
    ("x", "y", "p", "q", "expected"),
    [
        (3e8 + 2e4, 7e8, 0.3, 0.7, -9.1146791906840070),
        (0.5, 1e9, 0.3, 0.7, 356674933.83251227),
        (17, 3, 0.001, 0.999, 108.54102580993353),
        (1e-12, 5, 1e-11, 1 - 1e-11, 26.712082582797121),
    ],
)
def test_beta_ratios_keep_their_digits(x: float, y: float, p: float, q: float, expected: float) -> None:
    """The beta ratio agrees with 50-digit arithmetic at 1e9, where a difference of log-gammas keeps six digits."""
    assert b.log_beta_ratio(x, y, p, q) == pytest.approx(expected, rel=1e-13, abs=1e-11)


@pytest.mark.parametrize("x", [1e-12, 0.3, 4.0, 15.999, 16.0, 200.0])
def test_stirlings_error(x: float) -> None:
    """The series and the direct difference agree where they meet: B(x, x) is the gamma function's."""
    direct = float(special.betaln(x, x)) + 2 * x * math.log(2) - 0.5 * math.log(2 * math.pi)

    assert b.log_beta_ratio(x, x, 0.5, 0.5) == pytest.approx(direct, abs=1e-12 * max(1.0, abs(direct)))


def test_what_cannot_be_is_refused() -> None:
    """Times that are not positive, one-sided levels above a half and impossible sums are refused by name."""
    with pytest.raises(ValueError, match="cannot be tight at 0"):
        b.best_rho(0, 0.05)
    with pytest.raises(ValueError, match="one-sided boundary needs less than"):
        b.best_rho(10, 0.5, one_sided=True)
    with pytest.raises(ValueError, match="a sum of 9 is impossible at time 1"):
        b.beta_binomial_log(9, 1, 7.0, 0.2, 0.8)
    for mixture in (b.gamma_exponential_log, b.gamma_poisson_log):
        with pytest.raises(ValueError, match="on the other side"):
            mixture(-1, 10, 7.0, 1.0)
