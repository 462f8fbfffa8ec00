"""What a worker says of itself, asked over HTTP."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from streams.runtime import status
from streams.runtime.status import serving
from streams.runtime.watchdog import Watchdog
from tests.runtime.held import Held
from tests.runtime.parts import at, outcome, prediction

Get = Callable[[str], Awaitable[tuple[int, str]]]


def asked(told: Callable[[Held, Get], Awaitable[None]]) -> None:
    """Run a story with a worker that answers on a free port; it is stalled after ten seconds."""

    async def run() -> None:
        held = Held()
        watchdog = Watchdog(held.worker, 10.0)
        async with serving(held.worker, watchdog, ("127.0.0.1", 0)) as port, aiohttp.ClientSession() as session:

            async def get(path: str) -> tuple[int, str]:
                async with session.get(f"http://127.0.0.1:{port}/{path}") as response:
                    return response.status, await response.text()

            await told(held, get)

    asyncio.run(run())


async def samples(get: Get) -> dict[tuple[str, str], float]:
    """Return the metrics by their name and the values of their labels, in the order of the labels' names."""
    code, text = await get("metrics")
    assert code == 200
    families = list(text_string_to_metric_families(text))
    assert all(family.documentation for family in families)
    found = [sample for family in families for sample in family.samples]
    return {
        (sample.name, ",".join(value for _, value in sorted(sample.labels.items()))): sample.value for sample in found
    }


def test_health_tells_a_stalled_worker() -> None:
    """200 while something moves or there is nothing to do, 503 once nothing has moved for too long."""

    async def told(held: Held, get: Get) -> None:
        await held.worker.assigned(frozenset({0}))
        held.bench.emit(prediction(1, 1))
        codes = [(await get("health"))[0]]
        for seconds in (9, 1):
            held.seconds += seconds
            codes.append((await get("health"))[0])
        stalled = (await get("health"))[1]
        await held.deliver()
        codes.append((await get("health"))[0])

        assert codes == [200, 200, 503, 200]
        assert '"stalled_seconds": 10.0' in stalled

    asked(told)


def test_a_worker_is_ready_once_it_holds_partitions() -> None:
    """503 before the first assignment and after it has let go; 200 between, with what it holds."""

    async def told(held: Held, get: Get) -> None:
        before = await get("ready")
        await held.worker.assigned(frozenset({0}))
        between = await get("ready")
        await held.worker.revoked(frozenset({0}))
        after = await get("ready")

        assert [code for code, _ in (before, between, after)] == [503, 200, 503]
        assert '"partitions": [0]' in between[1]

    asked(told)


def test_the_numbers_are_those_of_the_worker() -> None:
    """Lag, watermark, events by what became of them, and what waits, for each partition."""

    async def told(held: Held, get: Get) -> None:
        await held.worker.assigned(frozenset({0}))
        for number in (1, 2, 3):
            held.bench.emit(prediction(number, number))
        held.bench.emit(outcome(1, 2), outcome(9, 3))
        held.bench.end("feedback", 0)
        await held.deliver()
        await held.worker.tick()
        held.seconds += 5
        held.bench.emit(prediction(4, 4), prediction(5, 5))
        found = await samples(get)

        assert found["streams_lag_records", "0,telemetry.predictions"] == 2
        assert found["streams_lag_records", "0,telemetry.outcomes"] == 0
        assert found["streams_watermark_timestamp_seconds", "0"] == at(2) / 1e6
        assert found["streams_events_read_total", "0"] == 5
        assert found["streams_events_labelling_total", "0"] == 1
        assert found["streams_waiting_predictions", "0"] == 3
        assert found["streams_join_hit_ratio", "0"] == 0.5
        assert found["streams_checkpoint_age_seconds", "0"] == 5
        assert found["streams_checkpoint_bytes", "0"] > 0
        assert found["streams_store_rows_total", ""] == sum(map(len, held.shelf.tables.rows.values()))

    asked(told)


def test_every_metric_that_is_written_down_is_there() -> None:
    """Under the name that the source gives it; a counter's ends in _total."""

    async def told(held: Held, get: Get) -> None:
        await held.worker.assigned(frozenset({0}))
        held.bench.emit(prediction(1, 1), outcome(1, 2))
        held.bench.end("feedback", 0)
        await held.deliver()
        names = {name.removesuffix("_total") for name, _ in await samples(get)}
        written = set(re.findall(r'"(streams_[a-z_]+)"', inspect.getsource(status)))

        assert len(written) > 8
        assert written <= names

    asked(told)


def test_a_worker_that_holds_nothing_has_no_partitions_in_its_metrics() -> None:
    """Neither a lag of 0 nor a watermark of the year 1970."""

    async def told(_: Held, get: Get) -> None:
        found = await samples(get)

        assert not [name for name, labels in found if labels and name.startswith("streams_")]
        assert found["streams_store_away_seconds", ""] == 0

    asked(told)
