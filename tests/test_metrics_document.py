"""What docs/metrics.md says of metrics is so: all of them are there, with their defaults, and no others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from streams.core.metric.base import Task
from streams.core.metric.registry import TASKS, default_metrics, metrics_for

DOCUMENT = (Path(__file__).parents[1] / "docs" / "metrics.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", DOCUMENT, re.DOTALL | re.MULTILINE))
COLUMNS = 5


def rows(section: str) -> dict[str, list[str]]:
    """Cells of the section's table by the metric in the first; an escaped bar is part of a cell."""
    lines = re.findall(r"^\| (`.*) \|$", SECTIONS[section], re.MULTILINE)
    cells = [re.split(r" (?<!\\)\| ", line) for line in lines]
    return {row[0].strip("`"): row for row in cells}


@pytest.mark.parametrize("task", TASKS)
def test_every_metric_of_a_task_is_documented_and_nothing_else(task: Task) -> None:
    """A task's section and the common one list the names that the registry has for it, each once."""
    own, common = rows(task.capitalize()), rows("Every task")

    assert sorted([*own, *common]) == sorted(metrics_for(task))


@pytest.mark.parametrize("section", [*map(str.capitalize, TASKS), "Every task"])
def test_every_row_is_complete(section: str) -> None:
    """Each metric has a definition, what n counts, an interval, and when there is no value."""
    cells = rows(section)

    assert all(len(row) == COLUMNS and all(cell.strip() for cell in row) for row in cells.values())


@pytest.mark.parametrize("task", TASKS)
def test_default_metrics_are_documented(task: Task) -> None:
    """Each task's section ends with the metrics that a model has unless it lists others, in their order."""
    (line,) = re.findall(r"^Default: (.*)\.$", SECTIONS[task.capitalize()], re.MULTILINE)

    assert tuple(re.findall(r"`(.+?)`", line)) == default_metrics(task)
