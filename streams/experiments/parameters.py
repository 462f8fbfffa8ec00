"""The parameters of an experiment: named expressions, and what units outside of the experiment get instead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from streams.experiments.draws import DRAWS
from streams.experiments.expressions import OPERATORS, Context, Evaluate, Operator, Scope, literal, parse_expression
from streams.experiments.reading import Node, suggestion
from streams.experiments.subject import Subject
from streams.experiments.values import Value

LANGUAGE: Mapping[str, Operator] = MappingProxyType({**OPERATORS, **DRAWS})


@dataclass(frozen=True)
class Parameters:
    """
    Expressions by name, in the order in which they are evaluated.

    Outside of the experiment a parameter is its default if it has one, else what the control arm gets.
    """

    inside: Mapping[str, Evaluate]
    outside: Mapping[str, Evaluate]

    def evaluate(self, subject: Subject, arm: str, *, exposed: bool) -> dict[str, Value]:
        """Evaluate all of them for a subject; `arm` is the control where it is not `exposed`."""
        context = Context(subject, arm, {})
        for name, evaluate in (self.inside if exposed else self.outside).items():
            context.values[name] = evaluate(context)
        return context.values


def parse_parameters(node: Node | None, defaults: Node | None, scope: Scope) -> Parameters:
    """Read the keys `parameters` and `defaults` of an experiment."""
    instead = {} if defaults is None else defaults.named("plain values")
    values = {name: literal(inner) for name, inner in instead.items()}
    inside: dict[str, Evaluate] = {}
    for name, inner in ({} if node is None else node.named("expressions")).items():
        scope.parameter, scope.earlier, scope.draws = name, tuple(inside), 0
        inside[name] = parse_expression(inner, scope)
        if scope.draws and name not in values:
            inner.refuse(f"is drawn at random: say under `defaults` what {name} is outside of the experiment")
    for name, default in instead.items():
        if name not in inside:
            default.refuse(f"no parameter is called {name}{suggestion(name, inside)}")
    outside = {name: _constant(values[name]) if name in values else evaluate for name, evaluate in inside.items()}
    return Parameters(inside, outside)


def _constant(value: Value) -> Evaluate:
    return lambda _: value
