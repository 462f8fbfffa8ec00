"""A real Alertmanager takes what the route sends: it groups, keeps one alert a key, resolves, and forgets nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from streams.alerts.alertmanager import Alertmanager
from streams.alerts.answer import Refused, Sent
from streams.alerts.deliverer import Deliverer
from streams.alerts.http import Http
from streams.alerts.making import now_us
from streams.alerts.pace import Pace, WallClock
from streams.alerts.record import World
from streams.alerts.words import rfc3339
from tests.alerts.alertmanager_process import AlertmanagerProcess, program
from tests.alerts.making import HOUR, Book, alerting, notice, numbered, stream
from tests.alerts.servers import HttpServer


@pytest.fixture(autouse=True)
def _fetched() -> None:
    """Fetch the package before anything runs, or say why it cannot be had."""
    program()


def alerts_of(server: HttpServer) -> dict[str, str]:
    """Return how each alert stands, by its key, as the webhook's messages (version 4) told it last."""
    told: dict[str, str] = {}
    for taken in server.taken:
        message = json.loads(taken.body)
        assert message["version"] == "4"
        told |= {alert["labels"]["dedup_key"]: alert["status"] for alert in message["alerts"]}
    return told


async def until(server: HttpServer, condition: Callable[[], bool]) -> None:
    """Wait until what came to a server is what it should be, for at most half a minute."""
    async with asyncio.timeout(30):
        while not condition():
            server.came.clear()
            await server.came.wait()


@asynccontextmanager
async def meeting(directory: Path) -> AsyncIterator[tuple[AlertmanagerProcess, HttpServer, Alertmanager]]:
    """Run an Alertmanager that tells a server, and return it, the server, and a route to it."""
    server = HttpServer([])
    async with server.running(), aiohttp.ClientSession() as session:
        now = now_us()
        with AlertmanagerProcess(directory, f"{server.url}/hook") as process:
            yield process, server, Alertmanager("am", process.url, 24 * HOUR, lambda: now, Http(session, 10.0))


def test_it_receives_groups_and_resolves(tmp_path: Path) -> None:
    """Alerts of one model come in one group; news of an alert is no second one; what is resolved is over."""

    async def run() -> None:
        async with meeting(tmp_path) as (process, server, route):
            began = now_us() - HOUR
            fired = [numbered(number, model=model, since=began) for number, model in ((1, "a"), (2, "a"), (3, "b"))]
            for one in fired:
                assert isinstance(await route.send(one), Sent)
            groups = {group["labels"]["model"]: len(group["alerts"]) for group in process.get("alerts/groups")}
            assert groups == {"a": 2, "b": 1}
            await until(server, lambda: set(alerts_of(server).values()) == {"firing"} and len(alerts_of(server)) == 3)

            await route.send(numbered(1, model="a", since=began, revision=2, status="updated", title="still so"))
            (one,) = process.get("alerts?filter=dedup_key=" + fired[0].dedup_key)
            assert one["annotations"]["title"] == "still so"
            assert one["status"]["state"] == "active"
            assert len(process.get("alerts")) == 3

            await route.send(numbered(1, model="a", since=began, revision=3, status="resolved", title="well again"))
            await until(server, lambda: alerts_of(server)[fired[0].dedup_key] == "resolved")
            left = {alert["labels"]["dedup_key"] for alert in process.get("alerts")}
            assert left == {fired[1].dedup_key, fired[2].dedup_key}

    asyncio.run(run())


def test_an_incident_is_delivered_from_its_begin_to_its_end(tmp_path: Path) -> None:
    """What the deliverer reads is what Alertmanager tells: all that fired, in groups, and at last that it is over."""

    async def nothing(position: int) -> None:
        pass

    async def run() -> None:
        async with meeting(tmp_path) as (_, server, route):
            fired = [numbered(number, model=model, since=now_us()) for number, model in ((1, "a"), (2, "a"), (3, "b"))]
            section, around = alerting(routes=("am",)), World(Book(), WallClock(), lambda: 0.0, Pace(HOUR))
            await Deliverer(section, {"am": route}, around).run(stream(fired), nothing)
            await until(server, lambda: list(alerts_of(server).values()) == ["firing"] * 3)
            over = [replace(one, revision=2, status="resolved") for one in fired]
            await Deliverer(section, {"am": route}, around).run(stream(over), nothing)
            await until(server, lambda: list(alerts_of(server).values()) == ["resolved"] * 3)

    asyncio.run(run())


def test_it_keeps_an_alert_as_long_as_was_said(tmp_path: Path) -> None:
    """An alert of which no news comes does not end after five minutes, but when the route said; old ones too."""

    async def run() -> None:
        async with meeting(tmp_path) as (process, _, route):
            in_2013 = 1_373_608_800_000_000
            assert isinstance(await route.send(notice(since=in_2013)), Sent)
            (kept,) = process.get("alerts")
            assert kept["startsAt"] == "2013-07-12T06:00:00.000Z"
            assert kept["endsAt"] == rfc3339(route.now() + 24 * HOUR)[:-4] + "Z"
            assert isinstance(await route.send(notice(since=in_2013, status="resolved")), Sent)
            assert process.get("alerts") == []

    asyncio.run(run())


def test_it_says_why_it_refuses(tmp_path: Path) -> None:
    """What it will never take is refused, with its reason."""

    async def run() -> None:
        async with meeting(tmp_path) as (process, _, route):
            answer = await route.http.post(f"{process.url}/api/v2/alerts", b'[{"labels": {}}]', {})
            assert isinstance(answer, Refused)
            assert answer.detail.startswith("400 ")

    asyncio.run(run())
