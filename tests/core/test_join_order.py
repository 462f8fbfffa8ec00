"""The join ends the same, in whatever order events arrive and wherever it is stopped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.making import Desk, Event, P, Told, feedback, net, outcome, prediction, tally

PREDICTIONS = [
    P,
    {**prediction("q", 1_004, role="shadow"), "request_id": "r-p"},
    {**prediction("s", 1_009), "request_id": None},
]
OUTCOMES = [
    outcome(995, 1.0),
    outcome(1_050, 2.0, revision=1),
    outcome(1_049, 3.0, revision=1),
    outcome(1_060, 4.0, revision=2, prediction_id="q"),
    outcome(1_101, 5.0, revision=3),
    outcome(1_104, 6.0, revision=3),
    {"prediction_id": "s", "event_time": 1_010, "value": 7.0},
    {"request_id": "s", "event_time": 1_010, "value": 8.0},
    {"request_id": "nobody", "event_time": 1_000, "value": 9.0},
]
FEEDBACK = [feedback("f", 1_002), feedback("g", 1_003), feedback("h", 1_105, prediction_id="q"), feedback("i", 1_120)]
EVENTS: list[tuple[str, Event]] = [
    *(("predict", event) for event in PREDICTIONS),
    *(("learn", event) for event in OUTCOMES),
    *(("hear", event) for event in FEEDBACK),
]
AT_THE_END = ([(1_000, 1, 3.0), (1_004, 1, 5.0), (1_009, 1, 7.0)], [(1_000, 2, None)])


def arrive(desk: Desk, events: Iterable[tuple[str, Event]]) -> tuple[Told, Told]:
    """Take in events one by one; return the label and feedback changes that are left in the end."""
    labels, reactions = [], []
    for what, event in events:
        if what == "predict":
            one, other = desk.predict(event)
            labels.append(one)
            reactions.append(other)
        else:
            (labels if what == "learn" else reactions).append(getattr(desk, what)(event))
    return net(labels), net(reactions)


def counters(desk: Desk) -> Mapping[str, int]:
    return {name: count for name, count in desk.joiner.tally.items() if count}


@settings(max_examples=100)
@given(arrival=st.permutations(EVENTS + EVENTS[:4]))
def test_the_end_does_not_depend_on_the_order_of_arrival(arrival: list[tuple[str, Event]]) -> None:
    """Any order, repetitions included, ends in the same labels, feedback, counters and orphans."""
    desk = Desk()

    assert arrive(desk, arrival) == AT_THE_END
    orphans, lost = desk.sweep(1_000, ended=True)
    assert [late for _, late in orphans] == [False]
    assert sorted(late for _, late in lost) == [False, True]
    assert counters(desk) == {
        "joined": 3,
        "labelling": 4,
        "corrected": 4,
        "attributed": 2,
        "orphan_outcomes": 1,
        "orphan_feedback": 2,
    }


@settings(max_examples=50)
@given(arrival=st.permutations(EVENTS), cut=st.integers(0, len(EVENTS)))
def test_a_restored_joiner_goes_on_as_if_nothing_had_happened(arrival: list[tuple[str, Event]], cut: int) -> None:
    """Stopping after any event and going on from the snapshot ends in the same labels and counters."""
    first, second = Desk(), Desk()
    before = arrive(first, arrival[:cut])
    second.groups, second.refs = first.groups, first.refs
    rows = {name: store.snapshot() for name, store in first.joiner.stores().items()}
    swept = {name: np.zeros(len(store), np.bool_) for name, store in first.joiner.stores().items()}
    second.joiner.restore(first.joiner.head(), rows, swept)
    after = arrive(second, arrival[cut:])

    assert tuple(net(parts) for parts in zip(before, after, strict=True)) == AT_THE_END
    assert tally(second, "joined", "labelling", "corrected", "attributed") == [3, 4, 4, 2]
