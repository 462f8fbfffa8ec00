"""What an incident does to the traffic of its model: to nothing before it, after it or outside its slice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from benchmarks.incidents.plan import ATTRIBUTES, HOUR, Incident, Kind
from benchmarks.incidents.scale import log_odds, probability

Columns: TypeAlias = dict[str, np.ndarray]
Stage = Literal["requests", "answers", "outcomes", "sending"]
STAGES: tuple[Stage, ...] = ("requests", "answers", "outcomes", "sending")
"""What is asked, what is answered, what becomes known, and what of it is sent; an incident strikes in one of them."""

Injector = Callable[[Incident, Columns, npt.NDArray[np.bool_], np.random.Generator], Columns]


def inject(stage: Stage, incident: Incident, columns: Columns, rng: np.random.Generator) -> Columns:
    """
    Return the columns that an incident changes in a stage; none if it strikes in another one.

    Outcomes are struck by the time at which they are due, all else by the time of the request.
    """
    where, injector = _INJECTORS[incident.kind]
    if where != stage:
        return {}
    time = columns["known" if stage == "outcomes" else "time"]
    struck = (time >= incident.start) & (time < incident.end)
    for attribute, value in incident.slice:
        struck &= columns[attribute] == ATTRIBUTES[attribute].index(value)
    struck &= rng.random(len(time)) < incident.share
    return injector(incident, columns, struck, rng)


def _flip(incident: Incident, columns: Columns, struck: npt.NDArray[np.bool_], rng: np.random.Generator) -> Columns:
    flipped = struck & (rng.random(len(struck)) < incident.size)
    return {"label": np.where(flipped, 1 - columns["label"], columns["label"])}


def _bias(incident: Incident, columns: Columns, struck: npt.NDArray[np.bool_], _: np.random.Generator) -> Columns:
    score = columns["score"]
    if incident.model == "eta":
        return {"score": np.where(struck, score * (1 + incident.size), score)}
    moved = np.where(struck, probability(log_odds(score) + incident.size), score)
    return {"score": moved, "answer": np.where(struck, moved >= 0.5, columns["answer"]).astype(np.int64)}


def _slow_down(incident: Incident, columns: Columns, struck: npt.NDArray[np.bool_], _: np.random.Generator) -> Columns:
    return {"latency": np.where(struck, columns["latency"] * incident.size, columns["latency"])}


def _lose_outcomes(
    incident: Incident, columns: Columns, struck: npt.NDArray[np.bool_], rng: np.random.Generator
) -> Columns:
    return {"labelled": columns["labelled"] & ~(struck & (rng.random(len(struck)) < incident.size))}


def _delay(incident: Incident, columns: Columns, struck: npt.NDArray[np.bool_], _: np.random.Generator) -> Columns:
    return {"known": np.where(struck, columns["known"] + int(incident.size * HOUR), columns["known"])}


def _corrupt(incident: Incident, columns: Columns, struck: npt.NDArray[np.bool_], rng: np.random.Generator) -> Columns:
    """Change what the model is given; what is true stays as it is."""
    values = columns[incident.column]
    if incident.how == "scaled":
        return {incident.column: np.where(struck, values * incident.size, values)}
    some = struck & (rng.random(len(struck)) < incident.size)
    if incident.how == "previous":
        given = values.copy()
        given[some] = np.roll(values[some], 1)
        return {incident.column: given}
    return {incident.column: np.where(some, {"absent": np.nan, "zero": 0.0}[incident.how], values)}


def _lose_requests(
    incident: Incident, columns: Columns, struck: npt.NDArray[np.bool_], rng: np.random.Generator
) -> Columns:
    return {"stays": columns["stays"] & ~(struck & (rng.random(len(struck)) < incident.size))}


def _miscalibrate(
    incident: Incident, columns: Columns, struck: npt.NDArray[np.bool_], _: np.random.Generator
) -> Columns:
    """Move the probabilities, and leave the classes as they were decided."""
    odds = log_odds(columns["score"])
    moved = odds + incident.size if incident.how == "shifted" else odds * incident.size
    return {"score": np.where(struck, probability(moved), columns["score"])}


_INJECTORS: Mapping[Kind, tuple[Stage, Injector]] = MappingProxyType(
    {
        "label flips": ("outcomes", _flip),
        "one-slice bias": ("answers", _bias),
        "latency": ("answers", _slow_down),
        "missing outcomes": ("outcomes", _lose_outcomes),
        "delayed outcomes": ("outcomes", _delay),
        "feature corruption": ("requests", _corrupt),
        "traffic drop": ("sending", _lose_requests),
        "calibration shift": ("answers", _miscalibrate),
    }
)
