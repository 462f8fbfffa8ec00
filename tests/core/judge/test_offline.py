"""Production beside offline: published intervals, p-values that agree with them, and how often an answer is false."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from streams.core.judge.evidence import Interval
from streams.core.judge.offline import Measured, Pair, compare, difference, p_value
from streams.core.metric.interval import Z

NEWCOMBE = [  # Newcombe 1998, table II, method 10
    ((56, 70), (48, 80), (0.0524, 0.3339)),
    ((9, 10), (3, 10), (0.1705, 0.8090)),
    ((6, 7), (2, 7), (0.0582, 0.8062)),
    ((5, 56), (0, 29), (-0.0381, 0.1926)),
    ((0, 10), (0, 20), (-0.1611, 0.2775)),
    ((10, 10), (0, 20), (0.6791, 1.0)),
]
sides = st.builds(Measured.share, st.floats(0, 1), st.floats(1, 1e9))


def share(count: tuple[int, int]) -> Measured:
    return Measured.share(count[0] / count[1], count[1])


def plain(value: float, error: float) -> Measured:
    return Measured(value, value - Z * error, value + Z * error)


@pytest.mark.parametrize(("one", "other", "limits"), NEWCOMBE)
def test_intervals_as_published(one: tuple[int, int], other: tuple[int, int], limits: tuple[float, float]) -> None:
    """Two shares have the intervals that Newcombe printed, to the digits that are printed."""
    (found,) = compare([Pair(share(one), share(other))])

    assert (found.interval.low, found.interval.high) == pytest.approx(limits, abs=5e-5)
    assert found.difference == pytest.approx(one[0] / one[1] - other[0] / other[1])


def test_numbers_without_bounds_are_compared_by_z() -> None:
    """Symmetric intervals give the difference +- z times the root of the summed squares, and the two-sided p."""
    pair = Pair(plain(3.1, 0.3), plain(2.3, 0.4))
    (found,) = compare([pair], alpha=0.01)

    assert found.p == pytest.approx(2 * stats.norm.sf(0.8 / 0.5))
    assert found.interval.width == pytest.approx(2 * stats.norm.isf(0.005) * 0.5)


@given(sides, sides)
def test_p_is_the_level_at_which_the_interval_reaches_zero(one: Measured, other: Measured) -> None:
    """At that many standard errors one limit of the difference is 0; sides exchanged, it is all the same."""
    pair, turned = Pair(one, other), Pair(other, one)
    p = p_value(pair)

    assert 0 <= p <= 1
    assert p_value(turned) == pytest.approx(p)
    if 1e-250 < p < 0.999:
        reached = difference(pair, float(stats.norm.isf(p / 2)))
        assert min(abs(reached.low), abs(reached.high)) < 1e-6 * max(reached.width, 1e-6)


@given(st.floats(0, 1), st.floats(1, 1e7))
@example(7.887193470172613e-13, 41543.0)  # whose lower limit is but rounding
def test_a_share_is_known_by_its_limits(value: float, n: float) -> None:
    """From Wilson's limits at 95 % the limits at any level follow, as from the number of observations."""
    known = Measured.share(value, n)
    told = Measured.share_within(value, known.low, known.high)

    assert told.distances(3.3) == pytest.approx(known.distances(3.3), rel=1e-4, abs=1e-9)


def test_the_wider_limit_counts() -> None:
    """Limits that no single size of a share has, as corrected ones are, go by the smaller size; none tells nothing."""
    known = Measured.share(0.4, 100)
    wider = Measured.share_within(0.4, Measured.share(0.4, 30).low, known.high)

    assert wider.size == pytest.approx(30)
    assert Measured.share_within(0.4, 0.0, 1.0).size is None


def test_what_is_not_known_is_not_judged() -> None:
    """Against infinite limits everything is possible; equal values have p 1."""
    open_side = Measured(0.4, -math.inf, math.inf)
    (found,) = compare([Pair(open_side, share((90, 100)), margin=0.5)])

    assert (found.interval, found.p, found.answer) == (Interval.everything(), 1.0, "not enough evidence")
    assert p_value(Pair(share((9, 10)), share((90, 100)))) == 1.0
    assert compare([]) == ()


def test_far_apart() -> None:
    """A thousand standard errors, and no error at all, are a difference with a p that is as good as 0."""
    for error in (1e-3, 0.0):
        (found,) = compare([Pair(plain(2.0, error), plain(1.0, error))])
        assert (found.p < 1e-290, found.answer) == (True, "differs")
    assert p_value(Pair(Measured.share(1.0, 1e9), Measured.share(0.0, 1e9))) < 1e-290


@pytest.mark.parametrize(
    ("value", "n", "margin", "answer"),
    [
        (0.930, 1e7, None, "differs"),
        (0.930, 1e7, 0.002, "differs"),
        (0.930, 1e7, 0.02, "agrees"),
        (0.933, 2e4, 0.01, "differs"),
        (0.926, 2e4, 0.002, "not enough evidence"),
    ],
)
def test_a_margin_decides_what_matters(value: float, n: float, margin: float | None, answer: str) -> None:
    """Beside 0.925: they agree where the whole interval is within the margin, though the difference may be sure."""
    assert compare([Pair(Measured.share(value, n), Measured.share(0.925, n), margin)])[0].answer == answer


def test_holm_among_several() -> None:
    """Of several the adjusted p is Holm's, and intervals are at alpha over their number."""
    pairs = [Pair(plain(shift, 1.0), plain(0.0, 0.0)) for shift in (2.0, 2.6, 0.0)]
    found = compare(pairs, 0.03)
    own = [2 * stats.norm.sf(shift) for shift in (2.0, 2.6, 0.0)]

    assert [one.p_adjusted for one in found] == pytest.approx([2 * own[0], 3 * own[1], 1.0])
    assert [one.answer for one in found] == ["not enough evidence", "differs", "not enough evidence"]
    assert found[0].interval.high == pytest.approx(2 + stats.norm.isf(0.005))


@pytest.mark.parametrize(("truth", "n", "windows"), [(0.93, 800, 6), (0.5, 200, 12), (0.98, 1_500, 3)])
def test_false_differences_are_as_rare_as_promised(truth: float, n: int, windows: int) -> None:
    """
    Where production is as offline, one or more of all windows is said to differ in at most alpha of the rounds.

    At most 0.05 + 4 standard errors of 800 rounds, 0.081: fixed seeds; drawn anew, a procedure that errs in just
    0.05 would exceed that once in 10,000 times. Production's interval is known by its limits only.
    """
    rng, rounds, false = np.random.default_rng(20_260), 800, 0
    for _ in range(rounds):
        offline = Measured.share(rng.binomial(4_000, truth) / 4_000, 4_000)
        seen = [share((int(k), n)) for k in rng.binomial(n, truth, windows)]
        pairs = [Pair(Measured.share_within(one.value, one.low, one.high), offline) for one in seen]
        false += any(one.answer == "differs" for one in compare(pairs))

    assert false / rounds < 0.05 + 4 * math.sqrt(0.05 * 0.95 / rounds)


def test_differences_are_found_and_agreement_is_not_claimed_falsely() -> None:
    """
    Four points in each of four windows of 3,000 are found in nearly all of 300 rounds.

    With a margin of the difference itself, "agrees" is said in at most alpha of them + 4 standard errors.
    """
    rng, found, agreed = np.random.default_rng(7), 0, 0
    for _ in range(300):
        offline = Measured.share(rng.binomial(20_000, 0.93) / 20_000, 20_000)
        pairs = [Pair(share((int(k), 3_000)), offline, 0.04) for k in rng.binomial(3_000, 0.89, 4)]
        answers = [one.answer for one in compare(pairs)]
        found, agreed = found + answers.count("differs"), agreed + ("agrees" in answers)

    assert found / 1_200 > 0.99
    assert agreed / 300 < 0.05 + 4 * math.sqrt(0.05 * 0.95 / 300)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: Measured(0.5, 0.6, 0.7), "0.5 is not between its limits 0.6 and 0.7"),
        (lambda: Measured(math.nan, 0.0, 1.0), "nan is not between"),
        (lambda: Measured.share(1.2, 10), "a share of 1.2 among 10"),
        (lambda: Measured.share(0.2, 0), "a share of 0.2 among 0"),
        (lambda: Pair(plain(0, 1), plain(0, 1), 0.0), "the margin is 0.0: it must be above 0"),
        (lambda: compare([Pair(plain(0, 1), plain(0, 1))], 1.0), "alpha is 1.0"),
    ],
)
def test_what_cannot_be_is_refused(wrong: object, said: str) -> None:
    """Values outside their limits, shares that are none, and rates that are none are errors that name them."""
    assert callable(wrong)
    with pytest.raises(ValueError, match=said):
        wrong()
