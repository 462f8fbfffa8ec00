"""
Experiments decided a second time, straight from `docs/assignment.md`, to hold `streams.experiments` against.

It walks plain data anew at every question, prepares nothing, and shares no code with the package.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Plain = Any
KINDS = ("unit_id", "request_id")


def bits(*texts: str) -> int:
    """First 64 bits of the digest of some texts."""
    hashed = hashlib.sha256()
    for text in texts:
        encoded = bytes(text, "utf-8")
        hashed.update(f"{len(encoded)}:".encode("ascii") + encoded + b",")
    return int(hashed.hexdigest()[:16], 16)


def position(*texts: str) -> float:
    """Number in [0, 1) of some texts."""
    return (bits(*texts) // 2**11) / 2**53


def pick(weights: Sequence[float], at: float) -> int:
    """Index that a position has among weights."""
    total = 0.0
    for weight in weights:
        total += weight
    index, partial = 0, 0.0
    for number, weight in enumerate(weights[:-1], 1):
        partial += weight
        index = number if partial / total <= at else index
    return index


@dataclass
class World:
    """Everything an expression may look at."""

    salt: str = "e"
    unit: str = "unit_id"
    ids: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, Plain] = field(default_factory=dict)
    arm: str = "control"
    segments: Mapping[str, Plain] = field(default_factory=dict)
    values: dict[str, Plain] = field(default_factory=dict)
    name: str = ""


def is_number(value: Plain) -> bool:
    return type(value) in {int, float}


def tidy(value: float) -> Plain:
    """A double as expressions have it."""
    if math.isnan(value) or math.isinf(value):
        return None
    return int(value) if value == math.floor(value) and abs(value) <= 2**53 else value


def given(value: Plain) -> Plain:
    """An attribute as expressions have it."""
    if isinstance(value, str | bool):
        return value
    if isinstance(value, list | tuple):
        return [given(item) for item in value]
    if isinstance(value, int):
        return value if -(2**53) <= value <= 2**53 else None
    return tidy(value) if isinstance(value, float) else None


def numeral(value: Plain) -> Plain:
    """A value as a number."""
    if isinstance(value, str):
        if len(value) > 400 or not re.fullmatch(r"-?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?", value):
            return None
        return tidy(float(value))
    value = given(value)
    return value if is_number(value) else None


def wording(value: Plain) -> str | None:
    """A value as text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    value = given(value)
    return value if isinstance(value, str) else str(value) if isinstance(value, int) else None


def alike(a: Plain, b: Plain) -> bool:
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(alike(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        return set(a) == set(b) and all(alike(a[key], b[key]) for key in a)
    return (isinstance(a, bool) == isinstance(b, bool)) and a == b


def evaluate(data: Plain, world: World) -> Plain:
    """Value of an expression."""
    if isinstance(data, list):
        return [evaluate(item, world) for item in data]
    if not isinstance(data, dict):
        return tidy(float(data)) if is_number(data) else data
    for name, method in {**SPECIAL, **DRAWN}.items():
        if name in data:
            return method(data, world)
    ((name, argument),) = data.items()
    if name in ONE:
        return ONE[name](evaluate(argument, world))
    arguments = [evaluate(item, world) for item in argument]
    return MANY[name](*arguments)


def tidied(data: Plain) -> Plain:
    if isinstance(data, dict):
        return {key: tidied(value) for key, value in data.items()}
    if isinstance(data, list):
        return [tidied(item) for item in data]
    return tidy(float(data)) if is_number(data) else data


def attribute(data: Plain, world: World) -> Plain:
    value = given(world.attributes.get(data["attribute"]))
    return evaluate(data["default"], world) if value is None and "default" in data else value


def branch(data: Plain, world: World) -> Plain:
    chosen = evaluate(data["if"], world)
    return evaluate(data["then" if chosen is True else "else"], world)


def holds(condition: Plain, world: World) -> bool | None:
    """Truth of a condition: True, False or None."""
    if "all" in condition:
        return conjunction(*(holds(part, world) for part in condition["all"]))
    if "any" in condition:
        return disjunction(*(holds(part, world) for part in condition["any"]))
    if "not" in condition:
        return opposite(holds(condition["not"], world))
    if "segment" not in condition:
        return asked(condition, world.attributes.get(condition["attribute"]))
    segment = world.segments[condition["segment"]]
    if "units" in segment:
        return world.ids.get(world.unit) in segment["units"]
    return holds({"attribute": segment["attribute"], "in": segment["values"]}, world)


def asked(condition: Plain, value: Plain) -> bool | None:
    """Truth of the tests of one attribute."""
    if "present" in condition:
        return bool((value is not None) == condition["present"])
    tests = [(name, bound) for name, bound in condition.items() if name != "attribute"]
    return None if value is None else conjunction(*(tested(name, bound, value) for name, bound in tests))


def tested(name: str, bound: Plain, value: Plain) -> bool | None:
    if name.startswith("version"):
        found = release(wording(value))
        if found is None:
            return None
        return found < (release(bound) or []) if name == "version_below" else found >= (release(bound) or [])
    if name in {"equals", "in", "starts_with"}:
        text = wording(value)
        if text is None:
            return None
        return (
            text[: len(bound)] == bound if name == "starts_with" else text in ([bound] if name == "equals" else bound)
        )
    number = numeral(value)
    if number is None:
        return None
    return MANY[name](number, bound) is True


def release(text: str | None) -> list[int] | None:
    if text is None or not re.fullmatch(r"v?[0-9]{1,9}(\.[0-9]{1,9}){0,7}", text):
        return None
    return [int(piece) for piece in (text.lstrip("v").split(".") + ["0"] * 8)[:8]]


def conjunction(*values: Plain) -> bool | None:
    truths = [value if isinstance(value, bool) else None for value in values]
    return False if False in truths else None if None in truths else True


def disjunction(*values: Plain) -> bool | None:
    return opposite(conjunction(*map(opposite, values)))


def opposite(value: Plain) -> bool | None:
    return {True: False, False: True}[value] if isinstance(value, bool) else None


def numeric(function: Any) -> Any:
    def apply(*values: Plain) -> Plain:
        if any(not is_number(value) for value in values):
            return None
        result = function(*map(float, values))
        return result if result is None or isinstance(result, bool) else tidy(result)

    return apply


def product(*values: float) -> float:
    total = values[0]
    for value in values[1:]:
        total *= value
    return total


def total(*values: float) -> float:
    result = values[0]
    for value in values[1:]:
        result += value
    return result


ONE: Mapping[str, Any] = {
    "not": opposite,
    "floor": numeric(lambda a: float(math.floor(a))),
    "round": numeric(lambda a: float(math.floor(a + 0.5))),
    "length": lambda a: len(a) if isinstance(a, list) else None,
    "number": numeral,
    "text": wording,
}
MANY: Mapping[str, Any] = {
    "all": conjunction,
    "any": disjunction,
    "equals": lambda a, b: None if a is None or b is None else alike(a, b),
    "in": lambda a, b: None if a is None or not isinstance(b, list) else True in [alike(a, item) for item in b],
    "less_than": numeric(lambda a, b: a < b),
    "at_most": numeric(lambda a, b: a <= b),
    "more_than": numeric(lambda a, b: a > b),
    "at_least": numeric(lambda a, b: a >= b),
    "add": numeric(total),
    "multiply": numeric(product),
    "minimum": numeric(lambda *values: sorted(values)[0]),
    "maximum": numeric(lambda *values: sorted(values)[-1]),
    "subtract": numeric(lambda a, b: a - b),
    "divide": numeric(lambda a, b: None if b == 0 else a / b),
    "modulo": numeric(lambda a, b: None if b == 0 else a % b),
    "item": lambda a, b: a[b] if isinstance(a, list) and type(b) is int and 0 <= b < len(a) else None,
    "coalesce": lambda *values: ([value for value in values if value is not None] or [None])[0],
}
SPECIAL: Mapping[str, Any] = {
    "literal": lambda data, _: tidied(data["literal"]),
    "parameter": lambda data, world: world.values[data["parameter"]],
    "attribute": attribute,
    "arm": lambda data, world: evaluate(data["arm"][world.arm], world),
    "if": branch,
    "when": lambda data, world: holds(data["when"], world),
}


def seed(data: Plain, world: World) -> list[str] | None:
    """Texts that a draw hashes."""
    texts = ["parameter", world.salt, data.get("salt", world.name)]
    for unit in data.get("unit", [world.unit]):
        text = world.ids.get(unit) if unit in KINDS else wording(world.attributes.get(unit))
        if not text:
            return None
        texts.append(text)
    return texts


def drawn(function: Any) -> Any:
    def apply(data: Plain, world: World) -> Plain:
        texts = seed(data, world)
        return None if texts is None else function(data, world, texts)

    return apply


def uniform(data: Plain, world: World, texts: list[str]) -> Plain:
    choices = evaluate(data["uniform_choice"], world)
    if not isinstance(choices, list) or not choices:
        return None
    return choices[math.floor(position(*texts) * len(choices))]


def weighted(data: Plain, world: World, texts: list[str]) -> Plain:
    choices, weights = evaluate(data["weighted_choice"], world), evaluate(data["weights"], world)
    if not isinstance(choices, list) or not isinstance(weights, list) or len(choices) != len(weights):
        return None
    if not all(map(is_number, weights)) or any(weight < 0 for weight in weights):
        return None
    whole = total(0.0, *map(float, weights))
    return choices[pick(list(map(float, weights)), position(*texts))] if 0 < whole < math.inf else None


def bernoulli(data: Plain, world: World, texts: list[str]) -> bool | None:
    chance = evaluate(data["bernoulli_trial"], world)
    return position(*texts) < chance if is_number(chance) and 0 <= chance <= 1 else None


def bounds(value: Plain) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(is_number, value)) and value[0] <= value[1]


def integer(data: Plain, world: World, texts: list[str]) -> Plain:
    found = evaluate(data["random_integer"], world)
    if not bounds(found) or any(type(bound) is not int for bound in found):
        return None
    low, high = found
    return low + math.floor(position(*texts) * (high - low + 1)) if high - low < 2**53 else None


def between(data: Plain, world: World, texts: list[str]) -> Plain:
    found = evaluate(data["random_float"], world)
    if not bounds(found):
        return None
    low, high = map(float, found)
    return tidy(low + position(*texts) * (high - low))


def sample(data: Plain, world: World, texts: list[str]) -> Plain:
    choices, draws = evaluate(data["sample"], world), evaluate(data["draws"], world)
    if not isinstance(choices, list) or type(draws) is not int or not 0 <= draws <= len(choices):
        return None
    rest = list(choices)
    for place in range(draws):
        other = place + math.floor(position(*texts, str(place)) * (len(choices) - place))
        rest[place], rest[other] = rest[other], rest[place]
    return rest[:draws]


DRAWN: Mapping[str, Any] = {
    "uniform_choice": drawn(uniform),
    "weighted_choice": drawn(weighted),
    "bernoulli_trial": drawn(bernoulli),
    "random_integer": drawn(integer),
    "random_float": drawn(between),
    "sample": drawn(sample),
}


def parameters(declared: Mapping[str, Plain], world: World) -> dict[str, Plain]:
    """Values of all parameters of an experiment."""
    for world.name, expression in declared.items():
        world.values[world.name] = evaluate(expression, world)
    return world.values


def decide(section: Mapping[str, Plain], name: str, ids: Mapping[str, str], attributes: Plain) -> str | None:
    """Arm of a unit in a declared experiment whose slots are declared as well; None where it is not in it."""
    experiment = section["experiments"][name]
    unit = ids.get(experiment.get("unit", "unit_id"))
    if not unit or not experiment.get("enabled", True):
        return None
    mates = [other for other in section["experiments"] if same_layer(section, name, other)]
    listed = [other for other in mates if section["experiments"][other].get("enabled", True)]
    listed = [other for other in listed if unit in section["experiments"][other].get("whitelist", {})]
    if listed:
        arm = experiment["whitelist"][unit] if listed[0] == name else None
        return None if arm is None else str(arm)
    layer = experiment.get("layer", name)
    for holdout, rule in section.get("holdouts", {}).items():
        held = ids.get(rule.get("unit", "unit_id"))
        is_about = layer in rule.get("layers", [layer])
        if is_about and held and position("holdout", rule.get("salt", holdout), held) < rule["share"]:
            return None
    size = section.get("layers", {}).get(layer, {}).get("slots", 10_000)
    salt = section.get("layers", {}).get(layer, {}).get("salt", layer)
    if not owns(experiment, math.floor(position("layer", salt, unit) * size), size):
        return None
    world = World("", experiment.get("unit", "unit_id"), ids, attributes, "", section.get("segments", {}))
    for rule in experiment.get("rules", [{}]):
        if "when" not in rule or holds(rule["when"], world) is True:
            inside = position("share", experiment.get("salt", name), unit) < rule.get("share", 1)
            at = position("arm", experiment.get("salt", name), unit)
            arms = experiment["arms"]
            return list(arms)[pick(list(map(float, arms.values())), at)] if inside else None
    return None


def same_layer(section: Mapping[str, Plain], one: str, other: str) -> bool:
    layers = [section["experiments"][name].get("layer", name) for name in (one, other)]
    return bool(layers[0] == layers[1])


def owns(experiment: Mapping[str, Plain], slot: int, size: int) -> bool:
    if "slots" not in experiment:
        return bool(slot < round(experiment.get("traffic", 1) * size))
    ranges = [str(text).split("-") for text in experiment["slots"]]
    return any(int(ends[0]) <= slot <= int(ends[-1]) for ends in ranges)
