"""
Ask the workers to forget a unit: a record in each partition of each input, and an answer to each in the store.

The records have their place in the order of events, so it does not matter who works on a partition, or whether anybody
does now: who reads on from there forgets. A worker answers once a checkpoint says what it has taken out.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow as pa
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streams.codecs.order import FORGET_HEADER, write_order
from streams.config.kafka import KafkaConfig
from streams.config.models import Config
from streams.core.columns import Hashes
from streams.core.forget import KINDS, Order
from streams.core.ids import hash_twice
from streams.core.privacy.owner import Owners
from streams.core.privacy.pseudonym import Pseudonyms
from streams.errors import StreamsError, UsageError
from streams.runtime.emit import input_partitions
from streams.runtime.kafka import KafkaUnavailable, client_settings, connected
from streams.runtime.topics import INPUTS

Query = Callable[[str], pa.Table]

_MOST_PERIODS = 100_000
_MOST_REQUESTS = 20_000  # of one order: a record should not be large
_RECORD_BYTES = 4 << 20  # what topics take
_PAUSE_SECONDS = 0.2
_SHOWN = 3


@dataclass(frozen=True)
class Workers:
    """Where workers read, and how many seconds brokers and workers may take to answer."""

    kafka: KafkaConfig
    environ: Mapping[str, str]
    timeout: float


def orders_for(config: Config, unit: str, requests: Iterable[str], now: int) -> list[Order]:
    """
    Return the orders that make workers forget a unit.

    It is looked for under its own name, and under its pseudonym of each period of events that may wait at the time
    `now` (us): services may have sent either. Of more than 100,000 periods the last ones are looked for.

    Parameters
    ----------
    config
        With its secret.
    unit
        The unit as services name it.
    requests
        Requests that are the unit's, which no waiting prediction need say.

    Raises
    ------
    UsageError
        There is no secret, so that nothing that waits knows its unit.
    """
    section = config.privacy
    if section.secret is None:
        raise UsageError("what waits knows its unit by a keyed hash: declare where the secret is, privacy.secret_env")
    last = (now + config.max_future) // section.rotate
    periods = range(max(0, last - _MOST_PERIODS + 1), last + 1)
    pseudonyms = Pseudonyms(section.secret, section.rotate)
    names = [unit, *(pseudonyms.in_period("unit_id", unit, period) for period in periods)]
    owners = np.unique(Owners(section.secret).of(pa.array(names, pa.string())))
    some = sorted(set(requests))
    parts = [some[first : first + _MOST_REQUESTS] for first in range(0, max(1, len(some)), _MOST_REQUESTS)]
    nobody = np.empty(0, np.uint64)
    return [_order(nobody if place else owners, part) for place, part in enumerate(parts)]


def _order(owners: Hashes, requests: Sequence[str]) -> Order:
    key, check = hash_twice(pa.array(requests, pa.string()))
    return Order(uuid4().hex, owners, {"key": key, "check": check})


def forget_waiting(workers: Workers, orders: Sequence[Order], query: Query) -> dict[str, tuple[int, int]]:
    """
    Have workers carry out orders, and wait until each partition has answered.

    Returns
    -------
    dict
        How much waited, by kind, and how much of it is left.

    Raises
    ------
    UsageError
        The topics are missing or differ in their partitions.
    KafkaUnavailable
        No broker answered; some records may be there, and are carried out.
    StreamsError
        Some partitions did not answer in time: no worker reads them, or it is far behind.
    StoreError, StoreUnavailable
        The store could not be asked.
    """
    partitions = asyncio.run(_send(workers, orders))
    topics = [f"{workers.kafka.prefix}.{name}" for name in INPUTS]
    sources = {f"{topic}-{partition}" for topic in topics for partition in range(partitions)}
    answers = _answers(query, {(order.name, source) for order in orders for source in sources}, workers.timeout)
    return {kind: _counts([row for row in answers if row["kind"] == kind]) for kind in KINDS}


def _counts(answers: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """How much waited in all partitions, and how much of it is left: what was taken out is not there any more."""
    left = sum(row["remaining"] for row in answers)
    return sum(row["removed"] for row in answers) + left, left


async def _send(workers: Workers, orders: Sequence[Order]) -> int:
    """Write the records, and return how many partitions each input has once all are confirmed."""
    kafka, patience = workers.kafka, workers.timeout
    partitions = await input_partitions(kafka, workers.environ, patience)
    options = {"acks": "all", "enable_idempotence": True, "compression_type": "zstd"}
    options |= {"max_request_size": _RECORD_BYTES, "request_timeout_ms": int(patience * 1_000)}
    producer = AIOKafkaProducer(**client_settings(kafka, workers.environ), **options)
    parts = [(f"{kafka.prefix}.{topic}", partition) for topic in INPUTS for partition in range(partitions)]
    async with connected(producer, producer.stop, kafka.brokers, patience):
        try:
            async with asyncio.timeout(patience):
                for order in orders:
                    headers = [(FORGET_HEADER, write_order(order))]
                    sent = [await producer.send(topic, None, b"forget", part, headers=headers) for topic, part in parts]
                    await asyncio.gather(*sent)
        except (KafkaError, TimeoutError) as error:
            raise KafkaUnavailable(
                f"not every partition was asked to forget within {patience:g} s; forget the unit again: {error!r}"
            ) from error
    return partitions


def _answers(query: Query, wanted: set[tuple[str, str]], timeout: float) -> list[dict[str, Any]]:
    """Return the rows of the table `forgotten` that answer, once they are all there."""
    until = time.monotonic() + timeout
    names = ", ".join(f"'{name}'" for name in sorted({name for name, _ in wanted}))
    while True:
        rows: list[dict[str, Any]] = query(f"SELECT * FROM forgotten FINAL WHERE order_name IN ({names})").to_pylist()  # noqa: S608 - our names
        missing = wanted - {(row["order_name"], row["source"]) for row in rows}
        if not missing:
            return rows
        if time.monotonic() >= until:
            sources = sorted({source for _, source in missing})
            some = ", ".join(sources[:_SHOWN]) + (", ..." if len(sources) > _SHOWN else "")
            raise StreamsError(
                f"{some}: asked to forget, and not answered within {timeout:g} s; is a worker running, and does it "
                "write to this store? What was asked is done when it comes to it; forget the unit again then"
            )
        time.sleep(_PAUSE_SECONDS)
