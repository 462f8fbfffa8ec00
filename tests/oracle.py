"""
What the tables must say, worked out by brute force: docs/semantics.md as the plainest program that follows it.

Nothing here is shared with the program that it judges, nothing is fast, and nothing knows an order of arrival:
every rule looks at all events at once. Events are dicts as on JSON lines, `event_time` in integer microseconds;
the configuration is the dict of the YAML file, with `metrics` given and durations of a single unit ("90s").
Events are taken to be valid, and copies of a prediction or of feedback to be identical.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from math import fsum, inf
from typing import Any, NamedTuple

from xxhash import xxh3_64_intdigest

from tests.oracle_metrics import Case, Event, Model, measure, truth, weight

Group = tuple[tuple[str, ...], tuple[str, ...]]  # names of attributes, their values

WHOLE: Group = ((), ())
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNITS = {"s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000, "w": 604_800_000_000}
DEFAULTS: dict[str, Event] = {
    "prediction": {"role": "live", "score": None, "label": None, "ranking": (), "attributes": {}},
    "outcome": {"prediction_id": None, "label": None, "value": None, "revision": 0},
    "feedback": {"prediction_id": None, "value": None},
}
OUTCOME_IDENTITY = ("request_id", "prediction_id", "revision", "event_time", "label", "value")
FATES = ("matched", "late", "unmatched")  # of an outcome or feedback: the first of them that applies


class Key(NamedTuple):
    """One row's place: `slice` holds (attribute, value) pairs sorted by attribute, () for the whole."""

    model: str
    version: str
    window: str
    start: int
    slice: tuple[tuple[str, str], ...]


class Value(NamedTuple):
    """What one metric must be in one row; `value` is None where it is not defined."""

    value: float | None
    n: int
    label_coverage: float
    is_final: bool


class Oracle(NamedTuple):
    """All counters; the value of each metric in each row; the number of orphans by reason, `late` or `unmatched`."""

    counts: dict[str, int]
    windows: dict[Key, dict[str, Value]]
    orphans: dict[str, int]


def oracle(config: dict[str, Any], events: list[Event]) -> Oracle:
    """Judge all events at the end of their input, where the watermark is the largest event time of them all."""
    disorder = duration(config.get("disorder", "1d"))
    watermark = max((event["event_time"] for event in events), default=0)
    predictions, outcomes, feedback = ([filled(e) for e in events if e["type"] == kind] for kind in DEFAULTS)
    models = config["models"]
    distinct = {(p["request_id"], p["prediction_id"]): p for p in predictions}
    cases = [case_of(p, models[p["model"]], outcomes, feedback, disorder) for p in distinct.values()]

    outcome_fates = fates(outcomes, OUTCOME_IDENTITY, cases, disorder)
    feedback_fates = fates(feedback, ("feedback_id",), cases, disorder)
    counts = {"read": len(events), "rejected": 0, "summaries": 0, "duplicate_summaries": 0, "let_go": 0}
    counts |= count_predictions(predictions, cases, watermark)
    counts |= count_outcomes(outcomes, outcome_fates)
    counts |= count_feedback(feedback, feedback_fates)
    for total in ("orphan", "duplicate"):
        counts[total] = sum(number for name, number in counts.items() if name.startswith(f"{total}_"))
    counts["overflow"] = sum(len(refused_groups(model, cases_of(name, cases))) for name, model in models.items())

    reasons = [*outcome_fates.values(), *feedback_fates.values()]
    orphans = {reason: reasons.count(reason) for reason in ("late", "unmatched")}
    return Oracle(counts, rows(config, cases, watermark), orphans)


def filled(event: Event) -> Event:
    """Put in what an absent or null field stands for."""
    given = {name: value for name, value in event.items() if value is not None}
    full = DEFAULTS[event["type"]] | {"inclusion_probability": 1.0} | given
    return {"request_id": full["prediction_id"]} | full if "request_id" not in full else full


# ---- Which events belong together


def case_of(prediction: Event, model: Model, outcomes: list[Event], feedback: list[Event], disorder: int) -> Case:
    """Find what became of a prediction: of the outcomes that may label it the one that does, and its feedback."""
    first = prediction["event_time"] - disorder
    last = prediction["event_time"] + duration(model.get("label_horizon", "30d"))
    case = Case(prediction, model, first, last)
    outcome = min((o for o in outcomes if belongs(o, case)), key=precedence, default=None)
    pieces = {f["feedback_id"]: f for f in feedback if belongs(f, case)}
    return case._replace(outcome=outcome, feedback=tuple(pieces.values()))


def precedence(outcome: Event) -> tuple[int, int, int, float]:
    """Order outcomes, the one that stands first: highest revision, earliest, smallest label hash, smallest value."""
    value = -inf if outcome["value"] is None else outcome["value"]
    label = 0 if outcome["label"] is None else xxh3_64_intdigest(outcome["label"].encode())
    return -outcome["revision"], outcome["event_time"], label, value


def belongs(event: Event, case: Case) -> bool:
    """Whether an outcome or feedback is about the prediction and within its time, both ends included."""
    return concerns(event, case.prediction) and case.first <= int(event["event_time"]) <= case.last


def concerns(event: Event, prediction: Event) -> bool:
    """Whether an outcome or feedback is about the prediction, by their ids alone."""
    if event["prediction_id"] is None:
        about = event["type"] == "outcome" or prediction["role"] != "shadow"
    else:
        about = event["prediction_id"] == prediction["prediction_id"]
    return about and bool(event["request_id"] == prediction["request_id"])


def fates(events: list[Event], identity: tuple[str, ...], cases: list[Case], disorder: int) -> dict[Any, str]:
    """Tell what became of each distinct outcome or feedback: the best fate of its copies."""
    copies = defaultdict(list)
    for event in events:
        copies[tuple(event[name] for name in identity)].append(fate(event, cases, disorder))
    return {key: min(found, key=FATES.index) for key, found in copies.items()}


def fate(event: Event, cases: list[Case], disorder: int) -> str:
    """Tell whether an outcome or feedback belongs to a prediction, missed one by at most the disorder, or neither."""
    concerned = [case for case in cases if concerns(event, case.prediction)]
    if any(belongs(event, case) for case in concerned):
        return "matched"
    late = any(case.last < event["event_time"] <= case.last + disorder for case in concerned)
    return "late" if late else "unmatched"


# ---- Counters


def count_predictions(predictions: list[Event], cases: list[Case], watermark: int) -> dict[str, int]:
    """Count predictions that have an outcome, may still get one, or can no longer."""
    joined = sum(case.outcome is not None for case in cases)
    expired = sum(case.outcome is None and watermark > case.last for case in cases)
    waiting, duplicates = len(cases) - joined - expired, len(predictions) - len(cases)
    counts = {"predictions": len(predictions), "joined": joined, "expired": expired}
    return counts | {"waiting": waiting, "duplicate_predictions": duplicates}


def count_outcomes(outcomes: list[Event], found: dict[Any, str]) -> dict[str, int]:
    """Count distinct outcomes that match: one labels for its request and name, the others correct."""
    matched = [identity for identity, fate in found.items() if fate == "matched"]
    labelling = len({(request, named) for request, named, *_ in matched})
    orphans, duplicates = len(found) - len(matched), len(outcomes) - len(found)
    counts = {"outcomes": len(outcomes), "labelling": labelling, "corrected": len(matched) - labelling}
    return counts | {"orphan_outcomes": orphans, "duplicate_outcomes": duplicates}


def count_feedback(feedback: list[Event], found: dict[Any, str]) -> dict[str, int]:
    """Count distinct pieces of feedback that belong to a prediction and those that do not."""
    attributed = list(found.values()).count("matched")
    orphans, duplicates = len(found) - attributed, len(feedback) - len(found)
    counts = {"feedback": len(feedback), "attributed": attributed}
    return counts | {"orphan_feedback": orphans, "duplicate_feedback": duplicates}


# ---- Windows and groups


def rows(config: dict[str, Any], cases: list[Case], watermark: int) -> dict[Key, dict[str, Value]]:
    """Measure the cases of every window and group that has any."""
    table = {}
    for name, model in config["models"].items():
        horizon = duration(model.get("label_horizon", "30d"))
        for (key, end), members in gather(name, model, cases_of(name, cases)).items():
            labelled = fsum(weight(case) for case in members if truth(case) is not None)
            coverage = labelled / fsum(map(weight, members))
            is_final = watermark >= end + horizon
            table[key] = {m: Value(*measure(m, members), coverage, is_final) for m in model["metrics"]}
    return table


def gather(name: str, model: Model, cases: list[Case]) -> dict[tuple[Key, int], list[Case]]:
    """Put each case of a model into each of its windows, for the whole and for its group in each slice."""
    refused = refused_groups(model, cases)
    members = defaultdict(list)
    for case in cases:
        groups = [pooled(group) if group in refused else group for group in groups_of(model, case)]
        for window in model.get("windows", ["1d"]):
            for start, end in windows_at(window, case.prediction["event_time"]):
                for names, values in [WHOLE, *groups]:
                    pairs = tuple(sorted(zip(names, values, strict=True)))
                    members[Key(name, case.prediction["version"], window, start, pairs), end].append(case)
    return members


def cases_of(name: str, cases: list[Case]) -> list[Case]:
    """Select the cases of one model."""
    return [case for case in cases if case.prediction["model"] == name]


def groups_of(model: Model, case: Case) -> list[Group]:
    """Name the group of a case in every slice but the whole."""
    attributes = case.prediction["attributes"] | {"role": case.prediction["role"]}
    slices = [tuple(names) for names in model.get("slices", []) if names]
    return [(names, tuple(attributes.get(name, "__missing__") for name in names)) for names in slices]


def pooled(group: Group) -> Group:
    """Name the group that takes the place of one over the cap."""
    return group[0], ("__other__",) * len(group[0])


def refused_groups(model: Model, cases: list[Case]) -> list[Group]:
    """Name the groups over the model's cap, all but the first by earliest event time, attributes and values."""
    first: dict[Group, int] = {}
    for case in cases:
        for group in groups_of(model, case):
            first[group] = min(first.get(group, case.prediction["event_time"]), case.prediction["event_time"])
    return sorted(first, key=lambda group: (first[group], group))[model.get("max_groups", 1000) :]


# ---- Time


def duration(text: str) -> int:
    """Read "90s", "15m", "1h", "30d" or "2w" as microseconds."""
    return int(text[:-1]) * UNITS[text[-1]]


def windows_at(window: str, time: int) -> list[tuple[int, int]]:
    """List (start, end) of every window of the kind "1d", "15m/1m" or "1mo" that holds the time."""
    if window.endswith("mo"):
        date, length = EPOCH + timedelta(microseconds=time), int(window[:-2])
        months = (date.year - 1970) * 12 + date.month - 1
        first = months - months % length
        return [(month_start(first), month_start(first + length))]
    size, _, slide = window.partition("/")
    width, step = duration(size), duration(slide or size)
    return [(start, start + width) for start in range(time - time % step, time - width, -step)]


def month_start(months: int) -> int:
    """Tell when a month begins, given the number of months between January 1970 and it."""
    return (datetime(1970 + months // 12, months % 12 + 1, 1, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
