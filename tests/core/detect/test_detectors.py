"""Change detectors with one promise for all signals of a model."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from streams.core.detect import e_ranks
from streams.core.detect.detectors import STANDINGS
from tests.core.detect.watching import made, noise, standings, watch
from tests.statistical.drift_promise import DAYS, HOURS, REMEMBERING, false_alarms, independent, shifted


@pytest.mark.parametrize("traffic", DAYS, ids=lambda traffic: traffic.name)
def test_days_keep_the_promise(traffic: Any) -> None:
    """Years of days in which nothing changes: at most one false alarm in 30 days per model, and 4 standard errors."""
    found = false_alarms(traffic, models=15, ticks=365)

    assert found.periods > 180
    assert found.kept, found


def test_hours_keep_the_promise() -> None:
    """Hours with a course of the day and weekdays: at most one false alarm in 720 hours per model."""
    found = false_alarms(HOURS[0], models=8, ticks=700)

    assert found.kept, found


@pytest.mark.parametrize(("traffic", "ticks"), [(REMEMBERING[0], 365), (REMEMBERING[1], 1000)], ids=("days", "hours"))
def test_ticks_that_remember_are_borne(traffic: Any, ticks: int) -> None:
    """With an autocorrelation of 0.3, which no theorem covers, there still are at most two."""
    found = false_alarms(traffic, models=10, ticks=ticks)

    assert found.rate < 2, found


@pytest.mark.parametrize(
    ("shift", "median", "most", "missed"), [(1.0, 25, 60, 0.05), (2.0, 8, 14, 0.01), (5.0, 3, 4, 0.0)]
)
def test_shifts_are_found_soon(shift: float, median: int, most: int, missed: float) -> None:
    """With 50 signals and 56 days learned: half and 90 % of shifts are found within so many ticks."""
    found = shifted(independent(DAYS[0]), shift, models=4, ticks=100)

    assert found.delay(0.5) <= median
    assert found.delay(0.9) <= most
    assert found.missed <= missed
    assert found.onset_held > 0.93
    assert found.effect_held > 0.85


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_jump_is_found_in_three_ticks_after_thirty(sign: int) -> None:
    """Thirty ticks learned, then 8 standard deviations: found within 3 ticks, with its onset and its size."""
    values = noise(1, 60)
    values[50:] += sign * 8
    looks = watch(made(1), values)
    at = standings(looks).index("changed")

    assert standings(looks)[:50] == ["learning"] * 30 + ["quiet"] * 20
    assert 50 <= at <= 52
    assert looks[at].onset[0] == looks[at].onset_low[0] == looks[at].onset_high[0] == 50
    assert looks[-1].low[0] < sign * 8 < looks[-1].high[0]
    assert looks[at].log_e[0] >= looks[at].threshold[0] == pytest.approx(math.log(1000))


def test_slow_decay_is_found() -> None:
    """A trend of 0.03 standard deviations a tick is found within 80 ticks in 20 of 20 signals."""
    values = noise(2, 200, 20)
    values[100:] -= 0.03 * np.arange(100)[:, None]
    looks = watch(made(20, reference=56), values)

    assert all("changed" in standings(looks[100:180], signal) for signal in range(20))


def test_only_the_sides_asked_about_are_watched() -> None:
    """A signal watched for rises is quiet about a fall, and the other way round."""
    values = noise(3, 60)
    values[40:] += 8
    assert set(standings(watch(made(1, sides="down"), values)[30:])) == {"quiet"}
    assert set(standings(watch(made(1, sides="up"), -values)[30:])) == {"quiet"}
    rise = watch(made(1, sides="up"), values)[-1]
    fall = watch(made(1, sides="down"), -values)[-1]

    assert STANDINGS[rise.standing[0]] == STANDINGS[fall.standing[0]] == "changed"
    assert rise.effect[0] == pytest.approx(-fall.effect[0])


def test_thin_ticks_are_no_change() -> None:
    """Every tenth tick has a hundredth of the traffic and ten times the error: values off by that are as usual."""
    errors = np.where(np.arange(300) % 10 == 9, 1.0, 0.1)[:, None] * np.ones((300, 20))
    looks = watch(made(20, reference=56), errors * noise(4, 300, 20), errors)

    assert not any("changed" in standings(looks, signal) for signal in range(20))


def test_the_season_is_expected() -> None:
    """With the week taken into account a quiet signal stays quiet, and its reference is the level of the day."""
    week = np.array([0, 1, 2, 3, 4, 50, 70.0])
    looks = watch(made(1, reference=56, season=7), np.tile(week, 30)[:, None] + noise(5, 210))

    assert set(standings(looks[56:])) == {"quiet"}
    assert looks[-1].reference[0] == pytest.approx(70, abs=1)
    assert math.isnan(looks[10].reference[0])


def test_a_change_ends_and_another_is_found() -> None:
    """Up by 6, back, up by 6 again: changed, quiet, and changed with an onset of its own; one tick back is not back."""
    values = noise(6, 120)
    values[40:60] += 6
    values[50] -= 6
    values[90:] += 6
    looks = watch(made(1), values)
    told = standings(looks)

    assert set(told[44:60]) == {"changed"}
    assert told[66:90] == ["quiet"] * 24
    assert told[95:] == ["changed"] * 25
    assert looks[59].onset[0] == 40
    assert looks[-1].onset[0] == 90
    assert looks[80].onset[0] == -1
    assert math.isnan(looks[80].effect[0])


def test_a_swing_to_the_other_side_is_found_anew() -> None:
    """Up by 6, then down to -6: the change ends, and one downwards is found within ten ticks."""
    values = noise(7, 100)
    values[40:60] += 6
    values[60:] -= 6
    looks = watch(made(1), values)

    assert standings(looks)[70:] == ["changed"] * 30
    assert looks[59].effect[0] > 4
    assert looks[-1].effect[0] < -4


def test_released_signals_learn_anew() -> None:
    """After release a signal learns for as long as at first, and its new level is then usual; others go on."""
    values = noise(8, 160, 2)
    values[40:] += 8
    detectors = made(2)
    before = watch(detectors, values[:60])
    detectors.release(np.array([0]))
    after = watch(detectors, values[60:], start=60)

    assert standings(before)[-1] == "changed"
    assert standings(after) == ["learning"] * 30 + ["quiet"] * 70
    assert after[-1].reference[0] == pytest.approx(8, abs=0.7)
    assert set(standings(after, 1)) == {"changed"}


def test_what_a_change_did_is_not_taken_as_usual() -> None:
    """Scores since the onset are taken out of what bets compare with, also if it was long ago."""
    values = noise(23, 460)
    values[360:] += 0.9
    looks = watch(detectors := made(1, reference=300, apart=1e8), values)
    onset, state = int(looks[-1].onset[0]), detectors.snapshot()["state"]

    assert standings(looks).index("changed") - onset > 32
    assert state["urn"].sum() == 301 + onset - 300
    assert (state["urn"] >= state["older"]).all()


def test_after_a_gap_all_of_a_score_is_new() -> None:
    """A signal with memory: what its last tick said is taken out of the next tick, not out of the one after a gap."""
    values = noise(24, 203)
    for at in range(1, 203):
        values[at] += 0.7 * values[at - 1]
    detectors = made(1, reference=200)
    watch(detectors, values[:202])
    follows = detectors.snapshot()["state"]
    detectors.look(203, np.zeros(1, dtype=np.int64), values[202], np.zeros(1))
    gap = detectors.snapshot()["state"]

    assert follows["memory"][0] > 0.5
    assert abs(follows["fresh"][0, 201 % 128] - follows["last_score"][0]) > 0.01
    assert gap["fresh"][0, 203 % 128] == gap["last_score"][0]


def test_what_ticks_of_a_day_share_is_paid_for() -> None:
    """With two ticks a day, bets on small shifts earn the root that their shared errors ask for."""
    weekdays = np.tile(np.repeat([0, 1, 2, 3, 4, 9, 9], 2), 5)[:57, None]
    detectors, values = made(3, reference=56, season=14), noise(25, 57, 3) + weekdays
    watch(detectors, values[:56])
    before = detectors.snapshot()["state"]
    watch(detectors, values[56:], start=56)
    after = detectors.snapshot()["state"]
    earned = e_ranks.log_bets(after["bins"][:, 56].astype(np.int64), before["older"], before["urn"])

    assert (before["shared"] > 1.01).all()
    assert after["log_m"][:, 0] == pytest.approx(earned[:, 0] / before["shared"])


def test_a_suspicion_comes_before_the_proof() -> None:
    """A moderate shift is suspected at a tenth of the threshold, with an onset and an effect, and then proven."""
    values = noise(9, 120)
    values[60:] += 1.5
    looks = watch(made(1, reference=56), values)
    told = standings(looks)
    first = told.index("suspected", 60)

    assert first < told.index("changed")
    assert looks[first].threshold[0] - math.log(10) <= looks[first].log_e[0] < looks[first].threshold[0]
    assert looks[first].onset_low[0] <= looks[first].onset[0] <= looks[first].onset_high[0] <= first
    assert looks[first].low[0] < looks[first].effect[0] < looks[first].high[0]
