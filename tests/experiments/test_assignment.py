"""Who is in which experiment, in which arm, and what a service is told about it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.emit import Prediction
from streams.emit.packing import Packed, pack
from streams.experiments import Allocation, Decision, Experiments, ExperimentsError
from streams.experiments.allocation import Run
from streams.experiments.deciding import Reason
from tests.experiments import making
from tests.experiments.interpreter import decide

Plain = Any

UNITS = [f"u{number}" for number in range(400)]
ARMS = {"control": 1, "treatment": 1}


def section(**experiments: dict[str, Plain]) -> dict[str, Plain]:
    """Declare experiments, with two equal arms unless they have others."""
    return {"experiments": {name: {"arms": ARMS, **experiment} for name, experiment in experiments.items()}}


def reasons(data: dict[str, Plain], name: str, **attributes: Plain) -> set[Reason]:
    """Every reason that there is for some unit."""
    experiments = Experiments.parse(data)
    return {experiments.assign(unit, attributes).decision(name).reason for unit in UNITS}


def insiders(data: dict[str, Plain], name: str = "e", **attributes: Plain) -> dict[str, str]:
    """Arm by unit, for the units that are in."""
    experiments = Experiments.parse(data)
    arms = {unit: experiments.assign(unit, attributes).arms.get(name) for unit in UNITS}
    return {unit: arm for unit, arm in arms.items() if arm is not None}


def test_without_further_keys_everybody_is_in() -> None:
    """An experiment that only has arms is in a layer of its own, with all of its traffic."""
    found = insiders(section(e={}))

    assert len(found) == len(UNITS)
    assert set(found.values()) == {"control", "treatment"}


def test_arms_are_what_an_event_takes() -> None:
    """`arms` can be the `assignments` of a prediction as they are."""
    arms = Experiments.parse(section(e={}, f={}, off={"enabled": False})).assign("u7").arms
    packed = pack(Prediction(prediction_id="p", model="m", version="1", unit_id="u7", assignments=arms))

    assert isinstance(packed, Packed)
    assert arms.keys() == {"e", "f"}


def test_what_is_returned_can_be_changed_by_its_owner_only() -> None:
    """Changing the mappings that a caller was given changes nothing that is decided."""
    assigned = Experiments.parse(section(e={})).assign("u7")
    assigned.arms.clear()
    assigned.exposures["x"] = "y"

    assert assigned.arms.keys() == {"e"}
    assert assigned.exposures == {}


def test_exposures_are_what_was_used() -> None:
    """Asking for an arm or for parameters is a use; reading `arms` or asking why is none."""
    assigned = Experiments.parse(section(e={}, f={}, g={}, off={"enabled": False})).assign("u7")
    assigned.decision("g")
    assert assigned.exposures == {}
    assert assigned.arm("off") is None
    arm = assigned.arm("f")
    assigned.parameters("e")

    assert assigned.exposures == {"e": assigned.arms["e"], "f": arm}


def test_an_experiment_that_is_declared_no_more_has_nobody_in_it() -> None:
    """A service that still asks for it goes on; only `decision` says that the name is unknown, with a suggestion."""
    assigned = Experiments.parse(section(ranker={})).assign("u7")

    assert (assigned.arm("rankr"), assigned.parameters("rankr")) == (None, {})
    with pytest.raises(KeyError, match="did you mean `ranker`"):
        assigned.decision("rankr")


@pytest.mark.parametrize("unit", [None, "", "\ud800"])
def test_without_a_unit_nobody_is_in(unit: str | None) -> None:
    """An id that is absent, empty or no text that can be written is in nothing, and that is the reason."""
    assigned = Experiments.parse(section(e={"whitelist": {"": "control"}})).assign(unit)

    assert assigned.arms == {}
    assert assigned.decision("e").reason == "no_unit"


def test_an_id_that_is_no_text_is_an_error() -> None:
    """7 and "7" would be one unit here and two elsewhere."""
    with pytest.raises(TypeError, match="must be text, not 7"):
        Experiments.parse(section(e={})).assign(7)  # type: ignore[arg-type]


def test_requests_can_be_units() -> None:
    """An experiment on requests looks at the request's id, others at the unit's; either may be missing."""
    experiments = Experiments.parse(section(e={"unit": "request_id"}, f={}))

    assert experiments.assign("u7").arms.keys() == {"f"}
    assert experiments.assign(request_id="r1").arms.keys() == {"e"}
    assert experiments.assign("u7", request_id="r1").arms.keys() == {"e", "f"}
    assert len({experiments.assign("u7", request_id=f"r{i}").arms["e"] for i in range(20)}) == 2


def test_the_kill_switch_puts_everybody_out() -> None:
    """Nobody is in, not even who is on the whitelist, and parameters are those of outside."""
    killed = section(
        e={
            "enabled": False,
            "whitelist": {"u1": "treatment"},
            "parameters": {"x": {"arm": {"control": 1, "treatment": 2}}},
        }
    )

    assert reasons(killed, "e") == {"disabled"}
    assert Experiments.parse(killed).assign("u1").parameters("e") == {"x": 1}


def test_a_whitelist_goes_before_everything_but_the_kill_switch() -> None:
    """Holdouts, slots and rules do not keep out who is on it."""
    data = section(e={"traffic": 0, "rules": [{"share": 0}], "whitelist": {"u1": "treatment"}})
    data["holdouts"] = {"all": {"share": 1}}

    assert insiders(data) == {"u1": "treatment"}
    assert Experiments.parse(data).assign("u1").decision("e").reason == "whitelist"


def test_who_is_on_a_whitelist_is_in_no_other_experiment_of_the_layer() -> None:
    """Experiments of a layer exclude one another for these units as well; the first that is declared wins."""
    data = section(
        e={"layer": "l", "slots": ["0-9999"], "whitelist": {"u2": "control"}},
        f={"layer": "l", "slots": [], "whitelist": {"u1": "treatment", "u2": "treatment"}},
    )
    data["experiments"]["f"].pop("slots")
    data["experiments"]["f"] |= {"traffic": 0.1, "queue": 1}
    data["layers"] = {"l": {}}
    experiments = Experiments.parse(data)

    assert experiments.assign("u1").arms == {"f": "treatment"}
    assert experiments.assign("u2").arms == {"e": "control"}
    assert experiments.assign("u1").decision("e") == Decision(
        "e", None, "excluded", experiments.assign("u1").decision("f").slot
    )


def test_a_holdout_keeps_out_of_everything_or_of_its_layers() -> None:
    """A holdout without layers is about all of them, one with layers about these."""
    data = section(e={}, f={})
    data["holdouts"] = {"one": {"share": 0.3, "layers": ["e"]}, "all": {"share": 0.1}}
    experiments = Experiments.parse(data)
    kept = {
        name: {unit for unit in UNITS if experiments.assign(unit).decision(name).reason == "holdout"} for name in "ef"
    }

    assert kept["f"] < kept["e"]
    assert 0.05 < len(kept["f"]) / len(UNITS) < 0.15
    assert 0.27 < len(kept["e"]) / len(UNITS) < 0.47
    assert {experiments.assign(unit).decision("f").holdout for unit in kept["f"]} == {"all"}


def test_a_holdout_of_units_is_about_requests_too() -> None:
    """Who is held out by the unit's id is in no experiment on its requests; without that id nobody is held out."""
    data = section(e={"unit": "request_id"})
    data["holdouts"] = {"all": {"share": 1}}
    experiments = Experiments.parse(data)

    assert experiments.assign("u7", request_id="r1").arms == {}
    assert experiments.assign(request_id="r1").arms.keys() == {"e"}


def test_the_first_rule_that_matches_decides() -> None:
    """Later rules are not asked, even for those whom the first one's share leaves out."""
    german = {"when": {"attribute": "country", "equals": "DE"}, "share": 0.25}
    data = section(e={"rules": [german, {"when": {"attribute": "country", "in": ["DE", "AT"]}}]})

    assert reasons(data, "e", country="DE") == {"rule", "share"}
    assert reasons(data, "e", country="AT") == {"rule"}
    assert reasons(data, "e", country="FR") == {"no_rule"}
    assert 0.17 < len(insiders(data, country="DE")) / len(UNITS) < 0.33


def test_a_missing_attribute_matches_no_rule() -> None:
    """What is not known is neither equal nor different: only `present: false` and a last rule for all are for it."""
    different = {"when": {"not": {"attribute": "country", "equals": "DE"}}}

    assert reasons(section(e={"rules": [different]}), "e") == {"no_rule"}
    assert reasons(section(e={"rules": [different]}), "e", country=None) == {"no_rule"}
    assert reasons(section(e={"rules": [different, {"share": 0.5}]}), "e") == {"split", "share"}
    assert reasons(section(e={"rules": [{"when": {"attribute": "country", "present": False}}]}), "e") == {"rule"}


def test_outside_parameters_are_defaults_or_those_of_control() -> None:
    """Inside a parameter is its expression, outside its default, else what the control arm has; later ones see that."""
    experiment = {
        "arms": {"old": 1, "new": 1},
        "control": "new",
        "traffic": 0.5,
        "parameters": {
            "size": {"random_integer": [100, 200]},
            "double": {"multiply": [{"parameter": "size"}, 2]},
            "kind": {"arm": {"old": "o", "new": "n"}},
        },
        "defaults": {"size": 7},
    }
    experiments = Experiments.parse({"experiments": {"e": experiment}})
    for unit in UNITS:
        assigned = experiments.assign(unit)
        found, arm = assigned.parameters("e"), assigned.arm("e")

        assert list(found) == ["size", "double", "kind"]
        assert found["double"] == 2 * int(str(found["size"]))
        assert (found["size"] == 7) == (arm is None)
        assert found["kind"] == ("o" if arm == "old" else "n")


EXPERIMENT = st.fixed_dictionaries(
    {"arms": st.sampled_from([ARMS, {"a": 1, "b": 2, "c": 0.5}, {"off": 0, "on": 1}])},
    optional={
        "rules": st.lists(
            st.fixed_dictionaries({"when": making.CONDITIONS}, optional={"share": st.floats(0, 1)}),
            min_size=1,
            max_size=2,
        ),
        "enabled": st.booleans(),
        "salt": st.sampled_from(["s", "t"]),
    },
)


@st.composite
def sections(draw: st.DrawFn) -> dict[str, Plain]:
    """Experiments of their own and in layers, with holdouts, segments and whitelists."""
    experiments: dict[str, dict[str, Plain]] = {}
    for name in draw(st.lists(st.sampled_from(["a", "b", "c"]), unique=True)):
        traffic = draw(st.sampled_from([0, 0.3, 1.0]))
        unit = draw(st.sampled_from(["unit_id", "request_id"]))
        experiments[name] = {**draw(EXPERIMENT), "traffic": traffic, "unit": unit}
    for layer, slots in (("one", 1_000), ("two", 10_000)):
        cuts = sorted(draw(st.sets(st.integers(1, slots - 1), min_size=2, max_size=5)))
        for number, (first, end) in enumerate(pairwise(cuts)):
            experiments[f"{layer}{number}"] = {**draw(EXPERIMENT), "layer": layer, "slots": [f"{first}-{end - 1}"]}
    for experiment in experiments.values():
        arm = st.sampled_from(sorted(experiment["arms"]))
        experiment["whitelist"] = draw(st.dictionaries(st.sampled_from(["u1", "u7"]), arm, max_size=1))
    holdout = st.fixed_dictionaries(
        {"share": st.floats(0, 0.3)},
        optional={"layers": st.just(["one"]), "unit": st.just("request_id"), "salt": st.just("x")},
    )
    return {
        "experiments": experiments,
        "layers": {"one": {"slots": 1_000, "salt": "other"}, "two": {}},
        "segments": making.SEGMENTS,
        "holdouts": draw(st.dictionaries(st.sampled_from(["h", "i"]), holdout)),
    }


@settings(max_examples=120, deadline=None)
@given(data=sections(), attributes=making.attributes(), request=st.none() | making.IDS)
def test_every_decision_agrees_with_the_interpreter(
    data: dict[str, Plain], attributes: dict[str, Plain], request: str | None
) -> None:
    """Who is in which arm is what a plain reading of the document says, and the reasons say the same."""
    experiments = Experiments.parse(data)
    for unit in ["u1", "u2", "u7", *UNITS[10:20]]:
        assigned = experiments.assign(unit, attributes, request_id=request)
        ids = {"unit_id": unit} | ({} if request is None else {"request_id": request})
        decided = {name: decide(data, name, ids, attributes) for name in data["experiments"]}

        assert assigned.arms == {name: arm for name, arm in decided.items() if arm is not None}
        assert {name: assigned.decision(name).arm for name in decided} == decided


def test_an_allocation_says_what_runs() -> None:
    """With one, experiments run on the slots in it, wait if they have none, and have ended if it says so."""
    data = section(
        fixed={"layer": "l", "slots": ["0-9"]},
        queued={"layer": "l", "traffic": 0.5, "queue": 1},
        over={"layer": "l", "traffic": 0.1, "queue": 2, "whitelist": {"u1": "control"}},
        moved={"layer": "l", "traffic": 0.1, "queue": 3},
    )
    data["layers"] = {"l": {}}
    allocation = Allocation(
        {"queued": Run("l", ((0, 4_999),), 0), "moved": Run("k", ((0, 9_999),), 0), "gone": Run("l", ((0, 1),), 0)},
        {"over": "decided"},
    )
    experiments = Experiments.parse(data, allocation)
    found = {name: {experiments.assign(u).decision(name).reason for u in UNITS} for name in data["experiments"]}

    assert found == {"fixed": {"waiting"}, "queued": {"split", "slot"}, "over": {"ended"}, "moved": {"waiting"}}
    assert Experiments.parse(data).assign("u3").decision("queued").reason == "waiting"


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ({"e": Run("l", ((0, 1_000),), 0)}, "runs.e: has slot 1000 of 1000 in layer l"),
        ({"e": Run("l", ((0, 9),), 0), "f": Run("l", ((9, 9),), 0)}, "runs.f: has slot 9, which e has as well"),
    ],
)
def test_an_allocation_that_does_not_fit_is_an_error(runs: dict[str, Run], expected: str) -> None:
    """Slots that the layer does not have, or two would own, are refused."""
    data = section(e={"layer": "l", "slots": [0]}, f={"layer": "l", "slots": [1]})
    data["layers"] = {"l": {"slots": 1_000}}
    with pytest.raises(ExperimentsError) as caught:
        Experiments.parse(data, Allocation(runs))

    assert str(caught.value) == expected
