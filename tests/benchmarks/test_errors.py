"""benchmarks/errors: every detector is measured, and the command says and keeps what it found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import errors
from streams.core.detect.stream.catalogue import NAMES


def test_the_command_keeps_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It prints what a label, a column and each detector costs, and writes the numbers down."""
    for name, value in (("LABELS", 200), ("BLOCK", 100), ("TICKS", 1), ("ROUNDS", 1)):
        monkeypatch.setattr(errors, name, value)
    monkeypatch.setattr(errors, "RESULTS", tmp_path / "errors.json")

    assert errors.main() == 0
    kept = json.loads((tmp_path / "errors.json").read_text(encoding="utf-8"))
    said = capsys.readouterr().out
    assert list(kept["microseconds"]) == list(NAMES)
    assert all(f"{name:13}{taken:8.1f} us" in said for name, taken in kept["microseconds"].items())
    assert list(kept["label_nanoseconds"]) == ["0", "10", "100", "1000"]
    assert all(taken > 0 for taken in (*kept["label_nanoseconds"].values(), kept["column_microseconds"]))
    assert "1000 slices beside the whole" in said
