"""Files that are learned from bring what categories are called and where numbers are, as a stream does."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random
from typing import Any

import pytest

from streams.config import Config
from streams.runtime.replay import replay
from tests.core.detect.test_stage import START, config, events
from tests.runtime.story import write_files
from tests.runtime.test_backtest import Held, Kept
from tests.streams_strategy import DAY, Event

HANDED, CHANGED = 20, 30  # days that are in the files, and after which something else comes


def watched(column: str, files: list[Path]) -> Config:
    """Watch one column, learned from files."""
    reference = {"files": [str(path) for path in files]}
    centers = {"features.kelvin": 280.0} if column == "features.kelvin" else {}
    changes: dict[str, Any] = {"metrics": ["complaint_rate"], "columns": [column], "detectors": [], "centers": centers}
    return config(reference=reference, **changes)


def told() -> list[Event]:
    """Return fifty days: Italy is in the files only, but for thirty days, and then it is warmer."""
    days, rng = events(7), Random(1)
    for event in days:
        if event["type"] == "prediction":
            changed = event["event_time"] > START + CHANGED * DAY
            event["attributes"]["country"] = rng.choice(("de", "fr") if changed else ("de", "fr", "it"))
            event["features"]["kelvin"] = rng.gauss(282.0 if changed else 280.0, 2.0)
    return days


def title(column: str, directory: Path) -> str:
    """Return the title of the one alert of a replay of what came after the files."""
    days, store = told(), Kept()
    cut = START + HANDED * DAY
    files = write_files(directory, [event for event in days if event["event_time"] < cut], "parquet")
    known = {event["request_id"] for event in days if event["type"] == "prediction" and event["event_time"] >= cut}
    later = [event for event in days if event["request_id"] in known and event["event_time"] >= cut]
    for event in later if column == "attributes.country" else ():
        if event["type"] == "prediction" and event["attributes"]["country"] == "it":
            event["attributes"]["country"] = "de"
    replay(watched(column, files), [Held(later)], store)
    fired = [row for row in store.rows("alerts").to_pylist() if row["status"] == "firing"]

    assert {row["watch"] for row in fired} == {column}
    return str(fired[0]["title"])


def test_a_category_that_only_the_files_have_is_called_by_name(tmp_path: Path) -> None:
    """The stream never had it: what it is called can only be known from the files."""
    assert re.search(r"it 0 % instead of (2\d|3\d|4\d) %", title("attributes.country", tmp_path))


def test_a_center_holds_for_files(tmp_path: Path) -> None:
    """Temperatures near 280 K rise by 2 K: seen, and told as they are."""
    middle = re.findall(r"median (\S+) instead of (\S+) since", title("features.kelvin", tmp_path))[0]

    assert [float(word) for word in middle] == [pytest.approx(282, abs=1), pytest.approx(280, abs=0.6)]
