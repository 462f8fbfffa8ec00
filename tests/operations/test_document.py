"""docs/operations.md names every metric that a worker has, and quotes what it says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.operations.stage import Stage, pairs

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def test_the_metrics_are_those_of_the_document(staged: Stage) -> None:
    """A worker that has worked shows the metrics that the document has a row for, and no others."""
    staged.emit(pairs("fraud", 8), end=True)
    worker = staged.start()
    staged.settle(worker)

    shown = set(re.findall(r"^# TYPE (\w+) ", worker.metrics(), re.MULTILINE))
    documented = set(re.findall(r"^\| `(\w+)`", TEXT.partition("## Metrics")[2].partition("\n## ")[0], re.MULTILINE))

    assert documented == shown


def test_lines_that_are_quoted_are_said() -> None:
    """Every log line and error that the document quotes stands, between its values, in the program."""
    quoted = re.findall(r"“([^”]+)”", TEXT)
    pieces = {piece.strip(" ,;:") for line in quoted for piece in line.split("…")} - {""}
    spoken = "\n".join(texts())

    assert quoted
    assert [piece for piece in sorted(pieces) if piece not in spoken] == []


def texts() -> Iterator[str]:
    """Every text of the program's source."""
    for path in (ROOT / "streams").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
