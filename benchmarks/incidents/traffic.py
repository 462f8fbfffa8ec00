"""
The traffic of three models: what is asked, what is answered, and what turns out to be true.

Requests follow the day and the week, and no hour is like another. Who asks changes with the hour, and with that what is
asked and what is answered; scores depend on six features and on the two attributes. Probabilities are right, as long as
nothing is wrong with the features. Outcomes come after minutes or days, some never; wrong answers bring complaints.
New versions are released, and change nothing.

Each stage has its own dice, so that an incident changes nothing outside itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from benchmarks.incidents.injectors import STAGES, Columns, inject
from benchmarks.incidents.plan import DAY, HOUR, LEARNING, START, WATCHED, World
from benchmarks.incidents.scale import probability

Floats: TypeAlias = npt.NDArray[np.float64]

_COUNTRY_SHARES = np.array([0.32, 0.22, 0.20, 0.15, 0.11])
_COUNTRY_PEAKS = np.array([13, 13, 19, 17, 8])
"""Hours, UTC, at which each country asks most."""
_COUNTRY_EFFECTS = np.array([-0.2, 0.1, 0.0, 0.5, 0.3])
_DEVICE_EFFECTS = np.array([0.15, -0.25, 0.1])
_SWING, _COUNTRY_SWING = 0.6, 0.4
_UNEVEN_DAYS, _UNEVEN_HOURS = 0.03, 0.05
"""By how much traffic differs from what day and week make of it, beside chance: standard deviations."""
_RELEASES = 3
_LONGEST_DELAY = 2 * DAY
THRESHOLD = 0.5


@dataclass(frozen=True)
class Feature:
    """How a feature is drawn, and how the models see it: of mean 0 and deviation 1 once it is transformed."""

    draw: Callable[[np.random.Generator, int], Floats]
    transform: Callable[[Floats], Floats]
    mean: float
    deviation: float
    absent: float = 0.0

    def standardized(self, values: Floats) -> Floats:
        """Return what the models compute with; an absent value is an average one."""
        return np.nan_to_num((self.transform(values) - self.mean) / self.deviation, nan=0.0)


FEATURES: Mapping[str, Feature] = MappingProxyType(
    {
        "amount": Feature(lambda rng, rows: rng.lognormal(3.0, 0.8, rows), np.log1p, 3.07, 0.75),
        "age_days": Feature(lambda rng, rows: rng.exponential(200.0, rows), np.sqrt, 12.53, 6.55, absent=0.02),
        "attempts": Feature(lambda rng, rows: rng.poisson(1.5, rows).astype(float), np.positive, 1.5, 1.22),
        "distance_km": Feature(lambda rng, rows: rng.gamma(2.0, 6.0, rows), np.sqrt, 3.26, 1.18),
        "hour_gap": Feature(lambda rng, rows: rng.uniform(0.0, 24.0, rows), np.positive, 12.0, 6.93),
        "trust": Feature(lambda rng, rows: rng.beta(4.0, 2.0, rows), np.positive, 0.667, 0.178),
    }
)


@dataclass(frozen=True)
class Model:
    """
    One model and its users.

    Attributes
    ----------
    name, numeric
        Its name, and whether it predicts a number; else it predicts a probability.
    volume
        Its requests on a working day, as a multiple of what is asked for.
    weekend, peak
        How many times as many come on a day of the weekend, and the hour (UTC) at which most come.
    base, weights, attributes
        Its score: a constant, the weight of each feature, and that of the two attributes.
    delay, delay_spread, never
        Median of the hours after which the truth is known, spread of their logarithm, and the share never known.
    latency
        Median, ms.
    """

    name: str
    numeric: bool
    volume: float
    weekend: float
    peak: int
    base: float
    weights: tuple[float, ...]
    attributes: float
    delay: float
    delay_spread: float
    never: float
    latency: float


MODELS = (
    Model("fraud", False, 1.2, 0.7, 15, -1.0, (1.2, -0.9, 0.9, 0.7, -0.4, -1.1), 1.0, 4.0, 0.8, 0.06, 40.0),
    Model("churn", False, 0.9, 0.55, 11, -0.4, (-0.8, -1.2, 0.6, 0.5, 0.9, -0.7), 1.0, 20.0, 0.5, 0.10, 90.0),
    Model("eta", True, 1.0, 1.3, 18, 30.0, (2.0, 1.0, 1.5, 6.0, 1.0, -1.0), 3.0, 0.4, 0.5, 0.03, 15.0),
)


def simulate(world: World, model: Model, volume: float) -> Columns:
    """
    Make a model's events in a world: a row a request, in the order of their time.

    Parameters
    ----------
    world : World
        Its seed, and the incidents of which those of the model happen.
    model : Model
        One of `MODELS`.
    volume : float
        Requests of a model of volume 1 on a working day.

    Returns
    -------
    dict
        `time`, `country`, `device` and `version` (numbers), the features, `truth`, `score`, `answer` (0, 1), `latency`
        (ms); of the outcome `label` (0, 1, or the number), `labelled` (whether it comes) and `known` (its time);
        `complains` and `complained` (the time of it). Times in us.
    """
    number = MODELS.index(model)
    dice = [np.random.default_rng((world.seed, number, place)) for place in range(len(STAGES))]
    incidents = [incident for incident in world.incidents if incident.model == model.name]
    columns: Columns = {}
    steps: Sequence[Callable[[Model, Columns, np.random.Generator], Columns]] = (
        lambda of, _, rng: _requests(of, volume, rng),
        _answers,
        _outcomes,
        lambda *_: {},
    )
    for stage, step, rng in zip(STAGES, steps, dice, strict=True):
        columns = columns | step(model, columns, rng)
        for incident in incidents:
            columns = columns | inject(stage, incident, columns, rng)
    stays = columns.pop("stays")
    return {name: values[stays] for name, values in columns.items()}


def _requests(model: Model, volume: float, rng: np.random.Generator) -> Columns:
    time = _times(model, volume, rng)
    hour, weekend = time // HOUR % 24, _is_weekend(time)
    columns: Columns = {"time": time, "country": _countries(hour, rng), "device": _devices(weekend, rng)}
    for name, feature in FEATURES.items():
        drawn = feature.draw(rng, len(time))
        drawn[rng.random(len(time)) < feature.absent] = np.nan
        columns[name] = drawn
    columns["truth"] = _truth(model, columns, rng)
    columns["version"] = _versions(time, rng)
    columns["stays"] = np.ones(len(time), bool)
    return columns


def _times(model: Model, volume: float, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Draw the times of requests: of each hour a Poisson number, evenly within it."""
    hours = START + HOUR * np.arange((LEARNING + WATCHED) * 24)
    swing = 1 + _SWING * np.cos(2 * np.pi * (hours // HOUR % 24 - model.peak) / 24)
    weekly = np.where(_is_weekend(hours), model.weekend, 1.0)
    uneven = np.repeat(_uneven(_UNEVEN_DAYS, len(hours) // 24, rng), 24) * _uneven(_UNEVEN_HOURS, len(hours), rng)
    counts = rng.poisson(volume * model.volume / 24 * swing * weekly * uneven)
    return np.sort(np.repeat(hours, counts) + rng.integers(0, HOUR, counts.sum()))


def _uneven(deviation: float, times: int, rng: np.random.Generator) -> Floats:
    """Draw factors of mean 1."""
    return rng.gamma(deviation**-2, deviation**2, times)


def _is_weekend(time: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    return (time - START) // DAY % 7 >= 5


def _countries(hour: npt.NDArray[np.int64], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    tide = 1 + _COUNTRY_SWING * np.cos(2 * np.pi * (np.arange(24)[:, None] - _COUNTRY_PEAKS) / 24)
    bounds = np.cumsum(_COUNTRY_SHARES * tide, axis=1)
    bounds /= bounds[:, -1:]
    return np.asarray((rng.random(len(hour))[:, None] >= bounds[hour, :-1]).sum(axis=1))


def _devices(weekend: npt.NDArray[np.bool_], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Draw devices: on weekends people leave the desktop."""
    bounds = np.where(weekend[:, None], [0.65, 0.87], [0.55, 0.90])
    return np.asarray((rng.random(len(weekend))[:, None] >= bounds).sum(axis=1))


def _linear(model: Model, columns: Columns) -> Floats:
    """Compute a model's number from the features as it is given them, and from the attributes."""
    parts = [
        weight * FEATURES[name].standardized(columns[name])
        for name, weight in zip(FEATURES, model.weights, strict=True)
    ]
    effects = _COUNTRY_EFFECTS[columns["country"]] + _DEVICE_EFFECTS[columns["device"]]
    return np.asarray(model.base + sum(parts) + model.attributes * effects)


def _truth(model: Model, columns: Columns, rng: np.random.Generator) -> Floats:
    """Draw what is true: it follows the features as they are, whatever the model will be given."""
    linear = _linear(model, columns)
    if model.numeric:
        return np.maximum(linear, 1.0) * (1 + rng.normal(0.0, 0.12, len(linear)))
    return np.where(rng.random(len(linear)) < probability(linear), 1.0, 0.0)


def _versions(time: npt.NDArray[np.int64], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Number the versions from 1: releases are at any moment, and change nothing."""
    releases = np.sort(START + rng.integers(2 * DAY, (LEARNING + WATCHED) * DAY, _RELEASES))
    return 1 + np.searchsorted(releases, time)


def _answers(model: Model, columns: Columns, rng: np.random.Generator) -> Columns:
    linear = _linear(model, columns)
    score = np.maximum(linear, 1.0) if model.numeric else probability(linear)
    busy = 1 + 0.1 * np.cos(2 * np.pi * (columns["time"] // HOUR % 24 - model.peak) / 24)
    latency = model.latency * busy * rng.lognormal(0.0, 0.35, len(linear))
    return {"score": score, "answer": (score >= THRESHOLD).astype(np.int64), "latency": latency}


def _outcomes(model: Model, columns: Columns, rng: np.random.Generator) -> Columns:
    """Draw when the truth becomes known, if it does, and who complains: more of those who were answered wrongly."""
    time, rows = columns["time"], len(columns["time"])
    delay = np.minimum(model.delay * HOUR * rng.lognormal(0.0, model.delay_spread, rows), _LONGEST_DELAY)
    wrong = _is_wrong(model, columns)
    return {
        "label": columns["truth"].copy(),
        "labelled": rng.random(rows) >= model.never,
        "known": time + delay.astype(np.int64),
        "complains": rng.random(rows) < np.where(wrong, 0.03, 0.004),
        "complained": time + (HOUR * rng.exponential(2.0, rows)).astype(np.int64),
    }


def _is_wrong(model: Model, columns: Columns) -> npt.NDArray[np.bool_]:
    if model.numeric:
        return np.asarray(np.abs(columns["score"] - columns["truth"]) > 0.25 * columns["truth"])
    return np.asarray(columns["answer"] != columns["truth"])
