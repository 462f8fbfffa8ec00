"""A share of the requests, chosen by services one event at a time."""

from __future__ import annotations

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.ids import hash_strings
from streams.core.sampling.salts import EMITTED
from streams.core.sampling.uniform import uniforms
from streams.emit import Feedback, Outcome, Prediction, Summary
from streams.emit.sampling import number_of
from streams.errors import UsageError
from streams.testing import MemoryEmitter


@settings(deadline=None)
@given(st.lists(st.text(min_size=1), min_size=1, max_size=20))
def test_numbers_are_those_of_the_pipeline(requests: list[str]) -> None:
    """A request has the number that it has where whole files are thinned."""
    requests = [request for request in requests if request.isprintable()] or ["r"]

    assert [number_of(request) for request in requests] == uniforms(hash_strings(pa.array(requests)), EMITTED).tolist()


def test_requests_are_recorded_whole() -> None:
    """Predictions, outcomes and feedback of the same requests are taken, about the share of them, and say so."""
    emitter = MemoryEmitter().recording(0.2)
    for place in range(2_000):
        made = Prediction(request_id=f"r{place}", prediction_id=f"p{place}", model="m", version="1")
        emitter.emit(msgspec.structs.replace(made, inclusion_probability=0.5))
        emitter.emit(Outcome(request_id=f"r{place}", label="1"))
        emitter.emit(Feedback(feedback_id=f"f{place}", request_id=f"r{place}", kind="click"))
    taken = [one.request_id for one in emitter.predictions]

    assert abs(len(taken) / 2_000 - 0.2) < 4 * np.sqrt(0.2 * 0.8 / 2_000)
    assert [one.request_id for one in emitter.outcomes] == taken == [one.request_id for one in emitter.feedback]
    assert {one.inclusion_probability for one in emitter.predictions} == {0.1}
    assert {one.inclusion_probability for one in emitter.outcomes} == {1.0}
    assert emitter.stats().dropped == {} or not any(emitter.stats().dropped.values())


def test_without_a_request_its_prediction_decides() -> None:
    """A prediction that names no request, and the outcome that names the prediction, share one fate."""
    emitter = MemoryEmitter().recording(0.5)
    for place in range(200):
        emitter.emit(Prediction(prediction_id=f"p{place}", model="m", version="1"))
        emitter.emit(Outcome(prediction_id=f"p{place}", label="1"))

    assert [one.prediction_id for one in emitter.predictions] == [one.prediction_id for one in emitter.outcomes]
    assert 0 < len(emitter.outcomes) < 200


def test_what_is_refused_is_refused_first() -> None:
    """An event that is wrong counts as refused, though its request would not be recorded."""
    emitter = MemoryEmitter().recording(1e-9)

    assert not emitter.emit(Outcome(label="1"))
    assert emitter.stats().refusal == "outcome: it has neither request_id nor prediction_id"


@pytest.mark.parametrize("share", [0.0, -0.1, 1.5, float("nan")])
def test_no_share(share: float) -> None:
    """What is no share is refused at once."""
    with pytest.raises(UsageError, match="above 0 and at most 1"):
        MemoryEmitter().recording(share)


def test_summaries_are_of_all() -> None:
    """A summary is emitted whatever share of the requests is recorded, and is refused without an id."""
    emitter = MemoryEmitter().recording(1e-9)
    summary = Summary(summary_id="s", event_time=60_000_000, model="m", version="1", n=5, weight=5.0, square=5.0)

    assert emitter.emit(summary)
    assert emitter.summaries == [summary]
    assert not emitter.emit(msgspec.structs.replace(summary, summary_id=""))
    assert emitter.stats().refusal == "summary: it has no summary_id"
