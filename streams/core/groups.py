"""
Groups: which slices an event belongs to, under a cap that does not depend on the order of arrival.

Each event gets a *cohort*: the number of the set of groups that it belongs to (one a declared slice), so that
state carries four bytes an event however many slices there are. A group is a model version and the values of a
slice's attributes. Groups are admitted, a model at a time, in the order of their first event time as the
watermark passes it; when a model has `max_groups` of them, the later ones are refused and their events count
in the slice's `__other__`. Since all events before the watermark are known, any order of arrival within the
disorder admits the same groups.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from streams.core.columns import Array, Ints

MISSING = "__missing__"
OTHER = "__other__"
MAX_REFUSED = 100_000  # refused slices remembered by name, so that a flood of values cannot fill the memory
MAX_UNDECIDED = 100_000  # slices of a model that may wait for their decision; in a flood, more are refused at once

Values = tuple[str, ...]


class Slice(NamedTuple):
    """Values of a list of attributes within a model; both tuples are empty for the whole."""

    model: str
    attributes: tuple[str, ...]
    values: Values


class Group(NamedTuple):
    """What a quality window is about: a slice of one model version."""

    slice: Slice
    version: str


class CohortName(NamedTuple):
    """A cohort without its number: the values of each declared slice, and the first event time of each."""

    model: str
    version: str
    values: Sequence[Sequence[str]]
    first_times: Sequence[int]


@dataclass(slots=True)
class Standing:
    """How a slice stands with the cap: undecided (None), admitted or refused, and its first event time."""

    first_time: int
    admitted: bool | None = None


@dataclass(frozen=True)
class SlicePlan:
    """What a model's configuration says of slices."""

    slices: tuple[tuple[str, ...], ...]
    max_groups: int


@dataclass
class Groups:
    """Registry of groups and cohorts of all models."""

    plans: Mapping[str, SlicePlan]
    groups: list[Group] = field(default_factory=list)
    standings: dict[Slice, Standing] = field(default_factory=dict)
    overflow: int = 0
    _group_ids: dict[Group, int] = field(default_factory=dict)
    _cohorts: list[tuple[int, ...]] = field(default_factory=list)
    _cohort_ids: dict[tuple[int, ...], int] = field(default_factory=dict)
    _undecided: dict[str, set[Slice]] = field(default_factory=dict)
    _admitted: dict[str, int] = field(default_factory=dict)
    _redirected: dict[int, int] = field(default_factory=dict)
    _groups_of: dict[Slice, list[int]] = field(default_factory=dict)

    def cohort(self, model: str, version: str, attributes: Mapping[str, str], first_time: int) -> int:
        """Return the cohort of events with these attribute values, the earliest of them at `first_time`."""
        slices = self.plans[model].slices
        values = [tuple(attributes.get(name, MISSING) for name in names) for names in slices]
        return self.adopt(CohortName(model, version, values, [first_time] * len(slices)))

    def adopt(self, name: CohortName) -> int:
        """Return the number that a cohort has here, whatever it has elsewhere."""
        members = []
        for names, values, first_time in zip(self.plans[name.model].slices, name.values, name.first_times, strict=True):
            known = self._standing(Slice(name.model, names, tuple(values)), first_time)
            members.append(self._group_id(Group(known, name.version)))
        key = tuple(members)
        if key not in self._cohort_ids:
            self._cohort_ids[key] = len(self._cohorts)
            self._cohorts.append(key)
        return self._cohort_ids[key]

    def name(self, cohort: int) -> CohortName:
        """Return what a cohort is, in words that mean the same elsewhere."""
        groups = [self.groups[group] for group in self._cohorts[cohort]]
        first_times = [self._first_time(group.slice) for group in groups]
        return CohortName(groups[0].slice.model, groups[0].version, [g.slice.values for g in groups], first_times)

    def admit(self, watermark: int) -> None:
        """Decide on every slice whose first event time the watermark has passed."""
        waiting = (one for slices in self._undecided.values() for one in slices)
        due = [s for s in waiting if self.standings[s].first_time < watermark]
        for one in sorted(due, key=lambda s: (self.standings[s].first_time, s)):
            self._decide(one)

    def decided(self) -> Array:
        """Mask over groups: True where the group may be shown."""
        return np.array([self._is_decided(group.slice) for group in self.groups], np.bool_)

    def decided_slices(self) -> int:
        """How many slices have been decided on; it never falls."""
        return self.overflow + sum(self._admitted.values())

    def decisions(self) -> Iterator[tuple[Slice, int, str]]:
        """Decided slices: each with its first event time and what was decided, `admitted` or `overflow`."""
        for one, standing in self.standings.items():
            if standing.admitted is not None:
                yield one, standing.first_time, "admitted" if standing.admitted else "overflow"

    def members(self) -> tuple[Ints, Ints, Ints]:
        """
        Group memberships of all cohorts: (start, count) a cohort into the flat array of group numbers.

        Refused groups are already replaced by their slice's `__other__`.
        """
        count = np.array([len(c) for c in self._cohorts], np.int64)
        flat = [self._redirected.get(group, group) for cohort in self._cohorts for group in cohort]
        return np.cumsum(count) - count, count, np.array(flat, np.int64)

    def model_of_cohort(self, cohort: int) -> str:
        """The model whose events are in the cohort."""
        return self.groups[self._cohorts[cohort][0]].slice.model

    def slice_of(self, cohort: int, attributes: tuple[str, ...]) -> Slice:
        """Return the slice by these attributes, which the model declares, that the cohort is in."""
        place = self.plans[self.model_of_cohort(cohort)].slices.index(attributes)
        return self.groups[self._cohorts[cohort][place]].slice

    def is_shown(self, one: Slice) -> bool:
        """Whether a slice may be shown: the whole may always, others once they are admitted."""
        return self._is_decided(one)

    def counted_in(self, one: Slice) -> Slice:
        """Return the slice that one counts in: itself, or `__other__` once it is refused."""
        standing = self.standings.get(one)
        return _other(one) if standing is not None and standing.admitted is False else one

    def __len__(self) -> int:
        return len(self._cohorts)

    def _first_time(self, one: Slice) -> int:
        """First event time of a slice; it says nothing of the whole, and of what counts in `__other__`."""
        standing = self.standings.get(one)
        return 0 if standing is None else standing.first_time

    def _standing(self, wanted: Slice, first_time: int) -> Slice:
        """Return the slice to count in: the wanted one, or `__other__` where it is or must be refused."""
        if wanted == _other(wanted):  # the whole, which has no values, and what is named like the overflow
            return wanted
        standing = self.standings.get(wanted) or self._register(wanted, first_time)
        if standing.admitted is not True:
            standing.first_time = min(standing.first_time, first_time)
        return _other(wanted) if standing.admitted is False else wanted

    def _register(self, wanted: Slice, first_time: int) -> Standing:
        """Let a new slice wait for its decision; where the cap is reached it is refused at once."""
        full = self._admitted.get(wanted.model, 0) >= self.plans[wanted.model].max_groups
        undecided = self._undecided.setdefault(wanted.model, set())
        full = full or len(undecided) >= MAX_UNDECIDED
        standing = Standing(first_time, admitted=False if full else None)
        if full and self.overflow >= MAX_REFUSED:
            return standing
        self.standings[wanted] = standing
        if full:
            self.overflow += 1
        else:
            undecided.add(wanted)
        return standing

    def _decide(self, one: Slice) -> None:
        self._undecided[one.model].discard(one)
        standing = self.standings[one]
        standing.admitted = self._admitted.get(one.model, 0) < self.plans[one.model].max_groups
        if standing.admitted:
            self._admitted[one.model] = self._admitted.get(one.model, 0) + 1
            return
        self.overflow += 1
        for group in self._groups_of.get(one, []):
            self._redirected[group] = self._group_id(Group(_other(one), self.groups[group].version))

    def _group_id(self, group: Group) -> int:
        if group not in self._group_ids:
            self._group_ids[group] = len(self.groups)
            self._groups_of.setdefault(group.slice, []).append(len(self.groups))
            self.groups.append(group)
        return self._group_ids[group]

    def _is_decided(self, one: Slice) -> bool:
        standing = self.standings.get(one)
        return standing is None or standing.admitted is True

    def snapshot(self) -> dict[str, Any]:
        """Everything as plain lists, for a snapshot."""
        return {
            "groups": [[*_slice_row(g.slice), g.version] for g in self.groups],
            "standings": [[*_slice_row(s), st.first_time, st.admitted] for s, st in self.standings.items()],
            "cohorts": [list(c) for c in self._cohorts],
            "redirected": list(self._redirected.items()),
            "overflow": self.overflow,
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Replace everything by a snapshot."""
        self.groups = [Group(_slice(row[:3]), row[3]) for row in saved["groups"]]
        self._group_ids = {group: i for i, group in enumerate(self.groups)}
        self._groups_of = {}
        for i, group in enumerate(self.groups):
            self._groups_of.setdefault(group.slice, []).append(i)
        self.standings = {_slice(row[:3]): Standing(row[3], row[4]) for row in saved["standings"]}
        self._undecided, self._admitted = {}, {}
        for s, standing in self.standings.items():
            self._admitted[s.model] = self._admitted.get(s.model, 0) + (standing.admitted is True)
            if standing.admitted is None:
                self._undecided.setdefault(s.model, set()).add(s)
        self._cohorts = [tuple(c) for c in saved["cohorts"]]
        self._cohort_ids = {c: i for i, c in enumerate(self._cohorts)}
        self._redirected = dict(saved["redirected"])
        self.overflow = saved["overflow"]


def combine(codes: Sequence[tuple[Ints, int]]) -> tuple[Ints, Ints]:
    """
    Distinct combinations of several code columns, each given with its number of codes.

    Returns (first, inverse): the row where each combination stands first, and each row's combination.

    >>> combine([(np.array([0, 1, 0]), 2), (np.array([2, 2, 2]), 3)])
    (array([0, 1]), array([0, 1, 0]))
    """
    combined, size = codes[0][0].astype(np.int64), codes[0][1]
    for column, many in codes[1:]:
        if size * many > 2**62:
            _, combined = np.unique(combined, return_inverse=True)
            size = int(combined.max(initial=0)) + 1
        combined, size = combined * many + column, size * many
    _, first, inverse = np.unique(combined, return_index=True, return_inverse=True)
    return first, inverse


def _other(one: Slice) -> Slice:
    return Slice(one.model, one.attributes, (OTHER,) * len(one.attributes))


def _slice_row(one: Slice) -> list[Any]:
    return [one.model, list(one.attributes), list(one.values)]


def _slice(row: Sequence[Any]) -> Slice:
    return Slice(row[0], tuple(row[1]), tuple(row[2]))
