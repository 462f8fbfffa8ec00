"""docs/emitting.md: what it shows runs, and what it lists is complete."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest

from streams.config import parse_config
from streams.emit.backlog import DROP_REASONS
from streams.emit.reports import MODEL

TEXT = (Path(__file__).parents[2] / "docs" / "emitting.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"^```python\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("place", range(len(SNIPPETS)))
def test_what_is_shown_runs(place: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every program runs by itself, with no broker there; it waits for none longer than it takes to be sure."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(logging.getLogger("aiokafka"), "disabled", True)
    program = SNIPPETS[place].replace("close(timeout=5)", "close(timeout=0)").replace(":9092", ":1")

    exec(compile(program, f"docs/emitting.md, program {place}", "exec"), {"__name__": "shown"})  # noqa: S102


def test_every_reason_is_documented() -> None:
    """The table of drops lists the reasons of the code, in the same order."""
    (table,) = re.findall(r"^\| dropped as .*?\n\n", TEXT, re.DOTALL | re.MULTILINE)

    assert tuple(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == DROP_REASONS


def test_the_model_of_reports_can_be_declared() -> None:
    """The configuration that is shown declares the model that reports of drops have."""
    (shown,) = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)

    assert list(parse_config(shown, "docs/emitting.md").models) == [MODEL]
