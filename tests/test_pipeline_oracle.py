"""The pipeline against the oracle: random streams, random arrival, random blocks, random restarts."""

from __future__ import annotations

import json
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.config import Config, parse_config
from streams.pipeline import Pipeline
from streams.runtime.snapshot import load, save
from tests.driving import assert_agree, drive, final_numbers
from tests.oracle import oracle
from tests.streams_strategy import Stream, deliveries, make_delivery, make_stream, streams

STREAMS_A_TEST = 125
LEGS = 16  # of so many streams each, spread over the test processes: 2,000 in all
QUICK = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def config_of(stream: Stream) -> Config:
    return parse_config(json.dumps(stream.config), "the generated configuration")


@pytest.mark.parametrize("leg", range(LEGS))
def test_pipeline_and_oracle_agree(leg: int) -> None:
    """Counters and counts agree exactly and values to 1e-9, whatever the stream, its arrival and its blocks."""
    for number in range(STREAMS_A_TEST):
        seed = leg * STREAMS_A_TEST + number
        try:
            agree(make_stream(seed, 5 + seed % 56), seed)
        except AssertionError as error:
            again = f'.venv/bin/python -c "from tests.test_pipeline_oracle import *; again({seed})"'
            raise AssertionError(f"stream {seed} disagrees; to see it again: {again}\n{error}") from error


def agree(stream: Stream, seed: int) -> None:
    truth = oracle(stream.config, stream.events)
    counts, tables = drive(config_of(stream), make_delivery(stream.events, stream.disorder, seed))
    assert counts == truth.counts
    assert_agree(final_numbers(tables["windows"]) if "windows" in tables else {}, truth.windows)
    late = [row["reason"] for row in tables.get("orphans", [])]
    assert {reason: late.count(reason) for reason in ("late", "unmatched")} == truth.orphans


def again(seed: int) -> None:
    """Run one stream of the test above by its number."""
    agree(make_stream(seed, 5 + seed % 56), seed)


@settings(max_examples=200, deadline=None, suppress_health_check=QUICK)
@given(streams(), st.data())
def test_shrinking_finds_the_smallest_disagreement(stream: Stream, data: st.DataObject) -> None:
    """The same property under Hypothesis, which looks for corners and shrinks what it finds."""
    truth = oracle(stream.config, stream.events)

    counts, tables = drive(config_of(stream), data.draw(deliveries(stream.events, stream.disorder)))

    assert counts == truth.counts
    assert_agree(final_numbers(tables.get("windows", [])), truth.windows)


@settings(max_examples=150, deadline=None, suppress_health_check=QUICK)
@given(streams(), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_order_blocks_and_restarts_change_nothing(stream: Stream, one: int, other: int) -> None:
    """Two arrivals of the same events, one of them with restarts from snapshots, end in the same tables to 1e-12."""
    config, rng = config_of(stream), Random(other)

    def stop(pipeline: Pipeline, _: int) -> Pipeline:
        return load(save(pipeline, config), config) if rng.random() < 0.5 else pipeline

    straight_counts, straight = drive(config, make_delivery(stream.events, stream.disorder, one))
    stopped_counts, stopped = drive(config, make_delivery(stream.events, stream.disorder, other), stop)

    assert straight_counts == stopped_counts
    expected = final_numbers(straight.get("windows", []))
    assert_agree(final_numbers(stopped.get("windows", [])), expected, 1e-12)  # type: ignore[arg-type]
