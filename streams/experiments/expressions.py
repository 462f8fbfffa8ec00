"""
Expressions: how the parameters of an experiment follow from a unit, its arm and its attributes.

After PlanOut (Bakshy, Eckles & Bernstein 2014, "Designing and deploying online field experiments"), written as plain
data: a mapping with an operator is applied, a list is a list of expressions, everything else stands for itself.
They are parsed once into functions; nothing that is written in one is ever executed as a program.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from streams.experiments.conditions import Segment, parse_condition
from streams.experiments.functions import FUNCTIONS
from streams.experiments.reading import LARGEST_WHOLE, Node, suggestion
from streams.experiments.subject import Subject
from streams.experiments.values import Value, number, plain


@dataclass(slots=True)
class Context:
    """What an expression is evaluated for: `values` are those of earlier parameters."""

    subject: Subject
    arm: str
    values: dict[str, Value]


Evaluate = Callable[[Context], Value]


@dataclass
class Scope:
    """
    Where an expression stands: what it may refer to, and what its draws are salted with.

    `unit` says which of a subject's ids draws are for, `draws` how many were parsed since it was last set to 0.
    """

    operators: Mapping[str, Operator]
    salt: str
    unit: int
    arms: Sequence[str]
    segments: Mapping[str, Segment]
    parameter: str = ""
    earlier: Sequence[str] = ()
    draws: int = 0


@dataclass(frozen=True)
class Operator:
    """How an operator's argument is parsed, and which keys it needs or may have beside its own."""

    parse: Callable[[Node, Mapping[str, Node], Scope], Evaluate]
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


def parse_expression(node: Node, scope: Scope) -> Evaluate:
    """Read an expression."""
    if isinstance(node.value, Mapping):
        return _parse_operator(node, scope)
    if isinstance(node.value, list | tuple):
        items = [parse_expression(item, scope) for item in node.items()]
        return lambda context: [evaluate(context) for evaluate in items]
    value = literal(node)
    return lambda _: value


def literal(node: Node) -> Value:
    """Read plain data that stands for itself."""
    value = node.value
    if isinstance(value, Mapping):
        return {key: literal(inner) for key, inner in node.mapping("a mapping").items()}
    if isinstance(value, list | tuple):
        return [literal(item) for item in node.items()]
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int) and abs(value) > LARGEST_WHOLE:
        node.refuse(f"whole numbers are exact up to {LARGEST_WHOLE}: write this one as text, in quotes")
    elif isinstance(value, int | float):
        found = number(float(value))
        if found is None:
            node.refuse("a number must be finite")
        return found
    else:
        node.refuse(f"{value!r:.80} is neither text, number, true, false nor null: write it in quotes")
    return None


def _nothing(_: Context) -> Value:
    return None


def _parse_operator(node: Node, scope: Scope) -> Evaluate:
    found = node.mapping("an expression")
    names = [name for name in found if name in scope.operators]
    if len(names) != 1:
        first = next(iter(found), "")
        several = f"has several operators ({', '.join(names)}): write one inside of the other"
        node.refuse(several if names else f"{first or 'nothing'} is no operator{suggestion(first, scope.operators)}")
        return _nothing
    operator = scope.operators[names[0]]
    fields = node.known(found, (*names, *operator.required, *operator.optional), operator.required)
    if not all(name in fields for name in operator.required):
        return _nothing
    return operator.parse(fields.pop(names[0]), fields, scope)


def _function(name: str) -> Operator:
    arity, apply = FUNCTIONS[name].arity, FUNCTIONS[name].apply

    def parse_one(node: Node, _: Mapping[str, Node], scope: Scope) -> Evaluate:
        argument = parse_expression(node, scope)
        return lambda context: apply(argument(context))

    def parse_several(node: Node, _: Mapping[str, Node], scope: Scope) -> Evaluate:
        items = node.items(least=arity or 1)
        if arity and len(items) > arity:
            node.refuse(f"`{name}` takes {arity} arguments, not {len(items)}")
        arguments = [parse_expression(item, scope) for item in items]
        return lambda context: apply(*[argument(context) for argument in arguments])

    return Operator(parse_one if arity == 1 else parse_several)


def _parameter(node: Node, _: Mapping[str, Node], scope: Scope) -> Evaluate:
    name = node.text()
    if name and name not in scope.earlier:
        node.refuse(f"no earlier parameter is called {name}{suggestion(name, scope.earlier)}")
    return lambda context: context.values.get(name)


def _attribute(node: Node, fields: Mapping[str, Node], scope: Scope) -> Evaluate:
    name = node.text()
    otherwise = parse_expression(fields["default"], scope) if "default" in fields else _nothing

    def evaluate(context: Context) -> Value:
        value = plain(context.subject.attributes.get(name))
        return otherwise(context) if value is None else value

    return evaluate


def _arm(node: Node, _: Mapping[str, Node], scope: Scope) -> Evaluate:
    """Choose by the arm; every arm must have its expression."""
    found = node.mapping("a mapping of arms to expressions")
    for arm, inner in found.items():
        if arm not in scope.arms:
            inner.refuse(f"{arm} is no arm{suggestion(arm, scope.arms)}")
    missing = [arm for arm in scope.arms if arm not in found]
    if missing and found:
        node.refuse(f"says nothing for {', '.join(missing)}")
    branches = {arm: parse_expression(inner, scope) for arm, inner in found.items()}
    return lambda context: branches[context.arm](context)


def _if(node: Node, fields: Mapping[str, Node], scope: Scope) -> Evaluate:
    condition, then, otherwise = (parse_expression(part, scope) for part in (node, fields["then"], fields["else"]))
    return lambda context: then(context) if condition(context) is True else otherwise(context)


def _when(node: Node, _: Mapping[str, Node], scope: Scope) -> Evaluate:
    holds = parse_condition(node, scope.segments, scope.unit)
    return lambda context: holds(context.subject)


def _literal(node: Node, _: Mapping[str, Node], __: Scope) -> Evaluate:
    value = literal(node)
    return lambda _: value


OPERATORS: Mapping[str, Operator] = MappingProxyType(
    {
        "parameter": Operator(_parameter),
        "attribute": Operator(_attribute, optional=("default",)),
        "arm": Operator(_arm),
        "if": Operator(_if, required=("then", "else")),
        "when": Operator(_when),
        "literal": Operator(_literal),
        **{name: _function(name) for name in FUNCTIONS},
    }
)
