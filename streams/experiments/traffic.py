"""Which share of which layer an experiment asks for: slots by number, or as many as a share of the traffic is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from streams.experiments.reading import Node, suggestion
from streams.experiments.slots import DEFAULT_SLOTS, Layer, Ranges, count, parse_ranges, slots_of_share

_LAST_PLACE = 1_000_000


@dataclass(frozen=True)
class Traffic:
    """A number of slots of a layer, and which ones, or its place in the queue for them."""

    layer: str
    wanted: int
    slots: Ranges = ()
    queue: int | None = None


def parse_traffic(name: str, node: Node, fields: Mapping[str, Node], layers: Mapping[str, Layer]) -> Traffic:
    """Read the keys `layer`, `slots`, `traffic` and `queue` of an experiment."""
    if "layer" not in fields:
        return _own_traffic(name, node, fields, layers)
    layer = layers.get(fields["layer"].text())
    if layer is None:
        fields["layer"].refuse(f"the layer is not declared{suggestion(str(fields['layer'].value), layers)}")
        return Traffic("", 0)
    if "slots" in fields:
        for key in ("traffic", "queue"):
            if key in fields:
                fields[key].refuse(f"`slots` say which share of the layer this is: remove `{key}` or `slots`")
        ranges = parse_ranges(fields["slots"], layer.slots, least=1)
        return Traffic(layer.name, count(ranges), ranges)
    if "traffic" not in fields or "queue" not in fields:
        node.refuse("in a layer, declare its `slots`, such as [0-999], or `traffic` and a place in the `queue` for it")
        return Traffic(layer.name, 0)
    wanted = _wanted(fields["traffic"], layer.slots)
    if wanted == 0:
        fields["traffic"].refuse("what waits in the `queue` needs at least one slot")
    return Traffic(layer.name, wanted, queue=fields["queue"].whole(1, _LAST_PLACE))


def _own_traffic(name: str, node: Node, fields: Mapping[str, Node], layers: Mapping[str, Layer]) -> Traffic:
    """Without a layer an experiment has one of its own, of which it takes the first slots."""
    for key in ("slots", "queue"):
        if key in fields:
            fields[key].refuse(f"`{key}` is about a layer that is shared: name it under `layer`")
    if name in layers:
        node.refuse("has no `layer`, but the name of one: name the layer it is in, or call it otherwise")
    wanted = _wanted(fields["traffic"], DEFAULT_SLOTS) if "traffic" in fields else DEFAULT_SLOTS
    return Traffic(name, wanted, ((0, wanted - 1),) if wanted else ())


def _wanted(node: Node, slots: int) -> int:
    wanted = slots_of_share(node.number(0, 1), slots)
    if wanted is None:
        node.refuse(f"{node.value} is no whole number of the layer's {slots} slots: write a multiple of {1 / slots:g}")
    return wanted or 0
