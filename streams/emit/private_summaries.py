"""
Summaries with differential privacy: counts a minute and slice that do not show whether any one unit was there.

Only counts are released. Which slices there are is declared, and each is released every minute, also where nothing
was asked: that a slice appears would give away who was in it. No samples may go beside them.
"""

from __future__ import annotations

import itertools
import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence

from streams.core.privacy_budget import Budget, Noise
from streams.emit.events import Prediction, Summary
from streams.emit.summaries import SECOND, Slice, begin_of

SECONDS = 60
_DAY = 86_400 * SECOND
_MINUTE = SECONDS * SECOND
_AHEAD = 60  # minutes that predictions may be ahead of the next one


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
    uniform : callable
        Independent numbers in [0, 1), that nobody can guess; those of the operating system if not given.
    """

    def __init__(
        self,
        client: str,
        slices: Sequence[Slice],
        begin: int,
        noise: Noise,
        epsilon_a_day: float,
        uniform: Callable[[], float] | None = None,
    ) -> None:
        if not client or not slices:
            raise ValueError(f"client={client!r} and {len(slices)} slices: both must be named")
        self._client, self._slices, self._declared = client, sorted(set(slices)), frozenset(slices)
        self._names = sorted({name for one in self._slices for name, _ in one.attributes})
        self._noise, self._budget = noise, Budget(noise.epsilon, epsilon_a_day)
        self._uniform = uniform or random.SystemRandom().random
        self._next = begin_of(begin, SECONDS)
        self._number = itertools.count()
        self._counts: dict[int, Counter[Slice]] = {}
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
            self._counts.setdefault(begin, Counter())[place] += 1
        return True

    def take(self, now: int) -> list[Summary]:
        """Release every slice of every minute that is over at a time (us); each is released once."""
        released = []
        with self._lock:
            while self._next + _MINUTE <= now:
                counts = self._counts.pop(self._next, Counter())
                self._units.pop(self._next, None)
                released += [self._summary(place, counts[place]) for place in self._slices]
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

    def _summary(self, place: Slice, count: int) -> Summary:
        noisy = count + self._noise.of(self._uniform(), self._uniform())
        return Summary(
            summary_id=f"{self._client}/{next(self._number)}",
            event_time=self._next,
            seconds=SECONDS,
            model=place.model,
            version=place.version,
            role=place.role,
            attributes=dict(place.attributes),
            n=max(noisy, 1),  # none would say that nothing is known of the minute
            weight=float(noisy),
            square=noisy + self._noise.variance,
        )
