"""Private counts: what enters them is bounded, what leaves them is noisy, and their intervals say so."""

from __future__ import annotations

import math
from collections import Counter
from random import Random
from typing import Any

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
