"""benchmarks/assertions: what is measured is what is asserted, and the command says it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import yaml

from benchmarks import assertions
from benchmarks.peers.workload import make_workload
from streams.config import load_config
from streams.core.assertion.rules import Rule, compile_rules
from streams.core.assertion.sequences import Sequences
from streams.core.flatten import identify


def test_expressions_find_what_they_look_for() -> None:
    """Every kind of expression is told of all predictions, in some of which features stand at other places."""
    for rules, _, alike in assertions.EXPRESSIONS.values():
        checked = assertions._checking(rules, assertions.table(0, alike=alike))()

        assert len(checked) == len(rules)  # type: ignore[arg-type]
    layouts = {
        tuple(name for name, _ in row) for row in assertions.table(0, alike=False)["features"].slice(0, 6).to_pylist()
    }
    assert len(layouts) == 3


@pytest.mark.parametrize("kind", assertions.SEVERAL)
def test_rules_have_something_to_compare(kind: str) -> None:
    """Units come again within the time, so that rules are told of most predictions, but for requests, which do not."""
    sequences = Sequences(compile_rules([Rule("r", "m", assertions.checks()[kind])]))
    for number in range(4):
        table = assertions.table(number)
        sequences.see(table, identify(table), np.arange(len(table)))
    [checked] = sequences.advance(1 << 60)

    assert len(checked.rows) > 0 if kind != "agree" else len(checked.rows) == 0


def test_units_are_as_many_as_is_said(tmp_path: Path) -> None:
    """The events of the other benchmarks have so many units, and the configuration is one that the pipeline takes."""
    work = assertions.with_units(make_workload(60_000))
    files = dict(assertions._files(tmp_path))

    assert len(set(work.predictions.table["unit_id"].to_pylist())) == assertions.UNITS
    assert set(files) == {"single", *assertions.SEVERAL}
    assert all(len(load_config(file).assertions) == 1 for file in files.values())
    assert yaml.safe_load(files["rate"].read_text("utf-8"))["assertions"]["r"]["rate"]["at_most"] == 100


def test_the_command_says_what_it_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It prints the costs of each kind of rule, and writes the numbers down."""
    for name, value in (("PREDICTIONS", 300), ("ROUNDS", 1), ("ROWS", 50), ("BLOCKS", 4)):
        monkeypatch.setattr(assertions, name, value)
    monkeypatch.setattr(assertions, "RESULTS", tmp_path / "assertions.json")
    monkeypatch.setattr(os, "sched_setaffinity", lambda *_: None)

    assert assertions.main() == 0
    kept, said = json.loads((tmp_path / "assertions.json").read_text(encoding="utf-8")), capsys.readouterr().out
    assert set(kept["worker"]) == {"single", *assertions.SEVERAL}
    assert set(kept["sequences"]) == set(kept["bytes"]) == set(assertions.SEVERAL)
    assert f"stable in a worker: {kept['worker']['stable']:,.0f} ns a prediction" in said
