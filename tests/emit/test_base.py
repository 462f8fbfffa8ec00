"""Measured calls: what a model took and answered, and its crashes, become events; the service notices nothing."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
import pytest

from streams.codecs.registry import SchemaRegistry, default_schema_dir
from streams.codecs.wire import decode_datums
from streams.config import parse_config
from streams.core.block import FEEDBACK_KINDS, EventType
from streams.emit import AsyncEmitter, Call, Event, Feedback, Prediction, current_call
from streams.emit.packing import Packed, encode, pack
from streams.pipeline import Pipeline
from streams.testing import MemoryEmitter
from tests.driving import FAR_FUTURE
from tests.emit.example_events import prediction


class Broken(Exception):
    """What a model raises."""


@pytest.fixture
def emitter() -> MemoryEmitter:
    return MemoryEmitter()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the nanoseconds that the clock of durations will show, one a look."""
    shown: list[int] = []
    monkeypatch.setattr(time, "perf_counter_ns", lambda: shown.pop(0))
    return shown


def test_what_is_known_of_a_call_is_in_its_prediction(emitter: MemoryEmitter, clock: list[int]) -> None:
    """Fields given before and during the call, and its duration in milliseconds, are those of the event."""
    clock += [5_000_000, 17_250_000]
    with emitter.measure("fraud", "3.1", request_id="r", unit_id="u", inclusion_probability=0.5) as call:
        call.prediction_id = "p"
        call.score, call.label, call.ranking = 0.83, "1", ["a", "b"]
        call.attributes["country"] = "DE"
        call.features["age"] = 41.0
        call.assignments["exp"] = "arm"
        call.role = "shadow"
    (made,) = emitter.predictions

    assert made == Prediction(
        request_id="r",
        prediction_id="p",
        event_time=made.event_time,
        model="fraud",
        version="3.1",
        role="shadow",
        unit_id="u",
        score=0.83,
        label="1",
        ranking=["a", "b"],
        attributes={"country": "DE"},
        features={"age": 41.0},
        latency_ms=12.25,
        assignments={"exp": "arm"},
        inclusion_probability=0.5,
    )
    assert emitter.feedback == []


def test_a_call_has_every_field_of_a_prediction_and_its_defaults() -> None:
    """What a prediction has can be set on a call, and what is not set is as in a prediction that does not name it."""
    call = Call(lambda _: True, "m", "1")
    fields = set(Prediction.__struct_fields__) - {"event_time", "latency_ms"}
    bare = prediction(prediction_id=call.prediction_id, score=None)

    assert fields == {name for name in Call.__slots__ if not name.startswith("_")}
    assert {name: getattr(call, name) for name in fields} == {name: getattr(bare, name) for name in fields}


def test_ids_of_calls_differ(emitter: MemoryEmitter) -> None:
    """A call that is given no id has one of its own."""
    for _ in range(100):
        with emitter.measure("m", "1"):
            pass

    assert len({made.prediction_id for made in emitter.predictions}) == 100


def test_a_crash_is_told_and_raised_on(emitter: MemoryEmitter) -> None:
    """The very exception reaches the caller; the prediction has no latency, and feedback names it and the crash."""
    error = Broken("it")
    call = emitter.measure("m", "1", request_id="r", prediction_id="p", unit_id="u", attributes={"country": "DE"})
    with pytest.raises(Broken) as raised, call:
        raise error
    (made,), (crash,) = emitter.predictions, emitter.feedback

    assert raised.value is error
    assert raised.value.__cause__ is raised.value.__context__ is None
    assert (made.prediction_id, made.latency_ms, made.score, made.attributes) == ("p", None, None, {"country": "DE"})
    assert crash == Feedback(
        feedback_id="p/crash",
        request_id="r",
        prediction_id="p",
        unit_id="u",
        event_time=crash.event_time,
        kind="crash",
    )
    assert crash.kind in FEEDBACK_KINDS


CONFIG = """
models:
  m: {task: binary, positive: "1", label_horizon: 1d}
"""


def test_the_pipeline_counts_crashes(emitter: MemoryEmitter) -> None:
    """A crash finds its prediction, which a binary model may leave without a score: nothing is rejected."""
    with emitter.measure("m", "1") as call:
        call.score = 0.5
    for _ in range(2):
        with pytest.raises(Broken), emitter.measure("m", "1"):
            raise Broken
    events: list[Event] = [*emitter.predictions, *emitter.feedback]
    registry = SchemaRegistry.load(default_schema_dir())
    values = [encode(kind, [data], 1, registry).values[0] for kind, data in map(kind_and_data, events)]
    pipeline = Pipeline(parse_config(CONFIG, "config.yaml"))
    pipeline.open("topic")
    list(pipeline.process(decode_datums(values, "topic", np.arange(len(values)), registry), FAR_FUTURE))
    pipeline.close("topic")
    list(pipeline.flush(ended=True))
    counts = pipeline.counts()

    assert (counts["read"], counts["attributed"], counts["rejected"]) == (5, 2, 0)


def kind_and_data(event: Event) -> tuple[EventType, bytes]:
    packed = pack(event)
    assert isinstance(packed, Packed)
    return packed.kind, packed.data


@pytest.mark.parametrize("ending", [asyncio.CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_end_from_outside_is_no_crash(emitter: MemoryEmitter, ending: type[BaseException]) -> None:
    """A client that went away, or a process that ends, says nothing about the model."""
    with pytest.raises(ending), emitter.measure("m", "1"):
        raise ending

    assert (emitter.predictions, emitter.feedback) == ([], [])


def test_whatever_a_call_is_given_nothing_is_raised(emitter: MemoryEmitter) -> None:
    """Values that no field takes make the event invalid, which is counted; the service gets its answer."""
    bad: Any = object()
    with emitter.measure("m", "1") as call:
        call.score = call.attributes = call.prediction_id = bad

    assert emitter.stats().dropped["invalid"] == 1


def test_a_field_that_is_none_is_an_error_of_the_call(emitter: MemoryEmitter) -> None:
    """A name that no prediction has is told where it is written, as with any function."""
    with pytest.raises(AttributeError, match="scores"):
        emitter.measure("m", "1", scores=1)


def test_a_function_that_is_measured_is_the_same_function(emitter: MemoryEmitter, clock: list[int]) -> None:
    """It takes and returns what it did, keeps its name and signature, and finds its call."""
    clock += [0, 3_000_000]

    @emitter.measured("fraud", "3.1", role="canary")
    def answer(amount: float, *, country: str = "DE") -> float:
        """Answer."""
        call = current_call()
        call.score, call.attributes["country"] = amount / 100, country
        return amount

    returned = answer(50, country="FR")
    (made,) = emitter.predictions

    assert returned == 50
    assert (made.model, made.version, made.role, made.score) == ("fraud", "3.1", "canary", 0.5)
    assert (made.attributes, made.latency_ms) == ({"country": "FR"}, 3.0)
    assert (answer.__name__, answer.__doc__) == ("answer", "Answer.")
    assert str(inspect.signature(answer)) == "(amount: 'float', *, country: 'str' = 'DE') -> 'float'"


def test_methods_are_measured_too(emitter: MemoryEmitter) -> None:
    """A decorated method gets its object."""

    class Model:
        factor = 2

        @emitter.measured("m", "1")
        def answer(self, value: int) -> int:
            return self.factor * value

    assert Model().answer(4) == 8
    assert len(emitter.predictions) == 1


def test_a_function_that_crashes_raises_what_it_raised(emitter: MemoryEmitter) -> None:
    """As with the context manager: the same exception, a prediction and a crash; and outside no call is left."""
    error = Broken("it")

    @emitter.measured("m", "1")
    def answer() -> None:
        raise error

    with pytest.raises(Broken) as raised:
        answer()
    with pytest.raises(LookupError, match="no function that `measured` decorates"):
        current_call()

    assert raised.value is error
    assert (raised.value.__cause__, raised.value.__context__) == (None, None)
    assert [crash.prediction_id for crash in emitter.feedback] == [made.prediction_id for made in emitter.predictions]


def test_calls_within_calls_find_their_own(emitter: MemoryEmitter) -> None:
    """The innermost function that is measured has its call, and the outer one its own again afterwards."""

    @emitter.measured("inner", "1")
    def inner() -> None:
        current_call().label = "i"

    @emitter.measured("outer", "1")
    def outer() -> None:
        inner()
        current_call().label = "o"

    outer()

    assert [(made.model, made.label) for made in emitter.predictions] == [("inner", "i"), ("outer", "o")]


def test_on_asyncio_calls_at_once_do_not_meet(emitter: MemoryEmitter) -> None:
    """Each of many tasks that wait in between finds its own call; what a coroutine raises is raised on."""
    on_loop = AsyncEmitter.around(emitter)

    @on_loop.measured("m", "1")
    async def answer(number: int) -> int:
        for _ in range(number % 3):
            await asyncio.sleep(0)
        current_call().request_id = f"r{number}"
        if number == 7:
            raise Broken
        return number

    async def serve() -> list[int | BaseException]:
        return await asyncio.gather(*(answer(number) for number in range(20)), return_exceptions=True)

    answers = asyncio.run(serve())

    assert inspect.iscoroutinefunction(answer)
    assert [number for number in answers if isinstance(number, int)] == [n for n in range(20) if n != 7]
    assert isinstance(answers[7], Broken)
    assert {made.request_id for made in emitter.predictions} == {f"r{n}" for n in range(20)}
    assert [crash.request_id for crash in emitter.feedback] == ["r7"]


def test_a_task_that_is_cancelled_tells_nothing(emitter: MemoryEmitter) -> None:
    """Cancellation goes through a measured coroutine, and is no crash of the model."""

    @emitter.measured("m", "1")
    async def answer() -> None:
        await asyncio.Event().wait()

    async def serve() -> bool:
        task = asyncio.create_task(answer())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        return task.cancelled()

    assert asyncio.run(serve())
    assert (emitter.predictions, emitter.feedback) == ([], [])


def test_generators_are_refused_where_they_are_decorated(emitter: MemoryEmitter) -> None:
    """Nobody would measure what a generator does: an error says what to use."""

    def items() -> Iterator[int]:
        yield 1

    async def later() -> AsyncIterator[int]:
        yield 1

    for function in (items, later):
        with pytest.raises(TypeError, match=r"is a generator; call `measure` where its items are consumed"):
            emitter.measured("m", "1")(function)
