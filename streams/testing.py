"""For the tests of services: an emitter that keeps events in memory instead of sending them."""

from __future__ import annotations

from collections import Counter
from types import MappingProxyType, TracebackType
from typing import Self

from streams.emit.backlog import DROP_REASONS, DropReason, Stats
from streams.emit.base import BaseEmitter
from streams.emit.emitter import CLOSE_SECONDS
from streams.emit.events import Event, Feedback, Outcome, Prediction, Summary
from streams.emit.packing import Refusal, unpack


class MemoryEmitter(BaseEmitter):
    """
    Has the methods of `Emitter`, refuses what that would refuse, and keeps copies of the rest, in their order.

    Give it to the code under test, and look at `predictions`, `outcomes`, `feedback` and `summaries` afterwards. For
    code on asyncio, `AsyncEmitter.around(MemoryEmitter())`. Everything taken counts as confirmed at once.

    >>> emitter = MemoryEmitter()
    >>> emitter.emit(Outcome(request_id="r1", label="1")), emitter.emit(Outcome(label="1"))
    (True, False)
    >>> [outcome.label for outcome in emitter.outcomes], emitter.stats().refusal
    (['1'], 'outcome: it has neither request_id nor prediction_id')
    """

    def __init__(self) -> None:
        self.predictions: list[Prediction] = []
        self.outcomes: list[Outcome] = []
        self.feedback: list[Feedback] = []
        self.summaries: list[Summary] = []
        self._dropped: Counter[DropReason] = Counter()
        self._refusal: str | None = None
        self._is_closed = False

    def emit(self, event: Event, chance: float | None = None) -> bool:
        """Keep an event, or drop and count it; says which."""
        admitted = self._admit(event, chance)
        if admitted is None:
            return False
        if isinstance(admitted, Refusal):
            self._dropped[admitted.reason] += 1
            self._refusal = admitted.detail
        elif self._is_closed:
            self._dropped["closed"] += 1
        else:
            self._keep(unpack(admitted))
            return True
        return False

    def _keep(self, event: Event) -> None:
        if isinstance(event, Prediction):
            self.predictions.append(event)
        elif isinstance(event, Outcome):
            self.outcomes.append(event)
        elif isinstance(event, Feedback):
            self.feedback.append(event)
        else:
            self.summaries.append(event)

    def flush(self, timeout: float) -> bool:  # noqa: ARG002 - as the emitter has it
        """Say that nothing waits."""
        return True

    def close(self, timeout: float = CLOSE_SECONDS) -> bool:  # noqa: ARG002 - as the emitter has it
        """Take nothing more."""
        self._is_closed = True
        return True

    def stats(self) -> Stats:
        """Return the account of all events that were given to this emitter."""
        kept = len(self.predictions) + len(self.outcomes) + len(self.feedback) + len(self.summaries)
        dropped = MappingProxyType({reason: self._dropped[reason] for reason in DROP_REASONS})
        return Stats(kept, kept, 0, dropped, self._refusal)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
