"""Rules about several predictions in the pipeline: what they say of a tick is what brute force says of its events."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streams.config import Config, parse_config
from streams.core.assertion import latest, sequences
from streams.core.catalog import Catalog
from streams.core.measures import Measures
from streams.core.summary import by_shard, parted, size_of
from streams.core.watermark import Watermarks
from streams.pipeline import Downstream, Pipeline, Rows, Upstream
from streams.runtime.packing import decode, encode
from streams.runtime.snapshot import load, save
from tests.core.detect import followed
from tests.core.detect.followed import DISORDER, RULES, START, arrived, oracle, predictions, shares
from tests.driving import FAR_FUTURE, block_of
from tests.streams_strategy import HOUR, Event

CONFIG = parse_config(json.dumps(followed.declared()), "the test's configuration")
SHARDS = {"a": 0, "b": 1}


def signals_of(rows: Rows) -> list[dict[str, Any]]:
    """Return the rows of the table `signals`."""
    return [row for name, table in rows if name == "signals" for row in table.to_pylist()]


def replayed(told: Sequence[Event], cuts: Sequence[int], acts: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return the signals of a pipeline that takes blocks, and between these shows what there is or is restarted."""
    pipeline, found = Pipeline(CONFIG), []
    pipeline.open("s")
    for number, (start, end) in enumerate(pairwise([0, *sorted(cuts), len(told)])):
        found += signals_of(pipeline.process(block_of("s", told[start:end]), FAR_FUTURE))
        act = acts[number] if number < len(acts) else ""
        if act == "show":
            found += signals_of(pipeline.flush())
        elif act == "restart":
            pipeline = load(save(pipeline, CONFIG), CONFIG)
    pipeline.close("s")
    return found + signals_of(pipeline.flush(ended=True))


def worked(told: Sequence[Event], partitions: int, every: int) -> list[dict[str, Any]]:
    """
    Return the signals of upstreams, a partition each by request, whose sums meet in a downstream for each model.

    All are saved and restored, as far as they are saved, after so many events, and messages are small.
    """
    upstreams = [_upstream() for _ in range(partitions)]
    downstreams = {shard: _downstream(partitions) for shard in SHARDS.values()}
    found: list[dict[str, Any]] = []
    for start in range(0, len(told), every):
        for number, upstream in enumerate(upstreams):
            mine = [e for e in told[start : start + every] if int(e["request_id"][1:]) % partitions == number]
            list(upstream.process(block_of("s", mine), FAR_FUTURE))
            _send(upstream, number, downstreams)
        recorded = max(upstream.recorded() for upstream in upstreams)
        for shard, (downstream, marks) in downstreams.items():
            rows = downstream.tell(marks.value(), start, recorded=recorded)
            found += signals_of(rows)
            downstreams[shard] = _restored(downstream), marks
    recorded = max(upstream.recorded() for upstream in upstreams)
    for downstream, marks in downstreams.values():
        rows = downstream.tell(marks.value(), len(told), recorded=recorded, ended=True)
        found += signals_of(rows)
    return found


def _upstream() -> Upstream:
    catalog = Catalog(CONFIG)
    upstream = Upstream(catalog, Measures(catalog), CONFIG.disorder)
    upstream.open("s")
    return upstream


def _downstream(partitions: int) -> tuple[Downstream, Watermarks]:
    catalog, marks = Catalog(CONFIG), Watermarks(0)
    for number in range(partitions):
        marks.open(str(number))
    return Downstream(catalog, Measures(catalog)), marks


def _restored(downstream: Downstream) -> Downstream:
    fresh, _ = _downstream(0)
    fresh.restore(decode(encode(downstream.snapshot()), "a snapshot"))
    return fresh


def _send(upstream: Upstream, number: int, downstreams: dict[int, tuple[Downstream, Watermarks]]) -> None:
    for shard, sums in by_shard(upstream.measures.collect(), SHARDS.__getitem__).items():
        for message in parted(sums, lambda part: size_of(part) < 600):
            downstreams[shard][0].measures.merge(decode(encode(message), "a message"))
    for _, marks in downstreams.values():
        marks.see(str(number), upstream.watermarks.value())


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.data())
@settings(max_examples=60, deadline=None)
def test_a_replay_says_what_brute_force_says(seed: int, order: int, data: st.DataObject) -> None:
    """Whatever the blocks, the order within the disorder, and the restarts: share and weight of each tick are right."""
    told = predictions(seed, data.draw(st.integers(1, 80)))
    cuts = data.draw(st.lists(st.integers(0, len(told)), max_size=8))
    acts = data.draw(st.lists(st.sampled_from(("", "show", "restart")), max_size=9))

    assert shares(replayed(arrived(told, order), cuts, acts)) == oracle(told)


@given(st.integers(0, 10**6), st.integers(1, 3), st.integers(5, 60))
@example(264, 1, 60)
@settings(max_examples=25, deadline=None)
def test_partitions_say_what_brute_force_says(seed: int, partitions: int, every: int) -> None:
    """A unit's predictions lie in several partitions, and two models of a rule in different places: all meet."""
    told = predictions(seed)

    assert shares(worked(arrived(told, seed), partitions, every)) == oracle(told)


def test_the_oracle_sees_every_rule_hold_and_fail() -> None:
    """What the other tests compare is not empty."""
    said = oracle(predictions(1, 1_000))

    for name in RULES.keys() - {"has_a_score"}:
        seen = [shares for (_, rule, _), shares in said.items() if rule == name]
        assert sum(failed for _, failed in seen) > 0, name
        assert sum(seen - failed for seen, failed in seen) > 0, name


def test_an_end_that_was_none_stops_nothing() -> None:
    """After an input has ended, later predictions are followed on, and compared with those before."""
    told: list[Event] = [
        {"type": "prediction", "prediction_id": f"p{number}", "request_id": f"r{number}", "event_time": START + number}
        | {"model": "a", "version": "1", "unit_id": "u", "score": score}
        for number, score in enumerate((0.0, 0.1, 1.0))
    ]
    pipeline = Pipeline(CONFIG)
    pipeline.open("s")
    list(pipeline.process(block_of("s", told[:2]), FAR_FUTURE))
    pipeline.close("s")
    list(pipeline.flush(ended=True))
    later = [event | {"event_time": event["event_time"] + HOUR} for event in told[2:]]
    list(pipeline.process(block_of("s", later), FAR_FUTURE))
    pipeline.close("s")
    said = shares(signals_of(pipeline.flush(ended=True)))

    assert said["a", "steady", START + 2 * HOUR] == (1.0, 1.0)


def test_a_rule_that_begins_to_fail_fires() -> None:
    """Scores of units begin to jump after 40 quiet hours: an alert with the severity of the rule, and its onset."""
    declared = followed.declared() | {"assertions": {"steady": RULES["steady"]}}
    config = parse_config(json.dumps(declared), "the test's configuration")
    told = list(_jumping(60 * HOUR, 40 * HOUR))
    pipeline = Pipeline(config)
    pipeline.open("s")
    rows = list(pipeline.process(block_of("s", told), FAR_FUTURE))
    pipeline.close("s")
    rows += pipeline.flush(ended=True)
    [fired] = [
        row for name, table in rows if name == "alerts" for row in table.to_pylist() if row["status"] == "firing"
    ]

    assert (fired["rule"], fired["watch"], fired["severity"]) == ("assertion steady", "steady", "page")
    assert START + 40 * HOUR < fired["tick"].timestamp() * 1e6 <= START + 48 * HOUR


def _jumping(span: int, since: int) -> Iterator[Event]:
    """Yield a prediction a minute for one of ten units, each of which jumps in every second one, later on."""
    for number, after in enumerate(range(0, span, HOUR // 60)):
        score = float(after >= since and number // 10 % 2)
        ids = {"type": "prediction", "prediction_id": f"p{number}", "request_id": f"r{number}", "version": "1"}
        yield ids | {"model": "a", "event_time": START + after, "unit_id": f"u{number % 10}", "score": score}


def test_a_changed_rule_begins_anew() -> None:
    """Restarted under another bound, nothing from before is compared with; the rules beside it go on."""
    told = [
        {"type": "prediction", "prediction_id": f"p{number}", "request_id": f"r{number}", "model": "a", "version": "1"}
        | {"event_time": START + number * DISORDER, "unit_id": "u", "score": 0.0}
        for number in range(4)
    ]
    other = parse_config(json.dumps(_with_bound(0.25)), "the test's configuration")
    pipeline = Pipeline(CONFIG)
    pipeline.open("s")
    list(pipeline.process(block_of("s", told[:2]), FAR_FUTURE))
    list(pipeline.flush())
    pipeline = load(save(pipeline, CONFIG), other)
    list(pipeline.process(block_of("s", told[2:]), FAR_FUTURE))
    pipeline.close("s")
    rows = signals_of(pipeline.flush(ended=True))
    weights = {name: sum(seen for (_, rule, _), (seen, _) in shares(rows).items() if rule == name) for name in RULES}

    assert (weights["steady"], weights["not_hammered"]) == (1.0, 4.0)


def _with_bound(by: float) -> dict[str, Any]:
    steady = RULES["steady"] | {"stable": {"by": by, "within": "90m"}}
    return followed.declared() | {"assertions": RULES | {"steady": steady}}


@pytest.mark.parametrize(("most", "restarted"), [(10, False), (40, True)])
def test_what_is_kept_is_bounded(most: int, restarted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the disorder and `within`, no more waits or is kept; events in order are compared all the same."""
    monkeypatch.setattr(sequences, "MOST_WAITING", most)
    monkeypatch.setattr(latest, "MOST_KEPT", most)
    monkeypatch.setattr(latest, "_FEW", 4)
    rule = {"model": "a", "stable": {"by": 0.5, "within": "1000h"}}
    config = parse_config(json.dumps(followed.declared() | {"disorder": "100h", "assertions": {"r": rule}}), "a test")
    pipeline, held = Pipeline(config), []
    pipeline.open("s")
    for start in range(0, 400, 5):
        list(pipeline.process(block_of("s", _of_units(start)), FAR_FUTURE))
        list(pipeline.flush())
        held.append(_kept(pipeline))
        pipeline = load(save(pipeline, config), config) if restarted else pipeline
    pipeline.close("s")
    rows = [row for row in signals_of(pipeline.flush(ended=True)) if row["watch"] == "r" and row["n"] > 0]

    assert max(waiting for waiting, _ in held) <= most
    assert max(kept for _, kept in held) <= most + 5
    assert sum(row["n"] for row in rows) == 200
    assert {row["value"] for row in rows} == {0.0}


def _of_units(start: int) -> list[Event]:
    """Five predictions, a minute after the other; each unit has two in a row."""
    return [
        {"type": "prediction", "prediction_id": f"p{number}", "request_id": f"r{number}", "model": "a", "version": "1"}
        | {"event_time": START + number * HOUR // 60, "unit_id": f"u{number // 2}", "score": 0.0}
        for number in range(start, start + 5)
    ]


def _kept(pipeline: Pipeline) -> tuple[int, int]:
    saved = pipeline.snapshot()["downstream"]["measures"]["watched"]["followed"]["a"]
    return len(saved["rows"]["time"]), len(saved["followers"][0]["last"]["time"])


def test_what_is_not_needed_does_not_travel() -> None:
    """Only predictions that a rule concerns are sent, to the place of the rule's model, with what it compares."""
    told = predictions(2, 40)
    upstream = _upstream()
    list(upstream.process(block_of("s", told), FAR_FUTURE))
    sums = upstream.measures.collect()
    parts = {shard: part["followed"] for shard, part in by_shard(sums, SHARDS.__getitem__).items()}

    assert {shard: [one["model"] for one in part] for shard, part in parts.items()} == {0: ["a"], 1: ["b"]}
    [of_b] = parts[1]
    assert set(of_b["rows"]["unit"].tolist()) == {0}
    assert upstream.measures.collect()["followed"] == []


def test_a_configuration_without_such_rules_sends_nothing() -> None:
    """What rules about single predictions need is in the sums."""
    rules = {name: RULES[name] for name in ("has_a_score",)}
    catalog = Catalog(_configured(rules))
    upstream = Upstream(catalog, Measures(catalog), DISORDER)
    upstream.open("s")
    list(upstream.process(block_of("s", predictions(3)), FAR_FUTURE))

    assert upstream.measures.collect()["followed"] == []


def _configured(rules: dict[str, Any]) -> Config:
    return parse_config(json.dumps(followed.declared() | {"assertions": rules}), "the test's configuration")
