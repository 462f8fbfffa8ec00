"""docs/assignment.md: its examples work, and its tables name everything that there is."""

from __future__ import annotations

import re
import runpy
from hashlib import sha256
from pathlib import Path
from typing import get_args

import yaml

from streams.experiments import Experiments
from streams.experiments.conditions import TESTS
from streams.experiments.deciding import INSIDE, Reason
from streams.experiments.draws import DRAWS
from streams.experiments.expressions import OPERATORS
from streams.experiments.hashing import message, position
from streams.experiments.reading import MAX_DEPTH, MAX_VALUES
from streams.experiments.slots import DEFAULT_SLOTS
from streams.experiments.subject import Subject
from streams.experiments.values import as_number

TEXT = (Path(__file__).parents[2] / "docs" / "assignment.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """Text under a heading."""
    return TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def rows(text: str) -> list[str]:
    """First cells of all tables that begin with code."""
    return re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)


def test_the_example_in_python_works(tmp_path: Path) -> None:
    """The program of the document runs; arm, parameters and exposures go together."""
    (program,) = re.findall(r"^```python\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
    (tmp_path / "example.py").write_text(program)
    names = runpy.run_path(str(tmp_path / "example.py"))

    assert (names["arm"], names["depth"], names["exposures"]) in [
        (None, 50, {}),
        ("control", 50, {"new_ranker": "control"}),
        ("treatment", 100, {"new_ranker": "treatment"}),
    ]


def test_the_example_of_expressions_works() -> None:
    """The declaration of the document gives every arm its columns, and outside its defaults."""
    (text,) = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
    experiments = Experiments.parse(yaml.safe_load(text))
    for unit in map(str, range(100)):
        assigned = experiments.assign(unit, {"country": "DE"})
        found = assigned.parameters("checkout")
        columns = {"control": 2, "wide": 3, "narrow": 1}[assigned.arms["checkout"]]
        banner = found["banner"]

        assert (found["columns"], found["rows"]) == (columns, 12 / columns)
        assert isinstance(banner, list)
        assert len(set(banner)) == columns


def test_the_hash_that_is_shown_is_so() -> None:
    """The encoding, the bits and the position of the example are those of the package."""
    texts = ("arm", "new_ranker", "u7")

    assert f"`{message(*texts).decode()}`" in TEXT
    assert f"position is {str(position(message(*texts)))[:12]}…" in TEXT
    assert f"`{sha256(message(*texts)).hexdigest()[:16]}`" in TEXT


def test_every_reason_is_explained() -> None:
    """The table of the order has each reason once, and says which of them are in."""
    found = re.findall(r"^\| `(\w+)` \| (yes|no) \|", section("The order of a decision"), re.MULTILINE)

    assert sorted(name for name, _ in found) == sorted(get_args(Reason))
    assert {name for name, inside in found if inside == "yes"} == INSIDE


def test_every_test_and_operator_is_explained() -> None:
    """The tables of conditions and expressions name everything that can be written."""
    conditions = rows(section("Conditions"))
    expressions = [re.findall(r"\w+", cell)[0] for cell in rows(section("Expressions"))]

    assert [cell for cell in conditions if not cell.startswith("{")] == [*TESTS, "present"]
    assert sorted(expressions) == sorted({*OPERATORS, *DRAWS})


def test_numbers_in_the_text_are_those_of_the_program() -> None:
    """Limits that the document states are the program's."""
    assert f"up to {MAX_DEPTH} levels deep" in TEXT
    assert f"up to {MAX_VALUES:,} values" in TEXT
    assert f"its name and {DEFAULT_SLOTS:,} slots" in TEXT
    assert "at most 400 characters" in TEXT
    assert (as_number("1" * 308 + "e0" * 46), as_number("0" * 400), as_number("0" * 401)) == (None, 0, None)
    assert Subject("", None, {}).keys == (None, None)
