"""
Summaries in a service: sums a minute of the predictions that it does not send one by one.

`Summaries` counts predictions; what it gives for each minute and slice goes where predictions go, and adds to the same
windows. `docs/summaries.md` says when that is right, and what is lost.
"""

from __future__ import annotations

import datetime as dt
import itertools
import math
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from streams.core.exact import Exact, segment_sums
from streams.core.latency import LAST_BIN, bin_of_latency
from streams.core.validate import LARGEST_SCORE
from streams.emit.events import Prediction, Summary, Time

SECOND = 1_000_000
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_FOLDED = 1_000  # predictions whose latencies and scores wait to be added up at once
_SCORES = tuple(f"score_{sum_}" for sum_ in ("n", "weight", "square", "weight_sum", "square_sum", "square_squares"))

Sums = npt.NDArray[np.float64]


class Slice(NamedTuple):
    """Which predictions are summed up together; `attributes` are sorted pairs."""

    model: str
    version: str
    role: str = "live"
    attributes: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, model: str, version: str, role: str = "live", attributes: Mapping[str, str] | None = None) -> Slice:
        """Return the slice with these attributes, in whatever order they come."""
        return cls(model, version, role, tuple(sorted((attributes or {}).items())))


class Summaries:
    """
    Sums of predictions a minute and slice, from any thread.

    Parameters
    ----------
    client : str
        Names this process, unlike any other and unlike itself before a restart: summaries are told apart by it.
    attributes : sequence of str
        Names of the attributes that slices are cut by; the others are not kept.
    seconds : int
        How long a summary is of: a divisor of the shortest window, so that each lies in one.
    most : int
        Pairs of minute and slice that are held; predictions of further ones are not taken.
    """

    def __init__(self, client: str, attributes: Sequence[str] = (), *, seconds: int = 60, most: int = 10_000) -> None:
        if not client:
            raise ValueError("client is empty: give each process a name of its own, such as str(uuid.uuid4())")
        if seconds < 1 or most < 1:
            raise ValueError(f"seconds={seconds}, most={most}: both must be at least 1")
        self._client, self._attributes, self._most = client, tuple(attributes), most
        self.seconds = seconds
        self._number = itertools.count()
        self._held: dict[tuple[int, Slice], _Tally] = {}
        self._lock = threading.Lock()

    def add(self, prediction: Prediction, *, sent: bool) -> bool:
        """
        Count a prediction, and say if there was room; `sent` if it is also emitted as an event.

        One that is sent counts with what its event does not: 1 less its weight, 1 / `inclusion_probability`.
        """
        attributes = {name: prediction.attributes[name] for name in self._attributes if name in prediction.attributes}
        place = Slice.of(prediction.model, prediction.version, prediction.role, attributes)
        key = begin_of(prediction.event_time, self.seconds), place
        weight = 1 / prediction.inclusion_probability if sent else 0.0
        with self._lock:
            tally = self._held.get(key)
            if tally is None:
                if len(self._held) >= self._most:
                    return False
                tally = self._held[key] = _Tally()
            sums = (0.0 if sent else 1.0, 1 - weight, 1 - weight**2)
            tally.add(prediction.latency_ms, prediction.score, sums)
        return True

    def take(self, now: int) -> list[Summary]:
        """Return the summaries of what is over at a time (us), and let go of them; more of the same is a new one."""
        with self._lock:
            due = [key for key in self._held if key[0] + self.seconds * SECOND <= now]
            taken = [(key, self._held.pop(key)) for key in sorted(due)]
        return [self._summary(*key, tally) for key, tally in taken]

    def take_all(self) -> list[Summary]:
        """Return the summaries of all that is held, as when the service ends."""
        with self._lock:
            taken, self._held = sorted(self._held.items(), key=lambda item: item[0]), {}
        return [self._summary(*key, tally) for key, tally in taken]

    def _summary(self, begin: int, place: Slice, tally: _Tally) -> Summary:
        n, weight, square = tally.sums
        return Summary(
            summary_id=f"{self._client}/{next(self._number)}",
            event_time=begin,
            seconds=self.seconds,
            model=place.model,
            version=place.version,
            role=place.role,
            attributes=dict(place.attributes),
            n=round(n),
            weight=weight,
            square=square,
            **_bins(tally.bins()),
            **_scores(tally.scores()),
        )


def merge(summaries: Iterable[Summary], summary_id: str) -> Summary:
    """
    Add up summaries of the same seconds and slice, as an agent of several processes does; it sends only the sum.

    Raises
    ------
    ValueError
        There are none, or they are of different seconds or slices.
    """
    several = list(summaries)
    places = {(s.event_time, s.seconds, _place(s)) for s in several}
    if len(places) != 1:
        raise ValueError(f"{len(several)} summaries of {len(places)} times or slices: give some of the same one")
    bins: dict[int, Sums] = {}
    for summary in several:
        _gather(bins, *_sums_of_bins(summary))
    n, weight, square = (sum(getattr(s, name) for s in several) for name in ("n", "weight", "square"))
    scored = [_sums_of_scores(s) for s in several if s.score_n is not None]
    scores = [math.fsum(column) for column in zip(*scored, strict=True)]
    sums = {"n": n, "weight": weight, "square": square, **_bins(bins), **_scores(scores)}
    return msgspec.structs.replace(several[0], summary_id=summary_id, **sums)


def begin_of(time: Time, seconds: int) -> int:
    """Return when the seconds that a time is in began, in us."""
    micros = time if isinstance(time, int) else (time - _EPOCH) // dt.timedelta(microseconds=1)
    return micros - micros % (seconds * SECOND)


@dataclass
class _Tally:
    """Power sums of one slice and minute; latencies and scores wait some at a time to be added up."""

    sums: tuple[float, float, float] = (0.0, 0.0, 0.0)
    _bins: dict[int, Sums] = field(default_factory=dict)
    _scores: Exact | None = None
    _waiting: list[tuple[float, float, float, float, float]] = field(default_factory=list)

    def add(self, latency: float | None, score: float | None, sums: tuple[float, float, float]) -> None:
        self.sums = self.sums[0] + sums[0], self.sums[1] + sums[1], self.sums[2] + sums[2]
        if latency is not None or score is not None:
            latency = math.nan if latency is None else latency
            self._waiting.append((latency, math.nan if score is None else score, *sums))
            if len(self._waiting) >= _FOLDED:
                self._fold()

    def bins(self) -> dict[int, Sums]:
        self._fold()
        return self._bins

    def scores(self) -> list[float]:
        """Sums of scores, in the order of `_SCORES`; none where no prediction had a score."""
        self._fold()
        return [] if self._scores is None else self._scores.value().tolist()

    def _fold(self) -> None:
        waiting = np.array(self._waiting).reshape(-1, 5)
        timed = waiting[np.isfinite(waiting[:, 0]) & (waiting[:, 0] >= 0)]
        _gather(self._bins, np.minimum(bin_of_latency(timed[:, 0]), LAST_BIN), timed[:, 2:])
        scored = waiting[np.isfinite(waiting[:, 1])]
        if len(scored):
            more = _added_up(np.clip(scored[:, 1], -LARGEST_SCORE, LARGEST_SCORE), scored[:, 2:])
            self._scores = more if self._scores is None else self._scores + more
        self._waiting = []


def _added_up(score: Sums, sums: Sums) -> Exact:
    """Sums of scores, in the order of `_SCORES`, without the rounding of adding; `sums` are n, weight and square."""
    n, weight, square = sums.T
    columns = (n, weight, square, weight * score, square * score, square * score**2)
    starts = np.arange(len(columns)) * len(score)
    return segment_sums(np.concatenate(columns), starts, np.full(len(columns), len(score)))


def _gather(into: dict[int, Sums], bins: npt.NDArray[np.int64], sums: Sums) -> None:
    """Add sums, shape (bins, 3), to those of their bins."""
    distinct, place = np.unique(bins, return_inverse=True)
    added = np.zeros((len(distinct), 3))
    np.add.at(added, place, sums)
    for number, row in zip(distinct.tolist(), added, strict=True):
        into[number] = into[number] + row if number in into else row


def _bins(bins: Mapping[int, Sums]) -> dict[str, Any]:
    """Fields of a summary that say its bins; absent where there are none."""
    if not bins:
        return dict.fromkeys(("latency_bin", "latency_n", "latency_weight", "latency_square"))
    numbers = sorted(bins)
    n, weight, square = np.array([bins[number] for number in numbers]).T
    sums = {"latency_n": np.rint(n).astype(np.int64), "latency_weight": weight, "latency_square": square}
    return {"latency_bin": numbers, **{name: column.tolist() for name, column in sums.items()}}


def _sums_of_bins(summary: Summary) -> tuple[npt.NDArray[np.int64], Sums]:
    bins = np.array(summary.latency_bin or [], np.int64)
    columns = (summary.latency_n, summary.latency_weight, summary.latency_square)
    return bins, np.array([column or [] for column in columns], np.float64).reshape(3, len(bins)).T


def _scores(sums: Sequence[float]) -> dict[str, Any]:
    """Fields of a summary that say its scores; absent where there are none."""
    if not sums:
        return dict.fromkeys(_SCORES)
    return dict(zip(_SCORES, (round(sums[0]), *sums[1:]), strict=True))


def _sums_of_scores(summary: Summary) -> tuple[float, ...]:
    return tuple(getattr(summary, name) for name in _SCORES)


def _place(summary: Summary) -> Slice:
    return Slice.of(summary.model, summary.version, summary.role, summary.attributes)
