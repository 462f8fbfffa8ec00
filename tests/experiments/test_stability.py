"""What may be changed without moving a unit: shares and slots that grow only take units in, and others stay."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.experiments import Experiments

Plain = Any

UNITS = [f"unit-{number}" for number in range(600)]
ARMS = {"control": 2, "treatment": 1, "other": 1}
SHARES = st.tuples(st.integers(0, 10_000), st.integers(0, 10_000)).map(lambda pair: sorted(n / 10_000 for n in pair))


def arms_of(section: dict[str, Plain]) -> dict[str, dict[str, str]]:
    """Arms by unit."""
    experiments = Experiments.parse(section)
    return {unit: experiments.assign(unit, {"country": "DE"}).arms for unit in UNITS}


def grows(section: Any, small: float, large: float) -> None:
    """Check that whoever is in with the small share is in, in the same arm, with the large one."""
    before, after = arms_of(section(small)), arms_of(section(large))

    assert all(after[unit].items() >= arms.items() for unit, arms in before.items())


@settings(max_examples=25, deadline=None)
@given(SHARES)
def test_more_traffic_only_takes_units_in(shares: list[float]) -> None:
    """A unit that is in at 5 % is in, in the same arm, at 20 %."""
    grows(lambda share: {"experiments": {"e": {"arms": ARMS, "traffic": share}}}, *shares)


@settings(max_examples=25, deadline=None)
@given(SHARES)
def test_a_larger_share_of_a_rule_only_takes_units_in(shares: list[float]) -> None:
    """A rule's percentage grows the same way, for those whom it is for."""
    condition = {"attribute": "country", "equals": "DE"}
    grows(lambda share: {"experiments": {"e": {"arms": ARMS, "rules": [{"when": condition, "share": share}]}}}, *shares)


@settings(max_examples=25, deadline=None)
@given(SHARES)
def test_a_smaller_holdout_only_lets_units_in(shares: list[float]) -> None:
    """Who is held out by 1 % is held out by 5 %."""
    grows(lambda share: {"experiments": {"e": {"arms": ARMS}}, "holdouts": {"h": {"share": 1 - share}}}, *shares)


def test_shares_are_what_they_say() -> None:
    """Of many units about the declared share is in, and arms have their weights."""
    experiments = Experiments.parse({"experiments": {"e": {"arms": ARMS, "traffic": 0.2, "rules": [{"share": 0.5}]}}})
    found = [experiments.assign(f"n{number}").arms.get("e") for number in range(40_000)]

    assert abs(sum(arm is not None for arm in found) - 4_000) < 250
    assert abs(found.count("control") - 2_000) < 180


@settings(max_examples=40, deadline=None)
@given(cuts=st.lists(st.integers(0, 9_999), min_size=6, max_size=6, unique=True).map(sorted), gone=st.integers(0, 2))
def test_taking_and_releasing_slots_moves_nobody_else(cuts: list[int], gone: int) -> None:
    """An experiment that comes, ends or takes more slots changes nothing for the others of its layer."""
    ranges = {f"e{number}": f"{cuts[2 * number]}-{cuts[2 * number + 1]}" for number in range(3)}
    declared = {name: {"arms": ARMS, "layer": "l", "slots": [slots]} for name, slots in ranges.items()}
    without = {name: experiment for name, experiment in declared.items() if name != f"e{gone}"}
    before, after = (arms_of({"layers": {"l": {}}, "experiments": some}) for some in (declared, without))

    assert all(len(arms) <= 1 for arms in before.values())
    for unit, arms in before.items():
        assert after[unit] == {name: arm for name, arm in arms.items() if name != f"e{gone}"}


def test_other_experiments_and_their_order_make_no_difference() -> None:
    """What is declared elsewhere, and in which order, changes no unit's arm in an experiment."""
    layers = {"layers": {"l": {"slots": 1_000}}}
    one = {"arms": ARMS, "layer": "l", "slots": ["0-499"]}
    alone = arms_of({**layers, "experiments": {"one": one}})
    others = {"two": {"arms": ARMS, "layer": "l", "slots": ["500-999"]}, "three": {"arms": ARMS, "traffic": 0.5}}
    beside = arms_of({**layers, "experiments": {**others, "one": one}, "segments": {"s": {"units": ["x"]}}})

    assert {unit: arms.get("one") for unit, arms in beside.items()} == {u: a.get("one") for u, a in alone.items()}


def test_a_salt_keeps_or_redraws() -> None:
    """Renaming with the old name as the salt keeps every arm; another salt draws anew."""
    old = arms_of({"experiments": {"old": {"arms": ARMS}}})
    kept = arms_of({"experiments": {"new": {"arms": ARMS, "salt": "old"}}})
    drawn = arms_of({"experiments": {"new": {"arms": ARMS}}})

    assert [arms["new"] for arms in kept.values()] == [arms["old"] for arms in old.values()]
    assert [arms["new"] for arms in drawn.values()] != [arms["old"] for arms in old.values()]
