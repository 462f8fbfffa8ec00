"""River's detectors over ticks and single errors: on record among the signals, the same after a restart."""

from __future__ import annotations

import numpy as np
import pytest

from streams.core.detect.error_sample import Errors
from streams.core.detect.finding import Finding
from streams.core.detect.measuring import Signal
from streams.core.detect.stream.catalogue import NAMES
from streams.core.detect.stream_spec import StreamSpec
from streams.core.detect.stream_watch import StreamWatch
from streams.core.detect.watched import Tick
from streams.core.groups import Slice

SPECS = [StreamSpec("accuracy", "adwin", {"delta": 0.01}), StreamSpec("accuracy", "page_hinkley", {"threshold": 1.0})]


WHOLE = Slice("m", (), ())


def watch_of(*specs: StreamSpec) -> StreamWatch:
    """Return detectors of a model without columns."""
    return StreamWatch("m", specs, {})


def at(end: int, accuracy: float | None = None, errors: Errors | None = None) -> Tick:
    """Return a tick with the accuracy of the whole, or with errors of it."""
    told = [] if accuracy is None else [Signal(0, WHOLE, "accuracy", accuracy, 0.01, 100.0, 90.0, 0.8)]
    return Tick("m", end, told, {}, {}, {} if errors is None else {WHOLE: errors})


def standings(watch: StreamWatch, values: list[float], first: int = 1) -> list[tuple[int, str]]:
    """Return the tick and the name of every change."""
    found = [one for tick, value in enumerate(values, first) for one in watch.look(at(tick, value))]
    return [(one.tick, one.watch) for one in found if one.standing == "changed"]


def values() -> list[float]:
    """Three hundred ticks, after 200 of which accuracy falls."""
    rng = np.random.default_rng(1)
    return [float(one) for one in np.where(np.arange(300) < 200, 0.9, 0.6) + 0.02 * rng.standard_normal(300)]


def test_a_fall_is_found_by_each() -> None:
    """Both detectors find it soon, and nothing before."""
    found = standings(watch_of(*SPECS), values())

    assert {name for _, name in found} == {"accuracy by adwin", "accuracy by page_hinkley"}
    assert all(200 < tick <= 260 for tick, _ in found)


def test_a_restart_changes_nothing() -> None:
    """Stopped before the fall and restored elsewhere, they find it at the same ticks."""
    told, whole = values(), standings(watch_of(*SPECS), values())
    first, second = watch_of(*SPECS), watch_of(*SPECS)
    before = standings(first, told[:190])
    second.restore(first.snapshot())

    assert before + standings(second, told[190:], 191) == whole


def test_a_tick_without_the_metric_has_no_data() -> None:
    """It is said, and the detectors see nothing."""
    watch = watch_of(*SPECS)

    assert [one.standing for one in watch.look(at(1))] == ["no data", "no data"]
    assert repr(watch.snapshot()) == repr(watch_of(*SPECS).snapshot())


@pytest.mark.parametrize(
    ("detector", "parameters", "message"),
    [("adwin", {"detla": 0.1}, "delta"), ("adwn", {}, "adwin"), ("ddm", {}, "single errors")],
)
def test_what_cannot_be_is_refused(detector: str, parameters: dict[str, float], message: str) -> None:
    """Unknown detectors and parameters, and detectors of single errors, with what was meant."""
    with pytest.raises(ValueError, match=message):
        watch_of(StreamSpec("accuracy", detector, parameters))


def errors(seed: int, tick: int, share: float, n: int = 300) -> Errors:
    """Return the sample of a tick in which a share of the answers is wrong."""
    rng = np.random.default_rng((seed, tick))
    hashes = rng.integers(0, 2**63, n).astype(np.uint64)
    return Errors(hashes, 1_000 * tick + rng.integers(0, 1_000, n), (rng.random(n) < share).astype(float))


def watched(watch: StreamWatch, ticks: range, changed: int = 15) -> list[Finding]:
    """Show errors to detectors: a tenth of the answers is wrong, and from one tick on eight tenths."""
    shares = {tick: 0.1 if tick < changed else 0.8 for tick in ticks}
    return [one for tick, share in shares.items() for one in watch.look(at(tick, errors=errors(1, tick, share)))]


@pytest.mark.parametrize("detector", NAMES)
def test_each_of_the_eight_sees_single_errors(detector: str) -> None:
    """Errors rise eightfold: each says so within three ticks, and goes on elsewhere as if never stopped."""
    spec = StreamSpec(None, detector, {"threshold": 20.0} if detector == "page_hinkley" else {}, 200)
    whole = watched(watch_of(spec), range(25))
    first, second = watch_of(spec), watch_of(spec)
    begun = watched(first, range(12))
    second.restore(first.snapshot())
    flagged = [one for one in whole if one.standing == "changed" and 15 <= one.tick <= 17]

    assert repr(begun + watched(second, range(12, 25))) == repr(whole)
    assert {(one.watch, one.method, one.n) for one in whole} == {(f"errors by {detector}", f"river {detector}", 200.0)}
    assert flagged
    assert flagged[0].reference == pytest.approx(0.1, abs=0.03)
    assert flagged[0].effect == pytest.approx(0.7, abs=0.1)
    assert flagged[0].low < flagged[0].effect < flagged[0].high


def test_a_flag_comes_with_the_difference_of_two_samples() -> None:
    """The effect is that of the tick against all since the last change, with the interval of Welch's two samples."""
    spec = StreamSpec(None, "ddm", {}, 1_000)
    watch, before = watch_of(spec), list[float]()
    for tick in range(20):
        sample = errors(3, tick, 0.1 if tick < 15 else 0.4)
        (found,) = watch.look(at(tick, errors=sample))
        if found.standing == "changed":
            variance = np.var(before, ddof=1) / len(before) + np.var(sample.value, ddof=1) / len(sample.value)
            assert found.effect == pytest.approx(sample.value.mean() - np.mean(before))
            assert found.high - found.effect == pytest.approx(1.959964 * np.sqrt(variance))
            before = []
        before += sample.value.tolist()


def test_numbers_are_errors_from_where_it_is_declared() -> None:
    """What is larger than that is an error; a detector that takes numbers sees how far answers are off."""
    far = Errors(np.arange(4, dtype=np.uint64), np.arange(4), np.array([0.5, 2.0, 3.0, 1.0]))
    specs = [StreamSpec(None, "ddm", {}, 100, 1.0), StreamSpec(None, "adwin", {}, 3)]

    assert [one.value for one in watch_of(*specs).look(at(1, errors=far))] == [0.5, pytest.approx(5.5 / 3)]


def test_a_tick_without_labels_has_no_data() -> None:
    """It is said, and the detectors see nothing."""
    watch = watch_of(StreamSpec(None, "ddm", {}, 100))

    assert [one.standing for one in watch.look(at(1))] == ["no data"]
    assert repr(watch.snapshot()) == repr(watch_of(StreamSpec(None, "ddm", {}, 100)).snapshot())
