"""Silence is looked at tick by tick, but not for ever."""

from __future__ import annotations

import pytest

from streams.core.detect import watched
from streams.core.detect.watched import Tick
from streams.pipeline import Pipeline
from streams.runtime.snapshot import load, save
from tests.core.making import make_config, prediction
from tests.driving import FAR_FUTURE, block_of

HOUR = 3_600_000_000
CONFIG = make_config(
    {"m": {"task": "binary", "positive": "1", "metrics": ["accuracy"]}},
    disorder="1h",
    detection={"tick": "1h", "learn": "4d", "season": "1d", "models": {"m": {}}},
)
MOST = 20


def looked_at(hours: list[int], size: int, monkeypatch: pytest.MonkeyPatch, *, restart: bool = False) -> list[int]:
    """Return the ticks that are looked at, of predictions made in some hours."""
    monkeypatch.setattr(watched, "MOST_SILENT", MOST)
    seen: list[int] = []
    take = watched.Watched.take

    def noted(self: watched.Watched, watermark: int) -> list[Tick]:
        ticks = take(self, watermark)
        seen.extend(tick.end // HOUR - 1 for tick in ticks)
        return ticks

    monkeypatch.setattr(watched.Watched, "take", noted)
    pipeline = Pipeline(CONFIG)
    pipeline.open("a")
    events = [{"type": "prediction", **prediction(f"p{hour}", hour * HOUR + 1, score=0.5)} for hour in hours]
    for at in range(0, len(events), size):
        list(pipeline.process(block_of("a", events[at : at + size], at), FAR_FUTURE))
        list(pipeline.flush())
        if restart:
            pipeline = load(save(pipeline, CONFIG), CONFIG)
    pipeline.close("a")
    list(pipeline.flush(ended=True))
    return seen


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("size", [1, 2, 100])
def test_long_silence(size: int, restart: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a silence of years the first ticks are looked at, and then none until something is heard again."""
    late = 480_000
    hours = [1, 2, 5, late, late + 3, late + 100]

    first = list(range(1, 6 + MOST))
    second = list(range(late, late + 3 + MOST + 1))
    assert looked_at(hours, size, monkeypatch, restart=restart) == [*first, *second, late + 100]
