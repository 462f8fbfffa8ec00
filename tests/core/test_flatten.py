"""From batches to flat columns: hashes, cohorts, rankings, and how many bytes they take."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from streams.codecs.write import to_batch
from streams.core.block import FEEDBACK_KINDS
from streams.core.catalog import Catalog
from streams.core.columns import Columns
from streams.core.flatten import (
    RANKING_PLACES,
    SHADOW,
    Shape,
    cohorts_of,
    flatten_feedback,
    flatten_outcomes,
    flatten_predictions,
    identify,
    repeated,
)
from streams.core.groups import Groups, SlicePlan
from streams.core.ids import hash_repeated, hash_strings, hash_text, hash_twice, mix
from streams.core.metric.base import Task
from tests.core.making import Event, ints, make_config, prediction

texts = st.lists(st.none() | st.text(max_size=300), max_size=20)
TASKS: tuple[Task, ...] = ("binary", "multiclass", "regression", "ranking", "none")


def flat(events: list[Event], *tasks: Task, slices: tuple[tuple[str, ...], ...] = ((),)) -> tuple[Columns, Groups]:
    table = to_batch("prediction", events)
    groups = Groups({"m": SlicePlan(slices, 100)})
    return flatten_predictions(
        table, identify(table), np.ones(len(table), np.bool_), groups, Shape(frozenset(tasks))
    ), groups


def groups_seen(events: list[Event], *slices: tuple[str, ...]) -> list[list[tuple[str, ...]]]:
    """Values of the groups of each event."""
    rows, groups = flat(events, "none", slices=slices)
    start, count, member = groups.members()
    cells = [member[start[c] : start[c] + count[c]].tolist() for c in rows["cohort"].tolist()]
    return [[groups.groups[g].slice.values for g in cell] for cell in cells]


@given(strings=texts)
def test_hashes_are_those_of_the_reference_implementation(strings: list[str | None]) -> None:
    """XXH3-64 and XXH64, seed 0, of the UTF-8 bytes, as the xxhash package has them; 0 for null."""
    column = pa.array(strings, pa.string())
    first = [0 if s is None else xxhash.xxh3_64_intdigest(s.encode()) for s in strings]
    second = [0 if s is None else xxhash.xxh64_intdigest(s.encode()) for s in strings]

    assert hash_strings(column).tolist() == hash_repeated(column).tolist() == first
    assert [hashes.tolist() for hashes in hash_twice(column)] == [first, second]


def test_hashes_are_written_in_stone() -> None:
    """State written today is read tomorrow: these are the published values of the empty string and of two ids."""
    column = pa.array(["", "r1", "ü"])
    first, second = hash_twice(column)

    assert first.tolist() == [0x2D06800538D394C2, 0xC082FF223C116753, 0x5DA81D070CE09F6E]
    assert second.tolist() == [0xEF46DB3751D8E999, 0x6156E39992D788E7, 0x01E03879E435793D]
    assert hash_text("r1") == 0xC082FF223C116753


def test_mixing_is_written_in_stone() -> None:
    """Pairs of hashes mix by the constant of the golden ratio, in their order, modulo 2**64."""
    a, b = 0x0123456789ABCDEF, 0xFEDCBA9876543210
    x = (a ^ (b * 0x9E3779B97F4A7C15 % 2**64)) * 0x9E3779B97F4A7C15 % 2**64
    expected = (x ^ (x >> 32)) * 0x9E3779B97F4A7C15 % 2**64

    assert mix(np.array([a], np.uint64), np.array([b], np.uint64)).tolist() == [expected]
    assert mix(np.array([b], np.uint64), np.array([a], np.uint64)).tolist() != [expected]


def test_the_request_is_the_prediction_unless_it_is_named() -> None:
    """`request_id` defaults to `prediction_id`; an empty one is as good as none."""
    events = [
        {"request_id": "r", "prediction_id": "p"},
        {"prediction_id": "r"},
        {"request_id": "", "prediction_id": "r"},
    ]
    ids = identify(to_batch("outcome", [event | {"event_time": 1} for event in events]))

    assert ids["key"].tolist() == [hash_text("r")] * 3
    assert ids["check"].tolist() == [xxhash.xxh64_intdigest(b"r")] * 3
    assert ids["target"][1] == ids["target"][2] != ids["target"][0]


def test_an_event_that_names_no_prediction_has_no_target() -> None:
    """A null and an empty `prediction_id` both leave the target 0."""
    events = [{"request_id": "r", "prediction_id": name, "event_time": 1} for name in (None, "", "p")]
    target = identify(to_batch("feedback", events))["target"].tolist()

    assert target[:2] == [0, 0]
    assert target[2] != 0


def test_predictions_become_flat_rows() -> None:
    """Weights are one over the inclusion probability; shadows are flagged; what no task reads is left out."""
    events = [
        prediction("p", 5, role="shadow", inclusion_probability=0.25, score=0.5, label="1"),
        prediction("q", 6, role="canary"),
    ]
    rows, _ = flat(events, "binary")

    assert list(rows) == list(Shape(frozenset({"binary"})).dtypes())
    assert (rows["weight"].tolist(), rows["flags"].tolist()) == ([4.0, 1.0], [SHADOW, 0])
    assert rows["predicted"].tolist() == [hash_text("1"), 0]
    assert (rows["score"][0], np.isnan(rows["score"][1]), rows["label"].tolist()) == (0.5, True, [0, 0])


def test_a_ranking_is_a_row_of_hashes() -> None:
    """Items are held in their order, 0 behind the end; items past the places held are left out."""
    names = [f"i{number}" for number in range(RANKING_PLACES + 2)]
    rows, _ = flat([prediction(str(i), i, ranking=r) for i, r in enumerate((["b", "a"], None, [], names))], "ranking")
    ranking = rows["ranking"]

    assert ranking.shape == (4, RANKING_PLACES)
    assert ranking[0, :3].tolist() == [hash_text("b"), hash_text("a"), 0]
    assert not ranking[1:3].any()
    assert ranking[3].tolist() == [hash_text(name) for name in names[:RANKING_PLACES]]


def test_cohorts_are_combinations_of_groups() -> None:
    """Events of one version and one set of values share a cohort, whatever other attributes they have."""
    events = [prediction(str(i), i, attributes={"city": city, "noise": str(i)}) for i, city in enumerate("aba")]
    rows, _ = flat([*events, prediction("v", 9, version="2", attributes={"city": "a"})], "none", slices=((), ("city",)))

    assert rows["cohort"].tolist()[0] == rows["cohort"].tolist()[2]
    assert len(set(rows["cohort"].tolist())) == 3
    assert rows["cohort"].dtype == np.int32


def test_missing_attributes_have_a_group_of_their_own() -> None:
    """No map, an empty map and a map without the attribute all read `__missing__`, beside rows that have it."""
    maps = [None, {}, {"other": "x"}, {"city": "a"}, {"tier": "t", "city": "b"}, {"city": ""}]
    seen = groups_seen([prediction(str(i), i, attributes=m) for i, m in enumerate(maps)], (), ("city",))

    assert [each[1] for each in seen] == [("__missing__",)] * 3 + [("a",), ("b",), ("",)]
    assert all(each[0] == () for each in seen)


def test_the_role_is_sliced_like_an_attribute() -> None:
    """`role` means the field of the prediction, even where the attributes hold one of that name."""
    events = [prediction("p", 1, role="shadow", attributes={"role": "chef", "city": "a"}), prediction("q", 2)]

    assert groups_seen(events, ("role",), ("city", "role")) == [
        [("shadow",), ("a", "shadow")],
        [("live",), ("__missing__", "live")],
    ]


def test_the_earliest_event_of_a_batch_dates_a_group() -> None:
    """A group's first event time is the smallest in the batch, wherever that row stands."""
    events = [prediction(str(time), time, attributes={"city": "a"}) for time in (30, 10, 20)]
    _, groups = flat(events, "none", slices=((), ("city",)))

    assert [standing.first_time for standing in groups.standings.values()] == [10]


def test_a_part_of_a_batch_has_the_groups_of_its_own_rows() -> None:
    """A batch that is a slice of a larger one is read from its first row to its last."""
    events = [prediction(str(i), i, attributes={"city": f"c{i}"}, ranking=[f"i{i}"]) for i in range(5)]
    table = to_batch("prediction", events).slice(1, 3)
    groups = Groups({"m": SlicePlan((("city",),), 100)})

    cohorts = cohorts_of(table, ints([1, 2, 3]), np.arange(3), groups)

    start, _, member = groups.members()
    values = [groups.groups[member[start[c]]].slice.values for c in cohorts.tolist()]
    assert values == [("c1",), ("c2",), ("c3",)]


def test_outcomes_are_the_same_when_all_but_their_probability_is() -> None:
    """The identity of an outcome is its ids, time, revision, label and value; not its source or probability."""
    base: Event = {"request_id": "r", "event_time": 1, "label": "a", "value": 1.0, "revision": 0}
    same = [base, base | {"inclusion_probability": 0.5}, base | {"source": "delayed"}]
    changes: list[Event] = [
        {"event_time": 2},
        {"label": "b"},
        {"label": None},
        {"value": 2.0},
        {"value": None},
        {"revision": 1},
    ]
    table = to_batch("outcome", [*same, *(base | change for change in [*changes, {"prediction_id": "p"}])])
    rows = flatten_outcomes(table, identify(table))

    assert len(set(rows["id"][:3].tolist())) == 1
    assert len(set(rows["id"].tolist())) == 1 + len(changes) + 1
    assert rows["weight"][:3].tolist() == [1.0, 2.0, 1.0]


def test_feedback_is_known_by_its_own_id() -> None:
    """The identity of feedback is `feedback_id`; its kind is the place in the list of kinds."""
    events = [
        {"feedback_id": f"f{i}", "request_id": "r", "event_time": i, "kind": k} for i, k in enumerate(FEEDBACK_KINDS)
    ]
    table = to_batch("feedback", events)
    rows = flatten_feedback(table, identify(table))

    assert rows["id"].tolist() == [hash_text(f"f{i}") for i in range(len(FEEDBACK_KINDS))]
    assert rows["kind"].tolist() == list(range(len(FEEDBACK_KINDS)))


@given(rows=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=12))
def test_only_the_first_of_equal_rows_is_no_repetition(rows: list[tuple[int, int]]) -> None:
    """A row repeats when an earlier one has the same key and identity; rows come sorted by key."""
    rows.sort(key=lambda row: row[0])
    key, identity = (np.array([row[place] for row in rows], np.uint64) for place in (0, 1))

    assert repeated(key, identity).tolist() == [row in rows[:place] for place, row in enumerate(rows)]


def bytes_of(*tasks: Task) -> int:
    """Bytes of one waiting prediction."""
    total = 0
    for dtype in Shape(frozenset(tasks)).dtypes().values():
        kind, width = dtype if isinstance(dtype, tuple) else (dtype, 1)
        total += np.dtype(kind).itemsize * width
    return total


def test_a_waiting_prediction_takes_few_bytes() -> None:
    """62 bytes where no label is read, which is at most 64, and what the docstring says is true of real arrays."""
    rows, _ = flat([prediction("p", 1), prediction("q", 2)], "none")

    assert bytes_of("none") == 62
    assert bytes_of("none") <= 64
    assert sum(column.nbytes for column in rows.values()) == 2 * 62


def test_a_prediction_that_can_be_forgotten_takes_eight_bytes_more() -> None:
    """Its owner is one word; where no secret is declared there is none."""
    owned = Shape(frozenset({"none"}), owned=True).dtypes()

    assert owned == Shape(frozenset({"none"})).dtypes() | {"owner": np.uint64}
    assert Catalog(make_config({"m": {"task": "none"}})).shape.owned is False


@pytest.mark.parametrize(
    ("task", "columns"),
    [
        ("binary", {"predicted", "score", "label", "label_weight"}),
        ("multiclass", {"predicted", "score", "label", "label_weight"}),
        ("regression", {"score", "value", "label_weight"}),
        ("ranking", {"label", "ranking", "label_weight"}),
    ],
)
def test_each_optional_column_adds_what_is_documented(task: Task, columns: set[str]) -> None:
    """Eight bytes a column, a ranking eight bytes a place."""
    added = Shape(frozenset({task})).dtypes().keys() - Shape(frozenset({"none"})).dtypes().keys()

    assert added == columns
    assert bytes_of(task) == 62 + 8 * len(columns - {"ranking"}) + 8 * RANKING_PLACES * ("ranking" in columns)


def test_a_ranking_is_held_as_far_as_metrics_look() -> None:
    """The places of a ranking are the largest cut-off of the metrics, or those that the reciprocal rank looks at."""

    def places(*metrics: str) -> int:
        return Catalog(make_config({"m": {"task": "ranking", "metrics": list(metrics)}})).shape.places

    assert (places("ndcg@5", "hit_rate@20"), places("mrr", "ndcg@5"), places("ndcg@500", "mrr")) == (20, 100, 500)
    assert Shape(frozenset({"ranking"}), 20).dtypes()["ranking"] == (np.uint64, 20)


def test_all_tasks_together_share_their_columns() -> None:
    """The columns of several tasks are the union of those of each."""
    names = {name for task in TASKS for name in Shape(frozenset({task})).dtypes()}

    assert Shape(frozenset(TASKS)).dtypes().keys() == names
