"""The course of a label is what one would say at each moment, asked anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.core.columns import Columns, take
from streams.core.course import Pairs, course, label_changes
from streams.core.flatten import BY_REQUEST
from streams.core.link import by_standing, standing

OUTCOME = st.tuples(st.integers(0, 2), st.integers(0, 6), st.integers(0, 2), st.integers(1, 3))
PREDICTED = 2  # when the predictions were made: what was known before is known from then on


def columns(rows: list[tuple[int, int, int, int]]) -> tuple[np.ndarray, Columns]:
    """Places, and outcomes as (time, revision, label)."""
    place, time, revision, label = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    named = {"time": time, "revision": revision, "label": label.astype(np.uint64)}
    return place, named | {"value": np.full(len(rows), np.nan), "weight": np.ones(len(rows))}


def stands(rows: list[tuple[int, int, int, int]], place: int, at: int) -> tuple[int, int, int] | None:
    """Return which outcome (time, revision, label) stands for a prediction at a time."""
    known = [row for row in rows if row[0] == place and row[1] <= at]
    if not known:
        return None
    places, outcomes = columns(known)
    best = take(outcomes, standing(places, outcomes))
    return int(best["time"][0]), int(best["revision"][0]), int(best["label"][0])


@given(st.lists(OUTCOME, min_size=1, max_size=8))
def test_steps_lead_to_what_stands_at_any_time(rows: list[tuple[int, int, int, int]]) -> None:
    """Following the steps up to a time gives the outcome that stands then, and each step names the one before."""
    places, outcomes = columns(rows)
    steps = course(places, outcomes)
    for place in range(3):
        for at in range(7):
            taken = [
                i for i, row in enumerate(steps.row.tolist()) if places[row] == place and outcomes["time"][row] <= at
            ]
            last = steps.row[taken[-1]] if taken else None
            found = None if last is None else tuple(int(outcomes[n][last]) for n in ("time", "revision", "label"))
            assert found == stands(rows, place, at)
    for number, before in enumerate(steps.before.tolist()):
        same = number > 0 and places[steps.row[number - 1]] == places[steps.row[number]]
        assert before == (steps.row[number - 1] if same else -1)


def predictions(places: np.ndarray, labelled: set[int], state: Columns | None = None) -> Columns:
    flags = np.array([BY_REQUEST if place in labelled else 0 for place in places.tolist()], np.uint16)
    rows = {"time": np.full(len(places), PREDICTED), "flags": flags, "weight": np.ones(len(places)), "of": places}
    rows["id"] = places.astype(np.uint64)
    nothing = {"revision": np.zeros(len(places), np.int64), "outcome_time": np.zeros(len(places), np.int64)}
    known = {"label": np.zeros(len(places), np.uint64), "label_weight": np.ones(len(places))}
    return rows | nothing | known | (state or {})


@given(st.lists(OUTCOME, min_size=1, max_size=7), st.data())
def test_first_labels_do_not_depend_on_blocks(rows: list[tuple[int, int, int, int]], data: st.DataObject) -> None:
    """What is added as a first label and not taken back is each prediction's earliest outcome."""
    rows = data.draw(st.permutations(rows))
    size = data.draw(st.integers(1, 7))
    firsts: Counter[tuple[int, int, int]] = Counter()
    for first in range(0, len(rows), size):
        seen, block = rows[:first], rows[first : first + size]
        places, outcomes = columns(block)
        new = Pairs(places, predictions(places, {row[0] for row in seen}), outcomes)
        changes = label_changes(new, earlier(seen))
        changes = take(changes, changes["first"])
        for number in range(len(changes["known"])):
            key = (int(changes["id"][number]), int(changes["known"][number]), int(changes["label"][number]))
            firsts[key] += int(changes["sign"][number])

    assert {key: count for key, count in firsts.items() if count} == {
        (place, max(time, PREDICTED), label): 1 for place, (time, label) in earliest(rows).items()
    }


def earliest(rows: list[tuple[int, int, int, int]]) -> dict[int, tuple[int, int]]:
    """Time and label of each prediction's first outcome: of several at one time that which the others replace."""
    found = {}
    for place in {row[0] for row in rows}:
        time = min(row[1] for row in rows if row[0] == place)
        places, outcomes = columns([row for row in rows if row[:2] == (place, time)])
        found[place] = time, int(outcomes["label"][by_standing(places, outcomes)[0]])
    return found


@given(st.lists(OUTCOME, min_size=1, max_size=7), st.data())
def test_changes_add_up_to_the_course_in_any_blocks(rows: list[tuple[int, int, int, int]], data: st.DataObject) -> None:
    """Outcomes in any order and any blocks: the labels known by each time are those that stand then."""
    rows = data.draw(st.permutations(rows))
    size = data.draw(st.integers(1, 7))
    known: Counter[tuple[int, int, int]] = Counter()
    for first in range(0, len(rows), size):
        seen, block = rows[:first], rows[first : first + size]
        places, outcomes = columns(block)
        new = Pairs(places, predictions(places, {row[0] for row in seen}), outcomes)
        changes = label_changes(new, earlier(seen))
        for number in range(len(changes["known"])):
            key = (int(changes["of"][number]), int(changes["known"][number]), int(changes["label"][number]))
            known[key] += int(changes["sign"][number])

    for place in range(3):
        for at in range(PREDICTED, 7):
            labels: Counter[int] = Counter()
            for (of, time, label), times in known.items():
                labels[label] += times if of == place and time <= at else 0
            best = stands(rows, place, at)
            assert {label: times for label, times in labels.items() if times} == ({best[2]: 1} if best else {})


def earlier(seen: list[tuple[int, int, int, int]]) -> Callable[[Pairs], Pairs]:
    """Find the pairs that predictions were in before: all that was seen of them."""

    def find(new: Pairs) -> Pairs:
        mine = [row for row in seen if row[0] in set(new.places.tolist())]
        if not mine:
            return new.where(np.zeros(len(new.places), np.bool_))
        places, outcomes = columns(mine)
        return Pairs(places, predictions(places, set(places.tolist())), outcomes)

    return find
