"""What a deliverer says of itself, asked over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from streams.alerts.deliverer import Deliverer
from streams.alerts.status import SILENT_SECONDS, Desk, serving
from tests.alerts.making import Book, Recorder, alerting, numbered, stream, world

Get = Callable[[str], Awaitable[tuple[int, str]]]


def asked(told: Callable[[Desk, list[float], Get], Awaitable[None]]) -> None:
    """Run a story with a desk of two routes, whose clock is set by hand."""

    async def run() -> None:
        seconds = [1_000.0]
        desk = Desk(("chat", "oncall"), clock=lambda: seconds[0])
        async with serving(desk, ("127.0.0.1", 0)) as port, aiohttp.ClientSession() as session:

            async def get(path: str) -> tuple[int, str]:
                async with session.get(f"http://127.0.0.1:{port}/{path}") as response:
                    return response.status, await response.text()

            await told(desk, seconds, get)

    asyncio.run(run())


async def samples(get: Get) -> dict[tuple[str, ...], float]:
    """Return the metrics by their name and the values of their labels, in the order of the labels' names."""
    code, text = await get("metrics")
    assert code == 200
    families = list(text_string_to_metric_families(text))
    assert all(family.documentation for family in families)
    found = [sample for family in families for sample in family.samples]
    return {(one.name, *(value for _, value in sorted(one.labels.items()))): one.value for one in found}


def test_health_tells_a_deliverer_that_stands_still() -> None:
    """200 as long as the topic is asked for more, from the start on; 503 once it was not for too long."""

    async def told(desk: Desk, seconds: list[float], get: Get) -> None:
        codes = []
        for passed, asks in ((SILENT_SECONDS - 1, False), (1, False), (0, True)):
            seconds[0] += passed
            if asks:
                desk.asks()
            codes.append((await get("health"))[0])

        assert codes == [200, 503, 200]

    asked(told)


def test_it_is_ready_while_it_has_the_topic() -> None:
    """503 while another process delivers, 200 with the topic."""

    async def told(desk: Desk, _: list[float], get: Get) -> None:
        before = await get("ready")
        desk.deliverer = Deliverer(alerting(routes=desk.routes), {}, world(Book()))
        between, metrics = await get("ready"), await samples(get)
        desk.deliverer = None

        assert (before[0], between[0], (await get("ready"))[0]) == (503, 200, 503)
        assert metrics["streams_delivery_active",] == 1.0
        assert (await samples(get))["streams_delivery_active",] == 0.0

    asked(told)


def test_metrics_tell_what_came_of_notices() -> None:
    """Outcomes, attempts, seconds and what waits, by route; what has not happened yet is 0 and not missing."""

    async def told(desk: Desk, _: list[float], get: Get) -> None:
        before = await samples(get)
        around = world(Book())
        desk.tally = around.tally
        routes = {name: Recorder(name) for name in desk.routes}
        desk.deliverer = Deliverer(alerting(routes=desk.routes), routes, around)

        async def acknowledge(_: int) -> None:
            await asyncio.sleep(0)

        await desk.deliverer.run(stream([numbered(1), numbered(2), "no notice"]), acknowledge)
        after = await samples(get)

        assert before["streams_deliveries_total", "sent", "chat"] == 0.0
        assert before["streams_deliveries_total", "failed", "oncall"] == 0.0
        assert after["streams_deliveries_total", "sent", "chat"] == 2.0
        assert after["streams_deliveries_total", "unreadable", ""] == 1.0
        assert after["streams_delivery_attempts_total", "oncall"] == 2.0
        assert after["streams_delivery_seconds_count", "chat"] == 2.0
        assert after["streams_delivery_seconds_bucket", "0.1", "chat"] == 2.0
        assert after["streams_delivery_waiting", "chat"] == after["streams_delivery_unrecorded",] == 0.0
        assert after["process_start_time_seconds",] > 0

    asked(told)


def test_labels_are_routes_and_outcomes_only() -> None:
    """Whatever notices hold, there are as many series after them as before."""

    async def told(desk: Desk, _: list[float], get: Get) -> None:
        around = world(Book())
        desk.tally = around.tally
        routes = {name: Recorder(name) for name in desk.routes}
        desk.deliverer = Deliverer(alerting(routes=desk.routes), routes, around)
        before = (await samples(get)).keys()

        async def acknowledge(_: int) -> None:
            await asyncio.sleep(0)

        await desk.deliverer.run(stream([numbered(n, model=f"m{n}", rule=f"r{n}") for n in range(9)]), acknowledge)

        assert (await samples(get)).keys() == before

    asked(told)
