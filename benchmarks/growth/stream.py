"""
A stream that is steady at any size: so many predictions wait at once, and each of them gets one outcome.

Event time goes by numbers: the prediction with number n comes at n / `waiting` of `SPAN`, which is how long a
prediction is held. So the same ten one-minute windows are open at each size, and what differs between two sizes is
how many predictions wait, not how many windows. Versions and countries come evenly, in a mixed order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from benchmarks.peers.contestants import CONFIG
from benchmarks.peers.workload import MINUTE, START, make_workload
from streams.codecs.registry import SchemaRegistry, default_schema_dir
from streams.codecs.write import encode_messages
from streams.config import Config, load_config

SPAN = 10 * MINUTE
DISORDER = MINUTE
HORIZON = SPAN - 2 * DISORDER  # the watermark trails by the disorder, and a label may come later by another one
VERSIONS = 2
_DISTINCT = 20_000  # predictions that are made; later ones repeat all of them but ids and times
_SEED = 1
_SCATTER, _BITS = 2_654_435_761, 32  # Fibonacci hashing: the prime next to 2**32 / golden ratio
_NEEDED = ("request_id", "prediction_id", "event_time", "model", "version", "score", "label", "attributes")


def configured() -> Config:
    """Configure the contestants' task with this stream's times, and as many groups as there may be."""
    config = load_config(CONFIG)
    models = {
        name: model.model_copy(update={"label_horizon": HORIZON, "max_groups": 100_000})
        for name, model in config.models.items()
    }
    return config.model_copy(update={"models": models, "disorder": DISORDER})


@dataclass(frozen=True)
class Stream:
    """Predictions by their number from 0 on, and the outcomes that are due between two numbers."""

    waiting: int
    countries: int = 50

    @property
    def groups(self) -> int:
        """How many groups there are: each version's countries, and the whole of it."""
        return VERSIONS * (self.countries + 1)

    def predictions(self, first: int, stop: int, *, whole: bool = True) -> list[bytes]:
        """Encode predictions; all that a service would send (`whole`), or only what the join needs."""
        numbers = np.arange(first, stop)
        ids = _ids(numbers)
        made = {"request_id": ids, "prediction_id": ids, "event_time": pa.array(self.times(numbers))}
        held = self._distinct if whole else self._distinct.select(_NEEDED)
        rows = held.take(pa.array(numbers % len(held)))
        columns = {name: made.get(name, rows.column(name)) for name in rows.schema.names}
        return encode_messages("prediction", pa.RecordBatch.from_pydict(columns), self._registry)

    def outcomes(self, numbers: np.ndarray, known: np.ndarray) -> list[bytes]:
        """Encode the outcomes of predictions, both by number: each is known when the prediction `known` comes."""
        labels = pa.array(["0", "1"]).take(pa.array(self._truth[numbers % len(self._truth)]))
        columns = {"request_id": _ids(numbers), "event_time": pa.array(self.times(known)), "label": labels}
        return encode_messages("outcome", pa.RecordBatch.from_pydict(columns), self._registry)

    def times(self, numbers: np.ndarray) -> np.ndarray:
        """Event times of predictions, us."""
        return START + numbers * SPAN // self.waiting

    def due(self, first: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """
        Outcomes that become known while the predictions from `first` up to `stop` come.

        Each prediction's is known at a moment within its horizon, which its number decides as if by chance. Returns
        the numbers of the predictions, in the order in which theirs is known, and of the prediction that comes then.
        """
        longest = self.waiting * HORIZON // SPAN
        numbers = np.arange(max(0, first - longest), stop)
        known = numbers + ((numbers * _SCATTER % (1 << _BITS)) * longest >> _BITS)
        here = (known >= first) & (known < stop)
        numbers, known = numbers[here], known[here]
        order = np.argsort(known, kind="stable")
        return numbers[order], known[order]

    @cached_property
    def _registry(self) -> SchemaRegistry:
        return SchemaRegistry.load(default_schema_dir())

    @cached_property
    def _distinct(self) -> pa.RecordBatch:
        """Predictions with everything that a service would send, at least one of each country and version."""
        cells = VERSIONS * self.countries
        rows = cells * -(-_DISTINCT // cells)
        table = make_workload(rows).predictions.table.slice(0, rows)
        cell = np.random.default_rng(_SEED).permutation(rows) % cells
        versions = pa.array([f"v{number}" for number in range(VERSIONS)]).take(pa.array(cell % VERSIONS))
        attributes = _attributes(cell // VERSIONS)
        columns = dict(zip(table.schema.names, table.columns, strict=True))
        return pa.RecordBatch.from_pydict(columns | {"version": versions, "attributes": attributes})

    @cached_property
    def _truth(self) -> np.ndarray:
        """What turns out to be right of each distinct prediction, 0 or 1: as likely as its score says."""
        scores = self._distinct.column("score").to_numpy()
        return np.asarray(np.random.default_rng(_SEED).random(len(scores)) < scores, np.int64)


def _ids(numbers: np.ndarray) -> pa.Array:
    return pa.array([f"{number:016x}" for number in numbers.tolist()])


def _attributes(countries: np.ndarray) -> pa.MapArray:
    """Maps with a country and a device."""
    rows = len(countries)
    keys = pa.array(["country", "device"] * rows)
    items = pa.array([text for number in countries.tolist() for text in (f"c{number}", "phone")])
    return pa.MapArray.from_arrays(pa.array(np.arange(0, 2 * rows + 1, 2), pa.int32()), keys, items)
