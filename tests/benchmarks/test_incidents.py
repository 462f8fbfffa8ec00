"""benchmarks/incidents: traffic is as described, and an incident does what it says and nothing else."""

from __future__ import annotations

import json
from collections import Counter
from functools import cache, lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from benchmarks.alerts import CONFIG
from benchmarks.incidents.files import write_world
from benchmarks.incidents.injectors import Columns
from benchmarks.incidents.plan import (
    ATTRIBUTES,
    DAY,
    HOUR,
    KINDS,
    LEARNING,
    START,
    VARIANTS,
    WATCHED,
    Incident,
    World,
    make_worlds,
)
from benchmarks.incidents.scale import log_odds
from benchmarks.incidents.traffic import FEATURES, MODELS, Model, simulate
from tests.conftest import Run

VOLUME = 400
BY_NAME = {model.name: model for model in MODELS}
OF_OUTCOMES = {"label flips", "missing outcomes", "delayed outcomes"}
BEGUN = [incident.at(START + 35 * DAY + 7 * HOUR) for incident in VARIANTS]
NAMES = [f"{incident.kind}, {incident.model}, {incident.size}" for incident in BEGUN]
CHANGED = {
    "label flips": "label",
    "one-slice bias": "score",
    "latency": "latency",
    "missing outcomes": "labelled",
    "delayed outcomes": "known",
    "calibration shift": "score",
}
"""The column that each kind changes; a corrupted feature is named by its incident, and a drop of traffic has none."""


@cache
def quiet(model: str) -> Columns:
    return simulate(World("quiet", 3), BY_NAME[model], VOLUME)


@lru_cache(maxsize=8)
def hit(incident: Incident) -> Columns:
    return simulate(World("hit", 3, (incident,)), BY_NAME[incident.model], VOLUME)


def struck(incident: Incident, columns: Columns) -> np.ndarray:
    time = columns["known" if incident.kind in OF_OUTCOMES else "time"]
    chosen: np.ndarray = (time >= incident.start) & (time < incident.end)
    for attribute, value in incident.slice:
        chosen = chosen & (columns[attribute] == ATTRIBUTES[attribute].index(value))
    return chosen


def rate_is(chosen: np.ndarray, rate: float) -> bool:
    """Whether a share is the one that was asked for, within five standard errors."""
    return bool(abs(chosen.mean() - rate) <= 5 * np.sqrt(rate * (1 - rate) / len(chosen)))


@pytest.mark.parametrize("incident", BEGUN, ids=NAMES)
def test_an_incident_changes_nothing_else(incident: Incident) -> None:
    """Whatever lies outside its time and its slice is as in the same world without it, and so are other models."""
    before, after = quiet(incident.model), hit(incident)
    outside = ~struck(incident, before)
    left = ~struck(incident, after) if incident.kind == "traffic drop" else outside
    other = next(model for model in MODELS if model.name != incident.model)

    assert 0.9 < outside.mean() < 1
    for name, values in before.items():
        np.testing.assert_array_equal(after[name][left], values[outside], err_msg=name)
    for name, values in simulate(World("hit", 3, (incident,)), other, VOLUME).items():
        np.testing.assert_array_equal(values, quiet(other.name)[name], err_msg=name)


@pytest.mark.parametrize("incident", BEGUN, ids=NAMES)
def test_an_incident_strikes_the_share_that_it_names(incident: Incident) -> None:
    """Of what it may strike it changes as much as its size or its share says, and never what is true."""
    before, after = quiet(incident.model), hit(incident)
    if incident.kind == "traffic drop":
        assert rate_is(np.arange(struck(incident, before).sum()) >= struck(incident, after).sum(), incident.size)
        return
    name = CHANGED.get(incident.kind, incident.column)
    possible = struck(incident, before) & (before["labelled"] | (incident.kind != "missing outcomes"))
    possible &= ~np.isnan(before[name].astype(float))
    by_size = incident.kind in {"label flips", "missing outcomes"} or incident.how in {"absent", "zero"}
    changed = (after[name] != before[name])[possible]

    assert rate_is(changed, incident.size if by_size else incident.share)
    np.testing.assert_array_equal(after["truth"], before["truth"])


@pytest.mark.parametrize("incident", BEGUN, ids=NAMES)
def test_an_incident_has_the_size_that_it_names(incident: Incident) -> None:
    """Scores, latencies, times and features move by what its size says."""
    before, after = quiet(incident.model), hit(incident)
    at = struck(incident, before) if incident.kind != "traffic drop" else np.zeros(len(before["time"]), bool)
    if incident.kind == "delayed outcomes":
        assert set(after["known"][at] - before["known"][at]) == {int(incident.size * HOUR)}
    if incident.kind == "latency":
        ratios = after["latency"][at] / before["latency"][at]
        assert set(ratios.round(9)) <= {1.0, incident.size}
    if incident.how in {"scaled", "shifted", "spread"} or incident.kind == "one-slice bias":
        moved = {name: _move(incident, name, before[name][at], after[name][at]) for name in _moved(incident)}
        assert {name: set(sizes[~np.isnan(sizes)].round(6)) for name, sizes in moved.items()} == {
            name: {incident.size} for name in moved
        }


def _moved(incident: Incident) -> list[str]:
    return [incident.column or "score"]


def _move(incident: Incident, name: str, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    if name != "score" or incident.model == "eta":
        return np.asarray(after / before - (incident.kind == "one-slice bias"))
    odds = (log_odds(before), log_odds(after))
    return np.asarray(odds[1] / odds[0] if incident.how == "spread" else odds[1] - odds[0])


def test_a_corrupted_feature_corrupts_the_answers() -> None:
    """The model computes with what it is given: a feature of other users costs accuracy, though it looks as ever."""
    (incident,) = [incident for incident in BEGUN if incident.how == "previous"]
    before, after = quiet(incident.model), hit(incident)
    at = struck(incident, before)

    assert sorted(after[incident.column][at]) == sorted(before[incident.column][at])
    assert (after["answer"] == after["truth"])[at].mean() < (before["answer"] == before["truth"])[at].mean() - 0.05


def test_miscalibration_leaves_the_classes() -> None:
    """Where only calibration moves, every request is answered as before."""
    for incident in BEGUN:
        if incident.kind == "calibration shift":
            np.testing.assert_array_equal(hit(incident)["answer"], quiet(incident.model)["answer"])


def test_the_incidents_are_those_that_are_promised() -> None:
    """Forty incidents, five of each kind, in ten worlds of four different kinds each; other worlds are quiet."""
    worlds = make_worlds(quiet=2)
    happened = [incident for world in worlds for incident in world.incidents]

    assert Counter(incident.kind for incident in happened) == dict.fromkeys(KINDS, 5)
    assert [len({incident.kind for incident in world.incidents}) for world in worlds] == [4] * 10 + [0] * 2
    assert {incident.at(0) for incident in happened} == set(VARIANTS)
    assert len({world.seed for world in worlds}) == len(worlds)
    assert make_worlds(quiet=2) == worlds != make_worlds(seed=2, quiet=2)


def test_incidents_come_one_at_a_time() -> None:
    """None comes in the month of learning, and behind each lie more than three days of peace, the last one included."""
    for seed in range(1, 20):
        for world in make_worlds(seed, quiet=0):
            last = (START + (LEARNING + WATCHED) * DAY,)
            starts = (*(incident.start for incident in world.incidents), *last)
            assert starts[0] >= START + LEARNING * DAY
            assert all(
                start - incident.end > 3 * DAY for incident, start in zip(world.incidents, starts[1:], strict=True)
            )
            assert all(earlier < later for earlier, later in pairwise(starts))


@pytest.mark.parametrize("of", MODELS, ids=lambda model: str(model.name))
def test_traffic_follows_the_week_and_labels_come_late(of: Model) -> None:
    """Weekends differ as declared, outcomes take minutes to two days, some never come, and releases change nothing."""
    columns = quiet(of.name)
    days = np.bincount((columns["time"] - START) // DAY)
    weekend = np.arange(len(days)) % 7 >= 5
    delay = (columns["known"] - columns["time"])[columns["labelled"]]
    known = columns["labelled"].mean()

    assert len(days) == LEARNING + WATCHED
    assert abs(days[weekend].mean() / days[~weekend].mean() / of.weekend - 1) < 0.05
    assert abs(days[~weekend].mean() / (VOLUME * of.volume) - 1) < 0.05
    assert delay.min() > 0
    assert delay.max() <= 2 * DAY
    assert abs(np.median(delay) / (of.delay * HOUR) - 1) < 0.05
    assert abs(known - (1 - of.never)) < 0.01
    assert set(columns["version"]) == {1, 2, 3, 4}


@pytest.mark.parametrize("of", MODELS, ids=lambda model: str(model.name))
def test_scores_are_right_while_nothing_happens(of: Model) -> None:
    """Labels are true, and in each version, country and device as predicted on average, within five standard errors."""
    columns = quiet(of.name)
    error = columns["score"] - columns["truth"]

    np.testing.assert_array_equal(columns["label"], columns["truth"])
    for name in ("version", "country", "device"):
        for value in np.unique(columns[name]):
            mine = error[columns[name] == value]
            assert abs(mine.mean()) < 5 * mine.std() / np.sqrt(len(mine)), (name, value)


@pytest.mark.parametrize("name", FEATURES)
def test_features_are_standardized(name: str) -> None:
    """The models see each feature with mean 0 and deviation 1, as the declared constants make it."""
    seen = FEATURES[name].standardized(FEATURES[name].draw(np.random.default_rng(1), 200_000))

    assert abs(seen.mean()) < 0.02
    assert abs(seen.std() - 1) < 0.02


def test_the_pipeline_takes_every_event(tmp_path: Path, cli: Run) -> None:
    """A world's files are replayed with the benchmark's configuration: nothing is rejected, orphaned or repeated."""
    files = write_world(make_worlds()[0], tmp_path, volume=30)
    rows = {path.stem: pq.read_metadata(path).num_rows for path in files}
    counts = json.loads(cli("replay", "--config", CONFIG, "--store", f"chdb:{tmp_path}/store", "--json", *files).out)

    assert rows["feedback"] > 0
    assert counts["predictions"] == rows["predictions"]
    assert counts["labelling"] == rows["outcomes"]
    assert counts["attributed"] == rows["feedback"]
    assert counts["rejected"] == counts["duplicate"] == counts["overflow"] == 0


def test_the_same_world_gives_the_same_files(tmp_path: Path) -> None:
    """Another run writes the same events, another seed others, each file in the order of time."""
    world = make_worlds()[0]
    first = [pq.read_table(path) for path in write_world(world, tmp_path / "first", volume=20)]
    again = [pq.read_table(path) for path in write_world(world, tmp_path / "again", volume=20)]
    other = [pq.read_table(path) for path in write_world(make_worlds(seed=2)[0], tmp_path / "other", volume=20)]

    assert all(table.equals(same) for table, same in zip(first, again, strict=True))
    assert not any(table.equals(same) for table, same in zip(first, other, strict=True))
    assert all((np.diff(table["event_time"].to_numpy()) >= 0).all() for table in first)
