"""
Brings notices to their routes, at least once, and puts on record what came of each.

Each route has a line of its own and is served alone, so that one which does not answer delays no other. A position is
acknowledged once all outcomes of it, and of all before it, are on record: whenever the process ends, what was not is
read again, and what is on record is not sent again. What was sent but not recorded is sent a second time, under the
same key.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from typing import NamedTuple

from streams.alerts.delivery import delivery, unreadable
from streams.alerts.line import Waiting
from streams.alerts.record import Acknowledge, Record, World
from streams.alerts.route import Route
from streams.alerts.routing import routes_for
from streams.alerts.server import Server, Standing
from streams.config.alerting import AlertingConfig
from streams.core.alert.notice import Notice

log = logging.getLogger(__name__)


class Incoming(NamedTuple):
    """The position of a record, the notice in it, or why it holds none, and when it was written, us."""

    position: int
    notice: Notice | str
    written: int


class Deliverer:
    """
    Brings notices to their routes.

    Parameters
    ----------
    alerting
        Which notice goes where.
    routes
        The routes, by name; those that `alerting` names.
    world
        What is around it.
    """

    def __init__(self, alerting: AlertingConfig, routes: Mapping[str, Route], world: World) -> None:
        self._alerting = alerting
        self._clock = world.clock
        self._record = Record(world)
        self._servers = {
            name: Server(route, alerting.routes[name].quiet, alerting.most_waiting, self._record, world)
            for name, route in routes.items()
        }

    async def run(
        self, notices: AsyncIterator[Incoming], acknowledge: Acknowledge, patience: float | None = None
    ) -> None:
        """
        Deliver what comes.

        Parameters
        ----------
        notices
            What comes, in the order of its positions.
        acknowledge
            Called when positions are done with.
        patience
            When no more notices come, how many seconds to wait for the outcomes of those that did; None: for all.
            What has no outcome by then is not acknowledged.
        """
        await self._record.begin()
        async with asyncio.TaskGroup() as group:
            serving = [group.create_task(server.serve()) for server in self._servers.values()]
            keeping = group.create_task(self._record.keep(acknowledge))
            async for incoming in notices:
                self._take_in(incoming)
            self._record.finish()
            await asyncio.wait([keeping], timeout=patience)
            for task in (*serving, keeping):
                task.cancel()

    def standing(self) -> dict[str, Standing]:
        """Return how each route stands."""
        return {name: server.standing() for name, server in self._servers.items()}

    @property
    def unrecorded(self) -> int:
        """How many outcomes are not on record yet."""
        return self._record.unrecorded

    def _take_in(self, incoming: Incoming) -> None:
        position, notice, written = incoming
        now = self._clock.now()
        if isinstance(notice, str):
            log.error("position %d: %s", position, notice)
            self._record.open(position, 1)
            self._record.settle(unreadable(position, notice, now))
            return
        names = routes_for(notice, self._alerting)
        if not names:
            self._record.open(position, 1)
            self._record.settle(delivery(notice, "", position, "unrouted", "no rule is for it", 0, now))
            return
        due = [name for name in names if not self._record.is_settled(notice, name)]
        self._record.open(position, len(due))
        for name in due:
            self._servers[name].take_in(Waiting(position, notice, now, written))
