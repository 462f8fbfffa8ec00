"""
All 1,000,898 events of the flights, from the models to the store.

The golden file tests/golden/flights.json is written again, when the numbers are meant to change, by
`.venv/bin/python tests/golden/regenerate.py`; no test ever writes it. The other tests here do without it: they
count the flights in the CSV file and compute with NumPy from the events.
"""

from __future__ import annotations

import fcntl
import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from streams.codecs.files import open_source
from streams.codecs.registry import SchemaRegistry, default_schema_dir
from streams.core.block import EventType
from streams.demo.flights import PACKAGE, require
from streams.demo.models import VERSIONS
from tests.golden.flights import EVENTS, GOLDEN, Measured, measure

METRICS = {"accuracy", "precision", "recall", "brier", "roc_auc"}
MONTHS = [*(f"2013-{month:02}" for month in range(1, 13)), "2014-01"]


@dataclass(frozen=True)
class Year:
    """The run over all flights: where its files are, and what it measured."""

    directory: Path
    measured: Measured

    def metric(self, name: str, version: str) -> dict[str, dict[str, float]]:
        """By month, one version's value of a metric with its n and its label coverage."""
        return {month: versions[version][name] for month, versions in self.measured["months"].items()}


@pytest.fixture(scope="session")
def year(tmp_path_factory: pytest.TempPathFactory) -> Year:
    """Return the run over all flights, made once however many processes test."""
    base = tmp_path_factory.getbasetemp()
    directory = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "flights"
    directory.mkdir(exist_ok=True)
    found = directory / "measured.json"
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not found.exists():
            found.write_text(json.dumps(measure(directory)))
    return Year(directory, json.loads(found.read_text()))


@pytest.fixture(scope="module")
def events(year: Year) -> dict[EventType, pa.Table]:
    """Return the events of both files as columns."""
    registry = SchemaRegistry.load(default_schema_dir())
    blocks = {kind: open_source(year.directory / "events" / name, registry) for kind, name in EVENTS.items()}
    return {
        kind: pa.Table.from_batches([batch.table for block in source for batch in block.batches])
        for kind, source in blocks.items()
    }


@pytest.fixture(scope="module")
def flights() -> pl.DataFrame:
    """Return for every flight of the CSV file its month, in UTC, and whether it has an arrival delay."""
    with zipfile.ZipFile(require(PACKAGE) / "data" / "flights.csv.zip") as archive:
        text = archive.read("flights.csv")
    frame = pl.read_csv(text, columns=["time_hour", "arr_delay"], infer_schema=False)
    return frame.select(month=pl.col("time_hour").str.head(7), labelled=~pl.col("arr_delay").is_in(["NA", ""]))


def test_golden_counts(year: Year) -> None:
    """What became of every event is what the golden file says."""
    assert year.measured["counts"] == json.loads(GOLDEN.read_text())["counts"]


def test_golden_months(year: Year) -> None:
    """Every month's metrics of both versions are those of the golden file: n exactly, the rest to 1e-9."""
    expected = json.loads(GOLDEN.read_text())["months"]

    assert list(year.measured["months"]) == list(expected) == MONTHS
    for month, versions in expected.items():
        assert set(versions) == set(VERSIONS)
        for version, metrics in versions.items():
            assert set(metrics) == METRICS
            for metric, golden in metrics.items():
                found = year.measured["months"][month][version][metric]
                assert found["n"] == golden["n"]
                assert found == pytest.approx(golden, rel=1e-9, abs=0), (month, version, metric)


def test_every_event_is_accounted_for(year: Year) -> None:
    """All 1,000,898 events were read; each prediction joined, waits, expired or is a duplicate."""
    counts = year.measured["counts"]

    assert counts["read"] == 1_000_898
    assert counts["predictions"] == 673_552
    assert counts["outcomes"] == 327_346
    assert counts["joined"] + counts["waiting"] + counts["expired"] + counts["duplicate_predictions"] == 673_552
    assert (
        counts["labelling"] + counts["corrected"] + counts["orphan_outcomes"] + counts["duplicate_outcomes"] == 327_346
    )
    assert counts["joined"] == 2 * counts["labelling"]  # an outcome labels both versions' predictions
    assert counts["feedback"] == counts["rejected"] == 0


@pytest.mark.parametrize("version", VERSIONS)
def test_months_count_the_flights_of_the_csv(year: Year, flights: pl.DataFrame, version: str) -> None:
    """A month's n is the number of its flights with an arrival delay, its label coverage their share of all."""
    months = flights.group_by("month").agg(pl.col("labelled").sum(), pl.len().alias("all")).sort("month")
    found = year.metric("accuracy", version)

    assert months["month"].to_list() == list(found) == MONTHS
    assert months["labelled"].to_list() == [month["n"] for month in found.values()]
    coverage = (months["labelled"] / months["all"]).to_list()
    assert [month["label_coverage"] for month in found.values()] == pytest.approx(coverage, rel=1e-12)


@pytest.mark.parametrize("version", VERSIONS)
def test_months_are_what_numpy_computes(year: Year, events: dict[EventType, pa.Table], version: str) -> None:
    """Accuracy and Brier score of every month, computed from the events at once, are the store's to 1e-12."""
    predictions, outcomes = events["prediction"], events["outcome"]
    mine = predictions.filter(pc.equal(predictions["version"], version))
    place = pc.index_in(mine["request_id"], value_set=outcomes["request_id"])
    labelled = place.is_valid()
    mine, late = mine.filter(labelled), outcomes["label"].take(place.drop_null())
    truth = np.asarray(pc.equal(late, "late"))
    score = mine["score"].to_numpy()
    month = mine["event_time"].to_numpy().astype("datetime64[us]").astype("datetime64[M]").astype(str)

    for metric, each in (("accuracy", (score >= 0.3) == truth), ("brier", (score - truth) ** 2)):
        found = year.metric(metric, version)
        for name in MONTHS:
            assert abs(found[name]["value"] - each[month == name].mean()) <= 1e-12, (metric, name)


def test_golden_file_is_whole() -> None:
    """The golden file holds both versions for thirteen months, so that no empty file passes for one."""
    golden: dict[str, Any] = json.loads(GOLDEN.read_text())

    assert {len(metrics) for versions in golden["months"].values() for metrics in versions.values()} == {len(METRICS)}
    assert len(golden["months"]) == 13
