"""
The contestant written with Bytewax: a join of two inputs, totals by `stateful_map`, with recovery on.

`join` waits for both sides in whatever order they come, emits once and forgets, so most repeated events find nothing
to join. What stays alone is never forgotten: a join that forgets by event time is one within a window, which loses
each outcome that is not in the window of its prediction. Inputs end where the topics end, which ends the dataflow.
"""

from __future__ import annotations

import functools
import io
import json
import os
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

import bytewax.operators as op
import fastavro
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.run import cli_main

BROKERS = [os.environ["BOOTSTRAP"]]
SCHEMAS = Path(os.environ["SCHEMAS"])
STATE = Path(os.environ["STATE"])
SNAPSHOTS_EVERY = timedelta(seconds=10)
"""Bytewax's default."""
FRAMING = 5
"""A zero byte and the number of the schema come before the datum."""

Event = dict[str, Any]
Message = KafkaSourceMessage[bytes, bytes]
Prediction = tuple[str, str, float]
"""Cell, label, score. A plain tuple, since what waits for its other side is copied and pickled."""
Total = tuple[int, int, float]
"""Joined, right, sum of scores."""


class Decoder:
    """Decodes events of one type, all fields: to skip some with a reader's schema takes fastavro longer."""

    def __init__(self, name: str) -> None:
        self._schema = fastavro.parse_schema(json.loads((SCHEMAS / f"{name}.avsc").read_text()))

    def decode(self, messages: list[Message]) -> list[Event]:
        """Decode a batch."""
        begin()
        return [fastavro.schemaless_reader(io.BytesIO(one.value[FRAMING:]), self._schema, None) for one in messages]


@functools.cache
def begin() -> None:
    """Say, once, that the first event is here."""
    print("begin", flush=True)


def predicted(events: list[Event]) -> list[tuple[str, Prediction]]:
    """Take what the join needs of predictions, by request."""
    return [(event["request_id"], (cell(event), event["label"], event["score"])) for event in events]


def known(events: list[Event]) -> list[tuple[str, str]]:
    """Take the labels of outcomes, by request."""
    return [(event["request_id"], event["label"]) for event in events]


def cell(prediction: Event) -> str:
    """Name the cell in which a prediction counts."""
    minute = int(prediction["event_time"].timestamp()) // 60
    return f"{minute}|{prediction['version']}|{prediction['attributes']['country']}"


def judge(joined: list[tuple[str, tuple[Prediction, str]]]) -> list[tuple[str, Total]]:
    """Judge predictions by their outcomes, by cell."""
    return [(cell, (1, int(label == truth), score)) for _, ((cell, label, score), truth) in joined]


def add(total: Total | None, judged: Total) -> tuple[Total, Total]:
    """Add a judged prediction to the total of its cell."""
    if total is not None:
        judged = (total[0] + judged[0], total[1] + judged[1], total[2] + judged[2])
    return judged, judged


def records(totals: list[tuple[str, Total]]) -> list[KafkaSinkMessage[bytes, bytes]]:
    """Make records of totals."""
    return [
        KafkaSinkMessage(cell.encode(), json.dumps({"n": n, "right": right, "score": score}).encode())
        for cell, (n, right, score) in totals
    ]


def build() -> Dataflow:
    """Connect the steps; those without state take whole batches, which Bytewax advises for speed."""
    flow = Dataflow("accuracy")
    predictions = op.input("predictions", flow, KafkaSource(BROKERS, [os.environ["PREDICTIONS"]], tail=False))
    outcomes = op.input("outcomes", flow, KafkaSource(BROKERS, [os.environ["OUTCOMES"]], tail=False))
    prediction, outcome = Decoder("prediction"), Decoder("outcome")
    waiting = op.flat_map_batch("predicted", predictions, lambda batch: predicted(prediction.decode(batch)))
    labels = op.flat_map_batch("known", outcomes, lambda batch: known(outcome.decode(batch)))
    judged = op.flat_map_batch("judge", op.join("join", waiting, labels), judge)
    totals = op.stateful_map("add", judged, add)
    op.output("results", op.flat_map_batch("records", totals, records), KafkaSink(BROKERS, os.environ["RESULTS"]))
    return flow


if __name__ == "__main__":
    if not any(STATE.iterdir()):
        init_db_dir(STATE, 1)
    cli_main(build(), epoch_interval=SNAPSHOTS_EVERY, recovery_config=RecoveryConfig(STATE, timedelta(0)))
    print("done", flush=True)  # the last results are flushed and the last snapshot is stored
    signal.pause()
