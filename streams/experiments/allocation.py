"""
Which experiments run on which slots, and which have ended: the state that `plan` moves on.

It is kept as plain data, so that it can lie in a file or a topic, and services can be given it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, get_args

from streams.experiments.reading import ExperimentsError, Node, Reading
from streams.experiments.slots import MOST_SLOTS, Ranges, parse_ranges, write_ranges

Ending = Literal[
    "decided",  # there is an answer
    "harmful",  # a guardrail is surely worse
    "too_long",  # it has run for as long as it may
    "withdrawn",  # it is declared no more
    "moved",  # it is declared in another layer
]

_ENDINGS: Mapping[str, Ending] = MappingProxyType({ending: ending for ending in get_args(Ending)})

_LATEST = 2**53


@dataclass(frozen=True)
class Run:
    """The slots that an experiment has in its layer, and since when it runs, in microseconds since 1970."""

    layer: str
    slots: Ranges
    since: int


@dataclass(frozen=True)
class Allocation:
    """
    What runs, and how what does not run any more has ended.

    An experiment that has ended never starts again: events know it by its name, and two runs would be mixed up.
    """

    runs: Mapping[str, Run] = field(default_factory=dict)
    ended: Mapping[str, Ending] = field(default_factory=dict)

    def to_plain(self) -> dict[str, object]:
        """Return it as plain data, which `parse` reads."""
        runs = {
            name: {"layer": run.layer, "slots": write_ranges(run.slots), "since": run.since}
            for name, run in self.runs.items()
        }
        return {"runs": runs, "ended": dict(self.ended)}

    @staticmethod
    def parse(data: object) -> Allocation:
        """
        Read plain data.

        Raises
        ------
        ExperimentsError
            With every problem in it.
        """
        reading = Reading()
        fields = Node(data, (), reading).fields(("runs", "ended"), required=("runs", "ended"))
        runs = {name: _run(node) for name, node in fields["runs"].named("runs").items()} if "runs" in fields else {}
        endings = fields["ended"].named("endings") if "ended" in fields else {}
        ended = {name: _ENDINGS[node.one_of(_ENDINGS, "ending")] for name, node in endings.items()}
        if reading.problems:
            raise ExperimentsError(reading.problems)
        return Allocation(runs, ended)


def _run(node: Node) -> Run:
    fields = node.fields(("layer", "slots", "since"), required=("layer", "slots", "since"))
    if len(fields) < 3:
        return Run("", (), 0)
    slots = parse_ranges(fields["slots"], MOST_SLOTS)
    return Run(fields["layer"].text(), slots, fields["since"].whole(0, _LATEST))
