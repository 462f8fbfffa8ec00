"""Serves one route: sends what waits for it, one notice after the other, and tries again what could not be sent."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from streams.alerts.answer import Answer, Refused, Sent, TryAgain
from streams.alerts.delivery import Outcome, delivery
from streams.alerts.line import Line, Waiting
from streams.alerts.record import Record, World
from streams.alerts.route import Route
from streams.alerts.routing import held_until
from streams.config.alerting import QuietConfig
from streams.core.window_spec import format_duration

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Standing:
    """
    How a route stands.

    Attributes
    ----------
    waiting, held
        How many notices could be sent now, and how many wait for the end of quiet hours.
    oldest
        For how long the oldest of those that could be sent could have been, us; 0 if there is none.
    failing
        For how long every attempt has failed, us; 0 if the last one did not.
    """

    waiting: int
    held: int
    oldest: int
    failing: int


class Server:
    """
    Serves one route.

    Parameters
    ----------
    route
        The route.
    quiet
        Its quiet hours, if it has any.
    most
        How many notices may wait.
    record
        Where outcomes go.
    world
        What is around it.
    """

    def __init__(self, route: Route, quiet: QuietConfig | None, most: int, record: Record, world: World) -> None:
        self._route = route
        self._quiet = quiet
        self._record = record
        self._world = world
        self._line = Line(most)
        self._woken = asyncio.Event()
        self._failures = 0
        self._failing_since: int | None = None
        self._pause_until = 0

    def standing(self) -> Standing:
        """Return how the route stands now."""
        now, held = self._world.clock.now(), self._line.held
        oldest, failing = (0 if since is None else now - since for since in (self._line.oldest, self._failing_since))
        return Standing(len(self._line) - held, held, max(oldest, 0), failing)

    def take_in(self, waiting: Waiting) -> None:
        """Let a notice wait, until quiet hours are over if it has to."""
        until = held_until(waiting.notice, self._quiet, waiting.due)
        waiting.due, waiting.since = until or waiting.due, until or waiting.since
        for earlier in self._line.add(waiting, held=until is not None):
            came = f"revision {waiting.notice.revision} came before the end of quiet hours"
            self._settle(earlier, "superseded", came)
        for least in self._line.overflow():
            log.error("%s: %d notices wait; %s is given up", self._route.name, self._line.most, least.notice.dedup_key)
            self._settle(least, "failed", f"more than {self._line.most} notices waited")
        self._woken.set()

    async def serve(self) -> None:
        """Send, until cancelled."""
        while True:
            self._woken.clear()
            now = self._world.clock.now()
            self._line.release(now)
            if self._line.is_ready and now >= self._pause_until:
                await self._attempt(self._line.next())
            else:
                await self._world.clock.wait(self._woken, self._rest(now))

    def _rest(self, now: int) -> int | None:
        """For how long there is nothing to do, us; None: until something comes."""
        times = [self._pause_until] if self._line.is_ready else []
        release = self._line.next_release
        times += [] if release is None else [release]
        return min(times) - now if times else None

    async def _attempt(self, waiting: Waiting) -> None:
        notice, name = waiting.notice, self._route.name
        if self._record.is_settled(notice, name):  # the topic has it twice
            self._line.remove(waiting)
            self._record.repeat(waiting.position)
            return
        muting, known = await self._record.muting(), self._record.knows(notice, name)
        muted = muting.of(notice, self._world.clock.now(), is_known=known)
        if muted is not None:
            self._finish(waiting, *muted)
            return
        waiting.attempts += 1
        self._world.tally.attempts[name] += 1
        self._conclude(waiting, await self._route.send(notice))

    def _conclude(self, waiting: Waiting, answer: Answer) -> None:
        if isinstance(answer, TryAgain):
            self._failed(waiting, answer)
            return
        self._failures, self._failing_since = 0, None
        if isinstance(answer, Sent):
            self._world.tally.sent(self._route.name, waiting.since, self._world.clock.now())
        if isinstance(answer, Refused):
            log.error("%s refused %s: %s", self._route.name, waiting.notice.dedup_key, answer.detail)
        self._finish(waiting, "sent" if isinstance(answer, Sent) else "refused", answer.detail)

    def _failed(self, waiting: Waiting, answer: TryAgain) -> None:
        self._failures += 1
        now, pace = self._world.clock.now(), self._world.pace
        self._failing_since = now if self._failing_since is None else self._failing_since
        pause = pace.pause(self._failures, self._world.chance, answer.after)
        self._pause_until = now + pause
        log.warning("%s: %s; tried again in %s", self._route.name, answer.detail, format_duration(pause))
        self._line.postpone(waiting)
        for late in self._line.due_before(now - pace.give_up_after):
            log.error("%s: %s is given up", self._route.name, late.notice.dedup_key)
            self._finish(late, "failed", f"given up after {format_duration(pace.give_up_after)}: {answer.detail}")

    def _finish(self, waiting: Waiting, outcome: Outcome, detail: str) -> None:
        self._line.remove(waiting)
        self._settle(waiting, outcome, detail)

    def _settle(self, waiting: Waiting, outcome: Outcome, detail: str) -> None:
        now = self._world.clock.now()
        about = (waiting.notice, self._route.name, waiting.position)
        self._record.settle(delivery(*about, outcome, detail, waiting.attempts, now))
