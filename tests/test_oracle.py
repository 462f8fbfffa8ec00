"""The oracle against numbers worked out by hand, and the strategies against what they promise."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from itertools import accumulate, chain
from random import Random
from typing import Any

import pytest
from hypothesis import find, given
from hypothesis import strategies as st

from tests import streams_strategy as strategy
from tests.oracle import Key, Oracle, Value, filled, oracle, windows_at
from tests.oracle_metrics import Event

HOUR = 3_600_000_000
NOON = 1_718_193_600_000_000  # 2024-06-12 12:00 UTC
HORIZON = 24 * HOUR
DISORDER = HOUR


def config(task: str = "binary", **changes: Any) -> dict[str, Any]:
    """Declare one model "m" with a horizon of a day; the disorder is an hour."""
    metrics = ["count", *strategy.METRICS[task], *strategy.FEEDBACK_METRICS]
    model = {"task": task, "label_horizon": "1d", "windows": ["1d"], "slices": [[]], "metrics": metrics}
    if task == "binary":
        model["positive"] = "1"
    return {"disorder": "1h", "models": {"m": model | changes}}


def prediction(request: str | None = "r", time: int = NOON, **fields: Any) -> Event:
    event = {"type": "prediction", "request_id": request, "prediction_id": "p", "event_time": time}
    return event | {"model": "m", "version": "1"} | fields


def outcome(request: str | None = "r", time: int = NOON, **fields: Any) -> Event:
    return {"type": "outcome", "request_id": request, "event_time": time, "label": "1"} | fields


def feedback(request: str | None = "r", time: int = NOON, kind: str = "complaint", **fields: Any) -> Event:
    """Make feedback whose id is its contents: said twice it is a copy."""
    event = {"type": "feedback", "request_id": request, "event_time": time, "kind": kind} | fields
    return event | {"feedback_id": str(event)}


def whole(judged: Oracle) -> dict[str, Value]:
    """Return the metrics of the only row that is not of a slice."""
    (row,) = (metrics for key, metrics in judged.windows.items() if not key.slice)
    return row


def measured(config: dict[str, Any], events: list[Event], *names: str) -> dict[str, tuple[float | None, int]]:
    """Return value, to nine digits, and n of some metrics of the only row."""
    row = whole(oracle(config, events))
    found = {name: row[name] for name in names}
    return {name: (None if value is None else round(value, 9), n) for name, (value, n, _, _) in found.items()}


# ---- The rules

SAID = prediction(score=0.7)
SHADOW = prediction(score=0.7, prediction_id="q", role="shadow")
WRONG_AT_5 = outcome(time=NOON + 5, label="0")
PAST = outcome(time=NOON + HORIZON + 1, label="0")
NULL = outcome(label=None)
NAMELESS: Event = {"request": None, "prediction_id": "p"}
RIGHT, UNLABELLED, HALF = (1.0, 1, 1.0), (None, 0, 0.0), (1.0, 1, 0.5)

# The table of docs/semantics.md: events, the counters that they move, accuracy as (value, n, label coverage).
RULES: dict[str, tuple[list[Event], str, tuple[float | None, int, float]]] = {
    "prediction waits": ([SAID], "waiting", UNLABELLED),
    "outcome on the horizon": ([SAID, outcome(time=NOON + HORIZON)], "joined labelling", RIGHT),
    "outcome before its prediction": ([outcome(time=NOON - DISORDER), SAID], "joined labelling", RIGHT),
    "higher revision": ([SAID, outcome(label="0"), outcome(revision=1)], "joined labelling corrected", RIGHT),
    "lower revision, later": ([SAID, outcome(revision=1), WRONG_AT_5], "joined labelling corrected", RIGHT),
    "late revision": ([SAID, outcome(), PAST | {"revision": 1}], "joined labelling orphan_outcomes", RIGHT),
    "two of one revision: the earlier stands": (
        [SAID, WRONG_AT_5, outcome(time=NOON + 4), WRONG_AT_5],
        "joined labelling corrected duplicate_outcomes",
        RIGHT,
    ),
    "then the smallest label": ([SAID, outcome(), NULL], "joined labelling corrected", UNLABELLED),
    "one of them past the horizon": ([SAID, PAST, outcome()], "joined labelling orphan_outcomes", RIGHT),
    "two names": ([SAID, outcome(), outcome(prediction_id="p")], "joined labelling labelling", RIGHT),
    "same prediction again": ([SAID, SAID, outcome()], "joined labelling duplicate_predictions", RIGHT),
    "same id, other request": ([SAID, prediction("other"), outcome()], "joined waiting labelling", HALF),
    "same feedback again": ([SAID, feedback(), feedback()], "waiting attributed duplicate_feedback", UNLABELLED),
    "no such request": ([SAID, outcome("x"), feedback("x")], "waiting orphan_outcomes orphan_feedback", UNLABELLED),
    "no such prediction": (
        [SAID, outcome(prediction_id="x"), outcome(prediction_id="x"), feedback(prediction_id="x")],
        "waiting orphan_outcomes duplicate_outcomes orphan_feedback",
        UNLABELLED,
    ),
    "null label": ([SAID, outcome(), NULL | {"revision": 1}], "joined labelling corrected", UNLABELLED),
    "on the horizon": ([SAID, feedback("x", NOON + HORIZON)], "waiting orphan_feedback", UNLABELLED),
    "horizon passed": ([SAID, feedback("x", NOON + HORIZON + 1)], "expired orphan_feedback", UNLABELLED),
    "outcome of the request": ([SAID, SHADOW, outcome()], "joined joined labelling", (1.0, 2, 1.0)),
    "outcome by name": ([SAID, SHADOW, outcome(prediction_id="q")], "joined waiting labelling", HALF),
    "request is the prediction": ([prediction(**NAMELESS, score=0.7), outcome("p")], "joined labelling", RIGHT),
    "in an outcome": ([prediction("p", score=0.7), outcome(**NAMELESS)], "joined labelling", RIGHT),
    "in feedback": ([prediction("p"), feedback(**NAMELESS)], "waiting attributed", UNLABELLED),
    "so an id alone names no other": ([SAID, outcome(**NAMELESS)], "waiting orphan_outcomes", UNLABELLED),
}
TOTALS = ("read", "predictions", "outcomes", "feedback", "orphan", "duplicate")


@pytest.mark.parametrize(("events", "moved", "accuracy"), RULES.values(), ids=RULES)
def test_each_rule(events: list[Event], moved: str, accuracy: tuple[float | None, int, float]) -> None:
    """Every row of the table moves its own counters and no others, and labels what it says."""
    judged = oracle(config(), events)

    assert {name: n for name, n in judged.counts.items() if n and name not in TOTALS} == Counter(moved.split())
    assert judged.counts["read"] == len(events)
    assert judged.counts["orphan"] == moved.count("orphan_")
    assert judged.counts["duplicate"] == moved.count("duplicate_")
    assert whole(judged)["accuracy"][:3] == accuracy


def test_a_prediction_is_in_the_window_of_its_day() -> None:
    """Every metric has a row in it at once, defined or not, and the window is not final."""
    judged = oracle(config(), [SAID])

    assert judged.windows.keys() == {Key("m", "1", "1d", NOON - 12 * HOUR, ())}
    assert whole(judged)["count"] == Value(1.0, 1, 0.0, False)
    assert whole(judged)["complaint_rate"] == Value(0.0, 1, 0.0, False)


@pytest.mark.parametrize("tell", [outcome, feedback])
@pytest.mark.parametrize("delay", [-DISORDER - 1, HORIZON + 1, HORIZON + DISORDER, HORIZON + DISORDER + 1])
def test_what_misses_its_prediction_is_an_orphan(tell: Any, delay: int) -> None:
    """A microsecond outside, no window changes; only up to the disorder behind the horizon it is called late."""
    late = HORIZON < delay <= HORIZON + DISORDER
    judged = oracle(config(), [SAID, tell(time=NOON + delay)])

    assert judged.orphans == {"late": int(late), "unmatched": int(not late)}
    assert judged.counts["orphan"] == 1
    assert judged.counts["joined"] == judged.counts["attributed"] == 0
    assert whole(judged)["accuracy"].value is None
    assert whole(judged)["complaint_rate"].value == 0


@pytest.mark.parametrize(("short", "final"), [(0, True), (1, False)])
def test_a_window_is_final_when_nothing_can_change_it(short: int, final: bool) -> None:
    """The watermark must have reached the window's end plus the horizon."""
    end = NOON + 12 * HOUR
    judged = oracle(config(), [prediction(), feedback("x", end + HORIZON - short)])

    assert whole(judged)["count"].is_final is final


def test_groups_over_the_cap_are_counted_together() -> None:
    """Groups are admitted by first event time, then by attribute and value, over all slices but the whole."""
    told = (("a", 1, "1"), ("c", 0, "1"), ("b", 0, "1"), ("d", 2, "2"))
    events = [prediction(c, NOON + time, attributes={"country": c}, version=version) for c, time, version in told]
    judged = oracle(config(slices=[["country"], ["role"]], max_groups=2), events)
    counts = {(key.version, *chain(*key.slice)): row["count"].value for key, row in judged.windows.items()}
    whole_and_admitted = {("1",): 3, ("2",): 1, ("1", "country", "b"): 1, ("1", "country", "c"): 1}
    pooled = {("1", "country"): 1, ("2", "country"): 1, ("1", "role"): 3, ("2", "role"): 1}

    assert judged.counts["overflow"] == 3
    assert counts == whole_and_admitted | {(*names, "__other__"): number for names, number in pooled.items()}


def test_feedback_without_a_name_is_not_for_shadows() -> None:
    """It goes to the live and canary predictions of its request; a shadow gets what names it."""
    trio = [prediction(prediction_id=role, role=role) for role in ("live", "canary", "shadow")]
    told = [feedback(kind="click"), feedback(kind="crash", prediction_id="shadow")]
    judged = oracle(config(slices=[["role"]]), [*trio, *told])
    rates = {key.slice: (row["click_rate"].value, row["crash_rate"].value) for key, row in judged.windows.items()}

    assert judged.counts["attributed"] == 2
    assert rates[(("role", "live"),)] == rates[(("role", "canary"),)] == (1, 0)
    assert rates[(("role", "shadow"),)] == (0, 1)
    assert rates[()] == pytest.approx((2 / 3, 1 / 3))


def test_a_missing_attribute_is_a_value_and_an_empty_one_another() -> None:
    """Slices of two attributes have a group for each combination, absent values included."""
    events = [prediction("1"), prediction("2", attributes={"b": "", "a": "x"}, role="canary")]
    judged = oracle(config(slices=[["b", "a"]]), events)
    absent = (("a", "__missing__"), ("b", "__missing__"))

    assert {key.slice for key in judged.windows} == {(), absent, (("a", "x"), ("b", ""))}


@pytest.mark.parametrize(
    ("window", "time", "bounds"),
    [
        ("1d", "2024-02-29", ["2024-02-29 2024-03-01"]),
        ("1mo", "2024-02-29 23:59", ["2024-02-01 2024-03-01"]),
        ("3mo", "2023-12-31", ["2023-10-01 2024-01-01"]),
        ("1w", "2024-06-12", ["2024-06-06 2024-06-13"]),
        ("2d/1d", "2024-06-12", ["2024-06-12 2024-06-14", "2024-06-11 2024-06-13"]),
    ],
)
def test_windows_are_half_open_and_aligned_to_the_epoch(window: str, time: str, bounds: list[str]) -> None:
    """A time on a bound is in the window that begins there; weeks begin on Thursdays, months by the calendar."""

    def us(text: str) -> int:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000

    assert windows_at(window, us(time)) == [(us(bound.split()[0]), us(bound.split()[1])) for bound in bounds]


# ---- Metrics

Examples = list[tuple[Event, Event]]  # the fields of predictions and of their outcomes
METRIC_EXAMPLES: dict[str, tuple[str, Examples, dict[str, Any]]] = {
    "one in each cell, the true positive of weight two": (
        "binary",
        [({"score": 0.9, "inclusion_probability": 0.5}, {})]
        + [({"score": s}, {"label": label}) for s, label in ((0.6, "0"), (0.4, "1"), (0.1, "0"))],
        {"count": (5.0, 4), "accuracy": (0.6, 4), "precision": (0.666666667, 2), "recall": (0.666666667, 2)}
        | {"specificity": (0.5, 2), "f1": (0.666666667, 3), "balanced_accuracy": (0.583333333, 4)}
        | {"mcc": (0.166666667, 4), "brier": (0.15, 4), "log_loss": (0.429732602, 4), "roc_auc": (0.833333333, 4)},
    ),
    "one true negative": (
        "binary",
        [({"score": 0.1}, {"label": "0"})],
        {"accuracy": (1.0, 1), "specificity": (1.0, 1), "precision": (None, 0), "recall": (None, 0), "f1": (None, 0)}
        | {"balanced_accuracy": (None, 1), "mcc": (None, 1), "roc_auc": (None, 1), "brier": (0.01, 1)},
    ),
    "a label goes before the score, a score on the threshold is a yes": (
        "binary",
        [({"score": 0.5}, {}), ({"score": 0.5, "label": "0"}, {}), ({}, {}), ({"label": "1"}, {})],
        {"recall": (0.666666667, 3), "accuracy": (0.666666667, 3), "brier": (0.25, 2)},
    ),
    "scores up to a thousandth are ties": (
        "binary",
        [({"score": s}, {"label": label}) for s, label in ((0.001, "1"), (0.0, "1"), (0.0001, "0"), (0.0011, "0"))],
        {"roc_auc": (0.25, 4)},
    ),
    "a label weighs by both probabilities": (
        "binary",
        [({"score": 0.7, "inclusion_probability": 0.5}, {"inclusion_probability": 0.1}), ({"score": 0.1}, {})],
        {"accuracy": (0.952380952, 2), "count": (3.0, 2)},
    ),
    "two of three classes right": (
        "multiclass",
        [({"label": "a"}, {"label": "a"}), ({"label": "b"}, {"label": "b"}), ({"label": "c"}, {"label": "a"})],
        {"accuracy": (0.666666667, 3)},
    ),
    "errors 2 and -1, the second of weight four": (
        "regression",
        [({"score": 3.0}, {"value": 1.0}), ({"score": 5.0, "inclusion_probability": 0.25}, {"value": 6.0})],
        {"mae": (1.2, 2), "mse": (1.6, 2), "rmse": (1.264911064, 2), "bias": (-0.4, 2), "r2": (0.6, 2)},
    ),
    "truth that does not vary, whatever the weights": (
        "regression",
        [({"score": 1.0, "inclusion_probability": chance}, {"value": 0.1}) for chance in (0.013, 0.1, 0.5)],
        {"r2": (None, 3), "mae": (0.9, 3)},
    ),
    "one item third, one nowhere": (
        "ranking",
        [({"ranking": ["a", "b", "c"]}, {"label": "c"}), ({"ranking": ["a", "b"]}, {"label": "z"})],
        {"mrr": (0.166666667, 2), "ndcg@1": (0.0, 2), "ndcg@3": (0.25, 2), "hit_rate@3": (0.5, 2)},
    ),
}


@pytest.mark.parametrize(("task", "examples", "expected"), METRIC_EXAMPLES.values(), ids=METRIC_EXAMPLES)
def test_each_metric(task: str, examples: Examples, expected: dict[str, Any]) -> None:
    """The numbers are those of a hand calculation, to nine digits, and n counts what the metric is about."""
    pairs = [(prediction(str(i), **p), outcome(str(i), **o)) for i, (p, o) in enumerate(examples)]

    assert measured(config(task), [event for pair in pairs for event in pair], *expected) == expected


def test_scores_of_zero_and_one_have_finite_losses() -> None:
    """Scores are clipped at 1e-15, and tiny ones keep their digits."""
    wrong = whole(oracle(config(), [prediction(score=0.0), outcome(label="1")]))
    right = whole(oracle(config(), [prediction(score=1e-9), outcome(label="0")]))

    assert wrong["log_loss"].value == pytest.approx(34.538776394910684, rel=1e-15, abs=0)
    assert right["log_loss"].value == pytest.approx(1.0000000005e-9, rel=1e-15, abs=0)


def test_label_coverage_weighs_by_the_prediction_alone() -> None:
    """Predictions of weights 2, 1 and 1, the last without a label, are covered to 3/4 in every metric."""
    events = [prediction("1", inclusion_probability=0.5), prediction("2"), prediction("3")]
    judged = oracle(config(), [*events, outcome("1", inclusion_probability=0.1), outcome("2")])

    assert {value.label_coverage for value in whole(judged).values()} == {0.75}


def test_feedback_metrics() -> None:
    """A kind counts once a prediction, every rating counts, both with the prediction's weight."""
    events = [prediction("1"), prediction("2", inclusion_probability=0.5), feedback("2", kind="accept")]
    events += [feedback("1"), feedback("1", NOON + 1), feedback("2", kind="rating", value=4.0)]
    events += [feedback("1", kind="rating", value=value) for value in (5.0, 2.0)]
    expected = {"complaint_rate": (0.333333333, 2), "acceptance_rate": (0.666666667, 2), "mean_rating": (3.75, 3)}

    assert measured(config("none"), events, *expected) == expected


# ---- The strategies


@given(strategy.streams(), st.randoms(use_true_random=False))
def test_all_events_are_accounted_for_in_any_order(stream: strategy.Stream, rng: Random) -> None:
    """The sums of docs/semantics.md hold, and a shuffled stream gives the same answer."""
    judged = oracle(stream.config, stream.events)
    shuffled = oracle(stream.config, rng.sample(stream.events, len(stream.events)))
    c = judged.counts

    assert c["read"] == c["predictions"] + c["outcomes"] + c["feedback"] + c["rejected"]
    assert c["predictions"] == c["joined"] + c["waiting"] + c["expired"] + c["duplicate_predictions"]
    assert c["outcomes"] == c["labelling"] + c["corrected"] + c["orphan_outcomes"] + c["duplicate_outcomes"]
    assert c["feedback"] == c["attributed"] + c["orphan_feedback"] + c["duplicate_feedback"]
    assert c["orphan"] == sum(judged.orphans.values())
    assert shuffled == judged


def keeps_the_bound(events: list[Event], disorder: int) -> bool:
    """Whether no event is more than the disorder older than the newest up to it."""
    newest = accumulate((event["event_time"] for event in events), max)
    return all(event["event_time"] >= top - disorder for event, top in zip(events, newest, strict=True))


@given(st.data(), strategy.streams())
def test_arrivals_keep_the_bound_on_disorder(data: st.DataObject, stream: strategy.Stream) -> None:
    """All events arrive, none too disordered, so that no prediction can come too late."""
    arrived = data.draw(strategy.arrival(stream.events, stream.disorder))

    assert keeps_the_bound(arrived, stream.disorder)
    assert sorted(map(str, arrived)) == sorted(map(str, stream.events))


@given(st.data(), strategy.streams())
def test_each_source_of_a_delivery_keeps_the_bound(data: st.DataObject, stream: strategy.Stream) -> None:
    """All events are delivered, in parts that are not empty, and each source alone has bounded disorder."""
    delivery = data.draw(strategy.deliveries(stream.events, stream.disorder))
    read = {name: [part for part in delivery.parts if part.source == name] for name in delivery.sources}
    arrived = [[event for part in parts for event in part.events] for parts in read.values()]

    assert all(part.events for part in delivery.parts)
    assert all(keeps_the_bound(events, stream.disorder) for events in arrived)
    assert sorted(map(str, chain(*arrived))) == sorted(map(str, stream.events))


@given(strategy.streams())
def test_streams_have_only_valid_events(stream: strategy.Stream) -> None:
    """Nothing can be rejected: ids, times, weights, scores and labels are what the schemas and models allow."""
    for event in stream.events:
        task = strategy.TASKS.get(event.get("model", ""))
        assert event.get("request_id") or event.get("prediction_id")
        assert datetime.fromtimestamp(event["event_time"] / 1e6, UTC).year in (2023, 2024)
        assert 0 < event.get("inclusion_probability", 1.0) <= 1
        if task == "binary":
            assert 0 <= event.get("score", 0.5) <= 1
        if task in ("binary", "multiclass"):
            assert event.get("label", strategy.LABELS[task][0]) in strategy.LABELS[task]


@given(strategy.streams())
def test_copies_differ_only_where_the_rules_decide(stream: strategy.Stream) -> None:
    """Copies of predictions and feedback are identical, copies of an outcome at most the disorder apart."""
    copies: dict[Any, list[Event]] = {}
    for event in map(filled, stream.events):
        names = {"prediction": ("request_id", "prediction_id"), "feedback": ("feedback_id",)}
        fields = names.get(event["type"], ("request_id", "prediction_id", "revision"))
        copies.setdefault((event["type"], *(event[name] for name in fields)), []).append(event)
    for (kind, *_), events in copies.items():
        times = [event["event_time"] for event in events]
        assert max(times) - min(times) <= stream.disorder
        assert kind == "outcome" or all(event == events[0] for event in events)


def test_streams_meet_every_rule() -> None:
    """A hundred seeds move every counter but the rejected, and make each metric defined and undefined."""
    totals: Counter[Any] = Counter()
    for seed in range(100):
        stream = strategy.make_stream(seed, 60)
        judged = oracle(stream.config, stream.events)
        totals.update(judged.counts)
        totals.update(judged.orphans)
        for row in judged.windows.values():
            totals.update((name, value.value is not None) for name, value in row.items())
            totals.update(("final", value.is_final) for value in row.values())
    always = {"count", *strategy.FEEDBACK_METRICS} - {"mean_rating"}
    sometimes = {"mean_rating", "final"}.union(*strategy.METRICS.values())

    assert {name for name in totals if not totals[name]} == {"rejected", "summaries", "duplicate_summaries", "let_go"}
    assert all(totals[name, True] for name in always | sometimes)
    assert all(totals[name, False] for name in sometimes)


def test_failing_streams_shrink_to_the_events_that_matter() -> None:
    """The smallest stream with a corrected label has a prediction and two revisions."""
    smallest = find(strategy.streams(), lambda stream: oracle(stream.config, stream.events).counts["corrected"] > 0)

    assert len(smallest.events) == 3


def test_a_stream_is_its_seed() -> None:
    """The same seed writes the same stream, and a shorter stream is its beginning."""
    assert strategy.make_stream(7, 40).events[:20] == strategy.make_stream(7, 20).events
