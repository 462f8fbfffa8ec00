"""Rates that aim at a count: from the past only, the same in whatever blocks and order events come."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.sampling.slice_rates import REMEMBERED, SliceRates

DE, FR, NZ = (np.uint64(value) for value in (7, 2**63, 3))
Seen = list[tuple[int, int]]
seen = st.lists(st.tuples(st.integers(100, 108), st.sampled_from([3, 7, 2**63])), max_size=60)


def see(rates: SliceRates, events: Seen) -> None:
    rates.see(np.array([hour for hour, _ in events], np.int64), np.array([one for _, one in events], np.uint64))


def rate(rates: SliceRates, hour: int, one: np.uint64 = DE) -> float:
    return float(rates.rates(np.array([hour]), np.array([one]))[0])


def counted(rates: SliceRates, hour: int, many: int, one: np.uint64 = DE) -> None:
    rates.see(np.array([hour]), np.array([one]), np.array([many]))


def test_steady_traffic_is_kept_as_many_as_are_aimed_at() -> None:
    """After an hour of 10,000, 100 are kept of the next 10,000; a slice of 20 is kept in full."""
    rates = SliceRates(100, start=0.01)
    for hour in range(10):
        counted(rates, hour, 10_000)
        counted(rates, hour, 20, NZ)

    assert rate(rates, 1) * 10_000 == pytest.approx(100)
    assert rate(rates, 10) * 10_000 == pytest.approx(100)
    assert rate(rates, 10, NZ) == 1


def test_the_count_aimed_at_is_kept_on_average() -> None:
    """Of traffic that is random and changes by a fifth from hour to hour, 100 an hour within a tenth."""
    rng, rates, kept = np.random.default_rng(10), SliceRates(100), []
    for hour in range(200):
        many = int(rng.poisson(5_000 * (1 + 0.5 * np.sin(hour / 4))))
        kept.append(rate(rates, hour) * many)
        counted(rates, hour, many)

    assert np.mean(kept[24:]) == pytest.approx(100, rel=0.1)


def test_rates_follow_rising_traffic_at_once_and_falling_traffic_by_doubling() -> None:
    """Ten times the traffic has a tenth of the rate an hour later; when it is over the rate doubles every hour."""
    rates = SliceRates(100)
    for hour, many in enumerate([1_000, 10_000, 1_000, 1_000, 1_000, 1_000, 1_000]):
        counted(rates, hour, many)

    assert [rate(rates, hour) for hour in range(1, 8)] == pytest.approx([0.1, 0.01, 0.02, 0.04, 0.08, 0.1, 0.1])


def test_a_new_slice_begins_at_the_first_rate_and_is_at_most_doubled() -> None:
    """Its first hour may be a part of one, so a small count in it says little."""
    rates = SliceRates(100, start=0.05)
    counted(rates, 50, 3)

    assert rate(rates, 50) == 0.05
    assert [rate(rates, hour) for hour in range(51, 56)] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1])
    assert rate(rates, 52, FR) == 0.05


@given(past=seen, later=seen, hour=st.integers(100, 112), lag=st.integers(0, 3))
def test_only_the_past_counts(past: Seen, later: Seen, hour: int, lag: int) -> None:
    """Events of the hour itself, of later ones and of those within the lag change nothing."""
    rates, other = SliceRates(2, lag=lag), SliceRates(2, lag=lag)
    see(rates, [one for one in past if one[0] < hour - lag])
    see(other, [one for one in past if one[0] < hour - lag])
    asked = np.full(3, hour), np.array([3, 7, 2**63], np.uint64)
    other.rates(*asked)
    see(other, [one for one in later if one[0] >= hour - lag])

    np.testing.assert_array_equal(other.rates(*asked), rates.rates(*asked))


@given(events=seen, cuts=st.lists(st.integers(0, 60), max_size=4), seed=st.integers(0, 99), lag=st.integers(0, 2))
def test_blocks_order_parts_and_restarts_do_not_matter(events: Seen, cuts: list[int], seed: int, lag: int) -> None:
    """The same counts give the same rates, however they came; and a rate that was asked for early says no less."""
    whole, one, merged = (SliceRates(2, lag=lag) for _ in range(3))
    see(whole, events)
    order = np.random.default_rng(seed).permutation(len(events))
    asked = np.repeat(np.arange(99, 113), 3), np.tile(np.array([3, 7, 2**63], np.uint64), 14)
    for rows in np.split(order, sorted(min(cut, len(order)) for cut in cuts)):
        part, block = SliceRates(2, lag=lag), [events[row] for row in rows]
        one.rates(*asked)
        see(one, block)
        see(part, block)
        merged.merge(part)
    restored = SliceRates(2, lag=lag)
    restored.restore(one.snapshot())

    for other in (one, merged, restored):
        np.testing.assert_array_equal(other.rates(*asked), whole.rates(*asked))


def test_events_out_of_order_within_the_lag_do_not_change_rates() -> None:
    """An event that is up to a lag late is counted before any rate follows from its hour."""
    rng = np.random.default_rng(11)
    hours = np.sort(rng.integers(0, 50, 5_000))
    late = hours + rng.integers(0, 3, 5_000)  # when each comes, up to two hours late
    slices = rng.choice(np.array([3, 7], np.uint64), 5_000)
    in_order, out_of_order = SliceRates(20, lag=2), SliceRates(20, lag=2)
    found = []
    for rates, order in ((in_order, np.argsort(hours, kind="stable")), (out_of_order, np.argsort(late, kind="stable"))):
        given_rates = np.empty(5_000)
        for row in order:
            given_rates[row] = rates.rates(hours[[row]], slices[[row]])[0]
            rates.see(hours[[row]], slices[[row]])
        found.append(given_rates)

    np.testing.assert_array_equal(found[0], found[1])


def test_memory_is_that_of_about_a_day() -> None:
    """Hours that no rate follows from are forgotten, and what comes that late is not counted."""
    rates = SliceRates(1, lag=1)
    for hour in range(1_000):
        counted(rates, hour, 5)
        rate(rates, hour)
    counted(rates, 3, 5)

    assert len(rates.snapshot()["counts"]) == REMEMBERED + 5
    assert len(rates._tables) <= REMEMBERED + 5


@pytest.mark.parametrize("wrong", [{"per_hour": 0}, {"start": 0}, {"start": 1.5}, {"lag": -1}])
def test_what_cannot_be_aimed_at_is_refused(wrong: dict[str, float]) -> None:
    """Targets and first rates that keep nothing, and a lag into the future."""
    with pytest.raises(ValueError, match="the target must be above 0"):
        SliceRates(**{"per_hour": 5, **wrong})  # type: ignore[arg-type]  # parametrized as numbers
