"""`streams experiment assign`: the arm, why, and the parameters."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest

from streams.cli_experiments import _WHY
from streams.config import load_config
from streams.experiments.deciding import Reason
from tests.conftest import Run

ROOT = Path(__file__).parents[2]
CONFIG = """
models: {search: {task: none}}
experimentation:
  layers: {l: {slots: 1000}}
  holdouts: {quarter: {share: 1, layers: [held]}}
  experiments:
    ranker:
      model: search
      arms: {control: 1, treatment: 1}
      rules: [{when: {attribute: country, in: [DE, AT]}}]
      whitelist: {u1: treatment}
      parameters: {depth: {arm: {control: 50, treatment: 100}}, name: ü}
    fixed: {model: search, layer: l, slots: [0-499], arms: {a: 1, b: 1}}
    later: {model: search, layer: l, traffic: 0.5, queue: 1, arms: {a: 1, b: 1}}
    held: {model: search, arms: {a: 1, b: 1}}
    calls: {model: search, unit: request_id, arms: {a: 1, b: 1}}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Give a file with some experiments."""
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


def told(cli: Run, *arguments: object) -> dict[str, Any]:
    """What the command says as JSON."""
    ran = cli("experiment", "assign", *arguments, "--json")
    assert (ran.code, ran.err) == (0, "")
    answer: dict[str, Any] = json.loads(ran.out)
    return answer


def test_a_person_reads_arm_reason_and_parameters(cli: Run, config: Path) -> None:
    """A line each: the arm, why, the layer with the slot, and every parameter."""
    ran = cli("experiment", "assign", "ranker", "--config", config, "--unit", "u1")

    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        "ranker: treatment",
        "  why: the unit is on the experiment's whitelist",
        "  layer: ranker, slot 7768 of 10000",
        "  depth = 100",
        '  name = "ü"',
    ]


def test_it_says_what_a_service_would_do(cli: Run, config: Path) -> None:
    """For every experiment, with and without attributes, the answer is that of the configuration's own objects."""
    experiments = load_config(config).experimentation.assignment()
    for unit in ("u1", "u7", "u9"):
        for attributes in ({}, {"country": "DE", "note": "a=b"}):
            assigned = experiments.assign(unit, attributes)
            options = [word for key, value in attributes.items() for word in ("--attributes", f"{key}={value}")]
            for name in experiments.declaration.experiments:
                answer = told(cli, name, "--config", config, "--unit", unit, *options)
                decision = assigned.decision(name)

                assert (answer["arm"], answer["reason"], answer["slot"]) == (
                    decision.arm,
                    decision.reason,
                    decision.slot,
                )
                assert answer["parameters"] == assigned.parameters(name)


def test_reasons_have_words(cli: Run, config: Path) -> None:
    """Rules, holdouts and missing ids are named."""

    def why(name: str, *options: str) -> str:
        return str(told(cli, name, "--config", config, *options)["why"])

    assert why("ranker", "--unit", "u7", "--attributes", "country=AT") == "rules[0] is for it, and it is in its share"
    assert why("ranker", "--unit", "u7") == "no rule is for it"
    assert why("held", "--unit", "u7") == "the holdout quarter keeps it out"
    assert why("calls", "--unit", "u7") == "there is no request_id"
    assert why("later", "--unit", "u7") == "the experiment waits for traffic"
    assert _WHY.keys() == set(get_args(Reason))


def test_a_request_can_be_the_unit(cli: Run, config: Path) -> None:
    """`--request` gives the id for experiments on requests."""
    assert told(cli, "calls", "--config", config, "--request", "r1")["arm"] in {"a", "b"}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ("rankr --unit u1", "no experiment is called rankr; did you mean `ranker`? Allowed: calls, fixed, held, later"),
        ("ranker", "Give --unit, or --request."),
        ("ranker --unit u1 --attributes country", "'country' is no KEY=VALUE, such as country=DE"),
        ("ranker --unit u1 --attributes =DE", "'=DE' is no KEY=VALUE"),
    ],
)
def test_asked_wrongly(cli: Run, config: Path, arguments: str, problem: str) -> None:
    """What is wrong with the question is said, exit code 2, and nothing is printed."""
    ran = cli("experiment", "assign", *arguments.split(), "--config", config)

    assert (ran.code, ran.out) == (2, "")
    assert problem in " ".join(ran.err.split())


def test_help_fits_a_screen(shell: Run) -> None:
    """Help is at most 24 lines of 80 columns."""
    for command in (["experiment"], ["experiment", "assign"]):
        ran = shell(*command, "--help")

        assert (ran.code, ran.err) == (0, "")
        assert len(ran.out.splitlines()) <= 24
        assert max(map(len, ran.out.splitlines())) <= 80


def test_the_command_is_there_before_what_it_needs() -> None:
    """Loading it, which every command of the program does, loads neither metrics nor the configuration."""
    script = (
        "import sys, streams.cli_experiments; print({'numpy', 'pydantic', 'streams.experiments'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)  # noqa: S603

    assert done.stdout == "set()\n"
