"""`streams experiment`: what experiments decide, for people who want to know why."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import rich_click as click

from streams.cli_plan import plan, read_allocation
from streams.cli_report import report
from streams.errors import UsageError

if TYPE_CHECKING:
    from streams.experiments import Allocation, Decision, Experiments
    from streams.experiments.slots import Ranges

_WHY: Mapping[str, str] = MappingProxyType(
    {
        "whitelist": "the unit is on the experiment's whitelist",
        "rule": "rules[{rule}] is for it, and it is in its share",
        "split": "its slot is the experiment's, and nothing keeps it out",
        "disabled": "the kill switch is off: `enabled` is false",
        "ended": "the experiment has ended",
        "no_unit": "there is no {unit}",
        "excluded": "it is on the whitelist of another experiment of the layer",
        "holdout": "the holdout {holdout} keeps it out",
        "waiting": "the experiment waits for traffic",
        "slot": "its slot is not one of the experiment's",
        "no_rule": "no rule is for it",
        "share": "rules[{rule}] is for it, but it is not in its share",
    }
)


@click.group()
def experiment() -> None:
    """Experiments: who is in which arm."""


experiment.add_command(plan)
experiment.add_command(report)


@experiment.command()
@click.argument("name")
@click.option("--config", "config_path", required=True, type=click.Path(path_type=Path), help="The configuration.")
@click.option("--unit", default=None, help="The unit's id, as `unit_id` in events.")
@click.option("--request", default=None, help="The request's id, for experiments on requests.")
@click.option("--attributes", multiple=True, metavar="KEY=VALUE", help="An attribute of the unit; any number of them.")
@click.option("--allocation", "allocation_path", type=click.Path(path_type=Path), metavar="FILE", help="From plan.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def assign(  # noqa: PLR0913, PLR0917 - an option each
    name: str,
    config_path: Path,
    unit: str | None,
    request: str | None,
    attributes: tuple[str, ...],
    allocation_path: Path | None,
    as_json: bool,
) -> None:
    """Say in which arm of an experiment a unit is, why, and with which parameters."""
    from streams.config import load_config  # noqa: PLC0415 - so that --help is quick

    if unit is None and request is None:
        raise click.UsageError("Whom is it about? Give --unit, or --request.")
    values = dict(map(_attribute, attributes))
    section = load_config(config_path).experimentation
    allocation = None if allocation_path is None else read_allocation(allocation_path, section)
    experiments = section.assignment(allocation)
    assigned = experiments.assign(unit, values, request_id=request)
    try:
        decision = assigned.decision(name)
    except KeyError as error:
        raise UsageError(f"{config_path}: {error.args[0]}") from error
    told, parameters = _tell(experiments, allocation, decision), assigned.parameters(name)
    click.echo(json.dumps({**told, "parameters": parameters}) if as_json else _write(told, parameters))


def _attribute(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise click.BadParameter(f"{text!r} is no KEY=VALUE, such as country=DE", param_hint="--attributes")
    return name, value


def _tell(experiments: Experiments, allocation: Allocation | None, decision: Decision) -> dict[str, object]:
    from streams.experiments.slots import write_ranges  # noqa: PLC0415
    from streams.experiments.subject import UNITS  # noqa: PLC0415

    declared = experiments.declaration.experiments[decision.experiment]
    why = _WHY[decision.reason].format(rule=decision.rule, holdout=decision.holdout, unit=UNITS[declared.unit])
    return {
        "experiment": decision.experiment,
        "arm": decision.arm,
        "reason": decision.reason,
        "why": why,
        "layer": declared.layer,
        "slot": decision.slot,
        "slots": experiments.declaration.layers[declared.layer].slots,
        "experiment_slots": write_ranges(_owned(decision.experiment, allocation, declared.slots)),
    }


def _owned(name: str, allocation: Allocation | None, declared: Ranges) -> Ranges:
    """Slots that an experiment has now: without an allocation, those that it declares."""
    if allocation is None:
        return declared
    return allocation.runs[name].slots if name in allocation.runs else ()


def _write(told: Mapping[str, object], parameters: Mapping[str, object]) -> str:
    """Write what is told for people."""
    slot = "no slot" if told["slot"] is None else f"slot {told['slot']}"
    lines = [
        f"{told['experiment']}: {told['arm'] or 'not in the experiment'}",
        f"  why: {told['why']}",
        f"  layer: {told['layer']}, {slot} of {told['slots']}",
        *(f"  {name} = {json.dumps(value, ensure_ascii=False)}" for name, value in parameters.items()),
    ]
    return "\n".join(lines)
