"""
Summaries with differential privacy: counts a minute and slice that do not show whether any one unit was there.

Counts are released and, if that is wanted, sums of scores. Which slices there are is declared, and each is released
every minute, also where nothing was asked: that a slice appears would give away who was in it. No samples may go
beside them.

A score s from 0 to 1 divides its prediction into a part s and a part 1 - s. With the predictions that have none these
are three sums, to which all together a prediction adds 1, as it does to a count: so noise of the same size hides a
unit in them, and they cost it no more. Their total is the count; a mean needs no second budget.
"""

from __future__ import annotations

import itertools
import math
import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from streams.core.privacy_budget import Budget, Noise
from streams.emit.events import Prediction, Summary
from streams.emit.summaries import SECOND, Slice, begin_of

SECONDS = 60
_DAY = 86_400 * SECOND
_MINUTE = SECONDS * SECOND
_AHEAD = 60  # minutes that predictions may be ahead of the next one
_PARTS = 1_000  # scores are rounded to thousandths: noise is in whole ones, whose low bits give nothing away


class PrivateSummaries:
    """
    Counts a minute of declared slices, with noise, from any thread.

    Parameters
    ----------
    client : str
        Names this process, unlike any other and unlike itself before a restart.
    slices : sequence of Slice
        All that are counted; predictions of others are not.
    begin : int
        From when on (us) there are releases, such as when the service starts.
    noise : Noise
        Its `bound` is how many predictions of a unit count in one release, over all slices; its `epsilon` is what a
        release costs a unit that takes part.
    epsilon_a_day : float
        The budget of each unit a day, UTC.
    scores : bool
        Whether sums of scores are released: of scores from 0 to 1, those beyond are taken for these, and rounded to
        thousandths. Counts then have three times the variance.
    uniform : callable
        Independent numbers in [0, 1), that nobody can guess; those of the operating system if not given.
    """

    def __init__(  # noqa: PLR0913 - what is declared once, by name
        self,
        client: str,
        slices: Sequence[Slice],
        begin: int,
        noise: Noise,
        epsilon_a_day: float,
        uniform: Callable[[], float] | None = None,
        *,
        scores: bool = False,
    ) -> None:
        if not client or not slices:
            raise ValueError(f"client={client!r} and {len(slices)} slices: both must be named")
        self._client, self._slices, self._declared = client, sorted(set(slices)), frozenset(slices)
        self._names = sorted({name for one in self._slices for name, _ in one.attributes})
        self._noise, self._budget = noise, Budget(noise.epsilon, epsilon_a_day)
        self._of_parts = Noise(noise.bound * _PARTS, noise.epsilon) if scores else None
        self._uniform = uniform or random.SystemRandom().random
        self._next = begin_of(begin, SECONDS)
        self._number = itertools.count()
        self._held: dict[int, dict[Slice, _Cell]] = {}
        self._units: dict[int, Counter[str]] = {}
        self._lock = threading.Lock()

    def add(self, prediction: Prediction) -> bool:
        """
        Count a prediction, and say whether it counts. Nobody outside the service may learn this.

        It does not if it names no unit, or its unit has used up its bound or its budget; nor if its slice is not
        declared, its minute is released, or it is more than an hour ahead of the next release.
        """
        begin = begin_of(prediction.event_time, SECONDS)
        known = {name: prediction.attributes[name] for name in self._names if name in prediction.attributes}
        place = Slice.of(prediction.model, prediction.version, prediction.role, known)
        with self._lock:
            if not prediction.unit_id or place not in self._declared or not self._is_open(begin):
                return False
            if not self._admits(prediction.unit_id, begin):
                return False
            cell = self._held.setdefault(begin, {}).setdefault(place, _Cell())
            cell.add(prediction.score if self._of_parts else None)
        return True

    def take(self, now: int) -> list[Summary]:
        """Release every slice of every minute that is over at a time (us); each is released once."""
        released = []
        with self._lock:
            while self._next + _MINUTE <= now:
                held = self._held.pop(self._next, {})
                self._units.pop(self._next, None)
                released += [self._summary(place, held.get(place, _Cell())) for place in self._slices]
                self._next += _MINUTE
            self._budget.forget(self._next // _DAY)
        return released

    def _is_open(self, begin: int) -> bool:
        return self._next <= begin <= self._next + _AHEAD * _MINUTE

    def _admits(self, unit: str, begin: int) -> bool:
        """Whether a unit may add one more to a release; its first costs it the release's epsilon."""
        units = self._units.setdefault(begin, Counter())
        if units[unit] >= self._noise.bound or (not units[unit] and not self._budget.spend(unit, begin // _DAY)):
            return False
        units[unit] += 1
        return True

    def _summary(self, place: Slice, cell: _Cell) -> Summary:
        noisy = float(cell.plain + self._noise.of(self._uniform(), self._uniform()))
        variance, scores = self._noise.variance, {}
        if self._of_parts:
            yes, no = (
                (parts + self._of_parts.of(self._uniform(), self._uniform())) / _PARTS for parts in (cell.yes, cell.no)
            )
            each = self._of_parts.variance / _PARTS**2
            noisy, variance, scores = noisy + yes + no, variance + 2 * each, _scores(yes, no, each)
        return Summary(
            summary_id=f"{self._client}/{next(self._number)}",
            event_time=self._next,
            seconds=SECONDS,
            model=place.model,
            version=place.version,
            role=place.role,
            attributes=dict(place.attributes),
            n=max(round(noisy), 1),  # none would say that nothing is known of the minute
            weight=noisy,
            square=noisy + variance,
            **scores,
        )


@dataclass
class _Cell:
    """What one slice and minute has: predictions without a score, and the two parts of all others, in thousandths."""

    plain: int = 0
    yes: int = 0
    no: int = 0

    def add(self, score: float | None) -> None:
        if score is None or math.isnan(score):
            self.plain += 1
            return
        yes = round(min(max(score, 0.0), 1.0) * _PARTS)
        self.yes += yes
        self.no += _PARTS - yes


def _scores(yes: float, no: float, variance: float) -> dict[str, Any]:
    """
    Fields of a summary that say noisy sums of scores.

    The variance of the noise in each of the two adds to whatever has it. The squares of scores are not released: from
    0 to 1 none is larger than its score, so the sum of scores stands for them, and intervals are no shorter than true.
    """
    return {
        "score_n": max(round(yes + no), 1),
        "score_weight": yes + no,
        "score_square": yes + no + 2 * variance,
        "score_weight_sum": yes,
        "score_square_sum": yes + variance,
        "score_square_squares": yes + variance,
    }
