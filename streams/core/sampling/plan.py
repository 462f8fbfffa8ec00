"""
The policies of a model: with which probability each of its predictions is kept.

A plan has a rate for all, and policies for some. Each prediction has the largest of the probabilities that these give
it, and is kept if its number is below that (`joint`, on decisions side by side). A policy looks only at what the
prediction says; what shows later, such as an error, is kept in full then (`Plan.shown`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streams.core.assertion.events import Events
from streams.core.assertion.logic import Truthful
from streams.core.columns import Floats, Hashes, Mask, from_arrow
from streams.core.ids import hash_repeated, mix
from streams.core.sampling.joint import joint_probability
from streams.core.sampling.slice_rates import SliceRates
from streams.core.window_spec import HOUR


@dataclass(frozen=True)
class BySlice:
    """So many events an hour of each combination of values of these attributes; an absent one is a value too."""

    attributes: tuple[str, ...]
    per_hour: float
    start: float = 0.1  # rate of a combination that has no past


@dataclass(frozen=True)
class InFull:
    """Every prediction of which an expression is true: rare classes, low confidence."""

    when: Truthful


@dataclass(frozen=True)
class Targeted:
    """A rate of its own where attributes have one of some values, from one time (us) until before another."""

    where: tuple[tuple[str, tuple[str, ...]], ...]
    rate: float
    begin: int | None = None
    end: int | None = None


Policy = BySlice | InFull | Targeted


@dataclass(frozen=True)
class Rows:
    """So many rows in each window of `per` us."""

    per: int
    rows: int


@dataclass(frozen=True)
class Budget:
    """What may land in an hour: events, and bytes; None where it is no matter."""

    events: int | None = None
    size: int | None = None


@dataclass(frozen=True)
class Hold:
    """For how long (us) raw rows of predictions are held, and how many bytes of those of each hour."""

    time: int
    size: int


@dataclass(frozen=True)
class Plan:
    """
    How the predictions of one model are sampled.

    Attributes
    ----------
    rate
        The probability of each, whatever policies say.
    policies
        Give some of them a larger one.
    once_known
        What is kept in full once it shows: "error", and kinds of feedback such as "complaint" and "crash".
    reservoir, budget
        Raw rows that land in any case, and bounds of all others.
    hold
        How predictions wait for what is kept once it shows, which keeps their own rows too; None if they do not.
    salt
        What requests' numbers are drawn with; `uniforms` describes it.
    """

    rate: float = 0.0
    policies: tuple[Policy, ...] = ()
    once_known: frozenset[str] = frozenset()
    reservoir: Rows | None = None
    budget: Budget | None = None
    hold: Hold | None = None
    salt: str = ""

    @property
    def waits(self) -> bool:
        """Whether it is known only after a while which raw rows land; `Landing` says which."""
        return self.reservoir is not None or self.budget is not None

    @property
    def step(self) -> int:
        """How much of event time lands together where rows wait for it, us: hours, or windows that are longer."""
        return max(HOUR, self.reservoir.per if self.reservoir else HOUR)

    def shown(self, found: Mapping[str, Mask], rows: int) -> Mask:
        """Mask of the rows to be kept in full: `found` says of which of them each thing has shown, such as "error"."""
        shown = [mask for name, mask in found.items() if name in self.once_known]
        return reduce(np.logical_or, shown, np.zeros(rows, np.bool_))

    def share(self, parts: int) -> Plan:
        """Return the plan of each of several parts that see equal shares of all requests, such as partitions."""
        one = [replace(p, per_hour=p.per_hour / parts) if isinstance(p, BySlice) else p for p in self.policies]
        reservoir = self.reservoir and replace(self.reservoir, rows=max(1, self.reservoir.rows // parts))
        budget = self.budget and Budget(_part(self.budget.events, parts), _part(self.budget.size, parts))
        hold = self.hold and replace(self.hold, size=max(1, self.hold.size // parts))
        return replace(self, policies=tuple(one), reservoir=reservoir, budget=budget, hold=hold)


class Sampler:
    """What a plan decides about predictions as they come, and what its adaptive rates have learned."""

    def __init__(self, plan: Plan, lag: int = 0) -> None:
        """Begin without a past; `lag` is how many hours events may be out of order, rounded up."""
        self.plan = plan
        self._rates = {
            place: SliceRates(policy.per_hour, policy.start, lag)
            for place, policy in enumerate(plan.policies)
            if isinstance(policy, BySlice)
        }

    def decide(self, events: Events) -> Floats:
        """
        Return the probability of each prediction, of this model.

        They are counted first, all of the block, since some may be of a past that others have; no rate follows from
        an hour that is not past, so it does not matter how much of that is in the block.
        """
        hours, learned = events.times // HOUR, {}
        for place, rates in self._rates.items():
            slices = slices_of(events, self._attributes(place))
            rates.see(hours, slices)
            learned[place] = rates.rates(hours, slices)
        return decide(self.plan, events, learned)

    def merge(self, other: Self) -> None:
        """Add what another part has counted, of the same plan."""
        for place, rates in self._rates.items():
            rates.merge(other._rates[place])

    def snapshot(self) -> dict[str, Any]:
        """Everything as plain data and arrays."""
        return {"rates": [[list(self._attributes(place)), one.snapshot()] for place, one in self._rates.items()]}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Replace everything by a snapshot; a policy by attributes that none was by then begins anew."""
        before = {tuple(attributes): counts for attributes, counts in saved["rates"]}
        for place, rates in self._rates.items():
            rates.restore(before.get(self._attributes(place), {"counts": {}}))

    def _attributes(self, place: int) -> tuple[str, ...]:
        policy = self.plan.policies[place]
        return policy.attributes if isinstance(policy, BySlice) else ()


def decide(plan: Plan, events: Events, learned: Mapping[int, Floats]) -> Floats:
    """
    Return the probability with which a plan keeps each prediction.

    Parameters
    ----------
    plan
        The plan of the predictions' model.
    events
        Predictions of that model.
    learned
        For each policy by slice, by its place among the policies, the rate that it has learned for each.
    """
    given = [np.full(len(events), plan.rate)]
    for place, policy in enumerate(plan.policies):
        if isinstance(policy, BySlice):
            given.append(learned[place])
        elif isinstance(policy, InFull):
            given.append(np.where(_true(policy.when, events), 1.0, 0.0))
        else:
            given.append(np.where(_targeted(policy, events), policy.rate, 0.0))
    return joint_probability(given)


def slices_of(events: Events, attributes: Sequence[str]) -> Hashes:
    """Return one hash of each event's values of some attributes; those of which an event has none have a hash too."""
    hashes = np.zeros(len(events), np.uint64)
    for name in attributes:
        hashes = mix(hashes, hash_repeated(events.texts(f"attributes.{name}")))
    return hashes


def _true(when: Truthful, events: Events) -> Mask:
    with np.errstate(all="ignore"):  # what comes to no number is missing, and its condition not true
        return np.broadcast_to(when.truth(events).true, len(events))


def _targeted(policy: Targeted, events: Events) -> Mask:
    times = events.times
    inside = np.ones(len(events), np.bool_)
    if policy.begin is not None:
        inside &= times >= policy.begin
    if policy.end is not None:
        inside &= times < policy.end
    for name, values in policy.where:
        texts = events.texts(f"attributes.{name}")
        inside &= from_arrow(pc.is_in(texts, value_set=pa.array(values, pa.string())))
    return inside


def _part(whole: int | None, parts: int) -> int | None:
    return None if whole is None else max(1, whole // parts)
