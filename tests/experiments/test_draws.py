"""Draws: what they choose at the edges, what they cannot work on, and whom they are for."""

from __future__ import annotations

from collections import Counter
from itertools import permutations
from math import nextafter
from typing import Any

import pytest

from streams.experiments import Experiments
from streams.experiments.hashing import message, position

AT = position(message("parameter", "e", "x", "u7"))


def value(expression: Any, unit: str | None = "u7", request: str | None = None, **attributes: Any) -> Any:
    """Value of the parameter `x` of the experiment `e`."""
    declared = {"arms": {"a": 1, "b": 1}, "parameters": {"x": expression}, "defaults": {"x": "outside"}}
    return experiment(declared).assign(unit, attributes, request_id=request).parameters("e")["x"]


def experiment(declared: Any) -> Experiments:
    return Experiments.parse({"experiments": {"e": declared}})


def test_a_trial_succeeds_below_its_probability() -> None:
    """It fails at the very position, and succeeds just above it; 0 never does, 1 always."""
    assert value({"bernoulli_trial": AT}) is False
    assert value({"bernoulli_trial": nextafter(AT, 1)}) is True
    assert (value({"bernoulli_trial": 0}), value({"bernoulli_trial": 1})) == (False, True)


def test_choices_are_cut_at_the_position() -> None:
    """Equal choices are cut at equal steps, weighted ones at the shares of the weights."""
    assert value({"uniform_choice": list(range(1_000))}) == int(AT * 1_000)
    assert value({"random_integer": [0, 999]}) == int(AT * 1_000)
    assert value({"random_float": [0, 10]}) == AT * 10
    assert value({"weighted_choice": ["low", "high"], "weights": [AT, 1 - AT]}) == "high"
    assert value({"weighted_choice": ["low", "high"], "weights": [AT + 1e-9, 1 - AT]}) == "low"
    assert value({"weighted_choice": ["never", "always"], "weights": [0, 2]}) == "always"


@pytest.mark.parametrize(
    "draw",
    [
        {"uniform_choice": []},
        {"uniform_choice": "abc"},
        {"weighted_choice": [1, 2], "weights": [1]},
        {"weighted_choice": [1, 2], "weights": [1, -1]},
        {"weighted_choice": [1, 2], "weights": [0, 0]},
        {"weighted_choice": [1, 2], "weights": [True, 1]},
        {"weighted_choice": [1, 2], "weights": [1e308, 1e308]},
        {"bernoulli_trial": 1.1},
        {"bernoulli_trial": -0.1},
        {"bernoulli_trial": True},
        {"random_integer": [1, 6.5]},
        {"random_integer": [0.5, 6]},
        {"random_integer": [6, 1]},
        {"random_integer": [1]},
        {"random_integer": [0, 2**53]},
        {"random_float": [1, "2"]},
        {"random_float": [2, 1]},
        {"random_float": [-1.7e308, 1.7e308]},
        {"sample": [1, 2], "draws": 3},
        {"sample": [1, 2], "draws": -1},
        {"sample": [1, 2], "draws": True},
        {"sample": {"literal": {"a": 1}}, "draws": 1},
    ],
)
def test_what_cannot_be_drawn_is_null(draw: Any) -> None:
    """Arguments that do not fit give null for everybody."""
    assert {value(draw, unit) for unit in ("u1", "u2", "u7")} == {None}


def test_a_range_of_one_is_no_draw() -> None:
    """The ends may be equal."""
    assert value({"random_integer": [3, 3]}) == 3
    assert value({"random_float": [0.5, 0.5]}) == 0.5


def test_every_order_of_a_sample_is_as_likely() -> None:
    """Of many units about the same number has each of the 24 ordered draws of 3 from 4, without repetition."""
    declared = {
        "arms": {"a": 1, "b": 1},
        "parameters": {"x": {"sample": ["a", "b", "c", "d"], "draws": 3}},
        "defaults": {"x": []},
    }
    experiments = experiment(declared)
    samples: list[Any] = [experiments.assign(f"u{number}").parameters("e")["x"] for number in range(12_000)]
    found = Counter(map(tuple, samples))

    assert found.keys() == set(permutations("abcd", 3))
    assert sum((count - 500) ** 2 / 500 for count in found.values()) < 53  # chi-square, 23 degrees: p > 0.0004


def test_a_sample_of_nothing_or_all() -> None:
    """No draw is an empty list, and all of them an order of everything."""
    assert value({"sample": [1, 2, 3], "draws": 0}) == []
    assert sorted(value({"sample": [1, 2, 3], "draws": 3})) == [1, 2, 3]


def test_salts_and_units_make_draws_differ() -> None:
    """Another salt, another unit or one more of them draws anew; the same ones draw the same under any name."""
    draw = {"random_integer": [0, 10**9]}
    units = ["unit_id", "request_id"]

    assert value({**draw, "salt": "x"}) == value(draw)
    drawn = [
        value(draw),
        value({**draw, "salt": "y"}),
        value({**draw, "unit": ["request_id"]}, request="r1"),
        value({**draw, "unit": units}, request="r1"),
        value({**draw, "unit": units[::-1]}, request="r1"),
        value({**draw, "unit": ["country"]}, country="DE"),
    ]
    assert len(set(drawn)) == len(drawn)
    assert value({**draw, "unit": ["country"]}, "u1", country="DE") == drawn[-1]


@pytest.mark.parametrize("page", [None, "", 0.5, ["a"], float("nan")])
def test_a_draw_without_its_unit_is_null(page: Any) -> None:
    """If one of several units is missing, empty or no text, nothing is drawn."""
    draw = {"uniform_choice": [1, 2], "unit": ["unit_id", "page"]}

    assert value(draw, page=page) is None
    assert value(draw) is None
    assert value({"uniform_choice": [1, 2], "unit": ["unit_id", "request_id"]}) is None
    assert value(draw, page=7) == value(draw, page="7")


def test_outside_nothing_is_drawn() -> None:
    """A unit that is not in the experiment gets the default."""
    assert value({"uniform_choice": [1, 2]}, None) == "outside"
