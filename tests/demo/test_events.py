"""The events say what the models said and what happened, in the schemas of a block, and are written once."""

from pathlib import Path

import fastavro
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from streams.core.block import SCHEMAS, EventType
from streams.demo import events
from streams.demo.models import DEFAULTS, Floats, Settings

JANUARY_3 = 1_357_171_200_000_000
OTHER_SETTINGS = Settings(learning_rate=0.4)


@pytest.fixture(scope="module")
def tables(flights: pl.DataFrame, scores: dict[str, Floats]) -> dict[EventType, pa.Table]:
    return events.lay_out(flights, scores, DEFAULTS.threshold)


@pytest.fixture
def two_days(flights: pl.DataFrame, monkeypatch: pytest.MonkeyPatch) -> pl.DataFrame:
    """Let `write_events` see the flights of two days only."""
    few = flights.filter(pl.col("departure_time") < JANUARY_3)
    monkeypatch.setattr(events, "load_flights", lambda: few)
    return few


def test_there_are_a_million_events(tables: dict[EventType, pa.Table]) -> None:
    """Two versions predict 336,776 flights, of which 327,346 have an outcome."""
    assert {kind: table.num_rows for kind, table in tables.items()} == {"prediction": 673_552, "outcome": 327_346}
    assert sum(table.num_rows for table in tables.values()) == events.EVENTS


@pytest.mark.parametrize("kind", ["prediction", "outcome"])
def test_tables_are_valid_and_sorted(tables: dict[EventType, pa.Table], kind: EventType) -> None:
    """Each table has the schema of its type of event, is valid in every row and sorted by time."""
    table = tables[kind]
    table.validate(full=True)

    assert table.schema == SCHEMAS[kind]
    assert pl.Series(table["event_time"]).is_sorted()


def test_prediction_ids_are_unique(tables: dict[EventType, pa.Table]) -> None:
    """No two predictions have the same id."""
    assert pc.count_distinct(tables["prediction"]["prediction_id"]).as_py() == 673_552


def test_prediction_is_laid_out(tables: dict[EventType, pa.Table], scores: dict[str, Floats]) -> None:
    """The last flight's prediction by the refreshed version has its ids, role, attributes, features and score."""
    last = tables["prediction"].slice(673_551).to_pylist()[0]

    assert last == {
        "request_id": "20140101T0459-DL412-JFK",
        "prediction_id": "20140101T0459-DL412-JFK/refreshed",
        "event_time": 1_388_552_340_000_000,
        "model": "flight_delay",
        "version": "refreshed",
        "role": "shadow",
        "unit_id": None,
        "score": scores["refreshed"][-1],
        "label": "late" if scores["refreshed"][-1] >= 0.3 else "on_time",
        "ranking": None,
        "attributes": [("carrier", "DL"), ("origin", "JFK"), ("dest", "SJU")],
        "features": [("hour", 23.0), ("distance", 1598.0)],
        "latency_ms": None,
        "assignments": [],
        "inclusion_probability": 1.0,
    }


def test_each_version_has_its_scores(tables: dict[EventType, pa.Table], scores: dict[str, Floats]) -> None:
    """The predictions of a version, in order, have that version's scores, and the labels these give."""
    table = tables["prediction"]
    for version in ("static", "refreshed"):
        of_version = table.filter(pc.equal(table["version"], version))
        labels = of_version["label"].to_numpy()

        assert (of_version["score"].to_numpy() == scores[version]).all()
        assert ((labels == "late") == (scores[version] >= 0.3)).all()


def test_outcomes_are_what_happened(tables: dict[EventType, pa.Table], flights: pl.DataFrame) -> None:
    """Every labelled flight has one outcome, with its label, at its time."""
    outcomes = pl.DataFrame(tables["outcome"])
    both = outcomes.join(flights, left_on="request_id", right_on="flight_id", validate="1:1")

    assert len(both) == 327_346
    assert (both["event_time"] == both["outcome_time"]).all()
    assert ((both["label"] == "late") == both["late"]).all()


def test_files_hold_the_tables(tmp_path: Path, two_days: pl.DataFrame) -> None:
    """Two Avro files are written, with the predictions and outcomes of all flights."""
    paths = events.write_events(tmp_path)

    assert [path.name for path in paths] == ["predictions.avro", "outcomes.avro"]
    assert [rows_of(path) for path in paths] == [2 * len(two_days), two_days["late"].count()]


def test_files_are_written_once(tmp_path: Path, two_days: pl.DataFrame) -> None:
    """A second call with the same settings trains nothing and leaves the files as they are."""
    first = events.write_events(tmp_path)
    written = [path.stat().st_mtime_ns for path in first]
    told: list[int] = []
    second = events.write_events(tmp_path, lambda done, _total: told.append(done))

    assert second == first
    assert [path.stat().st_mtime_ns for path in second] == written
    assert told == []
    assert len(two_days) > 0


@pytest.mark.usefixtures("two_days")
def test_other_settings_write_again(tmp_path: Path) -> None:
    """Files made with other settings are replaced."""
    before = [path.read_bytes() for path in events.write_events(tmp_path)]
    after = [path.read_bytes() for path in events.write_events(tmp_path, settings=OTHER_SETTINGS)]

    assert before[0] != after[0]


@pytest.mark.usefixtures("two_days")
@pytest.mark.parametrize("name", ["outcomes.avro", "manifest.json"])
def test_unfinished_files_are_written_again(tmp_path: Path, name: str) -> None:
    """A file that is missing, or the manifest that is written last, makes the next call write all of them."""
    paths = events.write_events(tmp_path)
    rows = [rows_of(path) for path in paths]
    (tmp_path / name).unlink()
    events.write_events(tmp_path)

    assert [rows_of(path) for path in paths] == rows


@pytest.mark.usefixtures("two_days")
def test_truncated_file_is_written_again(tmp_path: Path) -> None:
    """A file that is shorter than it was when it was finished is replaced."""
    predictions = events.write_events(tmp_path)[0]
    whole = predictions.stat().st_size
    predictions.write_bytes(predictions.read_bytes()[:1000])
    events.write_events(tmp_path)

    assert predictions.stat().st_size == whole


def rows_of(path: Path) -> int:
    """Count the records of an Avro container file, by an independent reader."""
    with path.open("rb") as file:
        return sum(1 for _ in fastavro.reader(file))
