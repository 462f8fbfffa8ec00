"""
Draws: the operators of expressions that choose at random, always the same for the same unit and salt.

What is hashed is ("parameter", the experiment's salt, the draw's salt, units...); the draw's salt is the name of the
parameter unless it has one of its own, and the unit is that of the experiment unless the draw names others.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from math import isfinite
from types import MappingProxyType

from streams.experiments.expressions import Context, Evaluate, Operator, Scope, parse_expression
from streams.experiments.hashing import message, part, position
from streams.experiments.reading import LARGEST_WHOLE, Node
from streams.experiments.subject import UNITS, encoded
from streams.experiments.values import Value, as_text, is_number, number

Message = Callable[[Context], bytes | None]
Choose = Callable[..., Value]
"""From an encoded message and the values of the arguments to what is drawn; null if they do not fit."""


def thresholds(weights: Sequence[float]) -> list[float]:
    """
    Shares of weights, cumulated, without the last.

    What is drawn with a position u has as its index the number of thresholds that are at most u.

    >>> thresholds([1, 1, 2])
    [0.25, 0.5]
    """
    sums = list(accumulate(map(float, weights)))
    return [partial / sums[-1] for partial in sums[:-1]]


def are_weights(weights: Sequence[Value]) -> bool:
    """Whether these are numbers from 0 up that have a finite sum above 0."""
    numbers = [float(weight) for weight in weights if is_number(weight) and weight >= 0]
    return len(numbers) == len(weights) and sum(numbers) > 0 and isfinite(sum(numbers))


def _uniform_choice(seed: bytes, choices: Value) -> Value:
    if not isinstance(choices, list) or not choices:
        return None
    return choices[int(position(seed) * len(choices))]


def _weighted_choice(seed: bytes, choices: Value, weights: Value) -> Value:
    if not isinstance(choices, list) or not isinstance(weights, list):
        return None
    if len(choices) != len(weights) or not are_weights(weights):
        return None
    return choices[bisect_right(thresholds(weights), position(seed))]


def _bernoulli_trial(seed: bytes, probability: Value) -> bool | None:
    if not is_number(probability) or not 0 <= probability <= 1:
        return None
    return position(seed) < probability


def _bounds(bounds: Value) -> tuple[float, float] | None:
    if not isinstance(bounds, list) or len(bounds) != 2:
        return None
    low, high = bounds
    return (low, high) if is_number(low) and is_number(high) and low <= high else None


def _random_integer(seed: bytes, bounds: Value) -> Value:
    found = _bounds(bounds)
    if found is None or not all(isinstance(bound, int) for bound in found):
        return None
    low, high = map(int, found)
    count = high - low + 1
    return low + int(position(seed) * count) if count <= LARGEST_WHOLE else None


def _random_float(seed: bytes, bounds: Value) -> Value:
    found = _bounds(bounds)
    if found is None:
        return None
    low, high = map(float, found)
    return number(low + position(seed) * (high - low))


def _sample(seed: bytes, choices: Value, draws: Value) -> Value:
    """Draw without replacement: each place in turn is filled from those that are left (Fisher & Yates 1938)."""
    if not isinstance(choices, list) or not isinstance(draws, int) or isinstance(draws, bool):
        return None
    if not 0 <= draws <= len(choices):
        return None
    items = list(choices)
    for place in range(draws):
        other = place + int(position(seed + part(str(place))) * (len(items) - place))
        items[place], items[other] = items[other], items[place]
    return items[:draws]


def _draw(choose: Choose, beside: str | None = None) -> Operator:
    """Make an operator of a choice; `beside` names its second argument."""

    def parse(node: Node, fields: Mapping[str, Node], scope: Scope) -> Evaluate:
        encode = _message(node, fields, scope)
        first = parse_expression(node, scope)
        second = parse_expression(fields[beside], scope) if beside else None

        def evaluate(context: Context) -> Value:
            seed = encode(context)
            if seed is None:
                return None
            values = (first(context),) if second is None else (first(context), second(context))
            return choose(seed, *values)

        return evaluate

    return Operator(parse, required=(beside,) if beside else (), optional=("salt", "unit"))


def _message(node: Node, fields: Mapping[str, Node], scope: Scope) -> Message:
    scope.draws += 1
    if scope.draws > 1 and "salt" not in fields:
        node.refuse("is a further draw of the same parameter, and would come out as the first: give it a `salt`")
    salt = fields["salt"].text() if "salt" in fields else scope.parameter
    prefix = message("parameter", scope.salt, salt)
    names = [item.text() for item in fields["unit"].items(least=1)] if "unit" in fields else [UNITS[scope.unit]]
    units = [_unit(name) for name in names]

    def encode(context: Context) -> bytes | None:
        parts = [unit(context) for unit in units]
        return prefix + b"".join(piece for piece in parts if piece) if all(parts) else None

    return encode


def _unit(name: str) -> Message:
    """Encode an id, or the attribute of that name."""
    if name in UNITS:
        index = UNITS.index(name)
        return lambda context: context.subject.keys[index]

    def encode(context: Context) -> bytes | None:
        return encoded(as_text(context.subject.attributes.get(name)))

    return encode


DRAWS: Mapping[str, Operator] = MappingProxyType(
    {
        "uniform_choice": _draw(_uniform_choice),
        "weighted_choice": _draw(_weighted_choice, "weights"),
        "bernoulli_trial": _draw(_bernoulli_trial),
        "random_integer": _draw(_random_integer),
        "random_float": _draw(_random_float),
        "sample": _draw(_sample, "draws"),
    }
)
