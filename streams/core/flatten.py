"""
From Arrow batches to the flat columns that the join holds: ids hashed, labels hashed, attributes as cohorts.

A prediction's flat row has 62 bytes, plus eight for each optional column that the configured tasks need, and for each
place of a ranking that their metrics look at; nine more where there are experiments, two where units are counted, and
eight where units can be forgotten.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from streams.core.block import FEEDBACK_KINDS, ROLES, EventType
from streams.core.columns import Array, Columns, Hashes, Ints, Mask, beside_equal, from_arrow, take
from streams.core.exposure import Exposures, bucket_of
from streams.core.groups import MISSING, Groups, combine
from streams.core.ids import hash_repeated, hash_strings, hash_twice, mix
from streams.core.metric.base import Task
from streams.core.metric.crowd import places_of

SHADOW = 1  # flag: the user did not see this prediction
BY_REQUEST = 2  # flag: an outcome of the request has joined this prediction
BY_NAME = 4  # flag: an outcome that names this prediction has joined it
LABELLED = BY_REQUEST | BY_NAME
FIRST_KIND_BIT = 3  # flags from this bit up: kinds of feedback already counted

ABOUT_UNITS = ("arms", "bucket", "place")  # columns that changes have of their prediction, where it does

RANKING_PLACES = 100  # items of a ranking that `mrr` looks at; an item behind them counts as not in the list

DTypes = dict[str, npt.DTypeLike | tuple[npt.DTypeLike, int]]


@dataclass(frozen=True)
class Shape:
    """
    Which optional columns waiting predictions need.

    By the models' tasks, by how much of a ranking metrics see, and by whether there are experiments. `followed` says
    whether a model is watched for change, or how long its labels take; `sampled` whether raw events are kept by policy;
    `counted` whether it is counted how many units there are, and `owned` whether each prediction knows its own.
    """

    tasks: frozenset[Task]
    places: int = RANKING_PLACES
    exposures: Exposures | None = None
    followed: bool = False
    sampled: bool = False
    counted: bool = False
    owned: bool = False

    @property
    def of_units(self) -> bool:
        """Whether it matters which unit a prediction is for."""
        return self.counted or self.exposures is not None

    @property
    def dated(self) -> bool:
        """Whether it matters from when on a label was known."""
        return self.followed or self.exposures is not None

    def dtypes(self) -> DTypes:
        """Column types of the prediction store."""
        base: DTypes = {
            "key": np.uint64,  # hash of the request id
            "check": np.uint64,  # second hash of the request id
            "id": np.uint64,  # hash of the prediction id, mixed with `check`
            "time": np.int64,
            "cohort": np.int32,
            "weight": np.float64,
            "flags": np.uint16,
            "revision": np.int64,  # of the outcome that stands
            "outcome_time": np.int64,
        }
        if self.tasks & {"binary", "multiclass"}:
            base |= {"predicted": np.uint64}
        if self.tasks & {"binary", "multiclass", "regression"}:
            base |= {"score": np.float64}
        if self.tasks & {"binary", "multiclass", "ranking"}:
            base |= {"label": np.uint64}
        if self.tasks & {"regression"}:
            base |= {"value": np.float64}
        if self.tasks & {"ranking"}:
            base |= {"ranking": (np.uint64, self.places)}
        if self.tasks - {"none"}:
            base |= {"label_weight": np.float64}
        return base | self._asked_for()

    def _asked_for(self) -> DTypes:
        """Column types of what is declared beside models."""
        asked: DTypes = {"share": np.float32} if self.sampled else {}
        if self.exposures is not None:
            asked |= {"arms": np.uint64, "bucket": np.uint8}  # exposure.py says what they mean
        if self.counted:
            asked |= {"place": np.int16}  # of the unit, as metric/crowd.py counts them
        return asked | self.owner()

    def owner(self) -> DTypes:
        """Column type of what says whose a waiting event is, where that is known."""
        return {"owner": np.uint64} if self.owned else {}


def identify(table: pa.RecordBatch) -> Columns:
    """Hash the ids of any batch: `key`, `check` of the request, `target` of the prediction named (0: none)."""
    request = request_of(table)
    prediction = hash_strings(_named(table["prediction_id"]))
    key, check = hash_twice(request)
    target = np.where(prediction == 0, np.uint64(0), mix(prediction, check))
    return {
        "key": key,
        "check": check,
        "target": target,
        "time": from_arrow(table["event_time"]),
    }


def request_of(table: pa.RecordBatch | pa.Table) -> pa.Array | pa.ChunkedArray:
    """The request that each event belongs to: the one that it names, else its prediction's id; null without either."""
    return pc.coalesce(_named(table["request_id"]), _named(table["prediction_id"]))


def key_of(kind: EventType, table: pa.RecordBatch) -> pa.Array:
    """What the events of a kind are partitioned by: their requests, and summaries, which have none, their own id."""
    return _named(table["summary_id"]) if kind == "summary" else request_of(table)


def flatten_predictions(table: pa.RecordBatch, ids: Columns, chosen: Ints, groups: Groups, shape: Shape) -> Columns:
    """
    Build the rows of the prediction store, of the chosen events; `ids` comes from `identify` for all.

    Where it matters whom they are for, `ids` has the hashes of units as well (`units_of`); where units can be
    forgotten, `owner`.

    Rows are chosen as numbers: to take them out of the table would copy every text and map of it.
    """
    columns: Columns = {
        "key": ids["key"],
        "check": ids["check"],
        "id": ids["target"],
        "time": ids["time"],
        "weight": 1.0 / from_arrow(table["inclusion_probability"]),
        "flags": np.where(_equal(table["role"], ROLES[1]), np.uint16(SHADOW), np.uint16(0)),
        "revision": np.zeros(len(table), np.int64),
        "outcome_time": np.zeros(len(table), np.int64),
    }
    optional: dict[str, Callable[[], Array]] = {
        "predicted": lambda: hash_repeated(table["label"]),
        "score": lambda: _floats(table["score"]),
        "label": lambda: np.zeros(len(table), np.uint64),
        "value": lambda: np.full(len(table), np.nan),
        "label_weight": lambda: np.zeros(len(table)),
        "ranking": lambda: _ranking(table["ranking"], shape.places),
        "share": lambda: np.ones(len(table), np.float32),  # until it is decided
        "arms": lambda: _arms(table, shape),
        "bucket": lambda: bucket_of(ids["unit"]),
        "place": lambda: places_of(ids["unit"]),
        "owner": lambda: ids["owner"],
    }
    names = shape.dtypes().keys()
    rows = take({name: columns[name] if name in columns else optional[name]() for name in names - {"cohort"}}, chosen)
    rows["cohort"] = cohorts_of(table, ids["time"], chosen, groups)
    return {name: rows[name] for name in names}


def units_of(table: pa.RecordBatch, requests: Hashes) -> Hashes:
    """Hash the unit of each prediction, the request itself where it names none."""
    units = hash_strings(_named(table["unit_id"]))
    return np.where(units == 0, requests, units)


def _arms(table: pa.RecordBatch, shape: Shape) -> Hashes:
    """Exposure of each prediction; one that the user did not see was no exposure."""
    if shape.exposures is None:
        return np.zeros(len(table), np.uint64)
    numbers = shape.exposures.read(table["assignments"])
    return np.where(_equal(table["role"], ROLES[1]), np.uint64(0), numbers)


def flatten_outcomes(table: pa.RecordBatch, ids: Columns) -> Columns:
    """Build the rows of the outcome store, without `ref` and `flags`."""
    label, value = hash_repeated(table["label"]), _floats(table["value"])
    revision = from_arrow(table["revision"])
    said = mix(mix(label, value.view(np.uint64)), mix(ids["time"].view(np.uint64), revision.view(np.uint64)))
    return ids | {
        "id": mix(ids["target"], said),
        "revision": revision,
        "label": label,
        "value": value,
        "weight": 1.0 / from_arrow(table["inclusion_probability"]),
    }


def flatten_feedback(table: pa.RecordBatch, ids: Columns) -> Columns:
    """Build the rows of the feedback store, without `ref` and `flags`."""
    encoded = table["kind"].dictionary_encode()
    kinds = np.array([FEEDBACK_KINDS.index(kind) for kind in encoded.dictionary.to_pylist()], np.int8)
    return ids | {
        "id": hash_strings(table["feedback_id"]),
        "kind": kinds[from_arrow(encoded.indices)],
        "value": _floats(table["value"]),
    }


def cohorts_of(table: pa.RecordBatch, times: Ints, chosen: Ints, groups: Groups) -> npt.NDArray[np.int32]:
    """
    Number the cohort of each chosen row.

    Python works once a distinct combination of attribute values, not once an event.
    """
    names = sorted({name for plan in groups.plans.values() for one in plan.slices for name in one})
    columns = [table["model"], table["version"], *(_attribute(table, name) for name in names)]
    encoded = [column.dictionary_encode() for column in columns]
    values = [[*column.dictionary.to_pylist(), MISSING] for column in encoded]
    codes = [(_codes(column)[chosen], len(column.dictionary) + 1) for column in encoded]
    first, inverse = combine(codes)
    earliest = np.full(len(first), np.iinfo(np.int64).max)
    np.minimum.at(earliest, inverse, times[chosen])
    cohorts = np.empty(len(first), np.int32)
    for i, row in enumerate(first.tolist()):
        model, version, *attributes = (values[c][codes[c][0][row]] for c in range(len(codes)))
        cohorts[i] = groups.cohort(model, version, dict(zip(names, attributes, strict=True)), int(earliest[i]))
    return cohorts[inverse]


def _attribute(table: pa.RecordBatch, name: str) -> pa.Array:
    """Values of one attribute, null where a row has none."""
    if name == "role":
        return table["role"]
    maps = table["attributes"]
    offsets = maps.offsets.to_numpy()  # into all keys, also those of rows that a slice has cut away
    keys = maps.keys.slice(offsets[0], offsets[-1] - offsets[0])
    found = np.flatnonzero(_equal(keys, name)) + offsets[0]
    row = np.searchsorted(offsets, found, side="right") - 1
    index = np.full(len(maps), -1, np.int64)
    index[row] = found
    return maps.items.take(pa.array(index, mask=index < 0))


def _ranking(lists: pa.Array, places: int) -> Hashes:
    """Hashes of the first items of each list, a row a list, 0 behind its end."""
    out = np.zeros((len(lists), places), np.uint64)
    items = hash_strings(lists.flatten())
    count = from_arrow(pc.list_value_length(lists).fill_null(0))
    row = np.repeat(np.arange(len(lists)), count)
    place = np.arange(len(items)) - np.repeat(np.cumsum(count) - count, count)
    held = place < places
    out[row[held], place[held]] = items[held]
    return out


def _named(ids: pa.Array) -> pa.Array:
    """Ids with the empty string as null: an empty id names nothing."""
    return pc.if_else(pc.equal(pc.binary_length(ids), 0), None, ids)


def _equal(strings: pa.Array, value: str) -> Array:
    return from_arrow(pc.fill_null(pc.equal(strings, value), False))


def _floats(numbers: pa.Array) -> Array:
    return from_arrow(numbers.fill_null(np.nan))


def _codes(column: pa.DictionaryArray) -> Ints:
    return from_arrow(column.indices.fill_null(len(column.dictionary)))


def repeated(key: Hashes, identity: Hashes) -> Mask:
    """
    Mask of the rows whose (key, identity) stands in an earlier row; the keys are sorted.

    >>> repeated(np.array([5, 5, 6], np.uint64), np.array([1, 1, 1], np.uint64)).tolist()
    [False, True, False]
    """
    repeats = np.zeros(len(key), np.bool_)
    some = np.flatnonzero(beside_equal(key))
    some = some[np.lexsort((some, identity[some], key[some]))]
    repeats[some[1:]] = (key[some[1:]] == key[some[:-1]]) & (identity[some[1:]] == identity[some[:-1]])
    return repeats
