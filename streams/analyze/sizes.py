"""Sizes that find a difference of shares, at one look and sequentially."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.text import Text

from streams.analyze.arms import Told, table
from streams.core.judge import power, sequential_power
from streams.core.judge.fixed import Name
from streams.core.judge.group_sequential import Design, bounds

UNPOOLED = Name("unpooled", "(za + zb)² (p0 q0 + p1 q1) / d²")
POOLED_NULL = Name("pooled null", "(za sqrt(2 p q) + zb sqrt(p0 q0 + p1 q1))² / d²")
ARCSINE = Name("arcsine", "z test of 2 asin(sqrt(p)), variance 1/n")
EVAN_MILLER = Name("Evan Miller", "(za sqrt(2 p0 q0) + zb sqrt(p0 q0 + p1 q1))² / d²")
RULE_OF_16 = Name("rule of 16", "16 p0 q0 / d²")
GROUP_SEQUENTIAL = Name("group sequential", "spending alpha t², simulated")
MIXTURE = Name("normal mixture", "normal mixture tuned to the largest size, simulated")
SPRT = Name("SPRT, one arm", "Wald's expected size, treatment against a known baseline")

_PATHS = 20_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be found: a difference of shares from a baseline, with these error rates and that many looks."""

    baseline: float
    effect: float
    alpha: float
    power: float
    looks: int

    @property
    def shares(self) -> tuple[float, float]:
        """Shares of control and of treatment."""
        return self.baseline, self.baseline + self.effect


@dataclass(frozen=True, slots=True)
class Size:
    """
    Units in one arm that a method needs.

    `largest` is where it ends at the latest, None where there is no such size; `mean` the size at which it stops on
    average if the difference is there, `mean_without` if there is none, each with its Monte-Carlo standard error.
    """

    name: Name
    largest: float | None
    mean: float
    mean_error: float
    mean_without: float
    mean_without_error: float
    looks: str


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes of every method."""

    wanted: Wanted
    sizes: tuple[Size, ...]


def plan_sizes(wanted: Wanted, seed: int) -> Sizes:
    """Find the sizes; the simulations start from the seed. A ValueError for what cannot be found."""
    fractions = [look / wanted.looks for look in range(1, wanted.looks + 1)]
    fixed = _fixed(wanted)
    grouped = bounds(Design(planned=1.0, alpha=wanted.alpha), fractions)
    mixed = sequential_power.mixture_limits(fractions, planned=1.0, alpha=wanted.alpha)
    rng = np.random.default_rng(seed)
    sequential = [
        _simulated(GROUP_SEQUENTIAL, wanted, list(grouped), f"{wanted.looks} planned", rng),
        _simulated(MIXTURE, wanted, mixed, "any", rng),
        _sprt(wanted),
    ]
    return Sizes(wanted, (*fixed, *sequential))


def _fixed(wanted: Wanted) -> list[Size]:
    formulas = (
        (UNPOOLED, power.size_unpooled),
        (POOLED_NULL, power.size_pooled_null),
        (ARCSINE, power.size_arcsine),
        (EVAN_MILLER, power.size_evan_miller),
    )
    found = [(name, size(*wanted.shares, alpha=wanted.alpha, power=wanted.power)) for name, size in formulas]
    if (wanted.alpha, wanted.power) == (0.05, 0.8):
        found.append((RULE_OF_16, power.size_rule_of_16(*wanted.shares)))
    return [Size(name, size, size, 0.0, size, 0.0, "once") for name, size in found]


def _simulated(name: Name, wanted: Wanted, limits: list[float], looks: str, rng: np.random.Generator) -> Size:
    """Simulate a test of two equal arms; the simulation's sizes are of both arms together."""
    variance = 2 * sum(share * (1 - share) for share in wanted.shares)
    largest = sequential_power.size_for_power(
        wanted.effect, variance, limits, power=wanted.power, rng=rng, paths=_PATHS
    )
    sizes = [largest * look / wanted.looks for look in range(1, wanted.looks + 1)]
    having, without = (
        sequential_power.simulated_power(effect, variance, sizes, limits, rng=rng, paths=_PATHS)
        for effect in (wanted.effect, 0.0)
    )
    return Size(
        name,
        largest=largest / 2,
        mean=having.expected_size / 2,
        mean_error=having.expected_size_error / 2,
        mean_without=without.expected_size / 2,
        mean_without_error=without.expected_size_error / 2,
        looks=looks,
    )


def _sprt(wanted: Wanted) -> Size:
    drifts = sequential_power.bernoulli_drifts(*wanted.shares)
    without, having = sequential_power.sprt_expected_sizes(wanted.alpha, 1 - wanted.power, drifts)
    return Size(SPRT, None, having, 0.0, without, 0.0, "any")


def tell_sizes(found: Sizes) -> Told:
    """Return every number of the plan."""
    wanted = found.wanted
    asked = {"baseline": wanted.baseline, "effect": wanted.effect, "alpha": wanted.alpha, "power": wanted.power}
    return {**asked, "looks": wanted.looks, "sizes": [_tell(size) for size in found.sizes]}


def _tell(size: Size) -> Told:
    return {
        "method": size.name.method,
        "formula": size.name.formula,
        "largest": size.largest,
        "mean": size.mean,
        "mean_error": size.mean_error,
        "mean_without": size.mean_without,
        "mean_without_error": size.mean_without_error,
        "looks": size.looks,
    }


def print_sizes(found: Sizes) -> None:
    """Print a row a method, sizes in units of one arm."""
    console, wanted = Console(), found.wanted
    base, other = (f"{100 * share:g} %" for share in wanted.shares)
    title = f"units in one arm to find {base} against {other}, alpha {wanted.alpha:g}, power {wanted.power:g}"
    console.print(Text(title, style="bold"), soft_wrap=True)
    frame = table("method", "at most", "mean if there", "mean if not", "looks")
    for size in found.sizes:
        largest = "no limit" if size.largest is None else f"{size.largest:,.0f}"
        having, without = _mean(size.mean, size.mean_error), _mean(size.mean_without, size.mean_without_error)
        frame.add_row(size.name.method, largest, having, without, size.looks)
    console.print(frame, "")
    note = "means of sequential tests are simulated, ± one standard error; the SPRT's are Wald's formula"
    console.print(Text(note, style="dim"), soft_wrap=True)


def _mean(size: float, error: float) -> str:
    return f"{size:,.0f} ± {error:,.0f}" if error else f"{size:,.0f}"
