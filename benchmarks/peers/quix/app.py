"""
The contestant written with Quix Streams: an as-of join, state in RocksDB with changelog topics.

An outcome is joined with the latest prediction of the same key that is not newer. Quix reads both topics in order of
time, so a prediction is always there before its outcome. Totals are state of the cell that they are for: what is
joined gets its cell as its key, which Quix does in place since the topics have one partition. Not deduplicated: Quix
has nothing for it but one more state, of all events.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import signal
from pathlib import Path
from typing import Any, cast

import fastavro
from quixstreams import Application, State
from quixstreams.models import Deserializer, SerializationContext

EVENTS = int(os.environ["EVENTS"])
SCHEMAS = Path(os.environ["SCHEMAS"])
FRAMING = 5
"""A zero byte and the number of the schema come before the datum."""
BUFFER, POLL_SECONDS = 100_000, 0.1
"""Ten times Quix's default, and a tenth: a join that catches up waits less, and is a little cheaper."""

Row = dict[str, Any]


class FramedAvro(Deserializer):
    """
    Avro in Confluent framing, with a schema of this directory.

    Quix's own `AvroDeserializer` reads this framing only with a schema registry that it can ask.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self._schema = fastavro.parse_schema(json.loads((SCHEMAS / f"{name}.avsc").read_text()))

    def __call__(self, value: bytes, ctx: SerializationContext) -> Row:  # noqa: ARG002 - Quix passes it
        """Decode one event, all fields: to skip some with a reader's schema takes fastavro longer."""
        return cast("Row", fastavro.schemaless_reader(io.BytesIO(value[FRAMING:]), self._schema, None))


def keep(prediction: Row) -> Row:
    """Take what the join needs: it is stored, as JSON."""
    minute = int(prediction["event_time"].timestamp()) // 60
    return {
        "cell": f"{minute}|{prediction['version']}|{prediction['attributes']['country']}",
        "label": prediction["label"],
        "score": prediction["score"],
    }


def merge(outcome: Row, prediction: Row) -> Row:
    """Judge a prediction by its outcome."""
    return {
        "cell": prediction["cell"],
        "right": int(prediction["label"] == outcome["label"]),
        "score": prediction["score"],
    }


def add(judged: Row, state: State) -> Row:
    """Add a judged prediction to the total of its cell."""
    before = state.get("total") or {"n": 0, "right": 0, "score": 0.0}
    total = {
        "n": before["n"] + 1,
        "right": before["right"] + judged["right"],
        "score": before["score"] + judged["score"],
    }
    state.set("total", total)
    return total


def build() -> Application:
    """Connect the steps."""
    processed = itertools.count(1)

    def count(_topic: str, _partition: int, _offset: int) -> None:
        """Say when the first event is processed, and stop after the last."""
        number = next(processed)
        if number == 1:
            print("begin", flush=True)
        if number == EVENTS:
            app.stop()

    app = Application(
        broker_address=os.environ["BOOTSTRAP"],
        consumer_group=os.environ["GROUP"],
        auto_offset_reset="earliest",
        state_dir=os.environ["STATE"],
        max_partition_buffer_size=BUFFER,
        consumer_poll_timeout=POLL_SECONDS,
        on_message_processed=count,
    )
    predictions = app.dataframe(app.topic(os.environ["PREDICTIONS"], value_deserializer=FramedAvro("prediction")))
    outcomes = app.dataframe(app.topic(os.environ["OUTCOMES"], value_deserializer=FramedAvro("outcome")))
    joined = outcomes.join_asof(predictions.apply(keep), on_merge=merge)
    totals = joined.group_by("cell").apply(add, stateful=True)
    totals.to_topic(app.topic(os.environ["RESULTS"], key_serializer="str", value_serializer="json"))
    return app


if __name__ == "__main__":
    build().run()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # `run` has left its own handler, and there is nothing more to stop
    print("done", flush=True)  # `run` has committed: results, changelogs and offsets are written
    signal.pause()
