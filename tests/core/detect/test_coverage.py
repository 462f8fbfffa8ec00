"""Label coverage is of the labels that are due: it follows what becomes of labels, not how much is asked."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.config.detection import DetectionConfig
from streams.core.alert.notice import Notice
from streams.core.detect.column_sums import Entries
from streams.core.detect.coverage import MOST_LAGS, Coverage
from streams.core.detect.measuring import Signal
from streams.core.detect.plan import Watch
from streams.core.detect.watched import Tick
from streams.core.detect.watchman import Watchman
from streams.core.groups import Slice
from streams.core.window_spec import HOUR

SHARES = (0.3, 0.4, 0.0, 0.2)
"""Of predictions, those whose label comes in the same tick, in the next and so on; a tenth gets none."""


def came(made: Sequence[float], tick: int, shares: Sequence[float] = SHARES) -> tuple[list[int], list[float]]:
    """Return the lags of the labels that come in a tick, and how many come of each."""
    lags = [lag for lag, share in enumerate(shares) if share and lag <= tick and made[tick - lag]]
    return lags, [shares[lag] * made[tick - lag] for lag in lags]


def values(made: Sequence[float], coverage: Coverage, start: int = 0) -> list[float]:
    """Return the coverage of each tick from `start` on, NaN where there is none."""
    told = []
    for tick in range(start, len(made)):
        lags, labels = came(made, tick)
        found = coverage.look(tick, made[tick], np.array(lags, np.int64), np.array(labels))
        told.append(math.nan if found is None else found[0])
    return told


@settings(max_examples=50)
@given(st.lists(st.sampled_from([0.0, 3.0, 50.0, 800.0]), min_size=5, max_size=40))
def test_traffic_moves_nothing(later: list[float]) -> None:
    """Whatever is asked after eight equal ticks, coverage stays what it was: the share that ever gets a label."""
    told = np.array(values([100.0] * 8 + later, Coverage()))[8:]

    assert told[np.isfinite(told)] == pytest.approx(sum(SHARES), rel=1e-9)


def test_without_anything_due_there_is_none() -> None:
    """Not before the first label, and not when nothing was asked for so long that no label is due."""
    quiet = Coverage()
    nothing = np.empty(0, np.int64), np.empty(0)

    assert quiet.look(0, 100.0, *nothing) is None
    assert np.isfinite(values([100.0] * 8 + [0.0] * 5, Coverage())).tolist() == [True] * 11 + [False] * 2


@pytest.mark.parametrize("kept", [0.0, 0.5])
def test_labels_that_stay_away_are_missed_at_once(kept: float) -> None:
    """In the tick in which only so many come, it is that share of what it was, though traffic has just doubled."""
    coverage, made = Coverage(), [100.0] * 30 + [200.0]
    values(made[:30], coverage)
    lags, labels = came(made, 30)
    found = coverage.look(30, 200.0, np.array(lags), kept * np.array(labels))

    assert found is not None
    assert found[0] == pytest.approx(kept * sum(SHARES), abs=0.02)


def test_the_error_is_that_of_counts() -> None:
    """So many due labels of which each comes by itself: Poisson's standard error, within a tenth, over 2,000 ticks."""
    rng, coverage, found = np.random.default_rng(1), Coverage(), []
    for tick in range(2_000):
        labels = [float(rng.poisson(share * 400)) if lag <= tick else 0.0 for lag, share in enumerate(SHARES)]
        found.append(coverage.look(tick, 400.0, np.arange(len(SHARES)), np.array(labels)))
    told = [one for one in found[200:] if one is not None]

    assert np.std([share for share, _, _ in told]) == pytest.approx(np.mean([error for _, error, _ in told]), rel=0.1)
    assert [due for _, _, due in told] == pytest.approx([400.0] * 1_800)


def test_ticks_that_were_not_looked_at_say_nothing() -> None:
    """Labels of their predictions are neither due nor counted: what is left is that share, within a few percent."""
    made, coverage = [100.0] * 140, Coverage()
    values(made[:120], coverage)
    told = values(made, coverage, start=123)

    assert told == pytest.approx([sum(SHARES)] * 17, rel=0.03)


def test_very_late_labels_count_as_of_the_longest_lag() -> None:
    """A prediction is remembered for so many ticks and no longer."""
    coverage = Coverage()
    for tick in range(MOST_LAGS + 50):
        coverage.look(tick, 1.0, np.array([0, 5 * MOST_LAGS]), np.array([1.0, 0.0]))

    assert len(coverage.snapshot()["ticks"]) == len(coverage.snapshot()["came"]) == MOST_LAGS + 1


def test_it_goes_on_from_a_snapshot() -> None:
    """Stopped and restored in the middle: the same values, to the last bit."""
    made = np.random.default_rng(2).integers(1, 500, 30).astype(float).tolist()
    one, other = Coverage(), Coverage()
    values(made[:17], one)
    saved = one.snapshot()
    other.restore(saved | {"ticks": json.loads(json.dumps(saved["ticks"]))})

    assert values(made, other, start=17) == values(made, one, start=17)


def alerts(traffic: Sequence[float], shares: Sequence[Sequence[float]]) -> list[Notice]:
    """Show a watchman of hourly ticks predictions, and labels that come with such shares by lag; return its notices."""
    fraud, rng = Slice("fraud", (), ()), np.random.default_rng(3)
    section = DetectionConfig.model_validate({"tick": "1h", "learn": "5d", "season": "1h", "models": {"fraud": {}}})
    watch = Watch("fraud", 0, "binary", (), ("label_delay", "label_lag"), ((),), ((),), 1.0, 0)
    watchman, told, made = Watchman(watch, section, section.models["fraud"]), list[Notice](), list[float]()
    for number, expected in enumerate(traffic):
        made.append(float(rng.poisson(expected)))
        lags, labels = came(made, number, shares[number])
        entries = Entries(np.full(len(lags), 2), np.array(lags), rng.poisson(labels).astype(float))
        asked = Signal(number, fraud, "traffic", math.log(made[-1]), made[-1] ** -0.5, made[-1], made[-1], math.nan)
        told += watchman.step(Tick("fraud", (number + 1) * HOUR, [asked], {fraud: entries}, {})).notices
    return told


LATE = (0.1, *[0.0] * 7, 0.8)
"""Most labels come after eight ticks."""


@pytest.mark.parametrize("shares", [SHARES, LATE], ids=["soon", "late"])
def test_a_drop_of_traffic_is_no_loss_of_labels(shares: Sequence[float]) -> None:
    """Traffic falls to a fifth for twelve ticks, and labels go on coming as before: one alert, about traffic."""
    traffic = [500.0] * 200 + [100.0] * 12 + [500.0] * 40
    told = alerts(traffic, [shares] * len(traffic))

    assert [(one.watch, one.status, one.members) for one in told] == [
        ("traffic", "firing", 1),
        ("traffic", "resolved", 1),
    ]


def test_missing_labels_are_found() -> None:
    """For twelve ticks a third of the labels stays away, while traffic is as ever: one alert, about labels."""
    fewer = [share * 2 / 3 for share in SHARES]
    told = alerts([500.0] * 212, [SHARES] * 160 + [fewer] * 12 + [SHARES] * 40)

    assert [(one.watch, one.status) for one in told] == [("label_coverage", "firing"), ("label_coverage", "resolved")]
    assert (told[0].since // HOUR, told[0].cause) == (160, "labels")
