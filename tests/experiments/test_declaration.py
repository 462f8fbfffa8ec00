"""Everything that is wrong with a declaration is said at once, each problem with its place and what to do."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.experiments import Experiments, ExperimentsError
from streams.experiments.reading import MAX_DEPTH
from tests.experiments import making

Plain = Any

ARMS = {"control": 1, "treatment": 1}


def problems(section: Plain) -> list[str]:
    """Every problem of a section that has some."""
    with pytest.raises(ExperimentsError) as caught:
        Experiments.parse(section)
    lines = str(caught.value).splitlines()
    return lines if len(lines) == 1 else [line.removeprefix("  ") for line in lines[1:]]


def problem_of(**experiment: Plain) -> str:
    """Return the only problem of an experiment, from its key on."""
    section = {"experiments": {"e": {"arms": ARMS, **experiment}}, "layers": {"l": {}}, "segments": making.SEGMENTS}
    (problem,) = problems(section)
    return problem.removeprefix("experiments.e.")


def test_every_problem_is_listed_at_once() -> None:
    """Mistakes in every part of the section are found in one go."""
    found = problems(
        {
            "layer": {},
            "layers": {"l": {"slot": 5}},
            "segments": {"s": {}},
            "holdouts": {"h": {"share": 2, "layers": ["m"]}},
            "experiments": {
                "e": {"arms": {"a": 1}, "rules": [{"when": {"segment": "t"}}], "whitelist": {"u": "b"}},
                "f": {"layer": "k", "parameters": {"x": {"uniform": [1]}}},
                "bad name": {"arms": ARMS},
            },
        }
    )

    assert [problem.split(": ")[0] for problem in found] == [
        "layer",
        "segments.s",
        "layers.l.slot",
        'experiments."bad name"',
        "experiments.e.arms",
        "experiments.e.rules[0].when.segment",
        "experiments.e.whitelist.u",
        "experiments.f.arms",
        "experiments.f.layer",
        "experiments.f.parameters.x",
        "holdouts.h.layers[0]",
        "holdouts.h.share",
    ]


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        (None, "null must be a mapping of keys to values"),
        ([], "[] must be a mapping of keys to values"),
        ({"experiment": {}}, "experiment: unknown key `experiment`; did you mean `experiments`? Allowed: experiments,"),
        ({"experiments": []}, "experiments: [] must be a mapping of names to experiments"),
        ({1: {}}, "the key 1 must be text: write it in quotes"),
        ({"experiments": {True: {}}}, "experiments: the key true must be text: write it in quotes"),
        ({"experiments": {"e": None}}, "experiments.e: null must be a mapping of keys to values"),
        ({"experiments": {"": {"arms": ARMS}}}, 'experiments."": "" is no name: up to 100 of A-Z'),
        ({"layers": {"l": {"slots": 999}}}, "layers.l.slots: 999 is not between 1000 and 1e+06"),
        ({"layers": {"l": {"slots": 1e3}}}, "layers.l.slots: 1000.0 must be a whole number, without quotes"),
        ({"layers": {"l": {"salt": ""}}}, 'layers.l.salt: "" must be text that is not empty: write it in quotes'),
        ({"layers": {"l": {"salt": "m"}, "m": {}}}, "layers.m: has the salt of l, m: the two would not be independent"),
        (
            {"layers": {"l": {"salt": "e"}}, "experiments": {"e": {"arms": ARMS}}},
            "layers.l: has the salt of e, e: the two would not be independent",
        ),
        ({"segments": {"s": {"units": ["a", 1]}}}, "segments.s.units[1]: 1 must be text that is not empty"),
        ({"segments": {"s": {"attribute": "a"}}}, "segments.s: a segment is a list of `units`, or an `attribute`"),
        ({"segments": {"s": {"units": [], "values": []}}}, "segments.s: a segment is a list of `units`, or an"),
        ({"holdouts": {"h": {}}}, "holdouts.h.share: is required"),
        (
            {"holdouts": {"h": {"share": 0.1, "unit": "user"}}},
            'holdouts.h.unit: "user" is no unit. Allowed: request_id,',
        ),
        ({"holdouts": {"h": {"share": 0.1, "layers": []}}}, "holdouts.h.layers: [] is too short: at least 1 needed"),
    ],
)
def test_the_section_is_checked(section: Plain, expected: str) -> None:
    """A single mistake is the only problem, with what is allowed."""
    (problem,) = problems(section)

    assert problem.startswith(expected)


@pytest.mark.parametrize(
    ("experiment", "expected"),
    [
        ({"arm": {}}, "arm: unknown key `arm`; did you mean `arms`? Allowed: alpha, arms, control, defaults, enabled"),
        ({"arms": {"a": 1}}, "arms: an experiment has at least two arms"),
        ({"arms": {"a": 0, "b": 0}}, "arms: at least one weight must be above 0"),
        ({"arms": {"a": -1, "b": 1}}, "arms.a: -1 is not between 0 and 1e+15"),
        ({"arms": {"a": True, "b": 1}}, "arms.a: true must be a number, without quotes"),
        ({"arms": {"a": float("nan"), "b": 1}}, "arms.a: NaN must be a number, without quotes"),
        ({"arms": ["a", "b"]}, 'arms: ["a", "b"] must be a mapping of names to weights'),
        ({"control": "contrl"}, 'control: "contrl" is no arm; did you mean `control`? Allowed: control, treatment'),
        ({"unit": "user"}, 'unit: "user" is no unit. Allowed: request_id, unit_id'),
        ({"enabled": "no"}, 'enabled: "no" must be true or false'),
        ({"salt": 7}, "salt: 7 must be text that is not empty: write it in quotes"),
        ({"salt": "\ud800"}, "salt: "),
        ({"whitelist": {"u1": "control", "u2": "x"}}, 'whitelist.u2: "x" is no arm. Allowed: control, treatment'),
        ({"traffic": 1.1}, "traffic: 1.1 is not between 0 and 1"),
        (
            {"traffic": 1 / 3},
            "traffic: 0.3333333333333333 is no whole number of the layer's 10000 slots: write a multi",
        ),
        ({"slots": [0]}, "slots: `slots` is about a layer that is shared: name it under `layer`"),
        ({"queue": 1}, "queue: `queue` is about a layer that is shared: name it under `layer`"),
        ({"layer": "ll"}, "layer: the layer is not declared; did you mean `l`? Allowed: l"),
        ({"layer": "l"}, "experiments.e: in a layer, declare its `slots`, such as [0-999], or `traffic` and a place"),
        ({"layer": "l", "traffic": 0.5}, "experiments.e: in a layer, declare its `slots`, such as [0-999], or `traff"),
        ({"layer": "l", "traffic": 0, "queue": 1}, "traffic: what waits in the `queue` needs at least one slot"),
        ({"layer": "l", "traffic": 0.5, "queue": 0}, "queue: 0 is not between 1 and 1e+06"),
        (
            {"layer": "l", "slots": [0], "queue": 1},
            "queue: `slots` say which share of the layer this is: remove `queue`",
        ),
        ({"layer": "l", "slots": []}, "slots: [] is too short: at least 1 needed"),
        (
            {"layer": "l", "slots": ["0-10000"]},
            'slots[0]: "0-10000" does not lie in order within the layer\'s slots 0-9999',
        ),
        ({"layer": "l", "slots": ["9-1"]}, 'slots[0]: "9-1" does not lie in order'),
        ({"layer": "l", "slots": ["0-9", 5]}, "slots[1]: 5 has slots that are there already"),
        ({"layer": "l", "slots": ["010"]}, 'slots[0]: "010" is no range of slots: write 0-99'),
        ({"layer": "l", "slots": [0.5]}, "slots[0]: 0.5 is no range of slots: write 0-99"),
        ({"rules": []}, "rules: [] is too short: at least 1 needed"),
        ({"rules": [{"share": 0.5}, {"share": 1}]}, "rules[1]: is never reached: the rule before it, without `when`"),
        ({"rules": [{"share": "50%"}]}, 'rules[0].share: "50%" must be a number, without quotes'),
        ({"rules": [{"if": {}}]}, "rules[0].if: unknown key `if`. Allowed: share, when"),
    ],
)
def test_an_experiment_is_checked(experiment: Plain, expected: str) -> None:
    """A single mistake is the only problem, with what is allowed."""
    assert problem_of(**experiment).startswith(expected)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("DE", '"DE" must be a condition, such as {attribute: country, in: [DE, AT]}'),
        ({}, "a condition has exactly one of the keys attribute, segment, all, any, not: this one has 0"),
        (
            {"segment": "staff", "not": {}},
            "a condition has exactly one of the keys attribute, segment, all, any, not: th",
        ),
        ({"attribute": "a"}, "says nothing about the attribute: add one of equals, in, less_than"),
        ({"attribute": "a", "equal": "x"}, "equal: unknown key `equal`; did you mean `equals`? Allowed: at_least, "),
        ({"attribute": 1, "equals": "x"}, "attribute: 1 must be text that is not empty: write it in quotes"),
        ({"attribute": "a", "equals": True}, "equals: true must be text that is not empty: write it in quotes"),
        ({"attribute": "a", "in": ["x", 1]}, "in[1]: 1 must be text that is not empty: write it in quotes"),
        ({"attribute": "a", "in": []}, "in: [] is too short: at least 1 needed"),
        ({"attribute": "a", "at_least": "18"}, 'at_least: "18" must be a number, without quotes'),
        (
            {"attribute": "a", "version_below": "4.x"},
            "version_below: 4.x is no version: write up to eight numbers with",
        ),
        ({"attribute": "a", "present": True, "equals": "x"}, "`present` stands alone: the other tests only hold where"),
        (
            {"segment": "staf"},
            "segment: the segment staf is not declared; did you mean `staff`? Allowed: dach, seven, s",
        ),
        ({"all": []}, "all: [] is too short: at least 1 needed"),
        ({"any": [{"not": {"segment": "x"}}]}, "any[0].not.segment: the segment x is not declared"),
        ({"segment": "staff", "equals": "x"}, "equals: unknown key `equals`. Allowed: segment"),
    ],
)
def test_a_condition_is_checked(condition: Plain, expected: str) -> None:
    """A single mistake is the only problem, with what is allowed."""
    found = problem_of(rules=[{"when": condition}]).removeprefix("rules[0].when")

    assert found.removeprefix(": ").removeprefix(".").startswith(expected)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ({}, ": nothing is no operator. Allowed: add, all, any, arm, at_least"),
        ({"uniform": [1]}, ": uniform is no operator; did you mean `uniform_choice`? Allowed: add, all"),
        ({"add": [1], "all": []}, ": has several operators (add, all): write one inside of the other"),
        ({"add": [1], "salt": "x"}, ".salt: unknown key `salt`. Allowed: add"),
        ({"add": 1}, ".add: 1 must be a list, such as [a, b]"),
        ({"add": []}, ".add: [] is too short: at least 1 needed"),
        ({"equals": [1]}, ".equals: [1] is too short: at least 2 needed"),
        ({"equals": [1, 2, 3]}, ".equals: `equals` takes 2 arguments, not 3"),
        ({"parameter": "y"}, ".parameter: no earlier parameter is called y. Allowed: none"),
        ({"parameter": "x"}, ".parameter: no earlier parameter is called x. Allowed: none"),
        ({"if": True, "then": 1}, ".else: is required"),
        ({"arm": {"control": 1}}, ".arm: says nothing for treatment"),
        ({"arm": {"control": 1, "treatment": 1, "b": 1}}, ".arm.b: b is no arm. Allowed: control, treatment"),
        ({"arm": "control"}, '.arm: "control" must be a mapping of arms to expressions'),
        ({"when": {"segment": "x"}}, ".when.segment: the segment x is not declared"),
        ({"literal": {1: 2}}, ".literal: the key 1 must be text: write it in quotes"),
        ({"floor": {"ceil": 1}}, ".floor: ceil is no operator"),
        (2**53 + 1, ": whole numbers are exact up to 9007199254740992: write this one as text, in quotes"),
        (float("inf"), ": a number must be finite"),
        (dt.date(2026, 1, 1), ": datetime.date(2026, 1, 1) is neither text, number, true, false nor null"),
        ([1, {"x": 1}], "[1]: x is no operator"),
    ],
)
def test_an_expression_is_checked(expression: Plain, expected: str) -> None:
    """A single mistake is the only problem, with what is allowed."""
    assert problem_of(parameters={"x": expression}).removeprefix("parameters.x").startswith(expected)


@pytest.mark.parametrize(
    ("draw", "expected"),
    [
        ({"sample": [1, 2]}, ".draws: is required"),
        ({"weighted_choice": [1, 2]}, ".weights: is required"),
        ({"uniform_choice": [1], "unit": []}, ".unit: [] is too short: at least 1 needed"),
        ({"uniform_choice": [1], "salt": 1}, ".salt: 1 must be text that is not empty: write it in quotes"),
        (
            {"add": [{"random_integer": [1, 6]}, {"random_integer": [1, 6]}]},
            ".add[1].random_integer: is a further draw of the same parameter, and would come out as the first",
        ),
    ],
)
def test_a_draw_is_checked(draw: Plain, expected: str) -> None:
    """A single mistake is the only problem, with what is allowed."""
    found = problem_of(parameters={"x": draw}, defaults={"x": 1})

    assert found.removeprefix("parameters.x").startswith(expected)


def test_a_draw_needs_a_default() -> None:
    """Outside of an experiment nothing is drawn: what holds there must be declared."""
    drawn = {"if": True, "then": {"bernoulli_trial": 0.5}, "else": 0}

    assert problem_of(parameters={"x": drawn}).startswith("parameters.x: is drawn at random: say under `defaults`")
    assert problem_of(parameters={"x": 1}, defaults={"xx": 1}).startswith("defaults.xx: no parameter is called xx; did")


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ({"slots": ["9-20"]}, "experiments.f: has slot 9, which e has in the same layer"),
        ({"slots": [20], "unit": "request_id"}, "experiments.f: has another unit than e, which is in the same layer"),
    ],
)
def test_experiments_of_a_layer_must_go_together(other: Plain, expected: str) -> None:
    """They cannot own the same slots, nor look at different ids."""
    first = {"arms": ARMS, "layer": "l", "slots": ["0-9"]}
    section = {"layers": {"l": {}}, "experiments": {"e": first, "f": {"arms": ARMS, "layer": "l", **other}}}

    assert problems(section) == [expected]


def test_an_experiment_cannot_be_called_like_a_layer_it_is_not_in() -> None:
    """It would be hashed like that layer."""
    section = {"layers": {"e": {}}, "experiments": {"e": {"arms": ARMS}}}

    assert problems(section) == [
        "experiments.e: has no `layer`, but the name of one: name the layer it is in, or call it otherwise"
    ]


def test_depth_is_bounded() -> None:
    """What is nested for ever, or merely too deeply, is one problem and no overflow."""
    deep: Plain = 1
    for _ in range(500):
        deep = {"not": deep}
    endless: list[Plain] = []
    endless.append(endless)
    condition: Plain = {}
    condition["not"] = condition

    assert problem_of(parameters={"x": deep}).endswith(f"is nested too deeply: at most {MAX_DEPTH} levels are allowed")
    assert problem_of(parameters={"x": endless}).endswith("is nested too deeply: at most 40 levels are allowed")
    assert problem_of(rules=[{"when": condition}]).endswith("is nested too deeply: at most 40 levels are allowed")


def test_size_is_bounded() -> None:
    """Aliases that would unfold to more than memory has are one problem, found at once."""
    text = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
    for name, before in zip("bcdefghi", "abcdefgh", strict=True):
        text += f"{name}: &{name} [{', '.join(['*' + before] * 10)}]\n"
    bomb = yaml.safe_load(text)["i"]

    assert problem_of(parameters={"x": bomb}).endswith("is too much: at most 200,000 values are read")
    assert len(problem_of(salt=bomb)) < 300


def test_a_declaration_is_the_same_however_yaml_is_read() -> None:
    """What a reader of YAML 1.1 makes of words without quotes is refused where it would mean something else."""
    text = "{arms: {on: 1, off: 1}, rules: [{when: {attribute: country, in: [DE, NO]}}]}"
    found = problems({"experiments": {"e": yaml.safe_load(text)}})

    assert found == [
        "experiments.e.arms: the key true must be text: write it in quotes",
        "experiments.e.arms: the key false must be text: write it in quotes",
        "experiments.e.rules[0].when.in[1]: false must be text that is not empty: write it in quotes",
    ]


KEYS = st.sampled_from(
    [
        *("experiments", "layers", "segments", "holdouts", "e", "arms", "rules", "when", "attribute", "in", "not"),
        *("all", "slots", "layer", "traffic", "queue", "parameters", "defaults", "sample", "draws", "unit", "share"),
    ]
)
ANYTHING = st.recursive(
    st.one_of(making.SCALARS, making.ODD_VALUES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=30,
)


@settings(max_examples=300, deadline=None)
@given(section=ANYTHING, experiment=ANYTHING)
def test_whatever_is_declared_is_read_or_refused(section: Plain, experiment: Plain) -> None:
    """Nothing that is written makes the reading fail in another way, and every problem has a place and a line."""
    if isinstance(experiment, dict):
        experiment = {"arms": ARMS, **experiment}
    if isinstance(section, dict):
        section["experiments"] = {"e": experiment}
    try:
        Experiments.parse(section).assign("u7", {"country": "DE"}).parameters("e")
        said = ["read"]
    except ExperimentsError as error:
        said = [text for _, text in error.problems]

    assert said
    assert all(len(text.splitlines()) == 1 for text in said)
