"""The published vectors hold here and in another language, so that every implementation decides alike."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from deploy.kafka.kafka import java
from streams.experiments import Experiments
from streams.experiments.hashing import message, position
from streams.experiments.parameters import LANGUAGE

HERE = Path(__file__).parent
VECTORS: dict[str, Any] = json.loads((HERE / "vectors.json").read_text(encoding="utf-8"))


def only(**experiment: Any) -> Experiments:
    """Declare one experiment, `e`, with two arms unless it has others."""
    return Experiments.parse({"experiments": {"e": {"arms": {"control": 1, "treatment": 1}, **experiment}}})


@pytest.mark.parametrize("case", VECTORS["hash"], ids=repr)
def test_positions(case: dict[str, Any]) -> None:
    """A list of texts has the position of the vector, which is that of its first 53 bits."""
    assert position(message(*case["texts"])) == case["position"] == (int(case["bits"], 16) >> 11) / 2**53


@pytest.mark.parametrize("case", VECTORS["slots"], ids=repr)
def test_slots(case: dict[str, Any]) -> None:
    """A unit has the vector's slot in a layer of that salt and size."""
    layers = {"l": {"salt": case["salt"], "slots": case["slots"]}}
    experiment = {"layer": "l", "slots": [0], "arms": {"a": 1, "b": 1}}
    assigned = Experiments.parse({"layers": layers, "experiments": {"e": experiment}}).assign(case["unit"])

    assert assigned.decision("e").slot == case["slot"]


@pytest.mark.parametrize("case", VECTORS["arms"], ids=repr)
def test_arms(case: dict[str, Any]) -> None:
    """A unit has the vector's arm among arms of those weights."""
    arms = {str(index): weight for index, weight in enumerate(case["weights"])}

    assert only(salt=case["salt"], arms=arms).assign(case["unit"]).arms == {"e": str(case["arm"])}


@pytest.mark.parametrize("case", VECTORS["shares"], ids=repr)
def test_shares(case: dict[str, Any]) -> None:
    """A unit is inside of a rule's or a holdout's share as the vector says."""
    experiment: dict[str, Any] = {"arms": {"a": 1, "b": 1}, "salt": case["salt"]}
    section: dict[str, Any] = {"experiments": {"e": experiment}}
    if case["kind"] == "share":
        experiment["rules"] = [{"share": case["share"]}]
    else:
        section["holdouts"] = {"h": {"share": case["share"], "salt": case["salt"]}}
    is_in = "e" in Experiments.parse(section).assign(case["unit"]).arms

    assert is_in == (case["inside"] if case["kind"] == "share" else not case["inside"])


@pytest.mark.parametrize("case", VECTORS["parameters"]["cases"], ids=lambda case: f"{case['name']}-{case['unit']}")
def test_parameters(case: dict[str, Any]) -> None:
    """A parameter has the vector's value, in kind as well."""
    given = VECTORS["parameters"]
    name = case["name"]
    experiments = only(
        salt=given["salt"], parameters={"base": given["base"], name: case["expression"]}, defaults={name: 0}
    )
    assigned = experiments.assign(case["unit"], given["attributes"])

    assert assigned.arms == {"e": case["arm"]}
    assert json.dumps(assigned.parameters("e")[name]) == json.dumps(case["value"])


def test_every_operator_has_a_vector() -> None:
    """The vectors show each operator of the language at least once."""
    shown = json.dumps([case["expression"] for case in VECTORS["parameters"]["cases"]])

    assert [name for name in LANGUAGE if f'"{name}":' not in shown] == []


def test_a_program_in_java_agrees() -> None:
    """A Java program, written after the document alone, gives the same bits, positions, slots, arms and shares."""
    program = java()
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI has no JDK to run the vectors with")
        pytest.skip("The vectors are checked in Java by a JDK of 17 or newer; no java is in JAVA_HOME or PATH")
    questions, answers = zip(*questioned(), strict=True)
    command = [program, str(HERE / "Assign.java")]
    done = subprocess.run(command, input="\n".join(questions), capture_output=True, encoding="utf-8", check=False)  # noqa: S603

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == list(answers)


def questioned() -> Iterable[tuple[str, str]]:
    """Lines that the Java program reads, and what it should answer."""
    for case in VECTORS["hash"]:
        yield line("hash", *case["texts"]), f"{case['bits']} {hexadecimal(case['position'])}"
    for case in VECTORS["slots"]:
        yield line("slot", case["salt"], case["slots"], case["unit"]), str(case["slot"])
    for case in VECTORS["arms"]:
        yield line("arm", case["salt"], case["unit"], *case["weights"]), str(case["arm"])
    for case in VECTORS["shares"]:
        yield line("share", case["kind"], case["salt"], case["share"], case["unit"]), str(case["inside"]).lower()


def line(*fields: object) -> str:
    return "\t".join(map(str, fields))


def hexadecimal(value: float) -> str:
    """Write a double as Java does, which leaves out zeros at the end."""
    digits, _, exponent = value.hex().partition("p")
    return f"{digits.rstrip('0')}p{int(exponent)}"
