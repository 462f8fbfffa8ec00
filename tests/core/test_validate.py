"""Every reason for refusal, one record at a time, and the examples that come with the schemas."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.codecs.files import open_source
from streams.codecs.registry import SchemaRegistry, default_schema_dir
from streams.core.block import EVENT_TYPES, FEEDBACK_KINDS, ROLES, EventType
from streams.core.catalog import Catalog
from streams.core.validate import LATEST_TIME, Rules, validate
from tests.core.making import Event, make_batch, make_config
from tests.driving import drive
from tests.streams_strategy import Delivery, Part

NOW = 1_800_000_000_000_000  # January 2027
FUTURE = NOW + 366 * 86_400_000_000
FRAUD = {"task": "binary", "positive": "1", "negative": "0"}
MODELS = {"fraud": FRAUD, "price": {"task": "regression"}, "feed": {"task": "ranking"}}
RULES = Catalog(make_config(MODELS)).rules(NOW)
CLOSED = Catalog(make_config({"fraud": FRAUD})).rules(NOW)  # every label that an outcome may have is known

GOOD: dict[EventType, Event] = {
    "prediction": {"prediction_id": "p", "event_time": 5, "model": "fraud", "version": "1", "score": 0.5, "label": "1"},
    "outcome": {"request_id": "r", "event_time": 5, "label": "1", "value": 2.5, "revision": 3},
    "feedback": {"feedback_id": "f", "request_id": "r", "event_time": 5, "kind": "click"},
    "summary": {
        "summary_id": "s",
        "event_time": 120_000_000,
        "model": "fraud",
        "version": "1",
        "n": 3,
        "weight": -2.5,
        "square": 1e15,
        "latency_bin": [0, 36_000],
        "latency_n": [3, 0],
        "latency_weight": [0.5, -1e15],
        "latency_square": [2.0, 1e15],
    },
}
TIMES: list[tuple[Event, str]] = [
    ({"event_time": None}, "bad_time"),
    ({"event_time": -1}, "bad_time"),
    ({"event_time": -(2**63)}, "bad_time"),
    ({"event_time": LATEST_TIME}, "bad_time"),
    ({"event_time": 2**63 - 1}, "bad_time"),
    ({"event_time": FUTURE + 1}, "future_time"),
    ({"event_time": LATEST_TIME - 1}, "future_time"),
]
WEIGHTS: list[tuple[Event, str]] = [
    ({"inclusion_probability": probability}, "bad_weight")
    for probability in (0.0, -0.5, math.nextafter(1.0, 2.0), math.nan, math.inf, -math.inf)
]
BAD: dict[EventType, list[tuple[Event, str]]] = {
    "prediction": [
        *TIMES,
        *WEIGHTS,
        ({"prediction_id": None}, "missing_id"),
        ({"prediction_id": ""}, "missing_id"),
        ({"prediction_id": None, "request_id": "r"}, "missing_id"),
        ({"version": None}, "missing_id"),
        ({"version": ""}, "missing_id"),
        ({"model": None}, "unknown_model"),
        ({"model": "frauds"}, "unknown_model"),
        ({"model": ""}, "unknown_model"),
        ({"role": "boss"}, "bad_kind"),
        ({"role": ""}, "bad_kind"),
        *(({"score": score}, "bad_score") for score in (math.nan, math.inf, -math.inf, 1.0000001, -1e-300)),
        ({"model": "price", "label": None, "score": math.nan}, "bad_score"),
        ({"label": "2"}, "bad_label"),
        ({"label": ""}, "bad_label"),
        *(({"latency_ms": latency}, "bad_value") for latency in (math.nan, math.inf, -0.001)),
    ],
    "outcome": [
        *TIMES,
        *WEIGHTS,
        ({"request_id": None}, "missing_id"),
        ({"request_id": "", "prediction_id": ""}, "missing_id"),
        ({"label": "2"}, "bad_label"),
        ({"value": math.nan}, "bad_value"),
        ({"value": -math.inf}, "bad_value"),
        ({"revision": -1}, "bad_value"),
    ],
    "feedback": [
        *TIMES,
        ({"feedback_id": None}, "missing_id"),
        ({"feedback_id": ""}, "missing_id"),
        ({"request_id": None}, "missing_id"),
        ({"request_id": "", "prediction_id": None}, "missing_id"),
        ({"kind": None}, "bad_kind"),
        ({"kind": "Click"}, "bad_kind"),
        ({"value": math.nan}, "bad_value"),
        ({"kind": "rating"}, "bad_value"),
        ({"kind": "latency"}, "bad_value"),
    ],
    "summary": [
        *TIMES,
        ({"event_time": 120_000_001}, "bad_time"),
        ({"event_time": 90_000_000}, "bad_time"),
        *(({"seconds": seconds}, "bad_value") for seconds in (0, -60, 3_601)),
        ({"summary_id": None}, "missing_id"),
        ({"summary_id": ""}, "missing_id"),
        ({"version": ""}, "missing_id"),
        ({"model": "frauds"}, "unknown_model"),
        ({"role": "boss"}, "bad_kind"),
        *(({"n": n}, "bad_value") for n in (None, -1, 10**15 + 1)),
        *(({name: x}, "bad_value") for name in ("weight", "square") for x in (None, math.nan, math.inf, -1.1e15)),
        *(({"latency_bin": bins}, "bad_value") for bins in (None, [0], [0, -1], [36_001, 0], [0, None])),
        *(({"latency_n": each}, "bad_value") for each in (None, [], [3], [3, -1], [1, 2, 3], [3, None])),
        *(
            ({name: each}, "bad_value")
            for name in ("latency_weight", "latency_square")
            for each in (None, [1.0], [1.0, math.nan], [-1e16, 1.0], [1.0, None])
        ),
    ],
}
FINE: dict[EventType, list[Event]] = {
    "prediction": [
        *({"event_time": time} for time in (0, FUTURE)),
        *({"score": score} for score in (None, 0.0, 1.0)),
        *({"role": role} for role in ROLES),
        {"label": None},
        {"model": "price", "label": "anything", "score": -5e9},
        {"latency_ms": 0.0},
        {"inclusion_probability": 0.001},
        {"request_id": ""},
    ],
    "outcome": [
        {"label": None, "value": None},
        {"request_id": None, "prediction_id": "p"},
        {"request_id": "", "prediction_id": "p"},
        {"revision": 0},
        {"event_time": FUTURE},
    ],
    "feedback": [
        *({"kind": kind, "value": 1.0} for kind in FEEDBACK_KINDS),
        {"request_id": None, "prediction_id": "p"},
        {"value": None},
    ],
    "summary": [
        *({"role": role} for role in ROLES),
        *({"seconds": seconds, "event_time": 3_600_000_000} for seconds in (None, 1, 3_600)),
        {"n": 0, "weight": 0.0, "square": 0.0},
        {"n": 10**15, "weight": -1e15, "square": -1e15},
        dict.fromkeys(("latency_bin", "latency_n", "latency_weight", "latency_square")),
        {name: [] for name in ("latency_bin", "latency_n", "latency_weight", "latency_square")},
    ],
}
CASES = [(kind, change, reason) for kind in EVENT_TYPES for change, reason in BAD[kind]]
EXAMPLES = default_schema_dir() / "examples"


def verdicts(kind: EventType, events: list[Event], rules: Rules = RULES) -> list[str]:
    """Give the reason of each event, `good` where it takes part."""
    good, rejects = validate(make_batch(kind, events), rules)
    reasons = {reject.position - 100: str(reject.reason) for reject in rejects}

    assert [row not in reasons for row in range(len(events))] == good.tolist()
    return [reasons.get(row, "good") for row in range(len(events))]


@pytest.mark.parametrize(("kind", "change", "reason"), CASES)
def test_a_bad_record_is_refused_and_its_neighbours_are_not(kind: EventType, change: Event, reason: str) -> None:
    """Each way of being bad has its reason, and costs no record beside it."""
    events = [GOOD[kind], GOOD[kind] | change, GOOD[kind]]

    assert verdicts(kind, events, CLOSED if kind == "outcome" else RULES) == ["good", reason, "good"]


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_what_is_on_the_bounds_is_good(kind: EventType) -> None:
    """Values on the bounds, absent optional fields, and every role and kind take part."""
    assert verdicts(kind, [GOOD[kind] | change for change in FINE[kind]]) == ["good"] * len(FINE[kind])


@given(data=st.data(), kind=st.sampled_from(EVENT_TYPES))
def test_a_verdict_does_not_depend_on_the_batch(data: st.DataObject, kind: EventType) -> None:
    """Records get the verdicts that they get alone, whatever they come with."""
    changes = [({}, "good"), *((change, "") for change, _ in BAD[kind]), *((change, "") for change in FINE[kind])]
    chosen = data.draw(st.lists(st.sampled_from(changes), min_size=1, max_size=8))
    events = [GOOD[kind] | change for change, _ in chosen]

    assert verdicts(kind, events) == [verdicts(kind, [event])[0] for event in events]


def test_the_first_fault_names_the_reason() -> None:
    """A record with several faults is refused once."""
    event: Event = {"event_time": -1, "model": "x", "score": math.nan, "inclusion_probability": 0.0}

    assert verdicts("prediction", [event]) == ["missing_id"]
    assert verdicts("prediction", [event | {"prediction_id": "p", "version": "1"}]) == ["bad_time"]


def test_a_reject_says_what_where_and_why() -> None:
    """A reject quotes the value, shortened, and carries source, position, type and bytes of its record."""
    batch = make_batch("prediction", [GOOD["prediction"], GOOD["prediction"] | {"model": "x" * 100}], "topic-3")
    (reject,) = validate(batch, RULES)[1]

    assert (reject.source, reject.position, reject.kind, reject.original) == ("topic-3", 101, "prediction", b"1")
    assert reject.detail == "model='" + "x" * 76 + "...: not a model of the configuration"


def test_labels_of_outcomes_are_open_while_some_model_takes_any() -> None:
    """An outcome's label is judged only when every labelled model lists its classes."""
    strange = GOOD["outcome"] | {"label": "2"}
    open_negative = Catalog(make_config({"m": {"task": "binary", "positive": "fraud"}})).rules(NOW)
    classes = Catalog(make_config({"fraud": FRAUD, "t": {"task": "multiclass", "classes": ["2", "3"]}})).rules(NOW)
    no_labels = Catalog(make_config({"price": {"task": "regression"}})).rules(NOW)

    reasons = [verdicts("outcome", [strange], rules)[0] for rules in (CLOSED, RULES, open_negative, classes, no_labels)]

    assert reasons == ["bad_label", "good", "good", "good", "good"]


@pytest.mark.parametrize("probability", [1e-200, 5e-324])
def test_no_admitted_probability_spoils_the_sums_of_its_neighbours(probability: float) -> None:
    """Weights of one over any admitted inclusion probability have finite squares, or the record is refused."""
    config = make_config({"price": {"task": "regression", "metrics": ["count"]}})
    good: Event = {"type": "prediction", "event_time": 5, "model": "price", "version": "1"}
    rare = good | {"prediction_id": "rare", "inclusion_probability": probability}
    part = Part("a", [good | {"prediction_id": "p"}, rare])

    _, tables = drive(config, Delivery(("a",), [part]))

    assert all(math.isfinite(row["value"]) for row in tables["windows"])


def example_files(verdict: str) -> list[Path]:
    return sorted(EXAMPLES.glob(f"*/{verdict}/*.json"))


def reasons_of(path: Path, rules: Rules) -> list[str]:
    """Decode a file of events and validate them; return the reason of each record, `good` where it takes part."""
    reasons: list[str] = []
    for block in open_source(path, SchemaRegistry.load(default_schema_dir())):
        reasons += [reject.reason for reject in block.rejects]
        for batch in block.batches:
            good, rejects = validate(batch, rules)
            reasons += ["good"] * int(good.sum()) + [str(reject.reason) for reject in rejects]
    return reasons


@pytest.mark.parametrize("path", example_files("rejected"), ids=lambda path: f"{path.parts[-3]}/{path.stem}")
def test_rejected_examples_have_the_reason_in_their_name(path: Path) -> None:
    """A rejected example is one record, refused for the reason before the dashes in its file's name."""
    rules = CLOSED if path.parts[-3] == "outcome" else RULES

    assert reasons_of(path, rules) == [path.stem.split("--")[0]]


@pytest.mark.parametrize("path", example_files("accepted"), ids=lambda path: f"{path.parts[-3]}/{path.stem}")
def test_accepted_examples_take_part(path: Path) -> None:
    """An accepted example is one record that no check refuses."""
    assert reasons_of(path, RULES) == ["good"]


def test_there_are_examples_of_every_reason() -> None:
    """Examples are found: at least 23 accepted and 51 rejected, for each type and each reason of a validator."""
    accepted, rejected = example_files("accepted"), example_files("rejected")
    kinds: set[Any] = {path.parts[-3] for path in accepted}
    reasons = {path.stem.split("--")[0] for path in rejected}
    known = {reason for cases in BAD.values() for _, reason in cases}

    assert kinds == {path.parts[-3] for path in rejected} == set(EVENT_TYPES)
    assert len(accepted) >= 23
    assert len(rejected) >= 51
    assert known <= reasons
