"""Scenarios of `comparison.compare`: arms as the pipeline judges them, looked at after every block."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import tee

import numpy as np
from numpy.random import Generator

from streams.core.exposure import BUCKETS
from streams.core.judge.many import AlphaBudget
from tests.statistical import populations as who
from tests.statistical.arms import Population, Question, Rule, Sums, Watch, so_far, watch
from tests.statistical.populations import Traffic, Users
from tests.statistical.scenario import ALPHA, Ints, Kind, Mask, Scenario, ever

METHOD = "comparison.compare"
LOOKS = 100
_SPLITS = {0.5: "50/50", 0.1: "90/10", 0.01: "99/1"}
_CALLED = {
    "normal": "normal values",
    "lognormal-1": "lognormal values, sigma 1",
    "lognormal-2": "lognormal values, sigma 2",
}


def _scenario(
    name: str, about: str, population: Population, rule: Rule, looks: int = LOOKS, kind: Kind = "promise"
) -> Scenario:
    return Scenario(name, METHOD, about, rule.alpha, looks, watch(population, rule), (200, 4000), kind)


def _of_shares() -> Iterator[Scenario]:
    """An event comes to the smaller arm about once a look, so that counts are left for the mixture at look 10 or so."""
    for share in (0.5, 0.1, 0.01, 0.001, 0.0001):
        for split, named in _SPLITS.items():
            traffic = Traffic(math.ceil(1 / share / split), LOOKS, split)
            about = f"shares of {share:g}, {named}, no effect"
            yield _scenario(f"share-{share:g}-{named}", about, who.shares(traffic, share), Rule(traffic.middle))
    for split in (0.5, 0.1):
        traffic = Traffic(math.ceil(10 / split), LOOKS, split)
        about = f"shares of 0.1, {_SPLITS[split]}, planned for where counts are left for the mixture"
        yield _scenario(f"switch-{_SPLITS[split]}", about, who.shares(traffic, 0.1), Rule(traffic.block * LOOKS / 10))
    traffic = Traffic(100, LOOKS)
    yield _scenario("share-alpha-0.01", "shares of 0.1, alpha 0.01", who.shares(traffic, 0.1), Rule(5000, alpha=0.01))


def _of_means() -> Iterator[Scenario]:
    kinds = {"normal": who.normal, "lognormal-1": who.lognormal(1.0), "lognormal-2": who.lognormal(2.0)}
    for name, draw in kinds.items():
        for split, named in _SPLITS.items():
            kind: Kind = "limit" if name == "lognormal-2" and split != 0.5 else "promise"
            traffic = Traffic(math.ceil(5 / split), LOOKS, split)
            about = f"means of {_CALLED[name]}, {named}, no effect"
            yield _scenario(f"mean-{name}-{named}", about, who.means(traffic, draw), Rule(traffic.middle), kind=kind)
    traffic = Traffic(200, LOOKS, 0.1)
    about = "Brier score of a class that is 1 % of all, 90/10, no effect"
    yield _scenario("brier-rare-90/10", about, who.means(traffic, who.brier_of_rare), Rule(traffic.middle))


def _of_users() -> Iterator[Scenario]:
    """Units that come more than once: predictions of one unit are alike."""
    for name, share, alike, sigma, split, block in (
        ("users-50/50", 0.3, 0.1, 1.0, 0.5, 10),
        ("users-90/10", 0.3, 0.1, 1.0, 0.1, 50),
        ("users-rare-50/50", 0.05, 0.5, 1.0, 0.5, 20),
        ("users-rare-90/10", 0.05, 0.5, 1.0, 0.1, 100),
        ("users-rarer-50/50", 0.01, 1.0, 1.0, 0.5, 100),
        ("users-heavy-50/50", 0.05, 0.5, 1.5, 0.5, 20),
        ("users-heavy-90/10", 0.3, 0.5, 1.5, 0.1, 50),
    ):
        traffic = Traffic(block, LOOKS, split)
        about = (
            f"shares of {share:g}, {_SPLITS[split]}, of users who make many predictions (lognormal, sigma {sigma:g}; "
            f"correlation {alike:g})"
        )
        yield _scenario(name, about, who.users(traffic, Users(share, alike, sigma)), Rule(5000))
    traffic = Traffic(10, LOOKS)
    back = who.returning(traffic, Users(0.3, 0.2), 0.5)
    yield _scenario("users-returning", "shares of 0.3 of users who come back at every look", back, Rule(5000))
    yield _scenario("users-f1", "F1 of users, 50/50", who.f1(Traffic(20, LOOKS), Users(0.7, 0.2)), Rule(5000))


def _of_samples() -> Iterator[Scenario]:
    for name, share, split, block in (
        ("weighted-50/50", 0.3, 0.5, 50),
        ("weighted-90/10", 0.3, 0.1, 200),
        ("weighted-rare-90/10", 0.01, 0.1, 500),
        ("weighted-rare-99/1", 0.01, 0.01, 5000),
    ):
        traffic = Traffic(block, LOOKS, split)
        about = f"shares of {share:g}, {_SPLITS[split]}, in a sample in which weights are 1 and 10"
        yield _scenario(name, about, who.weighted(traffic, share), Rule(traffic.middle))
    for name, share, wrong, block in (
        ("settled", 0.3, 0.0, 20),
        ("corrected", 0.3, 0.1, 20),
        ("settled-rare", 0.01, 0.0, 400),
        ("corrected-rare", 0.01, 0.01, 400),
    ):
        told = f"{wrong:.0%} of labels are wrong and corrected 5 looks later" if wrong else "labels are final at once"
        about = f"shares of {share:g}, 50/50, {told}"
        population = who.corrected(Traffic(block, LOOKS), share, wrong, 5)
        yield _scenario(name, about, population, Rule(block * LOOKS / 2))
    about = "shares of 0.1, 50/50, labels of events come 20 looks later than others"
    yield _scenario("late", about, who.late(Traffic(50, LOOKS), 0.1, 20), Rule(2500))


def _of_guardrails() -> Iterator[Scenario]:
    """Arms that are as harmful as the margin forbids."""
    asked: tuple[tuple[str, Question, str], ...] = (
        ("passed", "passed", "and passes"),
        ("e-value", "e-value", "and its e-value says it is not"),
    )
    for split in (0.5, 0.1):
        traffic = Traffic(math.ceil(50 / split), LOOKS, split)
        harmful = who.shares(traffic, 0.3, -0.02)
        for name, question, told in asked:
            about = f"a guardrail's arm, {_SPLITS[split]}, is worse by its margin, 0.28 against 0.3, {told}"
            rule = Rule(traffic.middle, truth=-0.02, harm=-0.02, question=question)
            yield _scenario(f"guardrail-{name}-{_SPLITS[split]}", about, harmful, rule)
    traffic = Traffic(20, LOOKS)
    alike = who.shares(traffic, 0.1)
    for alpha in (ALPHA, 0.005):
        about = f"a guardrail without a margin, shares of 0.1, alpha {alpha:g}, and its e-value says it gains"
        rule = Rule(traffic.middle, alpha=alpha, harm=-0.0, question="e-value")
        yield _scenario(f"guardrail-no-margin-{alpha:g}", about, alike, rule)


def _of_coverage() -> Iterator[Scenario]:
    """Intervals that ever miss an effect that there is."""
    for name, control, effect, split, block in (
        ("coverage-share", 0.1, 0.02, 0.5, 100),
        ("coverage-rare-90/10", 0.005, 0.005, 0.1, 1000),
    ):
        traffic = Traffic(block, LOOKS, split)
        about = f"an interval of shares, {control:g} and {control + effect:g}, {_SPLITS[split]}, misses the difference"
        rule = Rule(traffic.middle, truth=effect)
        yield _scenario(name, about, who.shares(traffic, control, effect), rule)
    traffic = Traffic(20, LOOKS)
    shifted = who.means(traffic, who.lognormal(1.0), 0.5)
    about = "an interval of lognormal means, sigma 1, misses the difference"
    yield _scenario("coverage-mean", about, shifted, Rule(traffic.middle, truth=0.5))


def experiment_errs(rng: Generator, paths: int) -> Mask:
    """Say on which paths any primary metric calls any of two arms better or worse than the control, all being alike."""
    levels = AlphaBudget(ALPHA, {"clicks": 1.0, "buys": 1.0}, ALPHA).levels()
    watches = [[Watch(Rule(5000, alpha=level / 2), rng.spawn(1)[0]) for _ in range(2)] for level in levels.values()]
    metrics = zip(*(so_far(added) for added in _clicks_and_buys(rng, paths)), strict=True)
    for sums in metrics:
        for metric, of_arms in zip(sums, watches, strict=True):
            for arm, one in enumerate(of_arms, 1):
                one.look(metric.of_arms(0, arm))
    return ever(one.wrong for of_arms in watches for one in of_arms)


def _clicks_and_buys(rng: Generator, paths: int) -> tuple[Iterator[Sums], Iterator[Sums]]:
    """Three arms that get 100 units each at a look; a fifth of these click, and half of those buy."""

    def added() -> Iterator[tuple[Sums, Sums]]:
        for _ in range(LOOKS):
            counts = rng.multinomial(300, np.full(3 * BUCKETS, 1 / (3 * BUCKETS)), size=paths)
            clicks = rng.binomial(counts, 0.2)
            yield _shares(counts, clicks), _shares(counts, rng.binomial(clicks, 0.5))

    first, second = tee(added())
    return (clicks for clicks, _ in first), (buys for _, buys in second)


def _shares(counts: Ints, events: Ints) -> Sums:
    n = counts.reshape(-1, 3, BUCKETS).astype(np.float64)
    return Sums(events.reshape(n.shape).astype(np.float64), n, n, n, is_share=True, once=True)


SCENARIOS = (
    *_of_shares(),
    *_of_means(),
    *_of_users(),
    *_of_samples(),
    *_of_guardrails(),
    *_of_coverage(),
    Scenario(
        "experiment",
        "comparison.compare, AlphaBudget",
        "two primary metrics of the same users, two arms and a control, all alike: any is called better or worse",
        ALPHA,
        LOOKS,
        experiment_errs,
        (100, 2000),
    ),
)
