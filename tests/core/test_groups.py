"""Groups under a cap that the order of arrival does not move."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core import groups as module
from streams.core.groups import MISSING, OTHER, Groups, Slice, SlicePlan
from streams.core.watermark import FOREVER

BY_CITY = SlicePlan(((), ("city",)), 2)
Sighting = tuple[int, str]

sightings = st.lists(st.tuples(st.integers(0, 60), st.sampled_from("abcdefg")), min_size=1, max_size=25)


def of_city(city: str, model: str = "m") -> Slice:
    return Slice(model, ("city",), (city,))


def shown(groups: Groups, cohort: int) -> list[str]:
    """Say what the cohort counts in, as `values@version` of each of its groups."""
    start, count, member = groups.members()
    chosen = member[start[cohort] : start[cohort] + count[cohort]]
    return [f"{','.join(groups.groups[g].slice.values)}@{groups.groups[g].version}" for g in chosen.tolist()]


def see(groups: Groups, city: str, time: int, version: str = "1") -> int:
    return groups.cohort("m", version, {"city": city}, time)


def counts_in(groups: Groups, arrival: list[Sighting], disorder: int, looks: set[int]) -> dict[Sighting, list[str]]:
    """Bring events in their order, admit by the watermark at some of them; say where each counts in the end."""
    cohorts, largest = {}, 0
    for place, (time, city) in enumerate(arrival):
        cohorts[time, city] = see(groups, city, time)
        largest = max(largest, time)
        if place in looks:
            groups.admit(largest - disorder)
    groups.admit(FOREVER)
    return {event: shown(groups, cohort) for event, cohort in cohorts.items()}


@settings(max_examples=150)
@given(events=sightings, data=st.data())
def test_any_order_within_the_disorder_admits_the_same_groups(events: list[Sighting], data: st.DataObject) -> None:
    """Arrival order and the moments of deciding change neither who is admitted nor where events count."""
    disorder = data.draw(st.integers(0, 30))
    delays = data.draw(st.lists(st.integers(0, disorder), min_size=len(events), max_size=len(events)))
    arrival = [e for _, e in sorted(zip([e[0] + d for e, d in zip(events, delays, strict=True)], events, strict=True))]
    looks = data.draw(st.sets(st.integers(0, len(events))))
    plain, other = Groups({"m": BY_CITY}), Groups({"m": BY_CITY})

    assert counts_in(other, arrival, disorder, looks) == counts_in(plain, sorted(events), 0, set())
    assert {(one, state) for one, _, state in other.decisions()} == {
        (one, state) for one, _, state in plain.decisions()
    }
    assert other.overflow == plain.overflow


@given(events=sightings)
def test_the_first_groups_by_event_time_are_admitted(events: list[Sighting]) -> None:
    """The cap goes to the earliest first event times, ties to the smaller values; the others overflow."""
    groups = Groups({"m": BY_CITY})
    counts_in(groups, events, 0, set())
    first = {city: min(time for time, c in events if c == city) for _, city in events}
    ranked = sorted(first, key=lambda city: (first[city], city))

    states = {one.values[0]: (time, state) for one, time, state in groups.decisions()}

    assert states == {city: (first[city], "admitted" if city in ranked[:2] else "overflow") for city in ranked}
    assert groups.overflow == len(ranked[2:])


def test_nothing_is_decided_before_the_watermark_has_passed() -> None:
    """A slice whose first event is at the watermark still waits; a microsecond later it is decided."""
    groups = Groups({"m": BY_CITY})
    see(groups, "a", 10)
    groups.admit(10)
    waiting = groups.decided().tolist()
    groups.admit(11)

    assert (waiting, groups.decided().tolist()) == ([True, False], [True, True])


def test_an_earlier_event_that_comes_later_goes_first() -> None:
    """First event times may still fall while a slice waits."""
    groups = Groups({"m": SlicePlan(((), ("city",)), 1)})
    for city, time in (("a", 20), ("b", 15), ("a", 10)):
        see(groups, city, time)
    groups.admit(FOREVER)

    assert list(groups.decisions()) == [(of_city("a"), 10, "admitted"), (of_city("b"), 15, "overflow")]


def test_members_of_a_refused_group_count_in_other_of_their_version() -> None:
    """Events counted before the decision are redirected, each version to its own `__other__`."""
    groups = Groups({"m": SlicePlan(((), ("city",)), 1)})
    see(groups, "a", 1)
    cohorts = [see(groups, "b", 2, version) for version in ("1", "2")]
    before = [shown(groups, cohort) for cohort in cohorts]
    groups.admit(FOREVER)

    assert before == [["@1", "b@1"], ["@2", "b@2"]]
    assert [shown(groups, cohort) for cohort in cohorts] == [["@1", "__other__@1"], ["@2", "__other__@2"]]


def test_over_the_cap_new_groups_count_in_other_at_once() -> None:
    """When the cap is reached a new slice is refused when it is first seen, and counted once."""
    groups = Groups({"m": SlicePlan(((), ("city",)), 1)})
    see(groups, "a", 1)
    groups.admit(5)
    cohorts = [see(groups, city, 6) for city in ("b", "b", "c")]

    assert [shown(groups, cohort) for cohort in cohorts] == [["@1", "__other__@1"]] * 3
    assert len(set(cohorts)) == 1
    assert groups.overflow == 2


def test_a_group_refused_at_once_is_dated_by_its_earliest_event() -> None:
    """The first event time of a slice that is refused when first seen still falls with an earlier event."""
    groups = Groups({"m": SlicePlan(((), ("city",)), 1)})
    see(groups, "a", 1)
    groups.admit(5)
    for time in (7, 6):
        see(groups, "b", time)

    assert list(groups.decisions()) == [(of_city("a"), 1, "admitted"), (of_city("b"), 6, "overflow")]


def test_a_value_that_is_called_other_joins_the_overflow() -> None:
    """The literal value `__other__` is the overflow's group: it is shown, needs no decision and takes no place."""
    groups = Groups({"m": SlicePlan(((), ("city",)), 1)})
    literal = see(groups, OTHER, 0)
    see(groups, "a", 1)
    refused = see(groups, "b", 2)
    groups.admit(FOREVER)

    assert shown(groups, literal) == shown(groups, refused) == ["@1", "__other__@1"]
    assert [state for *_, state in groups.decisions()] == ["admitted", "overflow"]


def test_a_missing_attribute_has_a_value_of_its_own() -> None:
    """An attribute that an event does not have reads `__missing__`."""
    groups = Groups({"m": SlicePlan((("city", "tier"),), 5)})

    cohort = groups.cohort("m", "1", {"tier": "gold"}, 1)

    assert shown(groups, cohort) == [f"{MISSING},gold@1"]


def test_the_whole_takes_no_place_under_the_cap() -> None:
    """The slice without attributes is shown at once and appears in no decision."""
    groups = Groups({"m": SlicePlan(((), ("city",)), 1)})
    see(groups, "a", 1)
    shown_at_once = groups.decided().tolist()
    groups.admit(FOREVER)

    assert shown_at_once == [True, False]
    assert [one.attributes for one, _, _ in groups.decisions()] == [("city",)]


def test_each_model_has_its_own_cap() -> None:
    """A flood of values of one model takes no place of another."""
    groups = Groups({"m": SlicePlan((("city",),), 1), "n": SlicePlan((("city",),), 1)})
    for time, city in enumerate("abc"):
        groups.cohort("m", "1", {"city": city}, time)
    groups.cohort("n", "1", {"city": "z"}, 9)
    groups.admit(FOREVER)

    admitted = {one for one, _, state in groups.decisions() if state == "admitted"}

    assert admitted == {of_city("a"), of_city("z", "n")}
    assert [groups.model_of_cohort(cohort) for cohort in range(4)] == ["m", "m", "m", "n"]


def test_a_flood_of_refused_values_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the limit on remembered refusals values still count in `__other__`, and memory stays."""
    monkeypatch.setattr(module, "MAX_REFUSED", 3)
    groups = Groups({"m": SlicePlan((("city",),), 1)})
    see(groups, "a", 0)
    groups.admit(1)

    cohorts = {see(groups, f"new {number}", 2) for number in range(100)}

    assert [shown(groups, cohort) for cohort in cohorts] == [["__other__@1"]]
    assert (groups.overflow, len(groups.standings)) == (3, 4)


@settings(max_examples=60)
@given(events=sightings, cut=st.integers(0, 25))
def test_a_restored_registry_goes_on_as_if_nothing_had_happened(events: list[Sighting], cut: int) -> None:
    """Stopping after any event, and going on from the snapshot, decides and numbers everything the same."""
    straight, first = Groups({"m": BY_CITY}), Groups({"m": BY_CITY})
    ordered = sorted(events)
    expected = counts_in(straight, ordered, 5, set(range(25)))
    for time, city in ordered[:cut]:
        see(first, city, time)
        first.admit(time - 5)
    saved: dict[str, Any] = first.snapshot()
    second = Groups({"m": BY_CITY})
    second.restore(saved)
    rest = counts_in(second, ordered[cut:], 5, set(range(25)))

    assert rest == {event: expected[event] for event in rest}
    assert second.snapshot() == straight.snapshot()
    assert second.decided().tolist() == straight.decided().tolist()


def test_a_flood_of_values_waits_in_bounded_numbers() -> None:
    """Behind a hundred thousand undecided groups new ones are refused at once, and count in `__other__`."""
    groups = Groups({"m": SlicePlan(((), ("city",)), 1)})
    for number in range(module.MAX_UNDECIDED):
        see(groups, str(number), number)
    flooded = see(groups, "one too many", 0)

    assert shown(groups, flooded) == ["@1", f"{OTHER}@1"]
    assert groups.overflow == 1


def test_a_cohort_keeps_its_meaning_where_it_has_another_number() -> None:
    """Named in one registry and adopted in another it counts in the same groups, first seen at the same time."""
    here, there = Groups({"m": BY_CITY}), Groups({"m": BY_CITY})
    for city in "xyz":
        see(there, city, 50)
    cohort = see(here, "a", 7, "2")
    adopted = there.adopt(here.name(cohort))
    there.admit(8)

    assert adopted != cohort
    assert shown(there, adopted) == shown(here, cohort) == ["@2", "a@2"]
    assert list(there.decisions()) == [(of_city("a"), 7, "admitted")]
    assert there.adopt(here.name(cohort)) == adopted


def test_the_earliest_first_time_of_all_registries_decides() -> None:
    """Whichever registry's cohort is adopted last."""
    sides = [Groups({"m": BY_CITY}) for _ in range(2)]
    together = Groups({"m": SlicePlan(((), ("city",)), 1)})
    names = [sides[0].name(see(sides[0], "a", 20)), sides[1].name(see(sides[1], "a", 10))]
    for name in (together.name(see(together, "b", 15)), *names):
        together.adopt(name)
    together.admit(FOREVER)

    assert list(together.decisions()) == [(of_city("b"), 15, "overflow"), (of_city("a"), 10, "admitted")]


def test_a_flood_of_one_model_leaves_the_others_their_undecided_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each model may have so many groups that wait for their decision, whatever the others have."""
    monkeypatch.setattr(module, "MAX_UNDECIDED", 3)
    groups = Groups({"m": BY_CITY, "n": BY_CITY})
    for number in range(5):
        see(groups, f"city {number}", number)
    other = groups.cohort("n", "1", {"city": "z"}, 9)
    groups.admit(FOREVER)

    assert shown(groups, other) == ["@1", "z@1"]
    assert (of_city("z", "n"), 9, "admitted") in list(groups.decisions())
