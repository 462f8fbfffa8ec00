"""
The events that every contestant reads, and the answer that each should give.

Predictions of one model in two versions come evenly over six hours of event time, with a country that is distributed
by Zipf's law. Of each hundred, five are never labelled; the others are after a delay that is log-normal with a median
of one hour. One event in a hundred comes twice. The answer: for each minute (of the predictions' time), version and
country, how many predictions have a label, how many were right, and the sum of their scores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from streams.codecs.registry import SchemaRegistry, default_schema_dir
from streams.codecs.write import encode_messages
from streams.core.block import EventType

START = 1_767_225_600_000_000  # 2026-01-01, us
MINUTE = 60_000_000
SPAN = 360 * MINUTE
COUNTRIES, ZIPF = 50, 1.1
NEVER, TWICE = 0.05, 0.01
MEDIAN_DELAY, DELAY_SIGMA = 60 * MINUTE, 1.0
REPEATED_WITHIN = MINUTE

Cell = tuple[int, str, str]
Answer = Mapping[Cell, tuple[int, int, float]]
"""(minute since 1970, version, country) to (labelled, right, sum of scores)."""


@dataclass(frozen=True)
class Arrivals:
    """Events of one type in the order in which they arrive: columns as in `SCHEMAS`, and arrival times (us)."""

    kind: EventType
    table: pa.RecordBatch
    times: np.ndarray

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def messages(self) -> list[bytes]:
        """Encode them as Avro in Confluent framing."""
        return encode_messages(self.kind, self.table, SchemaRegistry.load(default_schema_dir()))


@dataclass(frozen=True)
class Workload:
    """Both types of event, and the answer."""

    predictions: Arrivals
    outcomes: Arrivals
    answer: Answer

    @property
    def events(self) -> int:
        """How many there are, repetitions included."""
        return len(self.predictions) + len(self.outcomes)

    @property
    def joins(self) -> int:
        """How many predictions have a label."""
        return sum(labelled for labelled, _, _ in self.answer.values())


def make_workload(predictions: int, seed: int = 1, span: int = SPAN, countries: int = COUNTRIES) -> Workload:
    """Make so many predictions, and what belongs to them; the same seed gives the same events."""
    rng = np.random.default_rng(seed)
    time = START + np.sort(rng.integers(0, span, predictions))
    version = rng.integers(1, 3, predictions)
    shares = np.arange(1, countries + 1) ** -ZIPF
    country = 1 + rng.choice(countries, predictions, p=shares / shares.sum())
    score = rng.random(predictions).round(6)
    label = rng.random(predictions) < score
    made = _predictions(time, version, country, score, rng)
    ids = made["request_id"]
    labelled = np.flatnonzero(rng.random(predictions) >= NEVER)
    delay = MEDIAN_DELAY * rng.lognormal(0.0, DELAY_SIGMA, len(labelled))
    known = time[labelled] + delay.astype(np.int64)
    truth = pa.RecordBatch.from_pydict(
        {
            "request_id": ids.take(pa.array(labelled)),
            "event_time": known,
            "label": _chosen(["0", "1"], label[labelled]),
        }
    )
    return Workload(
        _arrivals("prediction", made, time, rng),
        _arrivals("outcome", truth, known, rng),
        _answer(
            (time[labelled] // MINUTE, version[labelled], country[labelled]),
            label[labelled] == (score[labelled] >= 0.5),
            score[labelled],
        ),
    )


def _predictions(
    time: np.ndarray, version: np.ndarray, country: np.ndarray, score: np.ndarray, rng: np.random.Generator
) -> pa.RecordBatch:
    """Predictions with everything that is not what the answer is about made up."""
    rows = len(time)
    ids = pa.array([f"{number:016x}" for number in rng.permutation(rows).tolist()])
    return pa.RecordBatch.from_pydict(
        {
            "request_id": ids,
            "prediction_id": ids,
            "event_time": time,
            "model": _repeat("ranker", rows),
            "version": _chosen([f"v{number}" for number in range(3)], version),
            "unit_id": _chosen([f"user-{number}" for number in range(10_000)], rng.integers(0, 10_000, rows)),
            "score": score,
            "label": _chosen(["0", "1"], score >= 0.5),
            "attributes": _maps(
                country=_chosen([f"c{number}" for number in range(int(country.max()) + 1)], country),
                device=_chosen(["phone", "desktop", "tablet"], rng.integers(0, 3, rows)),
            ),
            "features": _maps(age=pa.array(rng.random(rows)), price=pa.array(rng.random(rows))),
            "latency_ms": rng.gamma(4.0, 10.0, rows),
            "assignments": _maps(layout=_chosen(["a", "b"], rng.integers(0, 2, rows))),
        }
    )


def _arrivals(kind: EventType, table: pa.RecordBatch, times: np.ndarray, rng: np.random.Generator) -> Arrivals:
    """Repeat one in a hundred a little later, and bring all in the order of arrival."""
    repeated = np.flatnonzero(rng.random(len(times)) < TWICE)
    again = times[repeated] + rng.integers(0, REPEATED_WITHIN, len(repeated))
    rows, arrival = np.concatenate([np.arange(len(times)), repeated]), np.concatenate([times, again])
    order = np.argsort(arrival, kind="stable")
    return Arrivals(kind, table.take(pa.array(rows[order])), arrival[order])


def _answer(groups: tuple[np.ndarray, np.ndarray, np.ndarray], right: np.ndarray, score: np.ndarray) -> Answer:
    columns = dict(zip(("minute", "version", "country"), groups, strict=True))
    table = pa.table(columns | {"right": right.astype(np.int64), "score": score})
    sums = table.group_by(list(columns)).aggregate([("right", "count"), ("right", "sum"), ("score", "sum")])
    return {
        (row["minute"], f"v{row['version']}", f"c{row['country']}"): (
            row["right_count"],
            row["right_sum"],
            row["score_sum"],
        )
        for row in sums.to_pylist()
    }


def _repeat(value: str, times: int) -> pa.Array:
    return pa.repeat(pa.scalar(value), times)


def _chosen(values: list[str], places: np.ndarray) -> pa.Array:
    return pa.array(values).take(pa.array(places.astype(np.int64)))


def _maps(**columns: pa.Array) -> pa.MapArray:
    """Maps with the same keys in each row."""
    rows, width = len(next(iter(columns.values()))), len(columns)
    keys = pa.array(list(columns)).take(pa.array(np.tile(np.arange(width), rows)))
    items = pa.concat_arrays(list(columns.values()))
    items = items.take(pa.array(np.arange(rows * width).reshape(width, rows).T.ravel()))
    return pa.MapArray.from_arrays(pa.array(np.arange(0, rows * width + 1, width), pa.int32()), keys, items)
