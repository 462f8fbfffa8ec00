"""
river's own data with known changes: its generators, one concept after another, and its series that people have marked.

A model learns from the first observations of a generated stream and is then left as it is, as one in production: its
errors are the signal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from statistics import median
from typing import Any

import numpy as np
from river import tree
from river.datasets import synth
from river.drift import datasets as marked

from benchmarks.drift.cases import MARKED_LEARNED, Case, Floats, Signal

TRAINING, POSITION, AFTER = 3_000, 10_500, 10_000
ABRUPT, GRADUAL = 100, 4_000  # observations in which one concept gives way to the other; below 77 river overflows
CLOSE = 5  # values within which marks of different people are of one change
MARKED = "river, marked"

GENERATORS: Mapping[str, Callable[[int, int], Any]] = {
    "SEA": lambda concept, seed: synth.SEA(variant=3 * concept, seed=seed, noise=0.1),
    "Agrawal": lambda concept, seed: synth.Agrawal(classification_function=2 * concept, seed=seed, perturbation=0.05),
    "Hyperplane": lambda _, seed: synth.Hyperplane(seed=seed, n_features=5),
    "STAGGER": lambda concept, seed: synth.STAGGER(classification_function=concept, seed=seed),
    "Sine": lambda concept, seed: synth.Sine(classification_function=2 * concept, seed=seed, has_noise=True),
}
"""A stream of a concept, 0 or 1, from a seed."""


def generated_case(generator: str, width: int, seed: int) -> Case:
    """Draw the errors of a model whose concept gives way to another within `width` observations."""
    make = GENERATORS[generator]
    stream = synth.ConceptDriftStream(
        make(0, 2 * seed), make(1, 2 * seed + 1), seed=seed, position=TRAINING + POSITION, width=width
    )
    model: Any = tree.HoeffdingTreeClassifier(grace_period=100)
    errors = []
    for number, (x, y) in enumerate(stream.take(TRAINING + POSITION + AFTER)):
        if number < TRAINING:
            model.learn_one(x, y)
        else:
            errors.append(model.predict_one(x) != y)
    signal = Signal("error rate", "error", np.arange(len(errors)), np.array(errors, np.float64))
    family = "river, abrupt" if width == ABRUPT else "river, gradual"
    changes = ((POSITION - width, POSITION + width),)  # where 2 % and 98 % of the observations are of the new concept
    return Case(family, (signal,), changes, len(errors))


def marked_cases() -> Iterator[Case]:
    """Series with the changes that at least two people have marked, beyond the values that are learned from."""
    for name, (make, columns, first, step) in _SERIES.items():
        dataset = make()
        rows = [y if isinstance(y, dict) else {"value": y} for _, y in dataset][first::step]
        signals = (
            Signal(f"{name} {column}", "value", np.arange(len(rows)), _scaled([row[column] for row in rows]))
            for column in columns
        )
        changes = tuple((place, place) for place in agreed(dataset.annotations) if place >= MARKED_LEARNED)
        yield Case(MARKED, tuple(signals), changes, len(rows), patience=30, margin=CLOSE)


def agreed(annotations: Mapping[str, list[int]]) -> list[int]:
    """
    Changes that at least two people have marked no further than `CLOSE` apart: the median of their marks.

    >>> agreed({"a": [10, 50], "b": [12], "c": [11, 90]})
    [11]
    """
    marks = sorted((place, person) for person, places in annotations.items() for place in places)
    groups: list[list[tuple[int, str]]] = []
    for mark in marks:
        if groups and mark[0] - groups[-1][-1][0] <= CLOSE:
            groups[-1].append(mark)
        else:
            groups.append([mark])
    return [int(median(place for place, _ in group)) for group in groups if len({who for _, who in group}) > 1]


def _scaled(values: list[float]) -> Floats:
    """Values less the mean of those that are learned from, over their standard deviation."""
    series = np.array(values, np.float64)
    known = series[:MARKED_LEARNED]
    spread = known.std()
    return np.asarray((series - known.mean()) / (spread if spread > 0 else 1.0))


_SERIES: Mapping[str, tuple[Callable[[], Any], tuple[str, ...], int, int]] = {
    "airline passengers": (marked.AirlinePassengers, ("value",), 0, 1),
    "Apple": (marked.Apple, ("Close", "Volume"), 0, 3),
    "bitcoin": (marked.Bitcoin, ("value",), 0, 1),
    "Brent": (marked.BrentSpotPrice, ("value",), 3_200, 10),
    "occupancy": (marked.Occupancy, ("V1", "V2", "V3", "V4"), 0, 1),
    "run log": (marked.RunLog, ("Pace",), 0, 1),
    "coal employment": (marked.UKCoalEmploy, ("value",), 0, 1),
}
"""
How each is made, its columns, and which of its rows the marks count: every third of Apple's, every tenth of Brent's
from 2000 on. river ships the rows that were left out when people marked the series.
"""
