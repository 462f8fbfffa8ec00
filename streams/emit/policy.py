"""
What a service records of its predictions: a share of all, and some of them in full.

The rules stand side by side, as policies of the pipeline do: a prediction has the largest chance that one of them gives
it, and that is written into its event (`streams.core.sampling.joint` says why it is right). They look only at what the
prediction says. What shows later, such as an error, cannot be asked for here: the prediction is recorded by then, or
it is lost.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from streams.emit.events import Event, Prediction
from streams.errors import UsageError


@dataclass(frozen=True)
class Policy:
    """
    Which predictions are recorded, and with which chance.

    Parameters
    ----------
    share : float
        The chance of every prediction that no other rule is about, above 0 and at most 1.
    unsure : pair of float, optional
        Predictions with a score between the two, without them, are recorded in full.
    labels : collection of str
        Predictions of these classes are recorded in full: the rare ones.
    crashes : bool
        Calls that `measure` and `measured` see crash are recorded in full.

    Raises
    ------
    UsageError
        The share is not above 0 and at most 1, the scores are not in order, or `labels` is one text.
    """

    share: float
    unsure: tuple[float, float] | None = None
    labels: Collection[str] = ()
    crashes: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise UsageError(f"share={self.share}: give the share of requests to record, above 0 and at most 1")
        if self.unsure is not None and not self.unsure[0] < self.unsure[1]:
            raise UsageError(f"unsure={self.unsure}: give the lower score first, and a higher one")
        if isinstance(self.labels, str):
            raise UsageError(f"labels={self.labels!r}: give a collection of classes, such as [{self.labels!r}]")
        object.__setattr__(self, "labels", frozenset(self.labels))

    @property
    def is_share(self) -> bool:
        """Whether all requests have the same chance, so that it is known of outcomes as well."""
        return self.unsure is None and not self.labels and not self.crashes

    def chance(self, event: Event, least: float | None = None) -> float:
        """
        Return the chance with which an event is recorded.

        Parameters
        ----------
        event
            A prediction, an outcome or feedback.
        least
            The chance that it must have at least, or None: of a prediction what the rules say; of outcomes and
            feedback 1 where there are rules, since nobody knows here what these said of their prediction.

        >>> policy = Policy(0.1, unsure=(0.4, 0.6))
        >>> policy.chance(Prediction(prediction_id="p", model="m", version="1", score=0.5))
        1.0
        >>> policy.chance(Prediction(prediction_id="p", model="m", version="1", score=0.9), least=0.25)
        0.25
        """
        if isinstance(event, Prediction):
            return 1.0 if self._is_in_full(event) else max(self.share, least or 0.0)
        if least is None:
            return self.share if self.is_share else 1.0
        return max(self.share, least)

    def _is_in_full(self, prediction: Prediction) -> bool:
        if prediction.label is not None and prediction.label in self.labels:
            return True
        return (
            self.unsure is not None
            and prediction.score is not None
            and (self.unsure[0] < prediction.score < self.unsure[1])
        )
