"""
The two models: a logistic regression that learns as flights land, and itself as it stood at one moment, frozen.

Half an hour of departures is predicted at once, with what was known when that half hour began: an outcome is
learned from only if it happened before. So `refreshed` sees the weather turn, and `static` does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import polars as pl
from river import linear_model, optim

Floats = npt.NDArray[np.float64]
Progress = Callable[[int, int | None], None]
"""Called with (done, total) as work goes on; the total is None when it is not known."""

VERSIONS = ("static", "refreshed")


@dataclass(frozen=True)
class Settings:
    """
    What decides the predictions.

    Attributes
    ----------
    inputs
        What is known at scheduled departure, each value of it a column of its own; the distance is one more.
    batch
        Length of the intervals that are predicted at once, in microseconds. Half an hour: with a whole day the
        model cannot follow the weather (ROC AUC 0.65 over the year instead of 0.73).
    freeze_at
        From when `static` learns no more, in microseconds since the Unix epoch: 2013-02-01. The day before, 46 % of
        flights were late, so that it expects too many for the rest of the year.
    learning_rate, intercept_rate
        Step sizes of the gradient descent, for the weights and for the intercept.
    threshold
        A flight is called late from this score on. 24 % of flights are late, and few scores reach one half.

    """

    inputs: tuple[str, ...] = ("carrier", "origin", "dest", "hour")
    batch: int = 30 * 60 * 1_000_000
    freeze_at: int = 1_359_676_800_000_000
    learning_rate: float = 0.5
    intercept_rate: float = 0.3
    threshold: float = 0.3


DEFAULTS = Settings()


def predict(
    flights: pl.DataFrame, settings: Settings = DEFAULTS, progress: Progress | None = None
) -> dict[str, Floats]:
    """
    Predict every flight with both versions, learning from each outcome once it has happened.

    Parameters
    ----------
    flights
        As `load_flights` gives them, sorted by scheduled departure.
    settings
        The batch, the moment of freezing and the learning rates.
    progress
        Called with the flights predicted so far and the flights in all.

    Returns
    -------
    dict[str, Floats]
        For each of `VERSIONS` the probability that each flight is late, shape (flights,).

    """
    learner = _Learner(flights, settings)
    first_frozen = int(flights["departure_time"].search_sorted(settings.freeze_at))
    scores = np.empty(len(flights))

    def learn_and_predict(first: int, last: int) -> None:
        for start, rows in learner.batches(first, last):
            learner.learn_until(start)
            scores[rows] = learner.predict(rows)
            if progress:
                progress(rows.stop, len(flights))

    learn_and_predict(0, first_frozen)
    learner.learn_until(settings.freeze_at)
    # So far both are the same model, and what it says now about the rest of the year it says frozen.
    static = np.concatenate([scores[:first_frozen], learner.predict(slice(first_frozen, len(flights)))])
    learn_and_predict(first_frozen, len(flights))
    return {"static": static, "refreshed": scores}


class _Learner:
    """A logistic regression, and how far into the outcomes, in the order in which they happened, it has learned."""

    def __init__(self, flights: pl.DataFrame, settings: Settings) -> None:
        inputs = _inputs(flights, settings.inputs)
        happened = flights["outcome_time"].arg_sort(nulls_last=True).head(flights["outcome_time"].count())
        self._departures = flights["departure_time"].to_numpy()
        self._inputs = inputs
        self._outcome_times = flights["outcome_time"].gather(happened).to_numpy()
        self._outcome_inputs = inputs[happened]
        self._late = flights["late"].gather(happened).cast(pl.Float64)
        self._learned = 0
        self._batch = settings.batch
        self._model = linear_model.LogisticRegression(
            optimizer=optim.SGD(settings.learning_rate), intercept_lr=settings.intercept_rate
        )

    def batches(self, first: int, last: int) -> Iterator[tuple[int, slice]]:
        """Cut rows first..last-1 by departure; yields the moment when each batch begins, and its rows."""
        begins = self._departures[first:last] // self._batch * self._batch
        starts, firsts = np.unique(begins, return_index=True)
        bounds = [*(firsts + first).tolist(), last]
        for start, low, high in zip(starts.tolist(), bounds, bounds[1:], strict=False):
            yield start, slice(low, high)

    def learn_until(self, time: int) -> None:
        """Take one step of gradient descent on the outcomes before `time` that it has not learned from."""
        end = int(np.searchsorted(self._outcome_times, time))
        if end > self._learned:
            new = slice(self._learned, end)
            self._model.learn_many(self._outcome_inputs[new], self._late[new])
            self._learned = end

    def predict(self, rows: slice) -> Floats:
        """Probability of being late, shape (rows,), as the model stands."""
        probabilities = cast("pl.DataFrame", self._model.predict_proba_many(self._inputs[rows]))
        return probabilities["True"].to_numpy()


def _inputs(flights: pl.DataFrame, names: tuple[str, ...]) -> pl.DataFrame:
    """
    One column for each value of what the settings name (0 or 1), and the distance in thousands of miles.

    Doubles, though floats would do: processors round differently, and the scores should be the same on all of them.
    """
    return flights.select(*names, pl.col("distance") / 1000).to_dummies(names).cast(pl.Float64)
