"""The rules of docs/semantics.md, row by row, with a horizon of 100 us and a disorder of 10 us."""

from __future__ import annotations

import pytest

from streams.core.columns import length
from streams.core.metric.base import Task
from tests.core.making import DISORDER, HORIZON, Desk, Event, P, feedback, net, outcome, prediction, tally

LAST = 1_000 + HORIZON

# ---- Outcomes


@pytest.mark.parametrize("time", [1_000 - DISORDER, 1_000, LAST])
def test_an_outcome_within_the_horizon_labels_its_prediction(time: int) -> None:
    """Both ends of the interval belong to it; the prediction moves from waiting to joined."""
    desk = Desk()
    desk.predict(P)
    waiting = desk.joiner.unlabelled(0)

    assert desk.learn(outcome(time, 5.0)) == [(1_000, 1, 5.0)]
    assert (waiting, desk.joiner.unlabelled(0)) == ((1, 0), (0, 0))
    assert tally(desk, "joined", "labelling", "corrected") == [1, 1, 0]


@pytest.mark.parametrize("time", [1_000 - DISORDER, 1_000, LAST])
def test_an_outcome_that_comes_first_waits_for_its_prediction(time: int) -> None:
    """Arriving before the prediction, it joins when that comes."""
    desk = Desk()

    assert desk.learn(outcome(time, 5.0)) == []
    assert desk.predict(P) == ([(1_000, 1, 5.0)], [])
    assert tally(desk, "joined", "labelling", "corrected") == [1, 1, 0]


@pytest.mark.parametrize("time", [1_000 - DISORDER - 1, LAST + 1, LAST + DISORDER + 1])
def test_an_outcome_out_of_its_time_changes_nothing(time: int) -> None:
    """A microsecond outside the interval no label is set, whichever comes first."""
    first, second = Desk(), Desk()
    first.predict(P)
    second.learn(outcome(time, 5.0))

    assert first.learn(outcome(time, 5.0)) == []
    assert second.predict(P) == ([], [])
    assert first.joiner.unlabelled(0) == second.joiner.unlabelled(0) == (1, 0)


def test_a_higher_revision_replaces_the_label() -> None:
    """What the old label had added is taken back, with the new one set in its place."""
    desk = Desk()
    desk.predict(P)
    desk.learn(outcome(1_001, 5.0))

    assert desk.learn(outcome(1_002, 6.0, revision=1)) == [(1_000, -1, 5.0), (1_000, 1, 6.0)]
    assert tally(desk, "joined", "labelling", "corrected") == [1, 1, 1]


def test_a_lower_revision_that_comes_later_changes_nothing() -> None:
    """The highest revision stands; the other counts as corrected."""
    desk = Desk()
    desk.predict(P)
    desk.learn(outcome(1_002, 6.0, revision=1))

    assert desk.learn(outcome(1_001, 5.0)) == []
    assert tally(desk, "joined", "labelling", "corrected") == [1, 1, 1]
    assert desk.learn(outcome(1_003, 7.0, revision=2)) == [(1_000, -1, 6.0), (1_000, 1, 7.0)]


def test_the_same_outcome_again_is_ignored() -> None:
    """A copy, even with another inclusion probability, changes no label and no counter."""
    desk = Desk()
    desk.predict(P)
    desk.learn(outcome(1_001, 5.0))

    assert desk.learn(outcome(1_001, 5.0), outcome(1_001, 5.0, inclusion_probability=0.5)) == []
    assert tally(desk, "joined", "labelling", "corrected") == [1, 1, 0]
    assert len(desk.joiner.outcomes) == 1


@pytest.mark.parametrize(
    ("stands", "falls"),
    [
        (outcome(1_001, 9.0), outcome(1_002, 5.0)),  # the earlier
        (outcome(1_001, 5.0, label="b"), outcome(1_001, 5.0, label="a")),  # XXH3: 0x575a... < 0xe6c6...
        (outcome(1_001, None, label=None), outcome(1_001, None, label="b")),  # null before any label
    ],
)
@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_of_one_revision_the_first_in_order_stands(stands: Event, falls: Event, task: Task) -> None:
    """The earlier event time stands, then the smaller hash of the label, in any order of arrival."""
    for arrival in ([[stands], [falls]], [[falls], [stands]], [[stands, falls]], [[falls, stands]]):
        desk = Desk(task)
        desk.predict(P)
        changes = [desk.learn(*part) for part in arrival]

        assert net(changes) == [(1_000, 1, stands.get("label"))]
        assert tally(desk, "joined", "labelling", "corrected") == [1, 1, 1]


@pytest.mark.parametrize(
    ("stands", "falls"),
    [
        (outcome(1_001, 9.0), outcome(1_002, 5.0)),
        (outcome(1_001, 5.0), outcome(1_001, 9.0)),
        (outcome(1_001, None), outcome(1_001, -9.0)),
        (outcome(1_001, 5.0, label="a"), outcome(1_001, 9.0, label="b")),  # no task reads the label
    ],
)
def test_of_one_revision_the_smaller_value_stands(stands: Event, falls: Event) -> None:
    """At one time the smaller value stands, null first, in any order; labels that no task reads say nothing."""
    for arrival in ([[stands], [falls]], [[falls], [stands]], [[stands, falls]], [[falls, stands]]):
        desk = Desk("regression")
        desk.predict(P)
        changes = [desk.learn(*part) for part in arrival]

        assert net(changes) == [(1_000, 1, stands["value"])]


def test_the_label_decides_before_the_value() -> None:
    """Where a task reads labels the smaller hash goes before the smaller value, in any order of arrival."""
    stands, falls = outcome(1_001, 9.0, label="b"), outcome(1_001, 5.0, label="a")
    for arrival in ([[stands], [falls]], [[falls], [stands]], [[stands, falls]], [[falls, stands]]):
        desk = Desk("binary", "regression")
        desk.predict(P)

        assert net(desk.learn(*part) for part in arrival) == [(1_000, 1, 9.0)]


def test_a_null_label_joins_and_takes_part_in_revisions() -> None:
    """A null label replaces an older label and is replaced by a newer one; the prediction counts as joined."""
    desk = Desk("binary")
    desk.predict(P)

    assert desk.learn(outcome(1_001, label="1")) == [(1_000, 1, "1")]
    assert desk.learn(outcome(1_002, revision=1)) == [(1_000, -1, "1"), (1_000, 1, None)]
    assert desk.learn(outcome(1_003, label="0", revision=2)) == [(1_000, -1, None), (1_000, 1, "0")]
    assert tally(desk, "joined", "labelling", "corrected") == [1, 1, 2]


def test_an_outcome_of_the_request_labels_all_its_predictions() -> None:
    """Live, shadow and canary of a request share its truth."""
    desk = Desk()
    roles = zip((1_000, 1_001, 1_002), ("live", "shadow", "canary"), strict=True)
    desk.predict(*({**prediction(role, time, role=role), "request_id": "r-p"} for time, role in roles))

    assert desk.learn(outcome(1_005, 5.0)) == [(1_000, 1, 5.0), (1_001, 1, 5.0), (1_002, 1, 5.0)]
    assert tally(desk, "joined", "labelling", "corrected") == [3, 1, 0]


def test_an_outcome_that_names_a_prediction_labels_only_it() -> None:
    """The others of the request go on waiting."""
    desk = Desk()
    desk.predict(P, {**prediction("q", 1_001), "request_id": "r-p"})

    assert desk.learn(outcome(1_005, 5.0, prediction_id="q")) == [(1_001, 1, 5.0)]
    assert desk.joiner.unlabelled(0) == (1, 0)


def test_a_request_that_is_not_named_is_the_prediction() -> None:
    """Without request ids, prediction and outcome meet by the prediction's id."""
    desk = Desk()
    desk.predict({**P, "request_id": None})

    assert desk.learn({"prediction_id": "p", "event_time": 1_001, "value": 5.0}) == [(1_000, 1, 5.0)]
    assert desk.learn({"request_id": "p", "event_time": 1_002, "value": 6.0, "revision": 1}) == [
        (1_000, -1, 5.0),
        (1_000, 1, 6.0),
    ]


def test_a_label_weighs_the_product_and_takes_it_back() -> None:
    """A label's weight is the prediction's times the outcome's; the retraction has the weight of what it retracts."""
    desk = Desk()
    desk.predict({**P, "inclusion_probability": 0.5})
    first = desk.settle(outcome(1_001, 5.0, inclusion_probability=0.25))
    second = desk.settle(outcome(1_002, 6.0, revision=1))

    assert [part["weight"].tolist() for part in (first, second)] == [[8.0], [8.0, 2.0]]
    assert [part["prediction_weight"].tolist() for part in (first, second)] == [[2.0], [2.0, 2.0]]


# ---- Orphans, waiting and expiry


@pytest.mark.parametrize("order", ["prediction first", "outcome first"])
@pytest.mark.parametrize(
    ("time", "late"), [(LAST + 1, True), (LAST + DISORDER, True), (LAST + DISORDER + 1, False), (989, False)]
)
def test_an_outcome_past_the_horizon_is_an_orphan(order: str, time: int, late: bool) -> None:
    """Within the disorder behind the horizon it is late, otherwise unmatched, whichever came first."""
    desk = Desk()
    if order == "prediction first":
        desk.predict(P)
    desk.learn(outcome(time, 5.0))
    if order == "outcome first":
        desk.predict(P)

    assert desk.sweep(time + DISORDER) == ([], [])
    assert desk.sweep(time + DISORDER + 1) == ([(0, late)], [])
    assert tally(desk, "orphan_outcomes", "joined") == [1, 0]


def test_an_outcome_whose_prediction_never_comes_is_kept() -> None:
    """It is an orphan when the watermark has passed its time by the disorder, or at once when the input ends."""
    waiting, ended = Desk(), Desk()
    for desk in (waiting, ended):
        desk.learn(outcome(500, 5.0))

    assert waiting.sweep(500 + DISORDER) == ([], [])
    assert waiting.sweep(500 + DISORDER + 1) == ([(0, False)], [])
    assert ended.sweep(0, ended=True) == ([(0, False)], [])


def test_an_outcome_that_labelled_is_no_orphan() -> None:
    """Sweeping forgets outcomes that matched without a word."""
    desk = Desk()
    desk.predict(P)
    desk.learn(outcome(1_001, 5.0))

    assert desk.sweep(0, ended=True) == ([], [])
    assert len(desk.joiner.outcomes) == 0


def test_a_prediction_without_an_outcome_expires() -> None:
    """Past its horizon it waits no longer; it is forgotten when nothing in the disorder can be late for it."""
    desk = Desk()
    desk.predict(P)
    seen = []
    for watermark in (LAST, LAST + 1, LAST + DISORDER, LAST + DISORDER + 1):
        desk.sweep(watermark)
        seen.append((*desk.joiner.unlabelled(watermark), len(desk.joiner.predictions), *tally(desk, "expired")))

    assert seen == [(1, 0, 1, 0), (0, 1, 1, 0), (0, 1, 1, 0), (0, 0, 0, 1)]


@pytest.mark.parametrize("order", ["prediction first", "outcome first"])
@pytest.mark.parametrize("passed", [0, 1, DISORDER + 1])
def test_no_label_counts_when_the_horizon_has_been_passed(order: str, passed: int) -> None:
    """At the horizon a label still counts; when the watermark has passed it an outcome is an orphan, swept or not."""
    desk = Desk()
    if order == "prediction first":
        desk.predict(P)
    desk.joiner.watermark = LAST + passed
    changes = desk.learn(outcome(1_001, 5.0))
    if order == "outcome first":
        changes = desk.predict(P)[0]

    assert changes == ([] if passed else [(1_000, 1, 5.0)])
    assert desk.sweep(LAST + passed) == ([(0, False)] if passed else [], [])


def test_the_same_prediction_again_is_ignored() -> None:
    """Same request and prediction id: the first stands, in one block or two, even where they differ."""
    desk = Desk()
    desk.predict(P, {**P, "event_time": 1_005})
    desk.predict({**P, "version": "2"})

    assert len(desk.joiner.predictions) == 1
    assert desk.learn(outcome(1_006, 5.0)) == [(1_000, 1, 5.0)]


def test_one_prediction_id_in_two_requests_is_two_predictions() -> None:
    """Ids of predictions need only be unique within their request."""
    desk = Desk()
    desk.predict(P, {**P, "request_id": "other", "event_time": 1_001})

    assert desk.learn(outcome(1_005, 5.0, prediction_id="p")) == [(1_000, 1, 5.0)]


# ---- Feedback


def test_feedback_belongs_to_what_the_user_could_see() -> None:
    """Feedback of a request goes to live and canary, to a shadow only where it names it."""
    desk = Desk("none")
    roles = zip((1_000, 1_001, 1_002), ("live", "shadow", "canary"), strict=True)
    desk.predict(*({**prediction(role, time, role=role), "request_id": "r-p"} for time, role in roles))

    assert [time for time, *_ in desk.hear(feedback("f", 1_005))] == [1_000, 1_002]
    assert [time for time, *_ in desk.hear(feedback("g", 1_005, prediction_id="shadow"))] == [1_001]
    assert tally(desk, "attributed") == [2]


def test_the_same_feedback_again_is_ignored() -> None:
    """One feedback id counts once, in one block or two."""
    desk = Desk("none")
    desk.predict(P)

    assert len(desk.hear(feedback("f", 1_001), feedback("f", 1_001))) == 1
    assert desk.hear(feedback("f", 1_001)) == []
    assert tally(desk, "attributed") == [1]


def test_one_feedback_id_in_two_requests_is_two_pieces_of_feedback() -> None:
    """Ids of feedback need only be unique within their request."""
    desk = Desk("none")
    desk.predict(P, prediction("q", 1_002))

    assert [time for time, *_ in desk.hear(feedback("f", 1_003), {**feedback("f", 1_003), "request_id": "r-q"})] == [
        1_000,
        1_002,
    ]


def test_feedback_that_comes_first_waits() -> None:
    """It is attributed when the prediction comes, with its value."""
    desk = Desk("none")
    desk.hear(feedback("f", 1_005, "rating", value=4.0))

    assert desk.predict(P) == ([], [(1_000, 1, 4.0)])
    assert tally(desk, "attributed") == [1]


@pytest.mark.parametrize(("time", "late"), [(LAST + 1, True), (LAST + DISORDER + 1, False), (989, False)])
def test_feedback_past_the_horizon_is_an_orphan(time: int, late: bool) -> None:
    """The rules of time are those of outcomes."""
    desk = Desk("none")
    desk.predict(P)

    assert desk.hear(feedback("f", time)) == []
    assert desk.sweep(time + DISORDER + 1) == ([], [(0, late)])
    assert tally(desk, "orphan_feedback", "attributed") == [1, 0]


def test_a_sweep_is_due_after_so_many_rows() -> None:
    """A thousand new rows, or a quarter of what is held, are worth a sweep; sweeping starts the count again."""
    desk = Desk()
    desk.predict(*(prediction(str(number), 1_000) for number in range(1_023)))
    before = desk.joiner.sweep_is_due()
    desk.learn(outcome(1_001, 5.0))
    due = desk.joiner.sweep_is_due()
    desk.sweep(0)

    assert (before, due, desk.joiner.sweep_is_due()) == (False, True, False)


def test_no_events_make_no_changes() -> None:
    """Outcomes and feedback of nobody leave change columns without rows."""
    desk = Desk()
    desk.learn(outcome(1, 2.0))
    desk.hear(feedback("f", 1))

    assert desk.predict(prediction("q", 1_000)) == ([], [])
    assert length(desk.joiner.predictions.snapshot()) == 1
