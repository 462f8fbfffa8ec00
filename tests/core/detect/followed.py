"""Predictions of a few units, rules about several of them, and what these say of each tick, told from raw events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from random import Random
from typing import Any

from tests.streams_strategy import DAY, HOUR, Event

START = 1_704_067_200_000_000  # 2024-01-01
MINUTE = HOUR // 60
TICK, DISORDER, WITHIN = HOUR, 20 * MINUTE, 90 * MINUTE
Shares = dict[tuple[str, str, int], tuple[float, float]]
"""By model, rule and end of a tick: the weight of the predictions of which it can be told, and of those that fail."""

RULES: dict[str, Any] = {
    "steady": {"model": "a", "stable": {"by": 0.5, "within": "90m"}, "severity": "critical"},
    "no_flicker": {"model": "a", "flicker": {"within": "90m"}},
    "not_hammered": {"model": "a", "rate": {"at_most": 2, "within": "90m"}, "when": 'role == "live"'},
    "like_b": {"model": "a", "agree": {"with": "b", "by": 0.5, "within": "90m"}},
    "same_label": {"model": "b", "agree": {"with": "a", "within": "90m"}},
    "like_itself": {"model": "b", "agree": {"by": 0.0, "within": "90m"}},
    "has_a_score": {"model": "a", "require": ["score"]},
}


def declared() -> dict[str, Any]:
    """Return a configuration as in its file: two models, of which nothing but the rules is watched."""
    return {
        "models": {"a": {"task": "none"}, "b": {"task": "none"}},
        "disorder": "20m",
        "assertions": RULES,
        "detection": {"tick": "1h", "learn": "20h", "season": "1h", "false_alarm_every": "1d"},
    }


def predictions(seed: int, count: int = 60) -> list[Event]:
    """Return predictions at as many different times of half a day, in the order of these."""
    rng = Random(seed)
    times = sorted(rng.sample(range(START, START + DAY // 2, MINUTE // 2), count))
    return [_prediction(rng, number, time) for number, time in enumerate(times)]


def _prediction(rng: Random, number: int, time: int) -> Event:
    ids: Event = {"type": "prediction", "prediction_id": f"p{number}", "event_time": time, "version": "1"}
    ids |= {"request_id": f"r{rng.randrange(12)}", "unit_id": rng.choice(("u", "u", "v", "v", "w", "", None))}
    said: Event = {"model": rng.choice("aab"), "role": rng.choice(("live", "live", "shadow"))}
    said |= {"score": rng.choice((0.0, 0.25, 0.75, 1.0, None)), "label": rng.choice(("x", "y", "y", None))}
    return ids | said | {"inclusion_probability": rng.choice((1.0, 1.0, 0.5))}


def arrived(told: Sequence[Event], seed: int) -> list[Event]:
    """Return events in an order in which none is more than the disorder late; some come twice."""
    rng = Random(seed)
    late = rng.choice(((0,), (0, DISORDER), range(DISORDER + 1)))
    doubled = [dict(event) for event in told if rng.random() < 0.1]
    return sorted([*told, *doubled], key=lambda event: event["event_time"] + rng.choice(late))


def oracle(told: Iterable[Event]) -> Shares:
    """What each rule says of each tick, every prediction held against all that were made before it."""
    counted: defaultdict[tuple[str, str, int], list[float]] = defaultdict(lambda: [0.0, 0.0])
    told = sorted(told, key=lambda event: event["event_time"])
    for name, (model, needs, of, judge) in _JUDGES.items():
        mine = [e for e in told if e["model"] in of and all(e[need] not in (None, "") for need in needs)]
        mine = [e for e in mine if name != "not_hammered" or e["role"] == "live"]
        for place, event in enumerate(mine):
            holds = judge(event, [e for e in mine[:place] if event["event_time"] - e["event_time"] < WITHIN])
            if holds is not None:
                tick = counted[model, name, (event["event_time"] // TICK + 1) * TICK]
                tick[0] += 1 / event["inclusion_probability"]
                tick[1] += 0.0 if holds else 1 / event["inclusion_probability"]
    return {key: (seen, failed) for key, (seen, failed) in counted.items()}


def _unit(event: Event, before: list[Event]) -> list[Event]:
    return [e for e in before if e["unit_id"] == event["unit_id"]]


def _steady(event: Event, before: list[Event]) -> bool | None:
    own = _unit(event, before)
    return bool(abs(own[-1]["score"] - event["score"]) <= 0.5) if own else None


def _no_flicker(event: Event, before: list[Event]) -> bool | None:
    labels = [e["label"] for e in _unit(event, before)]
    return bool(labels[-1] == event["label"] or event["label"] not in labels) if labels else None


def _not_hammered(event: Event, before: list[Event]) -> bool | None:
    return len(_unit(event, before)) < 2


def _other(event: Event, before: list[Event]) -> list[Event]:
    return [e for e in before if e["request_id"] == event["request_id"] and e["model"] != event["model"]]


def _like_b(event: Event, before: list[Event]) -> bool | None:
    others = _other(event, before)
    return bool(abs(others[-1]["score"] - event["score"]) <= 0.5) if others else None


def _same_label(event: Event, before: list[Event]) -> bool | None:
    others = _other(event, before)
    return bool(others[-1]["label"] == event["label"]) if others else None


def _like_itself(event: Event, before: list[Event]) -> bool | None:
    own = [e for e in before if e["request_id"] == event["request_id"]]
    return bool(own[-1]["score"] == event["score"]) if own else None


_JUDGES: dict[str, Any] = {
    "steady": ("a", ("unit_id", "score"), "a", _steady),
    "no_flicker": ("a", ("unit_id", "label"), "a", _no_flicker),
    "not_hammered": ("a", ("unit_id",), "a", _not_hammered),
    "like_b": ("a", ("score",), "ab", _like_b),
    "same_label": ("b", ("label",), "ab", _same_label),
    "like_itself": ("b", ("score",), "b", _like_itself),
}


def shares(signals: Iterable[dict[str, Any]]) -> Shares:
    """Return the same from rows of the table `signals`, of the rules that the oracle knows."""
    return {
        (row["model"], row["watch"], round(row["tick"].timestamp() * 1e6)): (
            row["n"],
            round(row["value"] * row["n"], 9),
        )
        for row in signals
        if row["watch"] in _JUDGES and row["n"] > 0
    }
