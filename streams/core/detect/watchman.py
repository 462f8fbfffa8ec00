"""
The detect stage of one model: from what became known in a tick to findings, and from these to notices of alerts.

Every signal is one number a tick. Metrics, traffic and the delay of labels are watched for any change, columns for
growing distance from their reference; half of the bearable false alarms is each group's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from streams.config.detection import DetectionConfig, WatchConfig
from streams.config.references import PinnedPeriod, ReferenceFiles, written
from streams.core.alert.alerting import Alerting
from streams.core.alert.cause import Grouping
from streams.core.alert.notice import Notice
from streams.core.catalog import Catalog
from streams.core.detect.assertion_watch import signal as assertion_signal
from streams.core.detect.column_sums import NOTHING
from streams.core.detect.column_watch import ColumnWatch, mean_log
from streams.core.detect.coverage import Coverage
from streams.core.detect.cut import where
from streams.core.detect.detectors import STANDINGS, Looks
from streams.core.detect.finding import Finding, Kind, Standing
from streams.core.detect.finding import Slice as Where
from streams.core.detect.learning import Course, Least, Signals, Span, Watches
from streams.core.detect.limits import limited
from streams.core.detect.measuring import LABEL_COVERAGE, TRAFFIC, Signal
from streams.core.detect.plan import LABEL_DELAY, LABEL_LAG, PREFIX, Watch, watch_of
from streams.core.detect.release import Marker, nearest
from streams.core.detect.remarks import absent, remarks
from streams.core.detect.rules import harms, limits_of, rules
from streams.core.detect.sensitivity import Sensitivity
from streams.core.detect.signal_group import Looked, Name, SignalGroup
from streams.core.detect.stream_seen import columns_of
from streams.core.detect.stream_spec import spec_of
from streams.core.detect.stream_watch import StreamWatch
from streams.core.detect.watched import Tick
from streams.core.groups import Slice

METHOD = "e-detector over ranks"

_REACH = 3  # ticks before an onset in which a release may have caused it
_MATERIAL = 0.05  # share of a tick's predictions from which a version counts as released
_WORST = 5  # slices that are named
_OPERATIONS = frozenset({TRAFFIC, LABEL_COVERAGE, LABEL_DELAY})


@dataclass(frozen=True)
class Told:
    """What is said of a tick."""

    findings: Sequence[Finding]
    notices: Sequence[Notice]


class Watchman:
    """Watches one model."""

    def __init__(self, watch: Watch, section: DetectionConfig, declared: WatchConfig) -> None:
        self._watch, self._tick = watch, section.tick
        self._section, self._declared = section, declared
        self._course = self._declared_course()
        grouping = Grouping(section.tick)
        self._limits = limits_of(declared)
        self._streams = StreamWatch(watch.model, [spec_of(one) for one in declared.detectors], columns_of(watch))
        alerts = rules(watch, declared, section.tick)
        self._alerting = Alerting(watch.model, alerts, grouping, worse=harms(watch.metrics, declared.detectors))
        self._coverage = Coverage()
        self._versions: set[str] = set()
        self._declared_markers = markers_of(section, watch.model)
        self._markers: list[Marker] = []

    def mark(self, marker: Marker) -> None:
        """Note what was decided, as something that may explain a change; before the tick in which it was."""
        self._markers.append(marker)

    def step(self, tick: Tick) -> Told:
        """Look at the next tick."""
        self._release(tick)
        signals = [one for one in tick.signals if not (one.name in _OPERATIONS and one.slice.values)]
        looked = self._course.look(self._number(tick), self._levels(tick), tick.cells, tick.names)
        findings = [
            *(finding for one in looked for finding in self._found(one)),
            *limited(self._watch.model, tick.end, self._limits, [(where(one.slice), one) for one in signals]),
            *self._streams.look(tick),
        ]
        return Told(findings, self._alerting.step(tick.end, findings))

    @property
    def awaited(self) -> ReferenceFiles | None:
        """Files whose ticks have to be handed over (`learn`) before the first step; None if nothing is missing."""
        reference = self._section.reference_of(self._declared)
        return reference if self._course.waits and isinstance(reference, ReferenceFiles) else None

    def learn(self, ticks: Sequence[Tick]) -> list[str]:
        """
        Learn from the last ticks of files, as many as are to be learned from; return what there is too little of.

        They say what predictions and labels are like, not how many there are, or how long they take.

        Raises
        ------
        ValueError
            If there are none, or none of them has a value of some column.
        """
        last = max((self._number(one) for one in ticks if one.versions), default=None)
        if last is None:
            raise ValueError(f"no prediction of model {self._watch.model}")
        whole, first = Slice(self._watch.model, (), ()), last + 1 - self._section.ticks_learned
        used = [one for one in ticks if first <= self._number(one) <= last]
        columns = {name: self._watch.numbers[name] for name in self._declared.columns}
        if missing := absent(columns, [one.cells[whole] for one in used if whole in one.cells]):
            raise ValueError(f"no value of {', '.join(missing)}, which is watched of model {self._watch.model}")
        self._course.learn([(self._number(one), self._qualities(one), one.cells, one.names) for one in used])
        return list(remarks(self._course.watches, whole, self._watch.metrics))

    def _number(self, tick: Tick) -> int:
        return tick.end // self._tick - 1

    def _levels(self, tick: Tick) -> Signals:
        """Metrics, traffic, how labels come, and assertions of a tick."""
        number = self._number(tick)
        signals = [one for one in tick.signals if not (one.name in _OPERATIONS and one.slice.values)]
        said = (*self._delays(tick), *self._covered(tick, number), *self._asserted(tick))
        return {(one.slice, one.name): one for one in (*_silence(tick, number), *signals, *said)}

    def _qualities(self, tick: Tick) -> Signals:
        """Metrics and assertions of a tick."""
        metrics = [one for one in tick.signals if one.name not in _OPERATIONS]
        return {(one.slice, one.name): one for one in (*metrics, *self._asserted(tick))}

    def _declared_course(self) -> Course:
        reference, ticks = self._section.reference_of(self._declared), self._section.ticks_learned
        if isinstance(reference, PinnedPeriod):
            period = reference.ticks(self._tick)
            return Course(lambda: self._watches(len(period)), span=Span.of(period.start, len(period)))
        every, waits = ticks if reference == "trailing" else 0, isinstance(reference, ReferenceFiles)
        return Course(lambda: self._watches(ticks), every=every, waits=waits)

    def _watches(self, learned: int) -> Watches:
        """Return watches that learn from so many ticks."""
        section, columns = self._section, {name: self._watch.numbers[name] for name in self._declared.columns}
        bearable, season = 2 * section.false_alarm_every / section.tick, section.ticks_a_season
        regression = self._watch.task == "regression"
        drawn = learned // 2  # ticks that make up a column's reference; the others teach how far ticks are from it
        return Watches(
            ColumnWatch(columns, drawn, numeric_outcome=regression, centers=self._watch.centers),
            SignalGroup(Sensitivity(bearable, learned, season), "both", "metric"),
            SignalGroup(Sensitivity(bearable, learned - drawn, season), "up", "column"),
            Least(section.fewest_ticks),
        )

    def _found(self, looked: Looked) -> Iterator[Finding]:
        worst = self._movers(looked)
        for place, (name, signal) in enumerate(looked.signals):
            yield self._finding(looked, place, name, signal, worst.get(name[1], ()) if not name[0].values else ())

    def _finding(
        self, looked: Looked, place: int, name: Name, signal: Signal | None, worst: tuple[tuple[Where, float], ...]
    ) -> Finding:
        looks, (slice_, watch) = looked.looks, name
        onset = self._onset(looks, place)
        told = onset is not None and looked.kind == "column" and signal is not None
        return Finding(
            model=self._watch.model,
            slice=where(slice_),
            watch=watch.removeprefix(PREFIX),
            kind=_kind(watch, looked.kind),
            tick=(looked.number + 1) * self._tick,
            standing=_standing(looks, place, watch, signal),
            value=signal.value if signal else math.nan,
            reference=float(looks.reference[place]),
            effect=float(looks.effect[place]),
            low=float(looks.low[place]),
            high=float(looks.high[place]),
            n=signal.n if signal else 0.0,
            n_effective=signal.n_effective if signal else 0.0,
            label_coverage=signal.label_coverage if signal else math.nan,
            log_e=float(looks.log_e[place]),
            threshold=float(looks.threshold[place]),
            onset=onset.at if onset else None,
            onset_low=onset.low if onset else None,
            onset_high=onset.high if onset else None,
            method=METHOD,
            worst=worst if onset else (),
            release=onset.release if onset else "",
            moved=self._course.watches.columns.moved(slice_, watch) if told else (),
        )

    def _onset(self, looks: Looks, place: int) -> _Onset | None:
        """When a change began, and the release that may have brought it; None if there is none."""
        if looks.onset[place] < 0:
            return None
        at, low, high = (int(of[place]) * self._tick for of in (looks.onset, looks.onset_low, looks.onset_high))
        low, high = min(low, at), max(high, at)
        release = nearest(at, low, high, (*self._declared_markers, *self._markers), _REACH * self._tick)
        return _Onset(at, low, high, "" if release is None else release.name)

    def _movers(self, looked: Looked) -> dict[str, tuple[tuple[Where, float], ...]]:
        """For each watch the slices that are farthest from what was expected of them, beyond what chance does."""
        moved: dict[str, list[tuple[float, Where, float]]] = {}
        for place, ((slice_, watch), signal) in enumerate(looked.signals):
            if signal is None or not slice_.values or STANDINGS[looked.looks.standing[place]] == "learning":
                continue
            effect = signal.value - float(looked.looks.reference[place])
            surely = abs(effect) - 2 * (signal.error if math.isfinite(signal.error) else 0.0)
            if surely > 0:
                moved.setdefault(watch, []).append((-surely, where(slice_), effect))
        return {watch: tuple((at, effect) for _, at, effect in sorted(some)[:_WORST]) for watch, some in moved.items()}

    def _asserted(self, tick: Tick) -> Iterator[Signal]:
        """How many predictions broke each assertion."""
        number, numbers = self._number(tick), self._watch.numbers
        for slice_, entries in tick.cells.items():
            for rule in self._watch.rules if not slice_.values else ():
                yield from assertion_signal(number, slice_, rule.name, entries, numbers[PREFIX + rule.name])

    def _delays(self, tick: Tick) -> Iterator[Signal]:
        """How long labels took to come: the mean of the logarithm of seconds."""
        for slice_, entries in tick.cells.items():
            if slice_.values:
                continue
            mean, error, weight = mean_log(entries, self._watch.numbers[LABEL_DELAY])
            if weight > 0:
                yield Signal(0, slice_, LABEL_DELAY, mean, error, weight, weight, math.nan)

    def _covered(self, tick: Tick, number: int) -> Iterator[Signal]:
        """How many labels came, beside those that were due."""
        whole = Slice(self._watch.model, (), ())
        made = sum(math.exp(one.value) for one in tick.signals if one.name == TRAFFIC and not one.slice.values)
        found = self._coverage.look(number, made, *tick.cells.get(whole, NOTHING).of(self._watch.numbers[LABEL_LAG]))
        if found is not None:
            share, error, due = found
            yield Signal(number, whole, LABEL_COVERAGE, share, error, due, due, math.nan)

    def _release(self, tick: Tick) -> None:
        """Note versions that have taken a share of the traffic since the last tick; the first ones are no release."""
        total = sum(tick.versions.values())
        material = {name for name, count in tick.versions.items() if total > 0 and count >= _MATERIAL * total}
        new = material - self._versions
        if self._versions:
            self._markers += [Marker(tick.end - self._tick, f"version {name}") for name in sorted(new)]
        self._versions |= new

    def _signature(self) -> list[Any]:
        """What findings must have been made for to be of use, as plain data."""
        rules = [str(rule) for rule in self._watch.rules]
        apart = {
            "models",
            "reference",
            "markers",
        }  # the first ticks go without saying, as they did in earlier snapshots
        said = [self._section.model_dump_json(exclude=apart), self._declared.model_dump_json(exclude=apart), rules]
        reference = self._section.reference_of(self._declared)
        return said if reference == "first" else [*said, written(reference)]

    def snapshot(self) -> dict[str, Any]:
        """Everything as plain data and arrays."""
        return {
            "signature": self._signature(),
            **self._course.snapshot(),
            "coverage": self._coverage.snapshot(),
            "alerting": self._alerting.snapshot(),
            "streams": self._streams.snapshot(),
            "versions": sorted(self._versions),
            "markers": [[one.time, one.name] for one in self._markers],
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """
        Replace everything by a snapshot.

        Of when something else was watched only open alerts are of use: they end when what is watched now says so.
        """
        self._alerting.restore(saved["alerting"])
        if saved["signature"] != self._signature():
            return
        self._course.restore(saved)
        if "coverage" in saved:  # state of an earlier version has none
            self._coverage.restore(saved["coverage"])
        self._streams.restore(saved["streams"])
        self._versions = set(saved["versions"])
        self._markers = [Marker(time, name) for time, name in saved["markers"]]


@dataclass(frozen=True)
class _Onset:
    """When a change began, us, with its interval; and the release nearest to it."""

    at: int
    low: int
    high: int
    release: str


def _silence(tick: Tick, number: int) -> Iterator[Signal]:
    """Yield the traffic of a tick in which nothing was asked: the logarithm of half a prediction."""
    yield Signal(number, Slice(tick.model, (), ()), TRAFFIC, math.log(0.5), 1.0, 0.0, 0.0, math.nan)


def _standing(looks: Looks, place: int, watch: str, signal: Signal | None) -> Standing:
    """
    What a watch says: without data nothing before it is known what is usual.

    That nothing was asked proves itself where so much was expected that chance (Poisson's) leaves it empty as seldom as
    a false alarm may come; where less was expected, detectors find out in several ticks.
    """
    expected = float(looks.reference[place])
    if signal is None and math.isnan(expected):
        return "learning"
    if watch == TRAFFIC and signal is not None and not signal.n and math.exp(expected) >= looks.threshold[place]:
        return "no data"
    return STANDINGS[int(looks.standing[place])]


def _kind(watch: str, kind: Kind) -> Kind:
    if watch.startswith(PREFIX):
        return "assertion"
    return "traffic" if watch in _OPERATIONS else kind


def markers_of(section: DetectionConfig, model: str) -> tuple[Marker, ...]:
    """Return the markers that are declared for a model."""
    return tuple(Marker(one.time, one.name) for one in section.markers if one.concerns(model))


def watchmen(catalog: Catalog) -> dict[str, Watchman]:
    """Return one for each model that is watched."""
    config = catalog.config
    return {one.model: Watchman(one, config.detection, watch_of(config, one.model)) for one in catalog.watches}
