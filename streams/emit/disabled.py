"""The emitter of a service that is to emit nothing."""

from __future__ import annotations

from types import MappingProxyType, TracebackType
from typing import Self

from streams.emit.backlog import DROP_REASONS, Stats
from streams.emit.base import BaseEmitter
from streams.emit.emitter import CLOSE_SECONDS
from streams.emit.events import Event


class NoEmitter(BaseEmitter):
    """
    Has the methods of `Emitter`, and does nothing: it looks at no event, keeps none and connects to nothing.

    `emit` says True, since nothing is wrong, and all counts of `stats` are 0.

    >>> NoEmitter().emit(Event), NoEmitter().stats().emitted
    (True, 0)
    """

    def emit(self, event: Event, chance: float | None = None) -> bool:  # noqa: ARG002 - as the emitter has it
        """Do nothing."""
        return True

    def flush(self, timeout: float) -> bool:  # noqa: ARG002 - as the emitter has it
        """Say that nothing waits."""
        return True

    def close(self, timeout: float = CLOSE_SECONDS) -> bool:  # noqa: ARG002 - as the emitter has it
        """Say that nothing was given up."""
        return True

    def stats(self) -> Stats:
        """Return an account of nothing."""
        return Stats(0, 0, 0, MappingProxyType(dict.fromkeys(DROP_REASONS, 0)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
