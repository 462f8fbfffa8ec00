"""Fields of events are treated before anything of them is kept."""

from __future__ import annotations

from streams.emit import Feedback, Outcome, Prediction
from streams.privacy import client_treatment
from streams.testing import MemoryEmitter

SECTION = {"fields": {"attributes.email": "drop", "features.age": {"bucket": 10}}}


def test_events_are_treated() -> None:
    """What is declared is done to what is taken; all else stays, the time too."""
    emitter = MemoryEmitter().treating(client_treatment(SECTION))
    fields = {"email": "ada@example.org", "country": "DE"}
    made = Prediction(prediction_id="p", model="m", version="1", attributes=fields, features={"age": 37.0}, score=0.5)
    assert emitter.emit(made)
    assert emitter.emit(Outcome(prediction_id="p", label="1"))
    assert emitter.emit(Feedback(feedback_id="f", prediction_id="p", kind="click"))
    (taken,) = emitter.predictions

    assert (taken.attributes, taken.features) == ({"country": "DE"}, {"age": 30.0})
    assert (taken.event_time, taken.score, taken.prediction_id) == (made.event_time, 0.5, "p")
    assert [one.label for one in emitter.outcomes] == ["1"]
    assert [one.kind for one in emitter.feedback] == ["click"]


def test_treated_and_sampled() -> None:
    """Requests are chosen by their own ids, and what is chosen is treated."""
    plain, treated = (MemoryEmitter().recording(0.3) for _ in range(2))
    treated.treating(client_treatment(SECTION))
    for place in range(100):
        event = Prediction(prediction_id=f"p{place}", model="m", version="1", attributes={"email": "x"})
        plain.emit(event)
        treated.emit(event)

    assert [one.prediction_id for one in plain.predictions] == [one.prediction_id for one in treated.predictions]
    assert {tuple(one.attributes) for one in treated.predictions} == {()}


def test_what_is_refused_is_refused_first() -> None:
    """An event that is wrong does not come as far as being treated."""
    asked: list[object] = []

    def treat(event: dict[str, object]) -> dict[str, object]:
        asked.append(event)
        return event

    emitter = MemoryEmitter().treating(treat)

    assert not emitter.emit(Outcome(label="1"))
    assert not asked
