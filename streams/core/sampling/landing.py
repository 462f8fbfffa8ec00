"""
Which raw rows of a model land, where a budget bounds them or a reservoir adds to them.

The budget keeps what fits of what the policies keep, hour by hour; the reservoir keeps so many rows of each window,
whatever policies say. What either keeps lands, once the time of both has passed, with the larger of its probabilities
(`joint` says why that is right).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from streams.core.columns import Floats, Ints
from streams.core.sampling.bottom_k import Kept
from streams.core.sampling.plan import Plan
from streams.core.sampling.reservoir import Reservoir, together
from streams.core.window_spec import HOUR


class Landing:
    """
    The rows of one model that wait until it is known which of them land.

    Of a plan that has neither a budget nor a reservoir (`Plan.waits`) rows need not wait: those land that the
    policies keep.
    """

    def __init__(self, plan: Plan) -> None:
        budget, reservoir = plan.budget, plan.reservoir
        self._policies = Reservoir(HOUR, budget.events, budget.size) if budget else Reservoir(HOUR)
        self._reservoir = Reservoir(reservoir.per, reservoir.rows) if reservoir else None
        self._step = max(HOUR, reservoir.per if reservoir else HOUR)

    def add(self, times: Ints, uniform: Floats, probability: Floats, size: Ints, reference: Ints) -> None:
        """
        Take in rows.

        Parameters
        ----------
        times
            Event times, us.
        uniform, probability
            The number of each, and the probability that the policies give it.
        size
            Bytes that each would take.
        reference
            What the caller knows each by, no two the same.
        """
        self._policies.add(times, uniform, probability, size, reference)
        if self._reservoir is not None:
            self._reservoir.add(times, uniform, np.ones(len(times)), size, reference)

    def take(self, before: int) -> Kept:
        """Return what lands of the time before this (us), with the joint probability of each, and forget that time."""
        reached = before - before % self._step
        parts = [self._policies.take(reached)]
        if self._reservoir is not None:
            parts.append(self._reservoir.take(reached))
        return together(parts)

    def references(self) -> Ints:
        """By what the caller refers to the rows that may yet land: it can let go of all others."""
        held = [self._policies.references()]
        if self._reservoir is not None:
            held.append(self._reservoir.references())
        return np.unique(np.concatenate(held))

    def merge(self, other: Self) -> None:
        """Take in the rows that wait in another part, of the same plan."""
        self._policies.merge(other._policies)
        if self._reservoir is not None and other._reservoir is not None:
            self._reservoir.merge(other._reservoir)

    def forget(self, references: Ints) -> None:
        """Take out rows, as if they had come and not been kept: the probabilities of the others stay right."""
        self._policies.forget(references)
        if self._reservoir is not None:
            self._reservoir.forget(references)

    def snapshot(self) -> dict[str, Any]:
        """Everything as plain data and arrays."""
        reservoir = None if self._reservoir is None else self._reservoir.snapshot()
        return {"policies": self._policies.snapshot(), "reservoir": reservoir}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Replace everything by a snapshot; a reservoir that was not declared then begins anew."""
        self._policies.restore(saved["policies"])
        if self._reservoir is not None and saved["reservoir"] is not None:
            self._reservoir.restore(saved["reservoir"])
