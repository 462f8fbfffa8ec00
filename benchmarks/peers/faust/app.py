"""
The contestant written with Faust: an agent for each topic, Tables in RocksDB with changelog topics.

Faust has no join of streams, so the agents share a table of what waits for its other side, whichever comes first:
Faust reads both topics at once, in no order between them. A match takes what waited away, so most repeated events
find nothing to join. What stays alone is never forgotten: windows of Faust's tables expire by the wall clock, which
these events are months behind. Totals are a table too; a timer writes those that have changed to the results.
"""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import fastavro
import faust
import mode.loop
from faust.serializers import codecs
from faust.types import StreamT

EVENTS = int(os.environ["EVENTS"])
SCHEMAS = Path(os.environ["SCHEMAS"])
FRAMING = 5
"""A zero byte and the number of the schema come before the datum."""
RESULTS_EVERY = 1.0
"""Seconds."""
LINGER, BATCH = 0.1, 1 << 18
"""Seconds and bytes. Faust's own do not linger, and make it half again as expensive: a request of each few changes."""

Event = dict[str, Any]


class FramedAvro(codecs.Codec):
    """Avro in Confluent framing, with a schema of this directory."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name)
        self._schema = fastavro.parse_schema(json.loads((SCHEMAS / f"{name}.avsc").read_text()))

    def _loads(self, value: bytes) -> Event:
        """Decode one event, all fields: to skip some with a reader's schema takes fastavro longer."""
        return fastavro.schemaless_reader(io.BytesIO(value[FRAMING:]), self._schema, None)


mode.loop.use("uvloop")
app = faust.App(
    os.environ["GROUP"],
    broker=f"kafka://{os.environ['BOOTSTRAP']}",
    store="rocksdb://",
    datadir=os.environ["STATE"],
    producer_linger=LINGER,
    producer_max_batch_size=BATCH,
    topic_partitions=1,  # of changelogs: as many as the events' topics have
    web_enabled=False,
)
predictions = app.topic(os.environ["PREDICTIONS"], key_type=bytes, value_serializer=FramedAvro("prediction"))
outcomes = app.topic(os.environ["OUTCOMES"], key_type=bytes, value_serializer=FramedAvro("outcome"))
results = app.topic(os.environ["RESULTS"], key_type=bytes, value_serializer="json")
waiting = app.Table("waiting", key_type=bytes)
"""By request: cell, label and score of a prediction, or the label of an outcome."""
totals = app.Table("totals", key_type=bytes)
changed: dict[bytes, Event] = {}
"""Totals that are not yet among the results, by cell."""
seen = 0


@app.agent(predictions)
async def judge_earlier(stream: StreamT[Event]) -> None:
    """Join each prediction with its outcome if that was first; else let it wait."""
    async for request, prediction in stream.items():
        count()
        cell, label, score = name(prediction), prediction["label"], prediction["score"]
        found = waiting.get(request)
        if isinstance(found, str):
            del waiting[request]
            add(cell, label == found, score)
        else:
            waiting[request] = (cell, label, score)


@app.agent(outcomes)
async def judge(stream: StreamT[Event]) -> None:
    """Join each outcome with its prediction; let it wait for one that is late."""
    async for request, outcome in stream.items():
        count()
        found = waiting.get(request)
        if found is None or isinstance(found, str):
            waiting[request] = outcome["label"]
        else:
            del waiting[request]
            cell, label, score = found
            add(cell, label == outcome["label"], score)


def name(prediction: Event) -> str:
    """Name the cell in which a prediction counts."""
    minute = int(prediction["event_time"].timestamp()) // 60
    return f"{minute}|{prediction['version']}|{prediction['attributes']['country']}"


def add(cell: str, right: bool, score: float) -> None:
    """Add a judged prediction to the total of its cell."""
    key = cell.encode()
    before = totals.get(key) or {"n": 0, "right": 0, "score": 0.0}
    total = {"n": before["n"] + 1, "right": before["right"] + right, "score": before["score"] + score}
    totals[key] = changed[key] = total


def count() -> None:
    """Count one event."""
    global seen  # noqa: PLW0603 - agents share it
    if not seen:
        print("begin", flush=True)
    seen += 1


@totals.on_recover
async def write_again() -> None:
    """Write all totals once more: it is not known which of them were still to be written when the worker ended."""
    changed.update(totals.items())


def write() -> None:
    """Write what has changed."""
    for cell, total in changed.items():
        results.send_soon(key=cell, value=total)
    changed.clear()


@app.timer(interval=RESULTS_EVERY)
async def write_often() -> None:
    """Write now and then, so that many changes of a total are one record."""
    write()


@app.task
async def finish() -> None:
    """Wait for the last event, and see that everything is out: results, changelogs and offsets."""
    while seen < EVENTS:
        await app.sleep(0.1)
    write()
    await app.producer.flush()
    await app.consumer.commit()
    print("done", flush=True)


if __name__ == "__main__":
    faust.Worker(app, redirect_stdouts=False, loglevel="info").execute_from_commandline()
