"""Detect as a stage: sums by tick are those of the events, and findings follow from the events and nothing else."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from streams.config import Config
from streams.config.markers import MarkerConfig
from streams.core.catalog import Catalog
from streams.core.detect.column_sums import Entries
from streams.core.detect.grid import bins_of, category_bins
from streams.core.detect.watched import Tick
from streams.core.ids import hash_strings
from streams.core.measures import Measures
from streams.core.summary import Sums, by_shard, parted, size_of
from streams.core.watermark import FOREVER
from streams.pipeline import Pipeline, Upstream
from streams.runtime.snapshot import load, save
from tests.core.making import make_config
from tests.driving import FAR_FUTURE, block_of
from tests.streams_strategy import DAY, HOUR, Event

START = 1_704_067_200_000_000  # 2024-01-01
DAYS = 50


def config(assertions: dict[str, Any] | None = None, **changes: Any) -> Config:
    """Return a model that is watched by day: two metrics, columns of each kind, and two slices."""
    watch = {
        "metrics": ["accuracy", "complaint_rate"],
        "columns": ["score", "label", "outcome", "latency_ms", "features.age", "attributes.country"],
        "slices": [[], ["country"]],
        "detectors": [{"detector": "ddm", "errors_a_tick": 20}, {"detector": "adwin", "metric": "accuracy"}],
    }
    metrics = ["accuracy", "complaint_rate", "brier"]
    fraud = {"task": "binary", "positive": "1", "slices": [[], ["country"]], "metrics": metrics, "label_horizon": "3d"}
    return make_config(
        {"fraud": fraud, "other": {"task": "none"}},
        disorder="1h",
        assertions=assertions or {},
        detection={"learn": "20d", "season": "1d", "models": {"fraud": watch | changes}},
    )


def events(seed: int, requests: int = 3_000, changed: int = DAYS) -> list[Event]:
    """
    Requests of fifty days with late, corrected and repeated labels; from the day `changed` on answers are wrong.

    In the order of their event times, but for up to half an hour.
    """
    rng = Random(seed)
    told: list[Event] = []
    for number in range(requests):
        time = START + rng.randrange(DAYS * DAY)
        wrong = 0.1 if time < START + changed * DAY else 0.6
        truth = rng.choice("01")
        named: Event = {
            "request_id": f"r{number}",
            "prediction_id": f"p{number}",
            "version": "12"[time > START + 30 * DAY],
        }
        score = abs((truth == "1") - (rng.random() < wrong) * 1.0) * 0.8 + 0.1
        answer = {
            "model": rng.choice(("fraud", "fraud", "fraud", "other")),
            "score": score,
            "label": "01"[score >= 0.5],
        }
        asked: Event = {"features": {"age": float(rng.randrange(80))} | ({"b": 1.0} if rng.random() < 0.5 else {})}
        asked |= {"attributes": {"country": rng.choice(("de", "fr"))}, "latency_ms": rng.expovariate(0.1)}
        told.append({"type": "prediction", "event_time": time, **named, **answer, **asked})
        for revision in range(rng.choice((0, 1, 1, 2))):
            label = truth if revision or rng.random() < 0.9 else "01"[truth == "0"]
            late: Event = {"event_time": time + rng.randrange(2 * DAY), "revision": revision}
            told.append({"type": "outcome", "request_id": f"r{number}", "label": label, **late})
        if rng.random() < 0.1:
            complaint: Event = {
                "feedback_id": f"f{number}",
                "kind": "complaint",
                "event_time": time + rng.randrange(HOUR),
            }
            told.append({"type": "feedback", "request_id": f"r{number}", **complaint})
    told = [event for event in told if event["event_time"] < START + DAYS * DAY]  # the end of traffic is an outage
    return sorted(told, key=lambda event: event["event_time"] + rng.randrange(HOUR // 2))


def run(
    told: Sequence[Event], size: int, declared: Config, restored: int = -1, after: Config | None = None
) -> dict[str, list[dict[str, Any]]]:
    """Run events through a pipeline in blocks; stop and go on, perhaps configured otherwise, before one of them."""
    pipeline, found = Pipeline(declared), defaultdict[str, list[dict[str, Any]]](list)
    pipeline.open("s")

    def keep(rows: Any) -> None:
        for name, table in rows:
            found[name] += table.drop_columns(["revision"]).to_pylist() if name in ("signals", "alerts") else []

    for number, first in enumerate(range(0, len(told), size)):
        if number == restored:
            pipeline = load(save(pipeline, declared), after or declared)
        keep(pipeline.process(block_of("s", told[first : first + size]), FAR_FUTURE))
    pipeline.close("s")
    keep(pipeline.flush(ended=True))
    return found


def ticks(told: Sequence[Event], size: int, declared: Config) -> list[Tick]:
    """Return what became known in each tick, as the detect stage is given it."""
    pipeline = Pipeline(declared)
    pipeline.open("s")
    for first in range(0, len(told), size):
        for _ in pipeline._upstream.process(block_of("s", told[first : first + size]), FAR_FUTURE):
            pass
    pipeline.catalog.groups.admit(FOREVER)
    return pipeline._upstream.measures.watched.take(FOREVER, pipeline._upstream.recorded())


def same(one: Any, other: Any) -> bool:
    """Whether values are the same, NaN being NaN."""
    return repr(one) == repr(other)


@pytest.mark.parametrize(("size", "restored"), [(97, -1), (1_000, 4), (97, 50)])
def test_findings_do_not_depend_on_blocks(size: int, restored: int) -> None:
    """All at once, or in blocks, and stopped and restored in between: the same findings and the same alerts."""
    told, declared = events(1, changed=35), config()
    whole, again = run(told, len(told), declared), run(told, size, declared, restored)

    assert {row["standing"] for row in whole["signals"]} >= {"learning", "quiet", "changed"}
    assert whole["alerts"]
    for name in ("signals", "alerts"):
        assert same(again[name], whole[name])


def test_what_is_watched_may_change() -> None:
    """Restarted with other watches in the middle of a day: nobody looks at that day, and nothing is told of it."""
    told, other = events(3), config(metrics=["brier"], columns=[], detectors=[])
    found = run(told, 97, config(), 40, other)
    days = {name: [row["tick"] for row in found["signals"] if row["watch"] == name] for name in ("accuracy", "brier")}

    assert found["alerts"] == []
    assert (min(days["brier"]) - max(days["accuracy"])).days == 2


def test_an_open_alert_outlives_a_change_of_watches() -> None:
    """It is told that it is over once its watch has learned anew that nothing is wrong, under the key that it had."""
    told = events(2, requests=6_000, changed=22)
    alerts = run(told, 97, config(), 54 * len(told) // (100 * 97), config(column_margin=0.06))["alerts"]
    [key] = {row["dedup_key"] for row in alerts if row["watch"] == "accuracy"}

    assert [row["status"] for row in alerts if row["dedup_key"] == key][-1] == "resolved"


def test_a_change_is_told_once_with_its_onset() -> None:
    """Answers become wrong on day 35: accuracy fires within a few days, names the day, and nothing pages before."""
    alerts = run(events(2, changed=35), 500, config())["alerts"]
    pages = [row for row in alerts if row["severity"] == "page" and row["status"] == "firing"]
    first = pages[0]

    assert (first["watch"], first["model"]) == ("accuracy", "fraud")
    assert first["effect"] < 0
    assert abs(first["since"].timestamp() * 1e6 - (START + 35 * DAY)) <= 2 * DAY
    assert START + 35 * DAY < first["tick"].timestamp() * 1e6 <= START + 40 * DAY
    assert len({row["dedup_key"] for row in pages}) == 1


def test_a_declared_marker_is_named() -> None:
    """A moment that the configuration declares for the model, shortly before the change, is its release."""
    markers = [
        {"name": "another supplier of ages", "time": "2024-02-04", "models": ["fraud"]},
        {"name": "of no concern", "time": "2024-02-05", "models": ["other"]},
    ]
    declared = config()
    named = declared.detection.model_copy(update={"markers": tuple(map(MarkerConfig.model_validate, markers))})
    declared = declared.model_copy(update={"detection": named})
    first = next(row for row in run(events(2, changed=35), 500, declared)["alerts"] if row["severity"] == "page")

    assert (first["watch"], first["release"]) == ("accuracy", "another supplier of ages")


def test_where_nothing_changes_nothing_is_told() -> None:
    """The same traffic to its end raises no alert."""
    assert run(events(3), 500, config())["alerts"] == []


def test_sums_of_ticks_are_those_of_the_events() -> None:
    """Accuracy, complaints and histograms of each day are those of what became known in it, counted one by one."""
    told = events(4, requests=900)
    made = {event["request_id"]: event for event in told if event["type"] == "prediction" and event["model"] == "fraud"}
    right: defaultdict[tuple[int, str], list[int]] = defaultdict(list)
    for day, country, value, sign in _labels(told, made):
        right[day, country] += [value] * sign if sign > 0 else []
        if sign < 0:
            right[day, country].append(-1 - value)
    for tick in ticks(told, 113, config()):
        day = tick.end // DAY - 1
        for slice_, entries in tick.cells.items():
            assert not slice_.values
            rows = [one for one in made.values() if one["event_time"] // DAY == day]
            assert entries.size()[0] == pytest.approx(len(rows))
            assert _held(entries, 1) == _counted(bins_of(np.array([one["score"] for one in rows], float)))
            assert _held(entries, 5) == _counted(bins_of(np.array([one["features"]["age"] for one in rows], float)))
            countries = hash_strings(pa.array([one["attributes"]["country"] for one in rows], pa.string()))
            assert _held(entries, 6) == _counted(category_bins(countries))
        for signal in tick.signals:
            if signal.name != "accuracy":
                continue
            country = signal.slice.values[0] if signal.slice.values else ""
            known = [
                value for (at, where), some in right.items() if at == day and country in ("", where) for value in some
            ]
            total = sum(1 if value >= 0 else -1 for value in known)
            hits = sum(value if value >= 0 else 1 + value for value in known)
            assert signal.n == total
            assert signal.value == pytest.approx(min(max(hits / total, 0.0), 1.0))  # labels of other days taken back


def _labels(told: Sequence[Event], made: dict[str, Event]) -> list[tuple[int, str, int, int]]:
    """Day, country, whether the answer was right, and +1 or -1: what labels add and take back, by when each stood."""
    outcomes: defaultdict[str, list[Event]] = defaultdict(list)
    for event in told:
        if event["type"] == "outcome" and event["request_id"] in made:
            outcomes[event["request_id"]].append(event)
    found = []
    for request, some in outcomes.items():
        prediction, stands = made[request], None
        for event in sorted(some, key=lambda one: one["event_time"]):
            day = max(event["event_time"], prediction["event_time"]) // DAY
            if stands is not None and event["revision"] < stands["revision"]:
                continue
            country = prediction["attributes"]["country"]
            if stands is not None:
                found.append((day, country, _right(prediction, stands), -1))
            found.append((day, country, _right(prediction, event), 1))
            stands = event
    return found


def _right(prediction: Event, outcome: Event) -> int:
    return int(prediction["label"] == outcome["label"])


def _held(entries: Entries, column: int) -> dict[int, float]:
    bins, weights = entries.of(column)
    return dict(zip(bins.tolist(), weights.tolist(), strict=True))


def _counted(bins: Any) -> dict[int, float]:
    return {bin_: float(count) for bin_, count in Counter(bins.tolist()).items()}


def test_sums_meet_from_partitions() -> None:
    """Collected in two partitions, parted into messages and merged elsewhere: the same ticks as in one place."""
    told, declared = events(6, requests=600), config(column_slices=[[], ["country"]])
    there = Catalog(declared)
    merged = Measures(there)
    for part in (0, 1):
        mine = [event for event in told if int(event["request_id"][1:]) % 2 == part]
        for message in messages(mine, declared):
            merged.merge(message)
    there.groups.admit(FOREVER)
    found, whole = merged.watched.take(FOREVER, START + DAYS * DAY - 1), ticks(told, 200, declared)

    assert [tick.end for tick in found] == [tick.end for tick in whole]
    for ours, theirs in zip(found, whole, strict=True):
        assert same(sorted(ours.signals, key=str), sorted(theirs.signals, key=str))
        assert ours.versions == theirs.versions
        assert same(sorted(ours.errors.items()), sorted(theirs.errors.items()))
        assert ours.names == theirs.names
        assert ours.cells.keys() == theirs.cells.keys()
        assert all(same(entries, theirs.cells[slice_]) for slice_, entries in ours.cells.items())


def messages(told: Sequence[Event], declared: Config) -> Iterator[Sums]:
    """Yield what one partition sends of its events, collected now and then, in small pieces."""
    catalog = Catalog(declared)
    upstream = Upstream(catalog, Measures(catalog), declared.disorder)
    upstream.open("s")
    for first in range(0, len(told), 200):
        for _ in upstream.process(block_of("s", told[first : first + 200]), FAR_FUTURE):
            pass
        for shard in by_shard(upstream.measures.collect(), lambda _: 0).values():
            yield from parted(shard, lambda sums: size_of(sums) < 20_000)


def test_an_assertion_that_begins_to_fail_fires() -> None:
    """Its share of failures is a signal like any other; a model of which something is only asserted is watched too."""
    told = events(7)
    for event in told:
        wrong = event["event_time"] > START + 35 * DAY and event["request_id"][-1] in "012"
        if event["type"] == "prediction" and wrong:
            event["features"]["age"] = -1.0
    rules = {
        "age": {"model": "fraud", "expect": "features.age >= 0", "severity": "critical"},
        "later": {"model": "other", "expect": "features.age < 200", "when": "latency_ms > 1"},
    }
    found = run(told, 500, config(columns=[], assertions=rules))
    [fired] = [row for row in found["alerts"] if row["status"] == "firing"]
    shares = [row for row in found["signals"] if row["kind"] == "assertion" and row["model"] == "fraud"]

    assert (fired["rule"], fired["watch"], fired["severity"]) == ("assertion age", "age", "page")
    assert fired["runbook"] == "docs/runbooks/assertion-failing.md"
    assert {row["value"] for row in shares if row["tick"].timestamp() * 1e6 <= START + 35 * DAY} == {0.0}
    assert shares[-1]["value"] == pytest.approx(0.3, abs=0.15)
    assert {row["watch"] for row in found["signals"] if row["model"] == "other"} >= {"later", "traffic"}


def test_a_limit_needs_no_learning() -> None:
    """A metric whose whole interval is below its limit fires, from the first tick on."""
    found = run(events(7, changed=10), 500, config(columns=[], limits={"accuracy": {"at_least": 0.7}}))
    limits = [row for row in found["signals"] if row["kind"] == "threshold"]
    fired = next(row for row in found["alerts"] if row["status"] == "firing")

    assert {row["standing"] for row in limits} == {"quiet", "changed"}
    assert all((row["high"] < 0) == (row["standing"] == "changed") for row in limits)
    assert (fired["rule"], fired["cause"]) == ("limit of accuracy", "slices")
    assert START + 10 * DAY < fired["tick"].timestamp() * 1e6 <= START + 14 * DAY


def test_a_share_of_the_requests_is_looked_at() -> None:
    """With a share of 0.25 columns have about a quarter of the rows, and a larger share has them as well."""
    told = events(5)
    sizes = []
    for share in (0.25, 0.5, 1.0):
        cells = [entries for tick in ticks(told, 500, config(share=share)) for entries in tick.cells.values()]
        sizes.append([sum(entries.size()[0] for entries in cells)])
    total = sizes[2][0]

    assert math.isclose(sizes[0][0], total / 4, rel_tol=0.15)
    assert math.isclose(sizes[1][0], total / 2, rel_tol=0.15)
