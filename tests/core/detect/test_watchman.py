"""The watchman of a model: what it says where nothing came."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from streams.config.detection import DetectionConfig
from streams.core.alert.notice import Notice
from streams.core.detect.finding import Standing
from streams.core.detect.measuring import Signal
from streams.core.detect.plan import Watch
from streams.core.detect.watched import Tick
from streams.core.detect.watchman import Watchman
from streams.core.groups import Slice
from streams.core.window_spec import DAY, HOUR

WHOLE = Slice("fraud", (), ())
LEARNED = 40
TICK = 6 * HOUR


def looks(counts: Sequence[int], accuracies: Sequence[float] = ()) -> tuple[list[dict[str, Standing]], list[Notice]]:
    """Show a watchman predictions by tick, of six hours each, and accuracies (NaN: none); return what it says."""
    section = DetectionConfig.model_validate(
        {"tick": "6h", "learn": f"{LEARNED * TICK // DAY}d", "season": "1d", "models": {"fraud": {}}}
    )
    watch = Watch("fraud", 0, "binary", ("accuracy",), ("label_delay", "label_lag"), ((),), ((),), 1.0, 0)
    watchman = Watchman(watch, section, section.models["fraud"])
    standings, notices = list[dict[str, Standing]](), list[Notice]()
    for number, count in enumerate(counts):
        signals = [_traffic(number, count)] if count else []
        if accuracies and not math.isnan(accuracies[number]):
            signals.append(Signal(number, WHOLE, "accuracy", accuracies[number], 0.02, 200.0, 200.0, 1.0))
        told = watchman.step(Tick("fraud", (number + 1) * TICK, signals, {}, {}))
        standings.append({one.watch: one.standing for one in told.findings})
        notices += told.notices
    return standings, notices


def _traffic(number: int, count: int) -> Signal:
    return Signal(number, WHOLE, "traffic", math.log(count), count**-0.5, count, count, math.nan)


def test_without_data_nothing_is_said_before_it_is_known_what_is_usual() -> None:
    """A metric that has a value in every other tick is learned from, and has no data only after that."""
    rng = np.random.default_rng(1)
    accuracies = np.where(np.arange(90) % 2 == 0, rng.normal(0.9, 0.02, 90), np.nan).tolist()
    standings, notices = looks(rng.poisson(100, 90).tolist(), accuracies)

    said = [tick["accuracy"] for tick in standings]
    assert said[: 2 * LEARNED - 1] == ["learning"] * (2 * LEARNED - 1)
    assert said[2 * LEARNED - 1 :] == ["no data", "quiet"] * 5 + ["no data"]
    assert notices == []


def test_silence_is_told_at_once_where_much_was_expected() -> None:
    """Where a hundred predictions come a tick, one without any is an alert."""
    counts = np.random.default_rng(2).poisson(100, LEARNED + 10).tolist()
    standings, notices = looks([*counts, 0])

    assert standings[-1]["traffic"] == "no data"
    assert [(one.watch, one.status, one.state) for one in notices] == [("traffic", "firing", "no_data")]


def test_a_tick_without_any_of_few_predictions_proves_nothing() -> None:
    """Where three come a tick, one in twenty has none; that it stays so is found out all the same."""
    counts = np.random.default_rng(3).poisson(3, 400).tolist()
    _, calm = looks(counts)
    standings, notices = looks([*counts, *[0] * 20])

    assert counts.count(0) > 10
    assert calm == []
    assert standings[-1]["traffic"] == "changed"
    assert [(one.watch, one.status, one.state) for one in notices] == [("traffic", "firing", "firing")]


def test_a_model_that_is_asked_once_a_day_is_not_missed_in_between() -> None:
    """Its empty ticks are learned as well; a day on which it is not asked is told."""
    rng = np.random.default_rng(4)
    counts = [int(count) if tick % 4 == 1 else 0 for tick, count in enumerate(rng.poisson(500, 160))]
    _, calm = looks(counts)
    standings, notices = looks([*counts, 0, 0])

    assert calm == []
    assert standings[-1]["traffic"] == "no data"
    assert [(one.watch, one.status) for one in notices] == [("traffic", "firing")]
