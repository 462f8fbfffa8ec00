"""
The declaration of experiments, read from plain data: what is assigned how, to whom, from which slots.

It also carries keys that only those who judge the experiments read (`JUDGED_KEYS`); `streams check` looks at them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from streams.experiments.conditions import Condition, Segment, parse_condition, parse_segments
from streams.experiments.draws import are_weights
from streams.experiments.expressions import Scope
from streams.experiments.parameters import LANGUAGE, Parameters, parse_parameters
from streams.experiments.reading import Node, Reading
from streams.experiments.slots import DEFAULT_SLOTS, FEWEST_SLOTS, MOST_SLOTS, Layer, Ranges, members
from streams.experiments.subject import UNITS
from streams.experiments.traffic import parse_traffic

SECTION_KEYS = ("experiments", "layers", "segments", "holdouts", "tick")
JUDGED_KEYS = (
    *("model", "models", "metrics", "minimum_effect", "alpha", "power", "planned", "maximum_duration"),
    *("severity", "team"),
)
ASSIGNED_KEYS = (
    "layer",
    "slots",
    "traffic",
    "queue",
    "unit",
    "arms",
    "control",
    "rules",
    "whitelist",
    "enabled",
    "parameters",
    "defaults",
    "salt",
)

_MOST = 1e15  # of a weight


@dataclass(frozen=True)
class Holdout:
    """A share of units that is kept out of some layers, or of all where `layers` is None."""

    name: str
    salt: str
    share: float
    unit: int
    layers: tuple[str, ...] | None


@dataclass(frozen=True)
class Rule:
    """For whom (everybody where `condition` is None) and for which share of them."""

    condition: Condition | None
    share: float


@dataclass(frozen=True)
class Experiment:
    """
    One experiment as it was declared.

    `unit` is an index of `UNITS`, `wanted` a number of slots; `slots` are those it has by declaration, none where it
    has a place in the `queue` for them.
    """

    name: str
    layer: str
    unit: int
    salt: str
    arms: tuple[str, ...]
    weights: tuple[float, ...]
    control: str
    enabled: bool
    wanted: int
    slots: Ranges
    queue: int | None
    rules: tuple[Rule, ...]
    whitelist: Mapping[str, str]
    parameters: Parameters


@dataclass(frozen=True)
class Declaration:
    """Everything that is declared, by name."""

    experiments: Mapping[str, Experiment]
    layers: Mapping[str, Layer]
    holdouts: Mapping[str, Holdout]


def parse_declaration(data: object, reading: Reading) -> Declaration:
    """Read the section `experimentation`; what is wrong with it is noted in `reading`."""
    fields = Node(data, (), reading).fields(SECTION_KEYS)
    nothing = Node({}, (), reading)
    segments = parse_segments(fields.get("segments", nothing))
    layers = {name: _layer(name, node) for name, node in fields.get("layers", nothing).named("layers").items()}
    found = fields.get("experiments", nothing).named("experiments")
    experiments = {name: _experiment(name, node, layers, segments) for name, node in found.items()}
    _refuse_conflicts(found, experiments, layers)
    own = {name: Layer(name, name, DEFAULT_SLOTS) for name, one in experiments.items() if one.layer == name}
    every = {**own, **layers}
    _refuse_equal_salts(every, fields)
    held = fields.get("holdouts", nothing).named("holdouts")
    holdouts = {name: _holdout(name, node, every) for name, node in held.items()}
    return Declaration(experiments, every, holdouts)


def _layer(name: str, node: Node) -> Layer:
    fields = node.fields(("slots", "salt"))
    slots = fields["slots"].whole(FEWEST_SLOTS, MOST_SLOTS) if "slots" in fields else DEFAULT_SLOTS
    return Layer(name, _salt(fields, name), slots)


def _salt(fields: Mapping[str, Node], name: str) -> str:
    return fields["salt"].text() if "salt" in fields else name


def _unit(fields: Mapping[str, Node]) -> int:
    return UNITS.index(fields["unit"].one_of(UNITS, "unit")) if "unit" in fields else 0


def _share(fields: Mapping[str, Node], key: str, default: float) -> float:
    return fields[key].number(0, 1) if key in fields else default


def _holdout(name: str, node: Node, layers: Mapping[str, Layer]) -> Holdout:
    fields = node.fields(("share", "layers", "unit", "salt"), required=("share",))
    among = None
    if "layers" in fields:
        among = tuple(item.one_of(layers, "layer") for item in fields["layers"].items(least=1))
    return Holdout(name, _salt(fields, name), _share(fields, "share", 0.0), _unit(fields), among)


def _experiment(name: str, node: Node, layers: Mapping[str, Layer], segments: Mapping[str, Segment]) -> Experiment:
    fields = node.fields((*ASSIGNED_KEYS, *JUDGED_KEYS), required=("arms",))
    unit, salt = _unit(fields), _salt(fields, name)
    weights = _arms(fields)
    arms = tuple(weights)
    traffic = parse_traffic(name, node, fields, layers)
    scope = Scope(LANGUAGE, salt, unit, arms, segments)
    return Experiment(
        name=name,
        layer=traffic.layer,
        unit=unit,
        salt=salt,
        arms=arms,
        weights=tuple(weights.values()),
        control=fields["control"].one_of(arms, "arm") if "control" in fields else next(iter(arms), ""),
        enabled=fields["enabled"].flag() if "enabled" in fields else True,
        wanted=traffic.wanted,
        slots=traffic.slots,
        queue=traffic.queue,
        rules=_rules(fields, segments, unit),
        whitelist=_whitelist(fields, arms),
        parameters=parse_parameters(fields.get("parameters"), fields.get("defaults"), scope),
    )


def _arms(fields: Mapping[str, Node]) -> dict[str, float]:
    if "arms" not in fields:
        return {}
    node = fields["arms"]
    weights = {arm: inner.number(0, _MOST) for arm, inner in node.named("weights").items()}
    if isinstance(node.value, Mapping) and len(node.value) < 2:
        node.refuse("an experiment has at least two arms")
    elif weights and not are_weights(list(weights.values())):
        node.refuse("at least one weight must be above 0")
    return weights


def _rules(fields: Mapping[str, Node], segments: Mapping[str, Segment], unit: int) -> tuple[Rule, ...]:
    rules: list[Rule] = []
    for node in fields["rules"].items(least=1) if "rules" in fields else ():
        if rules and rules[-1].condition is None:
            node.refuse("is never reached: the rule before it, without `when`, is for everybody")
        inner = node.fields(("when", "share"))
        condition = parse_condition(inner["when"], segments, unit) if "when" in inner else None
        rules.append(Rule(condition, _share(inner, "share", 1.0)))
    return tuple(rules)


def _whitelist(fields: Mapping[str, Node], arms: Sequence[str]) -> dict[str, str]:
    if "whitelist" not in fields:
        return {}
    found = fields["whitelist"].mapping("a mapping of units to arms")
    return {unit: inner.one_of(arms, "arm") for unit, inner in found.items()}


def _refuse_equal_salts(layers: Mapping[str, Layer], fields: Mapping[str, Node]) -> None:
    """Layers must be hashed apart; those of single experiments come first, so that a declared one is refused."""
    first: dict[str, str] = {}
    for name, layer in layers.items():
        earlier = first.setdefault(layer.salt, name)
        if earlier != name:
            node = fields["layers"].child(name, None)
            node.refuse(f"has the salt of {earlier}, {layer.salt}: the two would not be independent")


def _refuse_conflicts(
    nodes: Mapping[str, Node], experiments: Mapping[str, Experiment], layers: Mapping[str, Layer]
) -> None:
    """Experiments of one layer must not share slots, and must have one kind of unit."""
    owners: dict[tuple[str, int], str] = {}
    first: dict[str, Experiment] = {}
    for name, experiment in experiments.items():
        if experiment.layer not in layers:
            continue
        other = first.setdefault(experiment.layer, experiment)
        if other.unit != experiment.unit:
            nodes[name].refuse(f"has another unit than {other.name}, which is in the same layer")
        taken = [slot for slot in members(experiment.slots) if (experiment.layer, slot) in owners]
        if taken:
            nodes[name].refuse(f"has slot {taken[0]}, which {owners[experiment.layer, taken[0]]} has in the same layer")
        owners.update(dict.fromkeys(((experiment.layer, slot) for slot in members(experiment.slots)), name))
