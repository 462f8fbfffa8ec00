"""Power and stopping of sequential tests: simulated against exact recursion, and Wald's formula against walks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from streams.core.judge.power import power_z, size_unpooled
from streams.core.judge.sequential_power import (
    bernoulli_drifts,
    mixture_limits,
    simulated_power,
    size_for_power,
    sprt_expected_sizes,
)

LOOKS = [100.0 * look for look in range(1, 11)]


def test_one_look_is_the_fixed_test() -> None:
    """With one look the power is the z test's, to 4 Monte-Carlo standard errors, and all stop there."""
    found = simulated_power(0.2, 2.0, [200.0], [1.959964], rng=np.random.default_rng(1))

    assert found.power == pytest.approx(power_z(0.2, 200), abs=4 * found.power_error)
    assert (found.expected_size, found.expected_size_error) == (200, 0)


@pytest.mark.parametrize(("looks", "error"), [(1, 0.050), (2, 0.083), (5, 0.142), (10, 0.193)])
def test_peeking(looks: int, error: float) -> None:
    """Without a difference, looking K times at |z| > 1.96 errs as Armitage, McPherson & Rowe (1969) computed."""
    found = simulated_power(0.0, 1.0, LOOKS[:looks], [1.959964] * looks, rng=np.random.default_rng(2), paths=40_000)

    assert found.power == pytest.approx(error, abs=4 * found.power_error + 0.0005)


def test_limits_of_the_mixture_hold_at_every_look() -> None:
    """Under the null the mixture's limits are crossed at most alpha of the time at 200 looks."""
    looks = [50.0 * look for look in range(1, 201)]
    limits = mixture_limits(looks, planned=5000, alpha=0.05)
    found = simulated_power(0.0, 1.0, looks, limits, rng=np.random.default_rng(3), paths=20_000)

    assert found.power <= 0.05
    assert found.power > 0.01


def test_shares_that_stopped() -> None:
    """What has stopped only grows, ends at the power, and gives the mean size; the spread is over paths."""
    found = simulated_power(0.1, 2.0, LOOKS, [2.5] * 10, rng=np.random.default_rng(4), paths=5000)
    new = np.diff(found.stopped, prepend=0.0)
    new[-1] += 1 - found.power

    assert found.looks == tuple(LOOKS)
    assert (np.diff(found.stopped) >= 0).all()
    assert found.stopped[-1] == found.power
    assert found.expected_size == pytest.approx(new @ LOOKS)
    variance = new @ (np.array(LOOKS) - found.expected_size) ** 2
    assert found.expected_size_error == pytest.approx(math.sqrt(variance / 5000), rel=1e-3)
    assert found.power_error == pytest.approx(math.sqrt(found.power * (1 - found.power) / 5000))


def test_the_same_seed_is_the_same_answer() -> None:
    """The answer depends on the generator's state only."""
    one, again, other = (
        simulated_power(0.1, 2.0, LOOKS, [2.5] * 10, rng=np.random.default_rng(seed)) for seed in (5, 5, 6)
    )

    assert one == again != other


def test_uneven_looks() -> None:
    """Increments have the variance of the units between looks: a look twice makes no second chance."""
    rng = np.random.default_rng(7)
    found = simulated_power(0.0, 1.0, [1000.0, 1000.001], [1.959964] * 2, rng=rng, paths=40_000)

    assert found.power == pytest.approx(0.05, abs=4 * found.power_error + 0.001)


def test_wald_by_random_walks() -> None:
    """Expected sizes of 2,000 walks are those of Wald's formula, or at most a fifth more: limits are overshot."""
    alpha, beta, shares = 0.05, 0.2, (0.10, 0.15)
    expected = sprt_expected_sizes(alpha, beta, bernoulli_drifts(*shares))
    up, down = math.log(shares[1] / shares[0]), math.log((1 - shares[1]) / (1 - shares[0]))
    rng = np.random.default_rng(8)
    for share, size in zip(shares, expected, strict=True):
        walks = np.where(rng.random((2000, 4000)) < share, up, down).cumsum(axis=1)
        out = (walks >= math.log((1 - beta) / alpha)) | (walks <= math.log(beta / (1 - alpha)))
        lengths = out.argmax(axis=1) + 1

        assert out.any(axis=1).all()
        assert size < lengths.mean() < 1.2 * size


def test_drifts_are_divergences() -> None:
    """The drifts are the means of the log likelihood ratio, by both shares."""
    null, alternative = bernoulli_drifts(0.1, 0.12)

    assert null == pytest.approx(0.1 * math.log(0.12 / 0.1) + 0.9 * math.log(0.88 / 0.9))
    assert alternative == pytest.approx(0.12 * math.log(0.12 / 0.1) + 0.88 * math.log(0.88 / 0.9))


def test_plans_that_cannot_be() -> None:
    """Looks that do not rise, limits that are missing, and error rates and shares that are none are refused."""
    rng = np.random.default_rng(9)
    for looks, limits in (([], []), ([0.0], [2.0]), ([2.0, 1.0], [2.0, 2.0]), ([1.0], [])):
        with pytest.raises(ValueError, match="looks must rise from above 0"):
            simulated_power(0.1, 1.0, looks, limits, rng=rng)
    with pytest.raises(ValueError, match=r"variance 0\.0 and 20000 paths"):
        simulated_power(0.1, 0.0, [1.0], [2.0], rng=rng)
    with pytest.raises(ValueError, match=r"alpha 0\.6, beta 0\.5"):
        sprt_expected_sizes(0.6, 0.5, (-1.0, 1.0))
    with pytest.raises(ValueError, match=r"shares 0\.1 and 0\.1"):
        bernoulli_drifts(0.1, 0.1)


def test_size_of_one_look_is_the_fixed_size() -> None:
    """With one look the largest size is the z test's, to 4 Monte-Carlo standard errors of the power."""
    variance = 2 * (0.09 + 0.1056)
    found = size_for_power(0.02, variance, [1.959964], power=0.8, rng=np.random.default_rng(10), paths=100_000)
    error = math.sqrt(0.8 * 0.2 / 100_000)
    low, high = (2 * size_unpooled(0.1, 0.12, power=0.8 + side * 4 * error) for side in (-1, 1))

    assert low < found < high


def test_size_of_many_looks_has_the_power() -> None:
    """A test that ends at the size found has the power, in simulations of its own."""
    looks = list(range(1, 21))
    limits = mixture_limits(looks, planned=20, alpha=0.05)
    largest = size_for_power(0.02, 0.3912, limits, power=0.8, rng=np.random.default_rng(11))
    sizes = [largest * look / 20 for look in looks]
    found = simulated_power(0.02, 0.3912, sizes, limits, rng=np.random.default_rng(12))

    assert found.power == pytest.approx(0.8, abs=4 * math.sqrt(2) * found.power_error)
    assert 1.5 * 2 * size_unpooled(0.1, 0.12) < largest < 2 * 2 * size_unpooled(0.1, 0.12)


def test_powers_that_no_size_has() -> None:
    """No effect, no limits, and a power below that of chance are refused."""
    rng = np.random.default_rng(13)
    for effect, limits in ((0.0, [2.0]), (0.1, [])):
        with pytest.raises(ValueError, match=f"effect {effect}, variance"):
            size_for_power(effect, 1.0, limits, power=0.8, rng=rng)
    with pytest.raises(ValueError, match="it must be above that without an effect"):
        size_for_power(0.1, 1.0, [1.96], power=0.01, rng=rng)
