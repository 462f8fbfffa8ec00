"""What docs/summaries.md shows is what happens."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

TEXT = (Path(__file__).parents[2] / "docs" / "summaries.md").read_text(encoding="utf-8")
SUMMED, PRIVATE, SCORED = re.findall(r"^```python\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


def run(program: str, directory: Path) -> dict[str, Any]:
    """Run a program of the document, and return its names."""
    path = directory / "program.py"
    path.write_text(program)
    return runpy.run_path(str(path))


@pytest.mark.parametrize("name", ["n", "weight", "square"])
def test_the_sums_of_the_example_are_those_of_the_table(name: str, tmp_path: Path) -> None:
    """The first program gives the three sums of the table, which are a thousand with those of its events."""
    summary = run(SUMMED, tmp_path)["summary"]
    (shown,) = re.findall(rf"^\| `{name}` \| .* \| (\S+) \|$", TEXT, re.MULTILINE)
    of_events = {"n": 100, "weight": 100 * 10, "square": 100 * 10**2}[name]

    assert getattr(summary, name) == pytest.approx(float(shown), abs=1e-9)
    assert getattr(summary, name) + of_events == pytest.approx(1_000)
    assert getattr(summary, f"score_{name}") == pytest.approx(getattr(summary, name), abs=1e-9)


def test_the_private_example_spends_its_budget(tmp_path: Path) -> None:
    """Ten predictions of the unit count, 24 releases are made, and the noise is as the text says."""
    found = run(PRIVATE, tmp_path)

    assert found["counted"] == [True] * 10 + [False] * 2
    assert len(found["released"]) == 24
    assert found["noise"].scale == 20
    assert round(found["noise"].variance) == 800


def test_the_private_scores_have_the_noise_that_the_text_says(tmp_path: Path) -> None:
    """The count of a release with scores has three times the variance, and the sum of scores that of one count."""
    scored = run(SCORED, tmp_path)["scored"]

    assert scored.square - scored.weight == pytest.approx(2_400, rel=0.01)
    assert scored.score_square_sum - scored.score_weight_sum == pytest.approx(800, rel=0.01)
