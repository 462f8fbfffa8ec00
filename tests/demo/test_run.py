"""The demo runs from the flights to the report."""

import io
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from streams.demo import events
from streams.demo.run import run

JANUARY_3 = 1_357_171_200_000_000


def test_demo_runs_and_adds_up(tmp_path: Path, flights: pl.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the flights of two days, every event that was made is accounted for and the store is named in a command."""
    few = flights.filter(pl.col("departure_time") < JANUARY_3)
    monkeypatch.setattr(events, "load_flights", lambda: few)
    made = 2 * len(few) + few["late"].count()
    console = Console(file=io.StringIO(), width=120, color_system=None)
    run(tmp_path / "a demo", console)
    assert isinstance(console.file, io.StringIO)
    printed = console.file.getvalue()

    assert f"It adds up: {made:,} events went in" in printed
    assert f"streams query --store chdb://{tmp_path}/a%20demo/store" in printed


def test_demo_runs_twice(tmp_path: Path, flights: pl.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo can be run again on the same directory, and shows the same estimates."""
    few = flights.filter(pl.col("departure_time") < JANUARY_3)
    monkeypatch.setattr(events, "load_flights", lambda: few)
    tables = []
    for _ in range(2):
        console = Console(file=io.StringIO(), width=120, color_system=None)
        run(tmp_path, console)
        assert isinstance(console.file, io.StringIO)
        tables.append(console.file.getvalue().partition("static:")[2].partition("events/s")[0].rpartition("\n")[0])

    assert "2013-01" in tables[0]
    assert tables[0] == tables[1]
