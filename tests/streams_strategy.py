"""
Random streams of events that go looking for trouble, and the orders in which they may arrive.

A stream is written by `random.Random(seed)`, story by story (a request with its predictions, outcomes and feedback),
and Hypothesis draws the seed and which of the events to keep: a failing stream shrinks to the events that matter.
Times fall on the bounds of windows, horizons and disorder, or a microsecond to either side, as often as elsewhere.

What stories never do, so that the answer does not depend on how long state is kept: predictions of a request lie at
most the disorder apart, and so do copies of an outcome that differ. All events are valid.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any

from hypothesis import strategies as st

Event = dict[str, Any]

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
MOST_EVENTS = 60

FEEDBACK_METRICS = (
    *("mean_rating", "complaint_rate", "edit_rate", "click_rate"),
    *("conversion_rate", "acceptance_rate", "override_rate", "crash_rate"),
)
CONFUSION_METRICS = ("accuracy", "precision", "recall", "specificity", "f1", "balanced_accuracy", "mcc")
METRICS = {
    "binary": (*CONFUSION_METRICS, "brier", "mean_score", "mean_prediction", "log_loss", "roc_auc"),
    "multiclass": ("accuracy",),
    "regression": ("mae", "mse", "rmse", "bias", "r2", "mean_prediction"),
    "ranking": ("mrr", "ndcg@1", "ndcg@3", "hit_rate@1", "hit_rate@3"),
    "none": (),
}
TASKS = {
    "fraud": "binary",
    "churn": "binary",
    "topic": "multiclass",
    "price": "regression",
    "search": "ranking",
    "chat": "none",
}
LABELS = {"binary": ("0", "1"), "multiclass": ("a", "b", "ü"), "ranking": ("i1", "i2", "i3", "i4", "i5")}
NOT_RANKED = {"ranking": ("i9",)}
KINDS = ("rating", "complaint", "edit", "click", "conversion", "accept", "override", "crash", "latency")
WEIGHTS = (1.0, 1.0, 1.0, 0.5, 0.1, 0.013)
SCORES = (0.0, 1.0, 0.5, 0.001, 1e-9, 1e-16, 0.499, 0.999, 1 - 1e-9, 0.3)
NUMBERS = (0.0, 0.1, 1.0, -1.0, 1e6, -1e6, 1e-6, 999_999.9)
HORIZONS = {"1h": HOUR, "6h": 6 * HOUR, "1d": DAY, "2d": 2 * DAY}
DISORDERS = {"0s": 0, "90s": 90 * SECOND, "1h": HOUR, "5h": 5 * HOUR}
WINDOWS = ("1d", "6h", "1mo", "1w", "2h/1h", "45m/15m")
SLICES = ((), ("country",), ("role",), ("device", "country"), ("plan", "role"))
# A leap day, a change of year and a day in mid-month: the first events are on them.
STARTS = tuple(
    int(datetime(*day, tzinfo=UTC).timestamp()) * SECOND for day in ((2024, 2, 28), (2023, 12, 31), (2024, 6, 12))
)


@dataclass(frozen=True)
class Stream:
    """A configuration as in its YAML file, the events in the order in which stories tell them, the disorder in us."""

    config: dict[str, Any]
    events: list[Event]
    disorder: int
    seed: int


@dataclass(frozen=True)
class Part:
    """Events of one source that are read together."""

    source: str
    events: list[Event]


@dataclass(frozen=True)
class Delivery:
    """All sources there are, and the parts that are read from them, in the order of reading."""

    sources: tuple[str, ...]
    parts: list[Part]


# ---- Strategies


@st.composite
def streams(draw: st.DrawFn, most: int = MOST_EVENTS) -> Stream:
    """Streams of at most `most` events; shrinks by leaving events out."""
    seed = draw(st.integers(0, 2**32 - 1))
    size = draw(st.integers(1, most))
    left_out = draw(st.lists(st.sampled_from((True, False, False, False)), min_size=size, max_size=size))
    whole = make_stream(seed, size)
    events = [event for event, out in zip(whole.events, left_out, strict=True) if not out]
    return Stream(whole.config, events, whole.disorder, seed)


def arrival(events: list[Event], disorder: int) -> st.SearchStrategy[list[Event]]:
    """Orders of arrival in which no event comes more than `disorder` us after a newer one."""
    return st.integers(0, 2**32 - 1).map(lambda seed: make_arrival(events, disorder, seed))


def deliveries(events: list[Event], disorder: int) -> st.SearchStrategy[Delivery]:
    """Ways to read the events from one to three sources, each with its own bounded disorder, in parts of any size."""
    return st.integers(0, 2**32 - 1).map(lambda seed: make_delivery(events, disorder, seed))


# ---- Arrival


def make_arrival(events: list[Event], disorder: int, seed: int) -> list[Event]:
    """
    Order events by their time and a delay of 0 to `disorder` us.

    Then of two events the later one to arrive is at most `disorder` us older, since
    `earlier.time <= earlier.time + its delay <= later.time + its delay <= later.time + disorder`.
    """
    rng = Random(seed)
    delays = rng.choice(((0,), (0, disorder), range(disorder + 1)))
    return sorted(rng.sample(events, len(events)), key=lambda event: event["event_time"] + rng.choice(delays))


def make_delivery(events: list[Event], disorder: int, seed: int) -> Delivery:
    """Deal an arrival out to sources (at random or a source for each type), cut each, and read them in any order."""
    rng = Random(seed)
    ordered = make_arrival(events, disorder, seed)
    names = rng.choice((("a",), ("a", "b"), ("a", "b", "c"), ("prediction", "outcome", "feedback")))
    waiting: dict[str, list[Event]] = {name: [] for name in names}
    for event in ordered:
        waiting[event["type"] if "outcome" in names else rng.choice(names)].append(event)
    most = rng.choice((1, 5, MOST_EVENTS))
    parts = []
    while any(waiting.values()):
        name = rng.choice([name for name in names if waiting[name]])
        size = rng.randint(1, most)
        parts.append(Part(name, waiting[name][:size]))
        waiting[name] = waiting[name][size:]
    return Delivery(names, parts)


# ---- Streams


def make_stream(seed: int, size: int) -> Stream:
    """Write the first `size` events that belong to a seed."""
    rng = Random(seed)
    config = make_config(rng)
    disorder = DISORDERS[config["disorder"]]
    start = rng.choice(STARTS)
    moments = [_moment(rng, start) for _ in range(rng.choice((2, 5, 20)))]
    events: list[Event] = []
    while len(events) < size:
        events += Story(rng, config, f"r{len(events)}", rng.choice(moments)).tell()
    return Stream(config, events[:size], disorder, seed)


def make_config(rng: Random) -> dict[str, Any]:
    """Declare one to three models with few and small groups, short horizons and all metrics of their tasks."""
    models = {}
    for name in rng.sample(sorted(TASKS), rng.randint(1, 3)):
        model: dict[str, Any] = {"task": TASKS[name], "label_horizon": rng.choice(list(HORIZONS))}
        model["windows"] = rng.sample(WINDOWS, rng.randint(1, 2))
        model["slices"] = [[], *map(list, rng.sample(SLICES[1:], rng.randint(0, 2)))]
        model["max_groups"] = rng.choice((1, 2, 3, 1000))
        model["metrics"] = ["count", *METRICS[TASKS[name]], *FEEDBACK_METRICS]
        if TASKS[name] == "binary":
            model |= {"positive": "1", "negative": "0", "threshold": rng.choice((0.5, 0.3))}
        if TASKS[name] == "multiclass":
            model["classes"] = list(LABELS["multiclass"])
        models[name] = model
    return {"disorder": rng.choice(list(DISORDERS)), "models": models}


def _moment(rng: Random, start: int) -> int:
    """Pick a time in three days, every other one on the bound of a window or a microsecond to either side."""
    if rng.random() < 0.5:
        return start + rng.randrange(3 * DAY)
    return start + rng.choice((DAY, 6 * HOUR, HOUR, HOUR // 4)) * rng.randint(1, 12) + rng.choice((-1, 0, 0, 1))


# ---- Stories


class Story:
    """One request: what was predicted around `time`, and all that was said about it afterwards (or before)."""

    def __init__(self, rng: Random, config: dict[str, Any], request: str, time: int) -> None:
        self.rng = rng
        self.request = request
        self.time = time
        self.disorder = DISORDERS[config["disorder"]]
        self.horizons = {name: HORIZONS[model["label_horizon"]] for name, model in config["models"].items()}
        # One outcome must make sense to all models that are asked: they share their labels or have none.
        self.task = TASKS[rng.choice(list(config["models"]))]
        self.models = [name for name in config["models"] if TASKS[name] in (self.task, "regression", "none")]
        # One chance a request: outcomes that differ only in it would have no order among them.
        self.outcome_probability = rng.choice(WEIGHTS)
        self.nameless = rng.random() < 0.2  # the first prediction has no request_id: its own id is the request's

    def tell(self) -> list[Event]:
        predictions = [self.prediction(i) for i in range(self.rng.choice((1, 1, 2, 3)))]
        events = [*predictions, *self.outcomes(predictions), *self.feedback(predictions)]
        events += self.strangers(predictions) if self.rng.random() < 0.25 else []
        copies = [dict(event) for event in events if self.rng.random() < 0.1]
        return events + copies

    def prediction(self, number: int) -> Event:
        """Answer the request; copies and shadows come at the same time or up to the disorder later."""
        rng = self.rng
        event: Event = {"type": "prediction", "request_id": self.request, "prediction_id": f"p{number}"}
        if number == 0 and self.nameless:
            event = {"type": "prediction", "prediction_id": self.request}
        elif rng.random() < 0.2:
            event["prediction_id"] = f"{self.request}p{number}"
        later = rng.choice((0, 0, rng.randint(0, self.disorder), self.disorder)) if number else 0
        event |= {"event_time": self.time + later, "model": rng.choice(self.models), "version": rng.choice("12")}
        event |= self.optional(
            role=rng.choice(("live", "live", "shadow", "canary")),
            inclusion_probability=rng.choice(WEIGHTS),
            attributes=self.optional(country=rng.choice(("de", "fr", "ø", "")), device=rng.choice("ab"), plan="x"),
            latency_ms=rng.choice((0.0, 12.5, 900.0)),
        )
        return event | self.answer(TASKS[event["model"]])

    def answer(self, task: str) -> Event:
        """Make up what the model says, now and then less than it should."""
        rng = self.rng
        if task == "binary":
            label = {"label": rng.choice(LABELS["binary"])} if rng.random() < 0.3 else {}
            return label | self.optional(score=_score(rng))
        if task == "multiclass":
            return self.optional(label=rng.choice(LABELS["multiclass"]))
        if task == "regression":
            return self.optional(score=_number(rng))
        return {"ranking": rng.sample(LABELS["ranking"], rng.randint(0, 5))} if task == "ranking" else {}

    def outcomes(self, predictions: list[Event]) -> list[Event]:
        """Tell the truth about the request and about predictions by name, revised in any order, some of it twice."""
        events = []
        for named in (None, *predictions):
            for revision in self.rng.sample(
                range(4), self.rng.choice((0, 1, 1, 2, 3) if named is None else (0, 0, 0, 2))
            ):
                about = named or self.rng.choice(predictions)
                event = {"type": "outcome", **self.address(named), "event_time": self.after(about), **self.truth()}
                event |= {"revision": revision} if revision or self.rng.random() < 0.5 else {}
                events.append(event)
                if self.rng.random() < 0.15:
                    shifted = int(event["event_time"]) + self.rng.randint(-self.disorder, self.disorder)
                    events.append(event | {"label": None, "value": None, "event_time": shifted} | self.truth())
        return events

    def truth(self) -> Event:
        """Make up the fields of an outcome: what the tasks need, a part of it, or a null label."""
        event: Event = {"inclusion_probability": self.outcome_probability}
        if self.rng.random() < 0.15:
            return event | {"label": None, "value": None}
        if self.task in LABELS:
            event |= self.optional(label=self.rng.choice((*LABELS[self.task], *NOT_RANKED.get(self.task, ()))))
        if any(TASKS[name] == "regression" for name in self.models):
            event |= self.optional(value=_number(self.rng))
        return event

    def feedback(self, predictions: list[Event]) -> list[Event]:
        """React to predictions, by name or not."""
        events = []
        for number in range(self.rng.choice((0, 0, 1, 2, 4))):
            about = self.rng.choice(predictions)
            named = about if self.rng.random() < 0.5 else None
            event = {"type": "feedback", "feedback_id": f"{self.request}f{number}", **self.address(named)}
            events.append(event | {"event_time": self.after(about)} | self.reaction())
        return events

    def reaction(self) -> Event:
        kind = self.rng.choice(KINDS)
        values = {"rating": self.rng.randint(1, 5) * 1.0, "edit": self.rng.random(), "latency": 30.5}
        return {"kind": kind, "value": values[kind]} if kind in values else {"kind": kind}

    def strangers(self, predictions: list[Event]) -> list[Event]:
        """Speak of a request or prediction that never comes, or of one by an id that alone does not name it."""
        address = self.rng.choice(
            (
                {"request_id": f"{self.request}x"},
                {"prediction_id": f"{self.request}x"},
                {"request_id": self.request, "prediction_id": "nobody"},
                {"prediction_id": f"{self.request}p0"},
            )
        )
        time = {"event_time": self.after(self.rng.choice(predictions))}
        outcome = {"type": "outcome", **address, **time, **self.truth()}
        feedback = {"type": "feedback", "feedback_id": f"{self.request}fx", **address, **time, **self.reaction()}
        return [self.rng.choice((outcome, feedback))]

    def address(self, prediction: Event | None) -> Event:
        """Name the request, or a prediction; one that has no request_id by its own id alone or by both."""
        if prediction is None:
            return {"request_id": self.request}
        named = {"prediction_id": prediction["prediction_id"]}
        alone = "request_id" not in prediction and self.rng.random() < 0.5
        return named if alone else {"request_id": self.request} | named

    def after(self, prediction: Event) -> int:
        """Pick a time for what is said about a prediction: soon, some time before the horizon, or on a bound."""
        horizon = self.horizons[prediction["model"]]
        bound = self.rng.choice((0, -self.disorder, horizon, horizon, horizon + self.disorder))
        delays = (self.rng.randint(0, HOUR), self.rng.randint(0, horizon), bound + self.rng.choice((-1, 0, 0, 1)))
        return int(prediction["event_time"]) + self.rng.choice(delays)

    def optional(self, **fields: Any) -> Event:
        """Leave each field out once in a while."""
        return {name: value for name, value in fields.items() if self.rng.random() < 0.85}


def _score(rng: Random) -> float:
    return rng.choice((rng.choice(SCORES), rng.randint(0, 1000) / 1000, rng.random()))


def _number(rng: Random) -> float:
    return rng.choice((rng.choice(NUMBERS), rng.uniform(-1e6, 1e6), rng.gauss(0, 1)))
