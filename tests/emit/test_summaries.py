"""What a service holds of a minute, and when it lets go of it."""

from __future__ import annotations

import datetime as dt
import math
import threading
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from streams.codecs.files import open_source
from streams.codecs.registry import SchemaRegistry, default_schema_dir
from streams.codecs.write import write_container, write_jsonl
from streams.core.latency import LAST_BIN, bin_of_latency
from streams.core.metric.histograms import latency_edges
from streams.emit import Prediction
from streams.emit.events import Summary
from streams.emit.summaries import Slice, Summaries, begin_of, merge

MINUTE = 60_000_000
REGISTRY = SchemaRegistry.load(default_schema_dir())


def asked(time: int = 0, **fields: Any) -> Prediction:
    known: dict[str, Any] = {"prediction_id": "p", "model": "m", "version": "1", "event_time": time}
    return Prediction(**(known | fields))


def test_fields_are_those_of_the_schema() -> None:
    """A summary has the schema's fields in its order, with the same defaults."""
    schema = REGISTRY.current["summary"]["fields"]
    ours = msgspec.structs.fields(Summary)

    assert [field.name for field in ours] == [field["name"] for field in schema]
    for mine, field in zip(ours, schema, strict=True):
        assert field.get("default", msgspec.NODEFAULT) == ({} if mine.default_factory is dict else mine.default)


@pytest.mark.parametrize("extension", ["jsonl", "avro"])
def test_summaries_are_written_and_read(tmp_path: Path, extension: str) -> None:
    """A summary in a file is read as it was, with and without latencies."""
    held = Summaries("a", ["country"])
    held.add(asked(latency_ms=5.0, attributes={"country": "DE"}, inclusion_probability=0.25), sent=True)
    held.add(asked(score=0.3, attributes={"country": "FR"}), sent=False)
    held.add(asked(MINUTE), sent=False)
    taken = held.take_all()
    path = tmp_path / f"summaries.{extension}"
    if extension == "avro":
        write_container(path, "summary", [one.record() for one in taken], REGISTRY)
    else:
        write_jsonl(path, [{"type": "summary", **one.record()} for one in taken])
    (block,) = open_source(str(path), REGISTRY)
    (batch,) = block.batches
    read = [row | {"attributes": dict(row["attributes"])} for row in batch.table.to_pylist()]

    assert not block.rejects
    assert read == [one.record() for one in taken]


def test_what_is_sent_counts_with_what_its_event_does_not() -> None:
    """Of 4 predictions, one sent with a chance of 0.5: 3 are left, and 4 less 2, and 4 less its square."""
    held = Summaries("a")
    for number in range(4):
        held.add(asked(latency_ms=10.0, inclusion_probability=0.5), sent=number == 2)
    (summary,) = held.take_all()

    assert (summary.n, summary.weight, summary.square) == (3, 2.0, 0.0)
    assert (summary.latency_n, summary.latency_weight, summary.latency_square) == ([3], [2.0], [0.0])


def test_scores_are_summed_with_what_their_events_do_not_have() -> None:
    """Of scores 0.25 and 0.5, the second sent with a chance of 0.5: each sum is that of all, less that of the event."""
    held = Summaries("a")
    held.add(asked(score=0.25), sent=False)
    held.add(asked(score=0.5, inclusion_probability=0.5), sent=True)
    held.add(asked(), sent=False)
    (one,) = held.take_all()

    assert (one.n, one.score_n, one.score_weight, one.score_square) == (2, 1, 2 - 2.0, 2 - 4.0)
    assert (one.score_weight_sum, one.score_square_sum) == (0.75 - 2 * 0.5, 0.75 - 4 * 0.5)
    assert one.score_square_squares == 0.25**2 + 0.5**2 - 4 * 0.5**2


def test_what_is_no_number_is_no_score() -> None:
    """Scores that are no finite number are left out; without any, nothing is said of scores; large ones are cut."""
    none, one = Summaries("a"), Summaries("b")
    for score in (None, math.nan, math.inf, -math.inf):
        none.add(asked(score=score), sent=False)
        one.add(asked(score=score), sent=False)
    one.add(asked(score=-1e300), sent=False)
    (without,), (cut,) = none.take_all(), one.take_all()

    assert (without.n, without.score_n, without.score_weight_sum) == (4, None, None)
    assert (cut.n, cut.score_n, cut.score_weight_sum, cut.score_square_squares) == (5, 1, -1e60, 1e60**2)


def test_sums_of_scores_do_not_drift() -> None:
    """3,500 scores of every magnitude, in three portions, are summed as exactly as a double can say it."""
    scores = (np.random.default_rng(6).lognormal(0, 8, 3_500) - 1e6).tolist()
    held = Summaries("a")
    for score in scores:
        held.add(asked(score=score), sent=False)
    (one,) = held.take_all()

    assert (one.score_n, one.score_weight_sum) == (3_500, math.fsum(scores))
    assert one.score_square_squares == math.fsum(score**2 for score in scores)


def test_merged_scores_are_those_of_who_has_some() -> None:
    """A summary without scores, as older clients write it, adds nothing to those of the others."""
    held = [Summaries(name) for name in "abc"]
    for summaries, score in zip(held, (0.25, None, 0.5), strict=True):
        summaries.add(asked(score=score), sent=False)
    several = [one for summaries in held for one in summaries.take_all()]
    whole = merge(several, "m")

    assert (whole.n, whole.score_n, whole.score_weight_sum, whole.score_square_squares) == (3, 2, 0.75, 0.3125)
    assert merge(several[1:2], "m").score_n is None


def test_slices_are_cut_by_the_named_attributes_only() -> None:
    """Model, version, role, minute and the attributes that are named tell summaries apart, nothing else."""
    held = Summaries("a", ["country"])
    for change in ({}, {"model": "n"}, {"version": "2"}, {"role": "canary"}, {"event_time": MINUTE}):
        held.add(asked() if not change else asked(**change), sent=False)
    held.add(asked(attributes={"country": "DE", "user": "u1"}), sent=False)
    held.add(asked(attributes={"country": "DE", "user": "u2"}), sent=False)
    taken = held.take_all()

    assert [one.n for one in taken if one.attributes] == [2]
    assert [one.attributes for one in taken if one.attributes] == [{"country": "DE"}]
    assert sorted(one.n for one in taken) == [1] * 5 + [2]
    assert len({one.summary_id for one in taken}) == 6


def test_a_minute_is_taken_when_it_is_over() -> None:
    """At its end a minute is given, once; what comes for it later is another summary with an id of its own."""
    held = Summaries("a")
    held.add(asked(5), sent=False)
    held.add(asked(MINUTE), sent=False)
    early, first = held.take(MINUTE - 1), held.take(MINUTE)
    held.add(asked(6), sent=False)
    again, rest = held.take(MINUTE), held.take_all()

    assert (early, [one.event_time for one in first], [one.event_time for one in again]) == ([], [0], [0])
    assert first[0].summary_id != again[0].summary_id
    assert ([one.event_time for one in rest], held.take_all()) == ([MINUTE], [])


def test_no_more_is_held_than_allowed() -> None:
    """A slice beyond the most is not taken, which is said; those that are held go on."""
    held = Summaries("a", most=2)

    assert [held.add(asked(version=version), sent=False) for version in "12313"] == [True, True, False, True, False]


def test_latencies_are_in_the_pipelines_bins() -> None:
    """10,000 latencies, and those at the ends, are in the bin whose edges they lie between; NaN is in none."""
    latencies = [*np.random.default_rng(1).lognormal(2, 3, 10_000), 0.0, 1e-9, 1e-6]
    held = Summaries("a")
    for latency in (*latencies, math.nan, math.inf, -1.0, None):
        held.add(asked(latency_ms=latency), sent=False)
    (summary,) = held.take_all()
    low, high = latency_edges(bin_of_latency(np.array(latencies)))
    bins, counts = np.unique(bin_of_latency(np.array(latencies)), return_counts=True)

    assert (summary.latency_bin, summary.latency_n) == (bins.tolist(), counts.tolist())
    assert (summary.n, sum(summary.latency_n or [])) == (10_007, 10_003)
    assert (low * (1 - 1e-12) <= latencies).all()
    assert (latencies <= high * (1 + 1e-12)).all()


def test_the_largest_latency_is_in_the_last_bin() -> None:
    """A latency beyond the bins is in the last of them, whose edges are finite."""
    held = Summaries("a")
    held.add(asked(latency_ms=1.7e308), sent=False)

    assert held.take_all()[0].latency_bin == [LAST_BIN]
    assert np.isfinite(latency_edges(np.array([LAST_BIN]))).all()


def test_times_may_be_datetimes() -> None:
    """A datetime of any zone is in the minute of its microseconds."""
    noon = dt.datetime(2026, 11, 21, 13, 0, 59, 999_999, tzinfo=dt.timezone(dt.timedelta(hours=1)))

    assert begin_of(noon, 60) == begin_of(int(noon.timestamp() * 1e6), 60) == 1_795_262_400_000_000


def test_threads_lose_nothing() -> None:
    """Four threads that count while another takes give every prediction once."""
    held, taken = Summaries("a"), []

    def count() -> None:
        for number in range(2_000):
            held.add(asked(number % 3 * MINUTE, latency_ms=1.0), sent=False)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        taken += held.take(2 * MINUTE)
    taken += held.take_all()

    assert sum(one.n for one in taken) == sum(sum(one.latency_n or []) for one in taken) == 8_000
    assert len({one.summary_id for one in taken}) == len(taken)


def test_only_summaries_of_one_slice_and_minute_merge() -> None:
    """Summaries of two minutes, or none, are refused; one alone merges to itself under the new id."""
    held = Summaries("a")
    held.add(asked(latency_ms=3.0), sent=False)
    held.add(asked(MINUTE), sent=False)
    one, other = held.take_all()

    assert merge([one], "b").record() == one.record() | {"summary_id": "b"}
    for wrong in ([], [one, other]):
        with pytest.raises(ValueError, match="give some of the same one"):
            merge(wrong, "b")


@pytest.mark.parametrize("wrong", [{"client": ""}, {"seconds": 0}, {"most": 0}])
def test_what_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    """A client without a name, or nothing to hold, is an error."""
    with pytest.raises(ValueError, match=r"client is empty|must be at least 1"):
        Summaries(**({"client": "a"} | wrong))


def test_the_order_of_attributes_does_not_matter() -> None:
    """Two slices with the same attributes are one."""
    assert Slice.of("m", "1", attributes={"b": "2", "a": "1"}) == Slice.of("m", "1", attributes={"a": "1", "b": "2"})
