"""
The emitter: `emit` checks, copies and queues an event in some microseconds; a thread of its own does the rest.

After a fork, the child's emitter begins anew: it counts from zero, and what the parent had queued stays the parent's.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import weakref
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Self

from streams.codecs.registry import SchemaRegistry, default_schema_dir
from streams.config.kafka import KafkaConfig
from streams.emit.backlog import Backlog, Stats
from streams.emit.base import BaseEmitter
from streams.emit.courier import Courier, Route
from streams.emit.events import Event
from streams.emit.packing import Refusal
from streams.emit.spool import Spool, check
from streams.runtime.kafka import client_settings

MAX_EVENTS = 100_000
MAX_BYTES = 64 << 20
CLOSE_SECONDS = 5.0
REPORT_SECONDS = 30.0
_LOGGER = logging.getLogger("streams.emit")


class Emitter(BaseEmitter):
    """
    Emits events from any thread, and neither blocks nor raises whatever becomes of them.

    The thread that delivers starts with the first event. An emitter that is not closed is closed when Python exits,
    with `CLOSE_SECONDS` for what still waits.

    Parameters
    ----------
    kafka : KafkaConfig
        The brokers, how to reach them, and the prefix of the topics.
    environ : Mapping, optional
        Where the password is, if not in the process's environment.
    max_events, max_bytes : int
        What may wait for its confirmation; events that come when it is full are dropped.
    spool : Spool, optional
        Where events are kept on disk until they are confirmed. Without one they are in memory only.
    report_seconds : float
        Drops are logged, and reported as events, no more often than this.

    Raises
    ------
    UsageError
        A password or certificate that the configuration names is not there, or the spool's directory cannot be used.
    """

    def __init__(
        self,
        kafka: KafkaConfig,
        environ: Mapping[str, str] | None = None,
        *,
        max_events: int = MAX_EVENTS,
        max_bytes: int = MAX_BYTES,
        spool: Spool | None = None,
        report_seconds: float = REPORT_SECONDS,
    ) -> None:
        settings = client_settings(kafka, os.environ if environ is None else environ)
        registry = SchemaRegistry.load(default_schema_dir())
        self._is_on_disk = spool is not None
        if spool is not None:
            check(spool)
        self._new_backlog = partial(Backlog, max_events, max_bytes)
        self._new_courier = partial(Courier, Route(kafka, settings, registry, report_seconds, spool))
        self._of_parents: list[Courier | None] = []
        self._is_closed = False
        self._begin()
        atexit.register(self.close)
        if sys.platform != "win32":
            _begin_anew_in_children(weakref.ref(self))

    def _begin(self) -> None:
        self._backlog = self._new_backlog()
        self._courier: Courier | None = None
        self._starting = threading.Lock()
        self._has_warned = False

    def _begin_in_child(self) -> None:
        # The parent's courier is kept, for to collect it would close what parent and child share; only its thread is
        # the parent's alone.
        self._of_parents.append(self._courier)
        if self._courier is not None:
            self._courier.forget()
        self._begin()
        if self._is_closed:
            self._backlog.close()

    def emit(self, event: Event, chance: float | None = None) -> bool:
        """
        Take an event, or drop and count it; returns at once and says which. Raises nothing.

        Where a share is recorded, `chance` is that which the event is to have at least: of an outcome or feedback, the
        one with which its prediction was recorded.
        """
        admitted = self._admit(event, chance)
        if admitted is None:
            return False
        if isinstance(admitted, Refusal):
            self._backlog.refuse(admitted.reason, admitted.detail)
            taken = False
        else:
            taken = self._backlog.add(admitted)
        courier = self._courier or self._start()
        if courier is not None:
            courier.wake()
        if self._is_closed and not self._has_warned:
            self._has_warned = True
            _LOGGER.warning("an event was emitted after the emitter was closed; it and all that follow are dropped")
        return taken

    def _start(self) -> Courier | None:
        """Start the courier, unless it cannot be now: what waits is then delivered when a later event starts it."""
        if not self._is_closed and self._starting.acquire(blocking=False):
            try:
                with suppress(RuntimeError, OSError):  # no thread, or no file for its loop, is to be had
                    if self._courier is None and not self._is_closed:
                        singly = any(self._of_parents)
                        self._courier = self._new_courier(self._backlog, singly=singly).start()
            finally:
                self._starting.release()
        return self._courier

    def flush(self, timeout: float) -> bool:
        """
        Wait for at most `timeout` seconds until all events taken before are settled; say if they are.

        They are when they are confirmed or failed or, with a spool, on disk, where they survive a loss of power.
        """
        if self._is_on_disk and (courier := self._courier or self._start()) is not None:
            courier.sync()
        return self._backlog.wait(timeout)

    def close(self, timeout: float = CLOSE_SECONDS) -> bool:
        """
        Deliver what waits, for at most `timeout` seconds, and take nothing more; say if nothing was given up.

        What still waits then is given up or, with a spool, left on disk for the next emitter that uses it.
        Connections are ended after that, which takes some seconds more where a broker does not answer.
        """
        self._is_closed = True
        self._backlog.close()
        failed = self._backlog.stats().dropped["failed"]
        with self._starting:
            courier = self._courier
        if courier is None:
            self._backlog.abandon()
        else:
            courier.stop(timeout)
        atexit.unregister(self.close)
        return self._backlog.stats().dropped["failed"] == failed and self._backlog.wait(0)

    def stats(self) -> Stats:
        """Return the account of all events that were given to this emitter, in this process."""
        return self._backlog.stats()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _begin_anew_in_children(emitter: weakref.ref[Emitter]) -> None:
    """Have the emitter, if it still is, begin anew in a forked child, before any code there can use it."""

    def begin() -> None:
        if (inherited := emitter()) is not None:
            inherited._begin_in_child()  # noqa: SLF001

    os.register_at_fork(after_in_child=begin)
