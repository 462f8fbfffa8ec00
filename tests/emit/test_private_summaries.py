"""Private counts: what enters them is bounded, what leaves them is noisy, and their intervals say so."""

from __future__ import annotations

import math
from collections import Counter
from random import Random
from typing import Any

import numpy as np
import pytest

from streams.core.privacy_budget import Noise
from streams.emit import Prediction
from streams.emit.events import Summary
from streams.emit.private_summaries import PrivateSummaries
from streams.emit.summaries import Slice
from tests.core.making import make_config
from tests.driving import drive
from tests.streams_strategy import Delivery, Part

MINUTE = 60_000_000
START = 1_709_164_800_000_000  # 2024-02-29
SLICES = [Slice.of("m", "1", attributes={"country": name}) for name in ("DE", "FR")]
CONFIG = make_config({"m": {"task": "none", "windows": ["1h"], "metrics": ["count"], "label_horizon": "1h"}})
OF_SCORES = {
    "task": "binary",
    "positive": "1",
    "windows": ["1h"],
    "metrics": ["count", "mean_prediction"],
    "label_horizon": "1h",
}
QUIET = Noise(3, 100.0)  # so little noise that none is seen


def asked(unit: str | None = "u", minute: int = 0, country: str = "DE", **fields: Any) -> Prediction:
    known: dict[str, Any] = {"prediction_id": "p", "model": "m", "version": "1", "event_time": START + minute * MINUTE}
    return Prediction(**(known | {"unit_id": unit, "attributes": {"country": country, "user": "x"}} | fields))


def counting(noise: Noise = QUIET, epsilon_a_day: float = 100.0, seed: int = 0) -> PrivateSummaries:
    return PrivateSummaries("a", SLICES, START, noise, epsilon_a_day, Random(seed).random)


def test_a_unit_adds_no_more_than_its_bound_to_a_release() -> None:
    """Over all slices of a minute, three predictions of a unit count; the fourth does not."""
    held = counting(epsilon_a_day=200.0)
    taken = [held.add(asked(country=country)) for country in ("DE", "FR", "DE", "FR", "DE")]
    others = held.add(asked("v")), held.add(asked(minute=1))

    assert taken == [True, True, True, False, False]
    assert others == (True, True)


def test_a_units_budget_of_a_day_is_kept() -> None:
    """A unit takes part in as many minutes of a day as its budget pays; then not until the next day."""
    held = counting(epsilon_a_day=250.0)
    taken = [held.add(asked(minute=minute)) for minute in (0, 0, 1, 2, 3)]
    held.take(START + 1_440 * MINUTE)

    assert taken == [True, True, True, False, False]
    assert held.add(asked(minute=1_440))


@pytest.mark.parametrize(
    "wrong",
    [
        {"unit": None},
        {"unit": ""},
        {"country": "IT"},
        {"version": "2"},
        {"role": "canary"},
        {"minute": -1},
        {"minute": 61},
    ],
)
def test_what_is_not_declared_does_not_count(wrong: dict[str, Any]) -> None:
    """Without a unit, in another slice, in a minute that is released or far ahead, a prediction does not count."""
    held = counting()

    assert not held.add(asked(**wrong))
    assert held.add(asked(minute=60))


def test_every_slice_of_every_minute_is_released_once() -> None:
    """Minutes in which nothing was asked are released as others are; a minute that is released is closed."""
    held = counting()
    held.add(asked(minute=1))
    early, taken, again = held.take(START + MINUTE - 1), held.take(START + 3 * MINUTE), held.take(START + 3 * MINUTE)

    assert (early, again) == ([], [])
    assert [(one.event_time - START) // MINUTE for one in taken] == [0, 0, 1, 1, 2, 2]
    assert [one.weight for one in taken] == [0, 0, 1, 0, 0, 0]
    assert not held.add(asked("w", minute=1))
    assert len({one.summary_id for one in taken}) == 6


def test_the_noise_is_in_the_counts_and_its_variance_is_told() -> None:
    """A release is the count plus the noise of the numbers that were given; `square` has the variance on top."""
    noise, rng = Noise(2, 0.5), Random(9)
    held = counting(noise, seed=9)
    for number in range(40):
        held.add(asked(f"u{number}"))
    german, french = held.take(START + MINUTE)
    wanted = 40 + noise.of(rng.random(), rng.random()), noise.of(rng.random(), rng.random())

    assert (german.weight, french.weight) == wanted
    assert [one.square - one.weight for one in (german, french)] == pytest.approx([noise.variance] * 2)
    assert (german.n, french.n) == (max(1, wanted[0]), max(1, wanted[1]))
    assert (german.latency_bin, french.latency_bin) == (None, None)


def test_intervals_of_noisy_counts_hold_the_truth() -> None:
    """Of 400 hours of noisy minutes, 95 % intervals hold the true count: at most 5 % + 4 standard errors miss it."""
    truth: Counter[int] = Counter()
    events: list[dict[str, Any]] = []
    rng, noise = Random(4), Noise(5, 0.5)
    for hour in range(400):
        held = PrivateSummaries("a", SLICES, START + hour * 60 * MINUTE, noise, 1_000.0, rng.random)
        for number in range(rng.randrange(400)):
            truth[hour] += held.add(asked(f"u{number}", hour * 60 + rng.randrange(60)))
        events += [_event(one, hour) for one in held.take(START + (hour + 1) * 60 * MINUTE)]
    _, tables = drive(CONFIG, Delivery(("a",), [Part("a", events)]))
    rows = {row["window_start"]: row for row in tables["windows"] if row["metric"] == "count" and not row["slice"]}
    hits = [rows[start]["low"] <= truth[hour] <= rows[start]["high"] for hour, start in enumerate(sorted(rows))]

    assert len(hits) == 400
    assert 0.95 - 4 * math.sqrt(0.05 * 0.95 / 400) <= sum(hits) / 400 < 1.0
    assert all(row["high"] - row["value"] > 1.9 * math.sqrt(120 * noise.variance) for row in rows.values())


def scoring(noise: Noise, seed: int, begin: int = START) -> PrivateSummaries:
    return PrivateSummaries("a", SLICES, begin, noise, 1_000.0, Random(seed).random, scores=True)


def test_scores_are_released_in_parts_that_are_the_count() -> None:
    """Scores are taken between 0 and 1, in thousandths; with those that have none their number is the count."""
    held = scoring(QUIET, 1)
    for number, score in enumerate((0.25, 0.5004, 7.0, -1.0, math.inf, None, math.nan)):
        held.add(asked(f"u{number}", score=score))
    german, french = held.take(START + MINUTE)

    assert (german.n, german.score_n, french.score_n) == (7, 5, 1)
    assert german.weight == pytest.approx(7, abs=0.3)
    assert german.score_weight == pytest.approx(5, abs=0.3)
    assert german.score_weight_sum == pytest.approx(0.25 + 0.5 + 1 + 0 + 1, abs=0.3)


def test_a_unit_moves_the_three_sums_by_no_more_than_its_bound() -> None:
    """Whatever its scores, what a unit adds to a release is at most its bound, over all three sums: as to counts."""
    most = 0.0
    for number in range(50):
        rng = Random(number)
        scores = [rng.choice((None, rng.random(), rng.uniform(-5, 5))) for _ in range(QUIET.bound)]
        with_it, without = scoring(QUIET, number), scoring(QUIET, number)
        for score in scores:
            with_it.add(asked(score=score, country=rng.choice(("DE", "FR"))))
        sums = [_three(held) for held in (with_it, without)]
        most = max(most, sum(abs(one - other) for one, other in zip(*sums, strict=True)))

    assert most == pytest.approx(QUIET.bound)


def _three(held: PrivateSummaries) -> list[float]:
    """Return the three sums of each slice of the first minute."""
    found: list[float] = []
    for one in held.take(START + MINUTE):
        scored, sure = one.score_weight or 0.0, one.score_weight_sum or 0.0
        found += [one.weight - scored, sure, scored - sure]
    return found


def test_the_noise_of_scores_is_whole_thousandths_of_its_size() -> None:
    """Of 4,000 releases each of the three sums has the variance that is told, and lies on its grid."""
    noise = Noise(2, 0.5)
    released = scoring(noise, 3).take(START + 2_000 * MINUTE)
    sums = [(one.weight - one.score_weight, one.score_weight_sum) for one in released]  # type: ignore[operator]
    plain, sure = np.array(sums).T
    told = released[0]

    assert told.score_square_sum == pytest.approx(told.score_weight_sum + noise.variance, rel=0.02)  # type: ignore[operator]
    for found in (plain, sure):
        assert found.var() == pytest.approx(noise.variance, rel=4 * math.sqrt(5 / len(released)))
    assert np.abs(plain - plain.round()).max() < 1e-9
    assert np.abs(1_000 * sure - (1_000 * sure).round()).max() < 1e-6
    assert np.abs(sure - sure.round()).max() > 0.4


def test_intervals_of_noisy_means_hold_the_truth() -> None:
    """Of 400 hours of noisy scores, 95 % intervals hold their mean: at most 5 % + 4 standard errors miss it."""
    truth: dict[int, float] = {}
    events: list[dict[str, Any]] = []
    rng, noise = Random(4), Noise(5, 2.0)
    for hour in range(400):
        held = scoring(noise, hour, START + hour * 60 * MINUTE)
        drawn = [rng.betavariate(1, 3) for _ in range(300)]
        for number, score in enumerate(drawn):
            held.add(asked(f"u{number}", hour * 60 + rng.randrange(60), score=score))
        truth[hour] = sum(drawn) / 300
        events += [_event(one, hour) for one in held.take(START + (hour + 1) * 60 * MINUTE)]
    config = make_config({"m": OF_SCORES})
    _, tables = drive(config, Delivery(("a",), [Part("a", events)]))
    rows = {row["window_start"]: row for row in tables["windows"] if not row["slice"] and row["metric"] != "count"}
    hits = [rows[start]["low"] <= truth[hour] <= rows[start]["high"] for hour, start in enumerate(sorted(rows))]
    lengths = [row["high"] - row["low"] for row in rows.values()]

    assert len(hits) == 400
    assert 0.95 - 4 * math.sqrt(0.05 * 0.95 / 400) <= sum(hits) / 400
    assert sorted(lengths)[200] < 0.5  # of a scale of 1: most say something


def _event(summary: Summary, hour: int) -> dict[str, Any]:
    return {"type": "summary", **summary.record(), "summary_id": f"{hour}/{summary.summary_id}"}


@pytest.mark.parametrize("wrong", [{"client": ""}, {"slices": []}])
def test_what_has_no_name_is_refused(wrong: dict[str, Any]) -> None:
    """A client without a name and a release without slices are errors."""
    named: dict[str, Any] = {"client": "a", "slices": SLICES}
    with pytest.raises(ValueError, match="must be named"):
        PrivateSummaries(**(named | wrong), begin=0, noise=QUIET, epsilon_a_day=100.0)


def test_without_numbers_of_its_own_the_operating_systems_are_taken() -> None:
    """Two clients with the same counts and no source of chance given release different noise."""
    released = [PrivateSummaries("a", SLICES, START, Noise(1, 1e-4), 1.0).take(START + MINUTE * 5) for _ in range(2)]

    assert [one.weight for one in released[0]] != [one.weight for one in released[1]]
