"""River's detectors over ticks: on record among the signals, the same after a restart."""

from __future__ import annotations

import numpy as np
import pytest

from streams.core.detect.measuring import Signal
from streams.core.detect.stream_watch import StreamSpec, StreamWatch
from streams.core.groups import Slice

SPECS = [StreamSpec("accuracy", "adwin", {"delta": 0.01}), StreamSpec("accuracy", "page_hinkley", {"threshold": 1.0})]


def signal(value: float) -> dict[str, Signal]:
    """Return the accuracy of a tick."""
    return {"accuracy": Signal(0, Slice("m", (), ()), "accuracy", value, 0.01, 100.0, 90.0, 0.8)}


def standings(watch: StreamWatch, values: list[float], first: int = 1) -> list[tuple[int, str]]:
    """Return the tick and the name of every change."""
    found = [one for tick, value in enumerate(values, first) for one in watch.look(tick, signal(value))]
    return [(one.tick, one.watch) for one in found if one.standing == "changed"]


def values() -> list[float]:
    """Three hundred ticks, after 200 of which accuracy falls."""
    rng = np.random.default_rng(1)
    return [float(one) for one in np.where(np.arange(300) < 200, 0.9, 0.6) + 0.02 * rng.standard_normal(300)]


def test_a_fall_is_found_by_each() -> None:
    """Both detectors find it soon, and nothing before."""
    found = standings(StreamWatch("m", SPECS), values())

    assert {name for _, name in found} == {"accuracy by adwin", "accuracy by page_hinkley"}
    assert all(200 < tick <= 260 for tick, _ in found)


def test_a_restart_changes_nothing() -> None:
    """Stopped before the fall and restored elsewhere, they find it at the same ticks."""
    told, whole = values(), standings(StreamWatch("m", SPECS), values())
    first, second = StreamWatch("m", SPECS), StreamWatch("m", SPECS)
    before = standings(first, told[:190])
    second.restore(first.snapshot())

    assert before + standings(second, told[190:], 191) == whole


def test_a_tick_without_the_metric_has_no_data() -> None:
    """It is said, and the detectors see nothing."""
    watch = StreamWatch("m", SPECS)

    assert [one.standing for one in watch.look(1, {})] == ["no data", "no data"]
    assert repr(watch.snapshot()) == repr(StreamWatch("m", SPECS).snapshot())


@pytest.mark.parametrize(
    ("detector", "parameters", "message"),
    [("adwin", {"detla": 0.1}, "delta"), ("adwn", {}, "adwin"), ("ddm", {}, "single errors")],
)
def test_what_cannot_be_is_refused(detector: str, parameters: dict[str, float], message: str) -> None:
    """Unknown detectors and parameters, and detectors of single errors, with what was meant."""
    with pytest.raises(ValueError, match=message):
        StreamWatch("m", [StreamSpec("accuracy", detector, parameters)])
