"""What detectors make of odd signals, of gaps, of snapshots, and of what cannot be."""

from __future__ import annotations

import math

import numpy as np
import pytest

from streams.core.detect.detectors import STANDINGS, Detectors
from streams.core.detect.sensitivity import Sensitivity
from tests.core.detect.watching import NAN, made, noise, same, standings, watch


def test_release_begins_at_once_and_again() -> None:
    """A signal that still learns begins anew, too; a tick that it has seen is not looked at again."""
    detectors = made(1)
    watch(detectors, noise(21, 20))
    detectors.release(np.array([0]))
    with pytest.raises(ValueError, match="looked at before"):
        watch(detectors, noise(21, 1), start=19)

    assert standings(watch(detectors, noise(22, 31), start=20)) == ["learning"] * 30 + ["quiet"]


@pytest.mark.parametrize("level", [0.0, 0.1, -3e9])
def test_a_constant_that_moves_is_found(level: float) -> None:
    """A signal that never moved is quiet, rounding included; once it moves it is found within four ticks."""
    values = np.full((200, 1), level)
    values[100:150] = level * (1 + 2e-16)
    values[150:] = level + max(abs(level), 1) * 1e-3
    looks = watch(made(1), values)

    assert "changed" not in standings(looks[:150])
    assert "changed" in standings(looks[150:154])
    assert looks[-1].onset[0] == 150


@pytest.mark.parametrize("share", [0.02, 0.2])
def test_rare_values_are_borne(share: float) -> None:
    """Signals that are 0 but for some ticks keep the promise: 500 signals, 300 ticks, one false alarm in 3 ticks."""
    values = np.where(np.random.default_rng(10).random((356, 500)) < share, 1.0, 0.0)
    looks = watch(made(500, reference=56, season=7, apart=3), values)
    changed = np.array([look.standing for look in looks]) == STANDINGS.index("changed")
    alarms = (changed[1:] & ~changed[:-1]).sum()

    assert alarms <= 100 + 4 * math.sqrt(100)


def test_no_data_is_said() -> None:
    """A signal that is never seen has no data; gaps neither teach nor prove, and a shift is found all the same."""
    values = noise(11, 200, 2)
    values[:, 1] = NAN
    values[::2] = NAN
    values[150:] += 8
    looks = watch(made(2), values)
    told = standings(looks)

    assert set(standings(looks, 1)) == {"no data"}
    assert set(told[::2]) == {"no data"}
    assert told[1:60:2] == ["learning"] * 30
    assert "changed" in told[150:157]
    assert looks[-2].onset[0] == 151


def test_ticks_left_out_are_ticks_without_data() -> None:
    """Not looking, for short or for longer than is remembered, is as looking at NaN."""
    values = noise(12, 700, 5)
    values[320:] += 2
    gone = np.zeros(700, dtype=bool)
    gone[[40, 41, *range(60, 95), *range(110, 300), *range(322, 330)]] = True
    some, all_of_them = made(5, apart=1e6), made(5, apart=1e6)
    for tick in range(700):
        looked = np.full(5, NAN) if gone[tick] else values[tick]
        all_of_them.look(tick, np.arange(5), looked, np.zeros(5))
        if not gone[tick]:
            some.look(tick, np.arange(5), looked, np.zeros(5))

    assert same(some.snapshot(), all_of_them.snapshot())


def test_order_and_company_do_not_matter() -> None:
    """Looking at signals in another order, or in two looks a tick, gives the same."""
    values = noise(13, 80, 6)
    values[60:, ::2] += 3
    once, twice = made(6), made(6)
    watch(once, values)
    for tick in range(80):
        for rows in (np.array([5, 0, 3]), np.array([1, 4, 2])):
            twice.look(tick, rows, values[tick, rows], np.full(3, NAN))

    assert same(once.snapshot(), twice.snapshot())


def test_units_do_not_matter() -> None:
    """In other units, evidence and onsets are the same, and effects are in those units."""
    values, errors = noise(14, 120, 4), np.full((120, 4), 0.3)
    values[80:] += 2
    one = watch(made(4, season=7), values, errors)[-1]
    other = watch(made(4, season=7), values * 250 - 4000, errors * 250)[-1]

    assert other.log_e == pytest.approx(one.log_e, abs=1e-6)
    assert other.onset.tolist() == one.onset.tolist()
    assert other.effect == pytest.approx(one.effect * 250)


@pytest.mark.parametrize("stop", [20, 36, 60])
def test_a_snapshot_goes_on_where_it_was(stop: int) -> None:
    """Restored while all learn, while one does, or while one is changed: the same is found as if never stopped."""
    values = noise(15, 120, 4)
    values[:10, 3], values[45:, 2] = NAN, values[45:, 2] + 6
    whole, copy = made(4), Detectors(Sensitivity(1000, 30))
    watch(whole, values[:stop])
    saved = whole.snapshot()
    expected = watch(whole, values[stop:], start=stop)
    copy.restore(saved)
    found = watch(copy, values[stop:], start=stop)

    assert [look.log_e.tolist() for look in found] == [look.log_e.tolist() for look in expected]
    assert same(whole.snapshot(), copy.snapshot())
    assert copy.row("signal 2") == 2
    assert "changed" in standings(found, 2)


def test_a_snapshot_for_another_sensitivity_is_refused() -> None:
    """A state that was learned otherwise is not taken over."""
    with pytest.raises(ValueError, match="does not fit"):
        Detectors(Sensitivity(30, 30)).restore(made(1, reference=31).snapshot())


def test_new_signals_learn_while_others_are_watched() -> None:
    """A signal that is named later learns from then on, and raises the threshold of all."""
    detectors = made(1)
    before = watch(detectors, noise(16, 40))[-1]
    assert detectors.row("signal 0") == 0
    assert detectors.row("late") == 1
    after = watch(detectors, noise(17, 40, 2), start=40)

    assert standings(after, 1)[:30] == ["learning"] * 30
    assert standings(after, 1)[-1] == "quiet"
    assert after[0].threshold == pytest.approx(np.full(2, before.threshold[0] + math.log(2)))


def test_ten_thousand_signals_and_none() -> None:
    """All are learned and looked at at once; a look at no signals finds nothing."""
    values = noise(18, 20, 10_000)
    values[16:, 7] += 1000
    detectors = made(10_000, reference=10)
    looks = watch(detectors, values)
    nothing = detectors.look(20, np.empty(0, np.int64), np.empty(0), np.empty(0))

    assert np.flatnonzero(looks[-1].standing == STANDINGS.index("changed")).tolist() == [7]
    assert len(nothing.standing) == 0
    assert len(Detectors(Sensitivity(30, 30)).look(0, np.empty(0, np.int64), np.empty(0), np.empty(0)).onset) == 0


def test_enormous_changes_stay_finite() -> None:
    """1,000 standard deviations, and values up to 1e100, give finite evidence and effects."""
    values = noise(19, 60, 3)
    values[40:] += np.array([1e3, -1e9, 1e100])
    looks = watch(made(3), values)

    assert all("changed" in standings(looks[40:43], signal) for signal in range(3))
    assert np.isfinite([looks[-1].effect, looks[-1].low, looks[-1].high, looks[-1].log_e]).all()


@pytest.mark.parametrize(
    ("tick", "rows", "values", "errors", "told"),
    [
        (5, [0], [math.inf], [0], "signal 'signal 0', tick 5: a value must be a number .* not inf"),
        (5, [1], [-1e101], [0], "signal 'signal 1', tick 5: a value must be a number"),
        (5, [0], [1], [-0.5], "signal 'signal 0', tick 5: an error must be .* not -0.5"),
        (5, [0], [1], [math.inf], "an error must be"),
        (4, [0], [1], [0], "signal 'signal 0', tick 4: this tick was looked at before"),
        (3, [0], [1], [0], "tick 3 is negative or before the last one, 4"),
        (-1, [0], [1], [0], "tick -1 is negative"),
        (5, [2], [1], [0], "row 2 is unknown: there are 2"),
        (5, [-1], [1], [0], "row -1 is unknown"),
        (5, [1, 1], [1, 1], [0, 0], "named twice"),
        (5, [0, 1], [1], [0, 0], "2 rows with 1 values and 2 errors"),
    ],
)
def test_what_cannot_be_looked_at_is_refused(
    tick: int, rows: list[int], values: list[float], errors: list[float], told: str
) -> None:
    """Each impossible look has its message, and changes nothing."""
    detectors = made(2)
    watch(detectors, noise(20, 5, 2))
    before = detectors.snapshot()
    with pytest.raises(ValueError, match=told):
        detectors.look(tick, np.array(rows), np.array(values, dtype=float), np.array(errors, dtype=float))

    assert same(before, detectors.snapshot())


def test_signals_are_what_they_were_named_for() -> None:
    """Unknown sides are refused, and other sides than before; so is the release of an unknown row."""
    detectors = made(1)
    with pytest.raises(ValueError, match="sides 'left' are unknown: choose from both, up, down"):
        detectors.row("new", sides="left")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="'signal 0' is watched for changes 'both', not 'up'"):
        detectors.row("signal 0", sides="up")
    with pytest.raises(ValueError, match="row 3 is unknown"):
        detectors.release(np.array([3]))
