"""What a method promises in one situation, and how often it fails there when the situation is simulated."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Kind = Literal["promise", "contrast", "limit"]
Simulate = Callable[[Generator, int], npt.NDArray[np.generic]]
"""From a source of random numbers and a number of paths to what went wrong on each, shape (paths,), from 0 to 1."""

ALPHA = 0.05
BUDGET = 4.0  # standard errors by which a kept promise may look broken
_CHUNK = 500  # paths that are simulated at a time


@dataclass(frozen=True)
class Scenario:
    """
    A method in a situation.

    Attributes
    ----------
    name
        Its own among all scenarios: what tests and the command call it.
    method, about
        The public function that decides, and the situation, for the reader of the table.
    promised
        The share of paths that may go wrong.
    looks
        How often each path is looked at.
    paths
        How many are simulated in the short form and in the long one.
    kind
        "promise"; "contrast" is a method that nobody should use so, shown beside the others; "limit" is a situation
        for which nothing is promised, shown so that it is known what happens there.
    """

    name: str
    method: str
    about: str
    promised: float
    looks: int
    simulate: Simulate
    paths: tuple[int, int]
    kind: Kind = "promise"


@dataclass(frozen=True)
class Result:
    """What simulating a scenario found: the share of paths that went wrong, and its standard error."""

    name: str
    method: str
    about: str
    kind: Kind
    promised: float
    looks: int
    paths: int
    measured: float
    error: float

    @property
    def most(self) -> float:
        """What a kept promise measures at most, but for one time in 30,000."""
        return self.promised + BUDGET * math.sqrt(self.promised * (1 - self.promised) / self.paths)

    @property
    def broken(self) -> bool:
        """Whether a promise is broken; what was not promised cannot be."""
        return self.kind == "promise" and self.measured > self.most

    @property
    def verdict(self) -> str:
        """One or two words for the table."""
        if self.kind == "promise":
            return "broken" if self.broken else "kept"
        return "not promised" if self.kind == "limit" else "contrast"


def measure(scenario: Scenario, paths: int, seed: int) -> Result:
    """Simulate so many paths; the same seed gives the same paths, whichever scenarios are simulated beside it."""
    rng = np.random.default_rng([seed, zlib.crc32(scenario.name.encode())])
    sizes = [min(_CHUNK, paths - start) for start in range(0, paths, _CHUNK)]
    wrong = np.concatenate([scenario.simulate(rng, size) for size in sizes]).astype(np.float64)
    return Result(
        name=scenario.name,
        method=scenario.method,
        about=scenario.about,
        kind=scenario.kind,
        promised=scenario.promised,
        looks=scenario.looks,
        paths=paths,
        measured=float(wrong.mean()),
        error=float(wrong.std() / math.sqrt(paths)),
    )


def ever(looks: Iterable[Mask]) -> Mask:
    """Which paths went wrong at any look."""
    return np.asarray(np.any(list(looks), axis=0))


def confirm(log_e: Floats, public: Callable[[int], float], fresh: Mask, rng: Generator) -> None:
    """
    Hold logarithms of e-values that were computed for all paths at once against the public function.

    Asserts equality on the paths that this look decides, at most 20 of them, and on 2 others.
    """
    for path in [*np.flatnonzero(fresh)[:20].tolist(), *rng.integers(0, len(log_e), 2).tolist()]:
        found = public(path)
        assert math.isclose(found, float(log_e[path]), rel_tol=1e-6, abs_tol=1e-6), (path, found, float(log_e[path]))
