"""Silence is looked at tick by tick, but not for ever."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from operator import itemgetter

import pytest

from streams.core.detect import watched
from streams.core.detect.watched import Tick
from streams.pipeline import Pipeline
from streams.runtime.snapshot import load, save
from tests.core.making import make_config, outcome, prediction
from tests.driving import FAR_FUTURE, block_of
from tests.streams_strategy import Event

HOUR = 3_600_000_000
WATCHED = {"task": "binary", "positive": "1", "metrics": ["accuracy"], "label_horizon": "10d"}
CONFIG = make_config(
    {"m": WATCHED, "n": WATCHED},
    disorder="1h",
    detection={"tick": "1h", "learn": "4d", "season": "1d", "models": {"m": {}}},
)
MOST = 20


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The ticks that are looked at while a test runs, by the hour in which they begin."""
    monkeypatch.setattr(watched, "MOST_SILENT", MOST)
    seen: list[int] = []
    take = watched.Watched.take

    def noted(self: watched.Watched, watermark: int, recorded: int) -> list[Tick]:
        ticks = take(self, watermark, recorded)
        seen.extend(tick.end // HOUR - 1 for tick in ticks)
        return ticks

    monkeypatch.setattr(watched.Watched, "take", noted)
    return seen


def asked(hours: Iterable[int], model: str = "m") -> list[Event]:
    """Return a prediction in each of some hours."""
    return [
        {"type": "prediction", **prediction(f"{model}{hour}", hour * HOUR + 1, model=model, score=0.5)}
        for hour in hours
    ]


def labels(told: Sequence[Event], hours: int) -> list[Event]:
    """Return outcomes that come so many hours after their predictions."""
    return [
        {"type": "outcome", **outcome(one["event_time"] + hours * HOUR, label="1"), "request_id": one["request_id"]}
        for one in told
    ]


def run(
    told: Sequence[Event], size: int, source: Callable[[Event], str] = lambda _: "a", *, restart: bool = False
) -> None:
    """Take events through a pipeline in blocks, of as many inputs as they are of, to their end."""
    pipeline = Pipeline(CONFIG)
    for name in sorted({source(event) for event in told}):
        pipeline.open(name)
    for at in range(0, len(told), size):
        for name, some in groupby(told[at : at + size], source):
            list(pipeline.process(block_of(name, list(some), at), FAR_FUTURE))
            list(pipeline.flush())
        if restart:
            pipeline = load(save(pipeline, CONFIG), CONFIG)
    for name in sorted({source(event) for event in told}):
        pipeline.close(name)
        list(pipeline.flush())
    list(pipeline.flush(ended=True))


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("size", [1, 2, 100])
def test_long_silence(size: int, restart: bool, looked_at: list[int]) -> None:
    """Of a silence of years the first ticks are looked at, and then none until something is heard again."""
    late = 480_000
    run(asked([1, 2, 5, late, late + 3, late + 100]), size, restart=restart)

    first = list(range(1, 6 + MOST))
    second = list(range(late, late + 3 + MOST + 1))
    assert looked_at == [*first, *second, late + 100]


@pytest.mark.parametrize("source", [lambda _: "a", itemgetter("type")], ids=["one input", "two inputs"])
@pytest.mark.parametrize("size", [1, 3, 7, 20, 100])
def test_labels_after_the_last_prediction_are_no_outage(
    size: int, source: Callable[[Event], str], looked_at: list[int]
) -> None:
    """Silence of a model is told while others are heard of, and not while nothing but labels comes, in any blocks."""
    told = [*asked(range(1, 11)), *asked(range(1, 16), "n")]
    told = sorted([*told, *labels(told, 100)], key=itemgetter("event_time"))
    run(told, size, source)

    assert looked_at == list(range(1, 16))


@pytest.mark.parametrize("size", [1, 3, 100])
def test_an_input_that_rests_is_silent(size: int, looked_at: list[int]) -> None:
    """Where no prediction has come for long, as time goes by, ticks are told as far as labels say that it has come."""
    told, pipeline = asked(range(1, 11)), Pipeline(CONFIG)
    for name, events in (("predictions", told), ("outcomes", labels(told, 12))):
        pipeline.open(name)
        for at in range(0, len(events), size):
            list(pipeline.process(block_of(name, events[at : at + size], at), FAR_FUTURE))
            list(pipeline.flush())
    before = list(looked_at)
    pipeline.watermarks.rest("predictions")
    list(pipeline.flush())

    assert (before, looked_at) == (list(range(1, 9)), list(range(1, 21)))
