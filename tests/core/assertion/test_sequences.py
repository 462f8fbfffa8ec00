"""Rules about the events of one unit or request, against looking at every pair, however events are cut into blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.assertion.rules import Agree, Flicker, OverTime, Rate, Rule, Stable, compile_rules
from streams.core.assertion.sequences import Sequences
from streams.core.block import SCHEMAS
from streams.core.flatten import identify
from streams.core.watermark import FOREVER
from tests.core.assertion.making import batch

Event = dict[str, Any]
Said = list[tuple[str, int, str]]
Looks = Callable[[Event, list[Event]], bool | None]

DISORDER, WITHIN = 3, 8
RULES = [
    Rule("stable", "a", Stable(0.5, WITHIN)),
    Rule("steady label", "a", Flicker(WITHIN)),
    Rule("rate", "a", Rate(2, WITHIN)),
    Rule("one a request", "a", Rate(1, WITHIN), when="latency_ms < 2"),
    Rule("scores agree", "a", Agree("b", WITHIN, 0.5)),
    Rule("labels agree", "b", Agree("a", WITHIN)),
    Rule("shadow agrees", "b", Agree("b", WITHIN, 0.0)),
]


def stable(event: Event, earlier: list[Event]) -> bool | None:
    """Compare with the unit's last event."""
    last = [e for e in earlier if e["unit_id"] == event["unit_id"]][-1:]
    if not last or event["event_time"] - last[0]["event_time"] >= WITHIN:
        return None
    return bool(abs(event["score"] - last[0]["score"]) <= 0.5)


def flicker(event: Event, earlier: list[Event]) -> bool | None:
    """Look for the same label before the unit's last event, which had another."""
    own = [e for e in earlier if e["unit_id"] == event["unit_id"] and event["event_time"] - e["event_time"] < WITHIN]
    if not own:
        return None
    labels = [e["label"] for e in own]
    return bool(labels[-1] == event["label"] or event["label"] not in labels)


def rate(most: int) -> Looks:
    """Count the unit's events."""

    def look(event: Event, earlier: list[Event]) -> bool:
        own = [e for e in earlier if e["unit_id"] == event["unit_id"]]
        near = [e for e in own if event["event_time"] - e["event_time"] < WITHIN]
        return len(near) < most

    return look


def agree(two: bool, key: str) -> Looks:
    """Compare with the request's last event of the other model."""

    def look(event: Event, earlier: list[Event]) -> bool | None:
        last = [
            e for e in earlier if e["request_id"] == event["request_id"] and (e["model"] != event["model"] or not two)
        ][-1:]
        if not last or event["event_time"] - last[0]["event_time"] >= WITHIN:
            return None
        if key == "label":
            return bool(event["label"] == last[0]["label"])
        return bool(abs(event["score"] - last[0]["score"]) <= (0.5 if two else 0.0))

    return look


LOOKS: dict[str, tuple[str, tuple[str, ...], Looks]] = {
    "stable": ("a", ("unit_id", "score"), stable),
    "steady label": ("a", ("unit_id", "label"), flicker),
    "rate": ("a", ("unit_id",), rate(2)),
    "one a request": ("a", ("unit_id", "latency_ms"), rate(1)),
    "scores agree": ("ab", ("score",), agree(two=True, key="score")),
    "labels agree": ("ab", ("label",), agree(two=True, key="label")),
    "shadow agrees": ("b", ("score",), agree(two=False, key="score")),
}


def looked_at(events: list[Event]) -> Said:
    """Everything that is to be said of events, each looked at beside all that came before it."""
    ids = identify(batch(events))["target"].tolist()
    in_order = sorted(range(len(events)), key=lambda number: (events[number]["event_time"], ids[number]))
    said = []
    for name, (models, needs, look) in LOOKS.items():
        earlier: list[Event] = []
        for number in in_order:
            event = events[number]
            if event["model"] not in models or (name == "one a request" and (event["latency_ms"] or 0) >= 2):
                continue
            if any(event[need] in (None, "") for need in needs):
                said.append((name, number, "not applicable"))
                continue
            holds = look(event, earlier)
            said += [] if holds is None else [(name, number, "holds" if holds else "failed")]
            earlier.append(event)
    return sorted(said)


def words(checked: Sequence[Any]) -> Said:
    """Plain form of what was said."""
    return [
        (one.rule.name, int(row), "not applicable" if unknown else "failed" if failed else "holds")
        for one in checked
        for row, failed, unknown in zip(one.rows, one.failed, one.not_applicable, strict=True)
    ]


def run(events: list[Event], arrival: list[int], cuts: Sequence[int], restarts: Sequence[bool] = ()) -> Said:
    """What is said of events that arrive in this order, cut into blocks, with restarts between some of these."""
    sequences, said, latest = Sequences(compile_rules(RULES)), [], 0
    bounds = [0, *sorted(cuts), len(events)]
    for block, (start, end) in enumerate(pairwise(bounds)):
        numbers = arrival[start:end]
        table = batch([{"prediction_id": f"p{number}", **events[number]} for number in numbers])
        said += words(sequences.see(table, identify(table), np.array(numbers, np.int64)))
        latest = max([latest, *(events[number]["event_time"] for number in numbers)])
        said += words(sequences.advance(latest - DISORDER))
        if block < len(restarts) and restarts[block]:
            saved = sequences.snapshot()
            sequences = Sequences(compile_rules(RULES))
            sequences.restore(saved)
    return sorted(said + words(sequences.advance(FOREVER)))


def predictions() -> st.SearchStrategy[list[Event]]:
    number = st.none() | st.sampled_from((0.0, 0.25, 0.75, 1.0))
    event = st.fixed_dictionaries(
        {
            "event_time": st.integers(0, 40),
            "model": st.sampled_from("aaabbc"),
            "unit_id": st.sampled_from(("u", "u", "u", "v", "", None)),
            "request_id": st.sampled_from(("r", "r", "s")),
            "score": number,
            "label": st.sampled_from(("x", "y", "z", "x", "y", None)),
            "latency_ms": st.sampled_from((None, 1.0, 1.0, 3.0)),
        }
    )
    return st.lists(event, min_size=1, max_size=8) | st.lists(event, min_size=15, max_size=40)


@given(predictions(), st.data())
@settings(max_examples=150)
def test_every_event_is_compared_as_in_one_look_at_all(events: list[Event], data: st.DataObject) -> None:
    """Whatever the order within the disorder, the blocks and the restarts, each pair is judged as by brute force."""
    late = data.draw(st.lists(st.integers(0, DISORDER), min_size=len(events), max_size=len(events)))
    arrival = sorted(range(len(events)), key=lambda number: events[number]["event_time"] + late[number])
    cuts = data.draw(st.lists(st.integers(0, len(events)), max_size=6))
    restarts = data.draw(st.lists(st.booleans(), max_size=6))

    assert run(events, arrival, cuts, restarts) == looked_at(events)


def told(events: list[Event], check: OverTime) -> list[str]:
    """What is said of the events of one unit `u`, in their order: the first letter of each word, or - for nothing."""
    sequences = Sequences(compile_rules([Rule("r", "m", check)]))
    table = batch([{"unit_id": "u", "request_id": "q", **event} for event in events])
    found = words(sequences.see(table, identify(table))) + words(sequences.advance(FOREVER))
    said = {row: word[0] for _, row, word in found}
    return [said.get(row, "-") for row in range(len(events))]


@pytest.mark.parametrize(
    ("check", "events", "expected"),
    [
        (Stable(0.5, 10), [(0, 0.0), (1, 0.5), (2, 1.25), (12, 0.0), (13, None), (14, 0.0)], "-hf-nh"),
        (Stable(1e300, 10), [(0, 1e308), (1, -1e308)], "-f"),
        (Rate(2, 10), [(0, 0.0), (5, 0.0), (9, 0.0), (10, 0.0), (15, 0.0), (40, 0.0)], "hhfffh"),
        (Agree("m", 10, 0.25), [(0, 0.0), (1, 0.25), (2, 1.0), (12, 0.0)], "-hf-"),
    ],
)
def test_rules_about_scores(check: OverTime, events: list[tuple[int, float | None]], expected: str) -> None:
    """A bound is still allowed, and what is just `within` before is no longer compared with."""
    assert "".join(told([{"event_time": time, "score": score} for time, score in events], check)) == expected


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ("aab", "-hh"),
        ("aba", "-hf"),
        ("abca", "-hhf"),
        ("abab", "-hff"),
        ("ab__a", "-h--h"),
        ("abbbba", "-hhhhh"),
    ],
)
def test_a_label_that_comes_back_soon_flickers(labels: str, expected: str) -> None:
    """Time goes on by 3 with each letter, _ is none; a label that was left less than 10 ago must not come back."""
    events = [{"event_time": 3 * place, "label": label} for place, label in enumerate(labels) if label != "_"]
    said = told(events, Flicker(10))

    assert said == [letter for letter, label in zip(expected, labels, strict=True) if label != "_"]


def test_late_events_are_not_applicable() -> None:
    """An event that comes after the watermark has passed its time is said to be not applicable, and moves nothing."""
    sequences = Sequences(compile_rules([Rule("r", "m", Stable(0.5, 10))]))
    first, late, last = (
        batch([{"event_time": t, "unit_id": "u", "score": s}]) for t, s in [(5, 0.0), (4, 9.0), (6, 0.1)]
    )

    assert sequences.see(first, identify(first)) == []
    assert sequences.advance(6)[0].rows.tolist() == []
    assert words(sequences.see(late, identify(late))) == [("r", 0, "not applicable")]
    assert sequences.see(last, identify(last)) == []
    assert words(sequences.advance(7)) == [("r", 0, "holds")]


def test_an_earlier_watermark_changes_nothing() -> None:
    """To advance to where time has been before says nothing anew."""
    sequences = Sequences(compile_rules([Rule("r", "m", Rate(1, 10))]))
    table = batch([{"event_time": 5, "unit_id": "u"}])
    sequences.see(table, identify(table))

    assert words(sequences.advance(6)) == [("r", 0, "holds")]
    assert sequences.advance(3) == []


@pytest.mark.parametrize("at_once", [1, 2, 3, 7])
def test_rates_go_on_over_blocks(at_once: int) -> None:
    """However many events are looked at together, the third in a period of two is one too many."""
    sequences, said = Sequences(compile_rules([Rule("r", "m", Rate(2, 10))])), []
    times = [0, 4, 9, 15, 30, 31, 32]
    for start in range(0, len(times), at_once):
        table = batch([{"event_time": t, "unit_id": "u"} for t in times[start : start + at_once]])
        sequences.see(table, identify(table))
        said += [word for _, _, word in words(sequences.advance(times[start : start + at_once][-1] + 1))]

    assert said == ["holds", "holds", "failed", "holds", "holds", "holds", "failed"]


def test_only_chosen_events_are_taken_in() -> None:
    """Rows that were not asked for are neither said anything of nor compared with."""
    sequences = Sequences(compile_rules([Rule("r", "m", Stable(0.5, 10))]))
    table = batch([{"event_time": t, "unit_id": "u", "score": score} for t, score in enumerate([0.0, 9.0, 0.1])])
    sequences.see(table, identify(table), np.array([70, 71, 72]), np.array([0, 2]))

    assert words(sequences.advance(FOREVER)) == [("r", 72, "holds")]


def test_what_waits_is_let_go_of_when_its_time_has_come() -> None:
    """Events wait until the watermark has passed them, and only those that a rule concerns."""
    sequences = Sequences(compile_rules([Rule("r", "m", Rate(1, 10), when="score > 0")]))
    rows = [{"event_time": t, "unit_id": "u", "score": float(t % 2), "model": m} for t in range(10) for m in "mx"]
    table = batch(rows)
    sequences.see(table, identify(table))

    assert len(sequences) == 5
    sequences.advance(6)
    assert len(sequences) == 2


def test_state_follows_only_the_units_of_late() -> None:
    """After a thousand times as many units as are seen within the period, few rows are kept."""
    sequences = Sequences(compile_rules([Rule(check.__class__.__name__, "m", check) for check in EVERY]))
    for start in range(0, 100_000, 5_000):
        table = _table(np.arange(start, start + 5_000), units=[f"u{n}" for n in range(start, start + 5_000)])
        sequences.see(table, identify(table))
        sequences.advance(start + 5_000)

    kept = [len(rows["time"]) for saved in sequences.snapshot()["followers"] for rows in saved.values()]
    assert max(kept) <= 2 * 5_000 + 100


EVERY = (Stable(0.5, 100), Flicker(100), Rate(3, 100), Agree("m", 100, 0.1))


def test_a_million_events_of_one_unit() -> None:
    """One unit with a million predictions is followed exactly, and a handful of rows is kept of it."""
    count = 1_000_000
    times = np.arange(count) * 10
    scores = np.where(np.arange(count) % 1_000 == 999, 1.0, 0.0)
    rules = [Rule("s", "m", Stable(0.5, 100)), Rule("f", "m", Flicker(100)), Rule("r", "m", Rate(10, 100))]
    sequences = Sequences(compile_rules([*rules, Rule("too many", "m", Rate(9, 100))]))
    failed = dict.fromkeys(("s", "f", "r", "too many"), 0)
    for start in range(0, count, 250_000):
        end = start + 250_000
        table = _table(times[start:end], scores=scores[start:end], units=["u"] * (end - start))
        sequences.see(table, identify(table))
        for one in sequences.advance(int(times[end - 1]) - 50):
            failed[one.rule.name] += int(one.failed.sum())
    for one in sequences.advance(FOREVER):
        failed[one.rule.name] += int(one.failed.sum())

    assert failed == {"s": 2 * 1_000 - 1, "f": 0, "r": 0, "too many": count - 9}
    assert [len(rows["time"]) for saved in sequences.snapshot()["followers"] for rows in saved.values()] == [
        *(1, 1, 1),
        *(1, 10),
        *(1, 9),
    ]


def _table(times: Any, units: list[str], scores: Any = None) -> pa.RecordBatch:
    """Many predictions of a model `m`, made as columns, which is quick."""
    rows = len(times)
    ids = pa.array(np.char.add("p", times.astype(str)))
    values = {
        "request_id": ids,
        "prediction_id": ids,
        "event_time": times,
        "score": np.zeros(rows) if scores is None else scores,
        "unit_id": units,
        "inclusion_probability": np.ones(rows),
    }
    constant = {"model": "m", "version": "1", "role": "live", "label": "x"}
    values |= {name: pa.repeat(value, rows) for name, value in constant.items()}
    columns = [
        pa.array(values[f.name], f.type) if f.name in values else pa.nulls(rows, f.type) for f in SCHEMAS["prediction"]
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMAS["prediction"])


def test_a_snapshot_finds_its_rules_again() -> None:
    """Rules that are declared as before go on, whatever else was declared; one that was changed begins anew."""
    before, after = (batch([{"event_time": t, "unit_id": "u", "score": s}]) for t, s in [(5, 0.0), (6, 1.0)])
    old = Sequences(
        compile_rules([Rule("kept", "m", Stable(0.5, 10)), Rule("changed", "m", Stable(0.5, 10), "score > 5")])
    )
    old.see(before, identify(before))
    rules = [
        Rule("changed", "m", Stable(0.5, 10), "score > 4"),
        Rule("new", "a", Flicker(3)),
        Rule("kept", "m", Stable(0.5, 10), None, "info"),
    ]
    new = Sequences(compile_rules(rules))
    new.restore(old.snapshot())
    new.see(after, identify(after))
    said = words(new.advance(FOREVER))
    none = Sequences(compile_rules([]))
    none.restore(old.snapshot())

    assert said == [("kept", 0, "failed")]
    assert len(none) == 0


def collected(rules: Sequence[Rule], *told: Event) -> dict[str, Any]:
    """What another partition has taken in."""
    there = Sequences(compile_rules(rules))
    table = batch(told)
    there.see(table, identify(table), np.arange(len(told)) + 70)
    return there.collect()


def test_what_was_collected_elsewhere_is_looked_at_here() -> None:
    """Events of two partitions are compared with each other; what has been collected is gone."""
    rule = Rule("r", "m", Stable(0.5, 10))
    here, there = Sequences(compile_rules([rule])), Sequences(compile_rules([rule]))
    for time, score in ((5, 0.0), (6, 9.0)):
        table = batch([{"event_time": time, "unit_id": "u", "score": score, "prediction_id": f"p{time}"}])
        there.see(table, identify(table), np.array([time]))
        assert here.merge(there.collect()) == []
        assert len(there) == 0

    assert here.latest() == 6
    assert words(here.advance(7)) == [("r", 6, "failed")]


def test_what_was_collected_elsewhere_may_be_late() -> None:
    """What the watermark has passed already is not applicable, and nothing is compared with it."""
    rule, other = Rule("r", "m", Stable(0.5, 10)), Rule("of another unit", "m", Rate(1, 10), when="score > 5")
    here = Sequences(compile_rules([rule, other]))
    here.advance(5)
    said = here.merge(
        collected([rule, other], *({"event_time": t, "unit_id": "u", "score": s} for t, s in [(4, 9.0), (5, 0.0)]))
    )

    assert words(said) == [("r", 70, "not applicable"), ("of another unit", 70, "not applicable")]
    assert words(here.advance(7)) == []


def test_models_keep_their_places() -> None:
    """Collected under fewer rules, so that models had other numbers: the two sides of a rule are the same models."""
    rule, new = Rule("r", "m", Agree("n", 10, 0.5)), Rule("new", "a", Agree("b", 10, 0.5))
    here = Sequences(compile_rules([new, rule]))
    told = [{"event_time": t, "model": m, "request_id": "q", "score": s} for t, m, s in [(1, "m", 0), (2, "n", 9)]]
    here.merge(collected([rule], *told))

    assert words(here.advance(7)) == [("r", 71, "failed")]
