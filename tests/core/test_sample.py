"""Which raw events are kept, and with which probability."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.flatten import identify
from streams.core.privacy.rule import KEEP
from streams.core.privacy.treatment import MapRule, Plan, Treatment
from streams.core.sample import sample_rows, sampled
from tests.core.making import make_batch, prediction

keys = st.lists(st.integers(0, 2**64 - 1), max_size=20).map(lambda values: np.array(values, np.uint64))
shares = st.floats(0, 1)
_MAPS = {name: MapRule(others=KEEP) for name in ("attributes", "features", "assignments")}
AS_IT_IS = Treatment(Plan({}, _MAPS, others=KEEP), None)


@given(hashes=keys, one=shares, other=shares)
def test_a_larger_share_contains_a_smaller(hashes: np.ndarray, one: float, other: float) -> None:
    """What a share keeps, every larger share keeps too."""
    less, more = sorted((one, other))

    assert not (sampled(hashes, less) & ~sampled(hashes, more)).any()


@given(hashes=keys)
def test_a_share_of_nothing_keeps_nothing(hashes: np.ndarray) -> None:
    """0 keeps no request."""
    assert not sampled(hashes, 0.0).any()


@given(hashes=keys)
def test_a_share_of_one_keeps_every_request(hashes: np.ndarray) -> None:
    """1 keeps all requests, the largest hash included."""
    every = np.append(hashes, np.uint64(2**64 - 1))

    assert sampled(every, 1.0).all()


def test_the_share_kept_is_the_share_asked_for() -> None:
    """Of 20,000 request ids the part kept is within four standard errors of the share."""
    batch = make_batch("outcome", [{"request_id": f"r{i}", "event_time": 1} for i in range(20_000)])

    kept = sampled(identify(batch.table)["key"], 0.1).mean()

    assert abs(kept - 0.1) < 4 * math.sqrt(0.1 * 0.9 / 20_000)


def test_all_events_of_a_request_share_its_fate() -> None:
    """A prediction, its outcome and its feedback hash alike, however they name the request."""
    by_type = [
        make_batch("prediction", [{**prediction("p", 1), "request_id": None}]),
        make_batch("outcome", [{"request_id": "p", "event_time": 1}]),
        make_batch("feedback", [{"feedback_id": "f", "prediction_id": "p", "event_time": 1, "kind": "click"}]),
    ]

    assert len({identify(batch.table)["key"].tolist()[0] for batch in by_type}) == 1


def test_rows_carry_their_joint_probability() -> None:
    """A sampled row's inclusion probability is its own times the share; feedback has only the share."""
    events = [prediction("p", 7, inclusion_probability=0.5), prediction("q", 8)]
    rows = sample_rows(make_batch("prediction", events), np.arange(2), np.full(2, 0.25), AS_IT_IS)
    feedback = make_batch("feedback", [{"feedback_id": "f", "request_id": "r", "event_time": 1, "kind": "click"}])

    assert rows["inclusion_probability"].to_pylist() == [0.125, 0.25]
    assert sample_rows(feedback, np.arange(1), np.full(1, 0.25), AS_IT_IS)["inclusion_probability"].to_pylist() == [
        0.25
    ]


def test_rows_say_what_was_sampled_and_from_where() -> None:
    """Only the rows of the mask are there, with their position, and their fields as JSON."""
    events = [prediction("p", 7), prediction("q", 8, attributes={"city": "ü"}, ranking=["a", "b"])]
    (row,) = sample_rows(make_batch("prediction", events, "topic-1"), np.array([1]), np.ones(1), AS_IT_IS).to_pylist()
    payload = json.loads(row["payload"])

    assert (row["type"], row["request_id"], row["model"], row["version"]) == ("prediction", "r-q", "m", "1")
    assert (row["source"], row["position"], row["event_time"].timestamp()) == ("topic-1", 101, 8e-6)
    assert (payload["attributes"], payload["ranking"], payload["score"]) == ({"city": "ü"}, ["a", "b"], None)


def test_outcomes_and_feedback_have_no_model() -> None:
    """Where a type of event has no model and version the row's are empty texts."""
    batch = make_batch("outcome", [{"prediction_id": "p", "event_time": 1}])
    (row,) = sample_rows(batch, np.arange(1), np.ones(1), AS_IT_IS).to_pylist()

    assert (row["request_id"], row["model"], row["version"]) == ("p", "", "")


@pytest.mark.parametrize("absent", [None, ""])
def test_the_request_of_a_row_is_the_one_it_joins_by(absent: str | None) -> None:
    """`request_id` of a row defaults to `prediction_id`, where it was absent or empty."""
    batch = make_batch("prediction", [{**prediction("p", 1), "request_id": absent}])
    (row,) = sample_rows(batch, np.arange(1), np.ones(1), AS_IT_IS).to_pylist()

    assert row["request_id"] == "p"
