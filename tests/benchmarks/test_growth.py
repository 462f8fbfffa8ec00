"""What the benchmarks of growth drive is what they say: a steady state, and one outcome for each prediction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.growth.driving import BLOCK, Driver
from benchmarks.growth.results import merged, ratios, write_results
from benchmarks.growth.stream import Stream


def test_each_prediction_has_one_outcome_within_its_horizon() -> None:
    """Drawn bit by bit, outcomes come once for each prediction, and for all whose horizon has passed."""
    stream = Stream(1_000)
    numbers = np.concatenate([stream.due(first, first + 500)[0] for first in range(0, 5_000, 500)])
    many = np.bincount(numbers)
    assert many.max() == 1
    assert many[:4_000].sum() == 4_000


def test_the_state_stays_as_large_as_it_is_said_to_be_and_every_outcome_labels() -> None:
    """What comes goes again, nothing is refused or waits in vain, and a recovery finds what was held."""
    driver = Driver(Stream(20_000), windows=True, saves=True)
    driver.fill()
    assert driver.held == 20_000
    came = driver.drive(100_000)
    counts = driver.joining.upstream.tallies()
    assert counts["joined"] == counts["labelling"] == counts["outcomes"] == came - 50_000
    assert counts["rejected"] == counts["orphan"] == counts["duplicate"] == 0
    assert 20_000 <= driver.held <= 20_000 + 2 * BLOCK
    assert driver.recover().upstream.held() == driver.held


def test_every_group_comes() -> None:
    """Each version's countries and the whole of it are groups, and each is seen."""
    driver = Driver(Stream(50_000, countries=99), windows=True)
    driver.fill()
    driver.drive(20_000)
    assert len(driver.windowing.downstream.catalog.groups.groups) == driver.stream.groups == 200


def test_curves_that_were_not_measured_stay(tmp_path: Path) -> None:
    """A curve that is measured replaces its rows in the file; the others keep theirs."""
    path = tmp_path / "growth.json"
    write_results(path, {"groups": [{"groups": 10}], "replay": [{"events": 5}]})
    assert merged(path, {"replay": [{"events": 7}]}) == {"groups": [{"groups": 10}], "replay": [{"events": 7}]}


def test_two_workers_are_worth_as_much_as_their_events_cost() -> None:
    """Where an event costs a ninth more with two workers than with one, two are worth 1.8 of one."""
    one = {"partitions": 1, "workers": 1, "cpu_seconds_an_event": 9e-6}
    two = {"partitions": 2, "workers": 2, "cpu_seconds_an_event": 1e-5}
    assert ratios({"workers": [one, two]}) == {"two workers to one, by CPU seconds an event": pytest.approx(1.8)}
