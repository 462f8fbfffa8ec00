"""
At most one false alarm in N ticks per model: how many there are, and how soon changes are found.

`python -m tests.statistical.drift_promise [--years 4]` simulates years of traffic in which nothing changes, and then
shifts of 0.5 to 5 standard deviations. Ends with 1 if the promise is broken by more than chance explains. Where the
reference trails, what is usual is learned anew after every reference without an alarm.

Each model has 50 signals that correlate by 0.5, a weekly season in level and in traffic, so that standard errors differ
by up to a factor of 1.7 between ticks, and as much variance from tick to tick as from sampling. Alarms of correlated
signals come in clusters, so what is measured has the standard error between models, which are independent.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.random import Generator
from rich.console import Console
from rich.table import Table

from streams.core.detect.column_watch import ColumnWatch
from streams.core.detect.detectors import STANDINGS, Detectors
from streams.core.detect.learning import Course, Least, Watches
from streams.core.detect.measuring import Signal
from streams.core.detect.sensitivity import Sensitivity
from streams.core.detect.signal_group import SignalGroup
from streams.core.groups import Slice
from tests.statistical.scenario import BUDGET, Floats, Ints

SEED = 1
CHANGED = STANDINGS.index("changed")
_SHARE_OF_SAMPLING = 0.5  # of a signal's variance

Standings = npt.NDArray[np.int8]
Draw = Callable[[Generator, int], Floats]
TAILS: dict[str, Draw] = {
    "normal": lambda rng, size: rng.standard_normal(size),
    "t, 3 d.f.": lambda rng, size: rng.standard_t(3, size) / math.sqrt(3),
    "spikes": lambda rng, size: rng.standard_normal(size) * np.where(rng.random(size) < 0.02, 8.0, 1.0),
    "lognormal": lambda rng, size: (
        (np.exp(0.8 * rng.standard_normal(size)) - math.exp(0.32)) / math.sqrt(math.expm1(0.64) * math.exp(0.64))
    ),
}
"""What ticks differ by, with mean 0; of variance 1, but for spikes: one tick in 50 is eight times as large."""


@dataclass(frozen=True)
class Traffic:
    """
    Traffic in which nothing changes, and how it is watched.

    Attributes
    ----------
    apart
        Ticks between false alarms that are asked for.
    memory
        Correlation of what ticks differ by with that of the tick before.
    trailing
        Whether what is usual is learned anew after every reference.
    promised
        Whether false alarms are promised to be rare here: with memory they are only measured.
    """

    name: str
    apart: int
    reference: int
    season: int
    tail: str = "normal"
    memory: float = 0.0
    signals: int = 50
    correlation: float = 0.5
    trailing: bool = False

    @property
    def promised(self) -> bool:
        return self.memory == 0

    @property
    def year(self) -> int:
        """Ticks in a year."""
        return 365 * (24 if self.season > 7 else 1)

    def ticks(self, rng: Generator, models: int, length: int) -> Iterator[tuple[int, Floats, Floats]]:
        """Yield tick, values and errors of all signals of some models; the variance of a signal is 1 on average."""
        rows = models * self.signals
        level = self._levels(rng, rows)
        thin = 0.5 + np.sin(np.pi * np.arange(self.season) / self.season)
        sampling = _SHARE_OF_SAMPLING * thin / thin.mean()
        draw, before = TAILS[self.tail], None
        for tick in range(length):
            shared = np.repeat(draw(rng, models), self.signals)
            fresh = math.sqrt(self.correlation) * shared + math.sqrt(1 - self.correlation) * draw(rng, rows)
            now = fresh if before is None else self.memory * before + math.sqrt(1 - self.memory**2) * fresh
            before, variance = now, sampling[tick % self.season]
            noise = math.sqrt(variance) * rng.standard_normal(rows)
            value = level[:, tick % self.season] + math.sqrt(1 - _SHARE_OF_SAMPLING) * now + noise
            if self.memory:  # all of the noise remembers, not only what is not sampling
                value = level[:, tick % self.season] + math.sqrt(1 - _SHARE_OF_SAMPLING + variance) * now
            yield tick, value, np.full(rows, math.sqrt(variance))

    def _levels(self, rng: Generator, rows: int) -> Floats:
        """Levels by place in the week: seven, or a course of the day that is another at weekends, and weekdays."""
        days = rng.standard_normal((rows, 7)) * rng.uniform(0, 2, (rows, 1))
        if self.season == 7:
            return days
        hour = np.arange(self.season)
        size = rng.uniform(0, 2, (rows, 1)) * np.where(hour < 5 * 24, 1, rng.uniform(0.3, 1, (rows, 1)))
        course = np.sin(2 * np.pi * hour / 24 + rng.uniform(0, 2 * np.pi, (rows, 1)))
        return np.asarray(size * course + 0.3 * np.repeat(days, 24, axis=1))

    def detectors(self, models: int) -> tuple[Detectors, Ints]:
        """Return detectors for the signals of several models at once, with each model's threshold, and their rows."""
        detectors = Detectors(Sensitivity(self.apart / models, self.reference, self.season))
        return detectors, np.array([detectors.row(name) for name in self._names(models)])

    def _names(self, models: int) -> list[str]:
        return [f"model {model}, signal {signal}" for model in range(models) for signal in range(self.signals)]

    def course(self, models: int) -> tuple[Course, list[str]]:
        """Return the same as part of a course in which what is usual is learned anew, and the names of the rows."""

        def watches() -> Watches:
            sensitivity = Sensitivity(self.apart / models, self.reference, self.season)
            levels, none = SignalGroup(sensitivity, "both", "metric"), SignalGroup(sensitivity, "up", "column")
            return Watches(ColumnWatch({}, 1), levels, none, Least(self.reference))

        return Course(watches, every=self.reference), sorted(self._names(models))

    def standings(self, rng: Generator, models: int, length: int) -> Iterator[Standings]:
        """Look at so many ticks of some models; yield what is said of each signal."""
        if not self.trailing:
            detectors, rows = self.detectors(models)
            for tick, values, errors in self.ticks(rng, models, length):
                yield detectors.look(tick, rows, values, errors).standing
            return
        course, names = self.course(models)
        whole = Slice("m", (), ())
        for tick, values, errors in self.ticks(rng, models, length):
            numbers = zip(names, values.tolist(), errors.tolist(), strict=True)
            signals = {
                (whole, name): Signal(tick, whole, name, value, error, 1, 1, 1) for name, value, error in numbers
            }
            yield course.look(tick, signals, {})[0].looks.standing


DAYS = tuple(Traffic(f"days, {tail}", 30, 56, 7, tail) for tail in TAILS)
HOURS = tuple(Traffic(f"hours, {tail}", 720, 336, 168, tail) for tail in ("normal", "t, 3 d.f."))
REMEMBERING = (
    Traffic("days, memory 0.3", 30, 56, 7, memory=0.3),
    Traffic("hours, memory 0.3", 720, 336, 168, memory=0.3),
)
SHORT = Traffic("days, reference of 28", 30, 28, 7)
TRAILING = (
    *(Traffic(f"days, {tail}, trailing", 30, 56, 7, tail, trailing=True) for tail in ("normal", "t, 3 d.f.")),
    Traffic("days, reference of 28, trailing", 30, 28, 7, trailing=True),
)
TRAFFIC = (*DAYS, SHORT, *HOURS, *TRAILING, *REMEMBERING)


@dataclass(frozen=True)
class Alarms:
    """False alarms in N ticks of a model, with the standard error between models, and how many N ticks were seen."""

    rate: float
    error: float
    periods: float

    @property
    def kept(self) -> bool:
        """Whether there is at most one, but for four standard errors of alarms that come one by one at that rate."""
        return self.rate <= 1 + BUDGET / math.sqrt(self.periods)


def false_alarms(traffic: Traffic, models: int, ticks: int, seed: int = SEED) -> Alarms:
    """Count how often signals become changed in traffic that does not change, alarms after the first included."""
    count, before = np.zeros(models), np.zeros(models * traffic.signals, dtype=bool)
    for standing in traffic.standings(np.random.default_rng(seed), models, traffic.reference + ticks):
        changed = standing == CHANGED
        count += (changed & ~before).reshape(models, -1).sum(axis=1)
        before = changed
    rates = count / (ticks / traffic.apart)
    return Alarms(float(rates.mean()), float(rates.std(ddof=1) / math.sqrt(models)), models * ticks / traffic.apart)


@dataclass(frozen=True)
class Found:
    """
    How a shift was found: ticks until then of each signal without an earlier alarm, inf if it was missed.

    `onset_held` and `effect_held` are the shares, of those found, of intervals that held the truth when it was found.
    """

    delays: Floats
    onset_held: float
    effect_held: float

    def delay(self, share: float) -> float:
        """Return the ticks within which this share was found."""
        return float(np.quantile(self.delays, share, method="higher"))

    @property
    def missed(self) -> float:
        """Return the share that was not found."""
        return float(np.isinf(self.delays).mean())


def shifted(traffic: Traffic, shift: float, models: int, ticks: int, seed: int = SEED) -> Found:
    """Shift all signals, which are independent here, by so many standard deviations, 60 ticks after the reference."""
    detectors, rows = traffic.detectors(models)
    start = traffic.reference + 60
    delays, early = np.full(len(rows), np.inf), np.zeros(len(rows), dtype=bool)
    onset_held, effect_held = np.zeros(len(rows)), np.zeros(len(rows))
    for tick, values, errors in traffic.ticks(np.random.default_rng(seed), models, start + ticks):
        looks = detectors.look(tick, rows, values + shift * (tick >= start), errors)
        changed = looks.standing == CHANGED
        if tick < start:
            early |= changed
            continue
        new = changed & np.isinf(delays)
        delays[new] = tick - start + 1
        onset_held[new] = ((looks.onset_low <= start) & (start <= looks.onset_high))[new]
        effect_held[new] = ((looks.low <= shift) & (shift <= looks.high))[new]
    found = ~early & np.isfinite(delays)
    return Found(delays[~early], float(onset_held[found].mean()), float(effect_held[found].mean()))


def _promise_table(years: int) -> tuple[Table, bool]:
    table = Table("traffic", "asked: one in", "false alarms in that time", "SE", "models x years", "")
    kept = True
    for traffic in TRAFFIC:
        models = 30 if traffic.season == 7 else 5
        alarms = false_alarms(traffic, models, years * traffic.year // (1 if traffic.season == 7 else years))
        kept &= alarms.kept or not traffic.promised
        verdict = ("kept" if alarms.kept else "broken") if traffic.promised else "not promised"
        time = f"{traffic.apart} ticks"
        simulated = f"{alarms.periods * traffic.apart / traffic.year:.0f}"
        table.add_row(traffic.name, time, f"{alarms.rate:.2f}", f"{alarms.error:.2f}", simulated, verdict)
    return table, kept


def _delay_table() -> Table:
    table = Table("traffic", "shift, sd", "found by 10 %", "50 %", "90 %", "missed", "onset held", "effect held")
    for days_or_hours in (DAYS[0], SHORT, HOURS[0]):
        traffic = independent(days_or_hours)
        for shift in (0.5, 1.0, 2.0, 5.0):
            found = shifted(traffic, shift, 10, 100)
            delays = (f"{found.delay(share):.0f}" for share in (0.1, 0.5, 0.9))
            shares = (f"{share:.1%}" for share in (found.missed, found.onset_held, found.effect_held))
            table.add_row(traffic.name, f"{shift:g}", *delays, *shares)
    return table


def independent(traffic: Traffic) -> Traffic:
    """Return the same traffic with signals that do not depend on each other."""
    return Traffic(
        traffic.name, traffic.apart, traffic.reference, traffic.season, traffic.tail, traffic.memory, correlation=0.0
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(description="Simulate what the change detectors promise.")
    parser.add_argument("--years", type=int, default=4, help="of daily ticks, for each of 30 models; of hourly ones: 1")
    given = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 140)
    promise, kept = _promise_table(given.years)
    console.print(promise)
    console.print("Ticks from a shift to its alarm, with 50 signals; missed: not found within 100 ticks.")
    console.print(_delay_table())
    return int(not kept)


if __name__ == "__main__":
    sys.exit(main())
