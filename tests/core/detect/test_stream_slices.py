"""River's detectors in slices: each has one of its own, whichever of the eight it is and whatever it sees."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from streams.core.detect.cut import Cut, where
from streams.core.detect.error_sample import Errors
from streams.core.detect.finding import Finding
from streams.core.detect.measuring import Signal
from streams.core.detect.stream.catalogue import NAMES, detector_for
from streams.core.detect.stream_spec import StreamSpec
from streams.core.detect.stream_watch import MOST_SLICES, StreamWatch
from streams.core.detect.watched import Tick
from streams.core.groups import Slice

SAMPLE = 60
BY_COUNTRY = Cut(("country",))
GERMAN, FRENCH = (Slice("m", ("country",), (country,)) for country in ("de", "fr"))
SETTINGS: dict[str, dict[str, Any]] = {"page_hinkley": {"threshold": 20.0}, "eddm": {"alpha": 0.85, "beta": 0.75}}
"""Parameters with which those that flag too much or too little by default tell the errors here apart."""


def tick(number: int, shares: dict[Slice, float]) -> Tick:
    """Return a tick in which a share of the answers of each slice is wrong, as errors and as a metric."""
    errors, signals = {}, []
    for one, share in shares.items():
        rng = np.random.default_rng((number, *map(ord, "".join(one.values))))
        wrong = (rng.random(SAMPLE) < share).astype(float)
        errors[one] = Errors(rng.integers(0, 2**63, SAMPLE).astype(np.uint64), rng.integers(0, 1_000, SAMPLE), wrong)
        signals.append(Signal(number, one, "error_rate", float(wrong.mean()), 0.04, 60.0, 60.0, 1.0))
    return Tick("m", number, signals, {}, {}, errors)


def ticks(metric: bool) -> list[Tick]:
    """Of Germany alone the answers become worse in the middle; France is not there in every third tick."""
    many = 200 if metric else 24
    told = []
    for number in range(many):
        shares = {GERMAN: 0.1 if number < many * 3 // 4 else 0.7}
        told.append(tick(number, shares | ({FRENCH: 0.1} if number % 3 else {})))
    return told


def spec(name: str, metric: bool, cut: Cut = BY_COUNTRY) -> StreamSpec:
    """Return a detector over errors, or over a metric."""
    parameters = ({"threshold": 1.0} if name == "page_hinkley" else {}) if metric else SETTINGS.get(name, {})
    return StreamSpec("error_rate" if metric else None, name, parameters, 0 if metric else SAMPLE, cut=cut)


def look(watch: StreamWatch, told: list[Tick]) -> list[Finding]:
    return [finding for one in told for finding in watch.look(one)]


CASES = [(name, metric) for name in NAMES for metric in (False, True) if not (metric and detector_for(name).binary)]
every = pytest.mark.parametrize(("name", "metric"), CASES)


@every
def test_a_change_is_found_in_the_slice_where_it_is(name: str, metric: bool) -> None:
    """Germany is flagged once its answers are worse; its findings carry the slice, and those of France do not."""
    told = ticks(metric)
    found = look(StreamWatch("m", [spec(name, metric)], {}), told)
    flags = [one for one in found if one.standing == "changed" and one.tick >= len(told) * 3 // 4]

    assert {one.slice for one in found} == {where(GERMAN), where(FRENCH)}
    assert where(GERMAN) in {one.slice for one in flags}
    assert max(flags, key=lambda one: abs(one.effect)).slice == where(GERMAN)


@every
def test_a_slice_is_seen_as_if_it_were_alone(name: str, metric: bool) -> None:
    """What is found in a slice is what a detector of that slice alone finds: they share nothing."""
    told = ticks(metric)
    found = look(StreamWatch("m", [spec(name, metric)], {}), told)
    for one in (GERMAN, FRENCH):
        alone = look(StreamWatch("m", [spec(name, metric, Cut(one.attributes, one.values))], {}), told)
        begun = [finding for finding in alone if finding.tick or one == GERMAN]  # France is there from tick 1 on

        assert repr([finding for finding in found if finding.slice == where(one)]) == repr(begun)


@every
def test_a_restart_changes_nothing_in_slices(name: str, metric: bool) -> None:
    """Stopped before a change or in the midst of it, and restored elsewhere: findings and state are the same."""
    told, specs = ticks(metric), [spec(name, metric)]
    watch = StreamWatch("m", specs, {})
    whole = repr(look(watch, told))
    for stop in (len(told) // 2, len(told) * 3 // 4 + 1):
        first, second = StreamWatch("m", specs, {}), StreamWatch("m", specs, {})
        before = look(first, told[:stop])
        second.restore(first.snapshot())

        assert repr(before + look(second, told[stop:])) == whole
        assert repr(second.snapshot()) == repr(watch.snapshot())


def test_a_slice_that_is_away_has_no_data() -> None:
    """It keeps what it knows, and says that there is nothing; one that was never there is not told of."""
    watch = StreamWatch("m", [spec("ddm", False)], {})

    assert [(one.slice, one.value) for one in watch.look(tick(0, {GERMAN: 1.0}))] == [(where(GERMAN), 1.0)]
    found = {one.slice: one.standing for one in watch.look(tick(1, {FRENCH: 0.0}))}
    assert found == {where(GERMAN): "no data", where(FRENCH): "quiet"}


def test_a_declared_slice_is_told_of_from_the_beginning() -> None:
    """A slice by name has no data until it comes: a name that never comes is seen on record."""
    watch = StreamWatch("m", [spec("ddm", False, Cut(("country",), ("dee",)))], {})

    assert [(one.slice, one.standing) for one in watch.look(tick(0, {GERMAN: 0.1}))] == [
        ((("country", "dee"),), "no data")
    ]


def test_slices_are_bounded() -> None:
    """No more than so many are watched, those that came first and of these the first by name, also after a restart."""
    first = {Slice("m", ("country",), (f"c{one:03}",)): 0.1 for one in range(60)}
    others = {Slice("m", ("country",), (f"b{one:03}",)): 0.1 for one in range(60)}
    watch, again = (StreamWatch("m", [spec("ddm", False)], {}) for _ in range(2))
    look(watch, [tick(0, first)])
    again.restore(watch.snapshot())

    for one in (watch, again):
        found = [finding.slice for finding in one.look(tick(1, others | first))]
        expected = [*map(where, first), *map(where, list(others)[: MOST_SLICES - 60])]
        assert found == expected


def test_state_of_before_there_were_slices_is_of_the_whole() -> None:
    """An earlier version kept no slice with a detector: it goes on as that of the whole."""
    whole = Slice("m", (), ())
    told = [tick(number, {whole: 0.1}) for number in range(9)]
    one = spec("ddm", False, Cut())
    first, second = StreamWatch("m", [one], {}), StreamWatch("m", [one], {})
    look(first, told[:5])
    second.restore([row[:3] for row in first.snapshot()])

    assert repr(look(second, told[5:])) == repr(look(first, told[5:]))


def test_a_detector_of_single_errors_sees_no_column() -> None:
    """A column's tick is a mean, which is neither right nor wrong."""
    with pytest.raises(ValueError, match=r"ddm takes single errors, and score is a mean"):
        StreamWatch("m", [replace(spec("ddm", True), metric=None, column="score")], {})
