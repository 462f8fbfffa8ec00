"""Traffic is taken and given back by plan: nobody is moved, nobody shares slots, nobody waits without a reason."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.experiments import Allocation, Experiments, ExperimentsError
from streams.experiments.allocation import Run
from streams.experiments.planning import Change, Plan, Request, Verdict, plan, requests
from streams.experiments.slots import Ranges, count, members

LAYERS = {"l": 1_000, "k": 1_000}
DAY = 86_400_000_000


def step(declared: dict[str, Request], running: Allocation | None = None, now: int = 0, **decisions: Verdict) -> Plan:
    """Plan once."""
    return plan(declared, LAYERS, running or Allocation(), decisions, now)


def told(planned: Plan) -> dict[str, tuple[str, str]]:
    """What a plan does, by experiment."""
    return {change.experiment: (change.action, change.reason) for change in planned.changes}


def test_what_waits_starts_in_the_order_of_the_queue() -> None:
    """The smallest place first, and by name where places are equal; slots are taken from the lowest that are free."""
    declared = {"z": Request("l", 300, queue=1), "b": Request("l", 300, queue=2), "a": Request("l", 300, queue=2)}
    planned = step(declared, now=7)

    assert planned.allocation.runs == {
        "z": Run("l", ((0, 299),), 7),
        "a": Run("l", ((300, 599),), 7),
        "b": Run("l", ((600, 899),), 7),
    }
    assert planned.changes[0] == Change("z", "start", "on 300 slots of layer l")


def test_who_does_not_fit_holds_up_those_behind() -> None:
    """A large experiment is not overtaken for ever by small ones; other layers go on."""
    declared = {
        "running": Request("l", 600, queue=1),
        "large": Request("l", 500, queue=2),
        "small": Request("l", 10, queue=3),
        "elsewhere": Request("k", 10, queue=4),
    }
    planned = step(declared)

    assert planned.allocation.runs.keys() == {"running", "elsewhere"}
    assert told(planned)["large"] == ("wait", "for 500 slots of layer l: 400 are free")
    assert told(planned)["small"] == ("wait", "behind large in the queue of layer l")


@pytest.mark.parametrize(("verdict", "reason"), [("decided", "there is an answer"), ("harmful", "it does harm")])
def test_what_is_decided_or_harmful_stops_and_makes_room(verdict: Verdict, reason: str) -> None:
    """Its slots go to who waits, in the same plan, and it never starts again."""
    declared = {"a": Request("l", 1_000, queue=1), "b": Request("l", 10, queue=2)}
    first = step(declared)
    second = step(declared, first.allocation, now=5, a=verdict)
    third = step(declared, second.allocation, now=6)

    assert second.allocation == Allocation({"b": Run("l", ((0, 9),), 5)}, {"a": verdict})
    assert told(second)["a"] == ("stop", f"{reason}; it gives back 1000 slots of layer l")
    assert third.allocation == second.allocation
    assert third.changes == ()


def test_a_verdict_on_what_waits_changes_nothing() -> None:
    """Only what runs can be stopped by what it shows."""
    declared = {"a": Request("l", 1_000, queue=1), "b": Request("l", 10, queue=2)}

    assert step(declared, b="harmful").allocation.ended == {}


def test_what_has_run_for_too_long_stops() -> None:
    """At its maximum duration, not before it."""
    declared = {"a": Request("l", 10, queue=1, maximum_duration=7 * DAY)}
    running = step(declared, now=DAY).allocation

    assert step(declared, running, now=8 * DAY - 1).allocation == running
    assert step(declared, running, now=8 * DAY).allocation.ended == {"a": "too_long"}


def test_what_is_declared_no_more_or_elsewhere_ends() -> None:
    """A run belongs to its declaration and layer."""
    running = step({"a": Request("l", 10, queue=1), "b": Request("l", 10, queue=1)}).allocation
    planned = step({"b": Request("k", 10, queue=1)}, running)

    assert planned.allocation == Allocation({}, {"a": "withdrawn", "b": "moved"})


def test_more_traffic_adds_slots_and_less_gives_the_highest_back() -> None:
    """Who grows keeps its slots; who cannot grow as far as it wants takes what there is and says so."""
    declared = {"a": Request("l", 100, queue=1), "b": Request("l", 100, queue=2)}
    first = step(declared).allocation
    grown = step({**declared, "a": Request("l", 950, queue=1)}, first, now=9)
    shrunk = step({**declared, "a": Request("l", 150, queue=1)}, grown.allocation)

    assert grown.allocation.runs["a"] == Run("l", ((0, 99), (200, 999)), 0)
    assert told(grown)["a"] == ("grow", "from 100 slots to 900, 50 more are not free")
    assert shrunk.allocation.runs["a"].slots == ((0, 99), (200, 249))
    assert told(shrunk)["a"] == ("shrink", "from 900 slots to 150")
    assert told(step({**declared, "a": Request("l", 950, queue=1)}, grown.allocation))["a"][0] == "wait"


def test_slots_that_are_declared_are_kept_for_their_experiment() -> None:
    """Nobody who waits takes them, even while the experiment itself cannot start."""
    declared = {"q": Request("l", 1_000, queue=1)}
    full = step(declared).allocation
    declared = {
        "q": Request("l", 100, queue=1),
        "fixed": Request("l", 500, fixed=((0, 499),)),
        "r": Request("l", 500, queue=2),
    }
    planned = step(declared, full)

    assert told(planned)["fixed"] == ("wait", "for 500 slots of layer l: 400 are free")
    assert planned.allocation.runs["r"].slots == ((500, 999),)
    freed = step(declared, planned.allocation, q="decided")
    assert freed.allocation.runs["fixed"].slots == ((0, 499),)


def test_declared_slots_can_change() -> None:
    """Slots that are declared no more are given back, new ones are taken, and those in both stay."""
    running = step({"a": Request("l", 200, fixed=((0, 199),))}).allocation
    planned = step({"a": Request("l", 150, fixed=((100, 249),))}, running)

    assert planned.allocation.runs["a"] == Run("l", ((100, 249),), 0)


@pytest.mark.parametrize(
    ("declared", "running", "message"),
    [
        ({"a": Request("x", 1)}, Allocation(), "experiment a asks for layer x, which is not there"),
        ({"a": Request("l", 1, ((1_000, 1_000),))}, Allocation(), "experiment a asks for slot 1000 of 1000"),
        (
            {"a": Request("l", 1)},
            Allocation({"a": Run("l", ((0, 1_000),), 0)}),
            "experiment a runs on slot 1000, layer l has 1000",
        ),
    ],
)
def test_what_cannot_be_planned_is_an_error(declared: dict[str, Request], running: Allocation, message: str) -> None:
    """Layers and slots that do not exist are named."""
    with pytest.raises(ValueError, match=message):
        step(declared, running)


NAMES = ("a", "b", "c", "d", "e")
FIXED: dict[str, Ranges] = {"a": ((0, 99),), "b": ((100, 100), (950, 999))}
REQUEST = st.builds(
    Request,
    st.sampled_from(["l", "k"]),
    st.integers(1, 600),
    queue=st.integers(1, 3),
    maximum_duration=st.none() | st.integers(1, 5),
)


VERDICTS: st.SearchStrategy[Verdict] = st.sampled_from(["decided", "harmful"])


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[dict[str, Request], dict[str, Verdict]]]:
    """Declarations and verdicts, one after the other; some experiments have declared slots."""
    steps = []
    for _ in range(draw(st.integers(1, 6))):
        declared = draw(st.dictionaries(st.sampled_from(NAMES), REQUEST))
        for name in FIXED.keys() & declared.keys():
            if draw(st.booleans()):
                declared[name] = Request("l", count(FIXED[name]), FIXED[name])
        steps.append((declared, draw(st.dictionaries(st.sampled_from(NAMES), VERDICTS, max_size=1))))
    return steps


@settings(max_examples=150, deadline=None)
@given(histories())
def test_whatever_happens_slots_are_owned_once_and_nobody_is_moved(
    history: list[tuple[dict[str, Request], dict[str, Verdict]]],
) -> None:
    """Runs never overlap, keep their beginning and their slots unless they shrink, and endings are for ever."""
    allocation = Allocation()
    for now, (declared, decisions) in enumerate(history):
        planned = plan(declared, LAYERS, allocation, decisions, now)
        after = planned.allocation
        for layer, size in LAYERS.items():
            owned = [slot for run in after.runs.values() if run.layer == layer for slot in members(run.slots)]
            assert len(owned) == len(set(owned))
            assert all(0 <= slot < size for slot in owned)
        for name, run in after.runs.items():
            assert count(run.slots) <= declared[name].wanted
            assert name not in after.ended
            if name in allocation.runs and not declared[name].fixed:
                kept, before = set(members(run.slots)), set(members(allocation.runs[name].slots))
                assert kept <= before or before <= kept
                assert run.since == allocation.runs[name].since
        assert after.ended.items() >= allocation.ended.items()
        assert declared.keys() <= after.runs.keys() | after.ended.keys() | {c.experiment for c in planned.changes}
        assert plan(declared, LAYERS, allocation, decisions, now) == planned
        assert plan(dict(reversed(declared.items())), LAYERS, allocation, decisions, now) == planned
        assert Allocation.parse(after.to_plain()) == after
        allocation = after


@settings(max_examples=150, deadline=None)
@given(histories())
def test_planning_twice_does_nothing_the_second_time(
    history: list[tuple[dict[str, Request], dict[str, Verdict]]],
) -> None:
    """A plan leaves nothing to be done: with the same input it only says again who waits."""
    allocation = Allocation()
    for declared, decisions in history:
        allocation = plan(declared, LAYERS, allocation, decisions, 0).allocation
        again = plan(declared, LAYERS, allocation, {}, 0)

        assert again.allocation == allocation
        assert {change.action for change in again.changes} <= {"wait"}


def test_what_was_declared_is_planned_and_assigned() -> None:
    """From the declaration through a plan to units: an experiment that was waiting has some once it runs."""
    arms = {"control": 1, "treatment": 1}
    section = {
        "layers": {"l": {"slots": 1_000}},
        "experiments": {
            "first": {"layer": "l", "slots": ["0-499"], "arms": arms},
            "second": {"layer": "l", "traffic": 0.4, "queue": 1, "arms": arms},
            "third": {"layer": "l", "traffic": 0.4, "queue": 2, "arms": arms},
            "own": {"arms": arms, "traffic": 0.5},
        },
    }
    declaration = Experiments.parse(section).declaration
    layers = {name: layer.slots for name, layer in declaration.layers.items()}
    planned = plan(requests(declaration, {"first": DAY}), layers, Allocation(), {}, 0)
    later = plan(requests(declaration, {"first": DAY}), layers, planned.allocation, {}, DAY)
    states = [Experiments.parse(section, state) for state in (planned.allocation, later.allocation)]
    found = [{name for unit in range(200) for name in state.assign(f"u{unit}").arms} for state in states]

    assert found == [{"first", "second", "own"}, {"second", "third", "own"}]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"runs": {}}, "ended: is required"),
        ({"runs": {"a": {"layer": "l", "slots": [0]}}, "ended": {}}, "runs.a.since: is required"),
        ({"runs": {"a": {"layer": "l", "slots": ["9-1"], "since": 0}}, "ended": {}}, 'runs.a.slots[0]: "9-1" does not'),
        ({"runs": {}, "ended": {"a": "won"}}, 'ended.a: "won" is no ending. Allowed: decided, harmful'),
        ([], "[] must be a mapping"),
    ],
)
def test_an_allocation_that_cannot_be_read_is_an_error(data: object, problem: str) -> None:
    """What is wrong is said with its place."""
    with pytest.raises(ExperimentsError) as caught:
        Allocation.parse(data)

    assert str(caught.value).startswith(problem)
