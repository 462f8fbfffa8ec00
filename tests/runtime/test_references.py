"""Reference files: read once and learned from, the same in a replay, a backtest and a worker; bad ones are named."""

from __future__ import annotations

import asyncio
import logging
import math
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from streams.codecs.write import write_jsonl
from streams.config import Config, load_config
from streams.config.kafka import KafkaConfig
from streams.core.block import EVENT_TYPES
from streams.core.detect.watchman import METHOD
from streams.errors import UsageError
from streams.pipeline import Pipeline
from streams.runtime.backtest import backtest
from streams.runtime.notices import notices
from streams.runtime.references import check_references, read_ticks
from streams.runtime.replay import replay
from tests.conftest import Run
from tests.core.detect.test_stage import DAYS, START, config, events, run, same
from tests.runtime.held import Held
from tests.runtime.parts import Bench
from tests.runtime.story import write_files
from tests.runtime.test_backtest import Held as Source
from tests.runtime.test_backtest import Kept
from tests.streams_strategy import DAY, Event

CHANGED = 30
HANDED = 20  # days that are in the files
REQUESTS = 1_500


@pytest.fixture(scope="module")
def told() -> list[Event]:
    """Return fifty days, of which the last twenty have wrong answers."""
    return events(1, REQUESTS, changed=CHANGED)


@pytest.fixture(scope="module")
def declared(tmp_path_factory: pytest.TempPathFactory, told: list[Event]) -> Config:
    """Return a configuration whose reference is a file of the first twenty days."""
    paths = write_files(tmp_path_factory.mktemp("reference"), handed(told), "jsonl")
    return config(reference={"files": [str(path) for path in paths]})


@pytest.fixture(scope="module")
def stored(told: list[Event], declared: Config) -> Kept:
    """Return what a replay of all days stores."""
    store = Kept()
    replay(declared, [Source(told)], store)
    return store


def handed(told: Sequence[Event]) -> list[Event]:
    return [event for event in told if event["event_time"] < START + HANDED * DAY]


def plain(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Rows as text, in any order, without what tells how often they were shown."""
    return sorted(repr({name: value for name, value in row.items() if name != "revision"}) for row in rows)


def test_detection_begins_with_the_end_of_the_file(stored: Kept) -> None:
    """
    From its first tick on accuracy is watched, traffic is learned; the days of the file are not looked at.

    But by river's detectors, which begin at once.
    """
    rows = stored.rows("signals").to_pylist()
    days, flagging = (
        {round((row["tick"].timestamp() * 1e6 - START) / DAY) for row in rows if (row["method"] == METHOD) == learned}
        for learned in (True, False)
    )
    accuracy = [row["standing"] for row in rows if row["watch"] == "accuracy" and not row["slice"]]
    fired = [row for row in stored.rows("alerts").to_pylist() if row["watch"] == "accuracy"]

    assert days == set(range(HANDED + 1, DAYS + 1))
    assert flagging == set(range(1, DAYS + 1))
    assert accuracy[0] == "quiet"
    assert {row["standing"] for row in rows if row["watch"] == "traffic"} == {"learning", "quiet"}
    assert START + CHANGED * DAY < fired[0]["tick"].timestamp() * 1e6 <= START + (CHANGED + 8) * DAY


@pytest.mark.parametrize("size", [199, 100_000])
def test_a_backtest_tells_what_a_replay_stores(told: list[Event], declared: Config, stored: Kept, size: int) -> None:
    """The same notices, however the events are cut."""
    found = backtest(declared, [Source(told, size)])

    assert found.looks == stored.rows("signals").num_rows
    assert list(found.notices) == list(notices([stored.rows("alerts")]))


@pytest.mark.parametrize("extension", ["avro", "parquet"])
def test_the_format_of_a_file_does_not_matter(
    tmp_path: Path, told: list[Event], declared: Config, extension: str
) -> None:
    """A file of predictions and one of outcomes, whatever their format, are the ticks of one of JSON lines."""
    paths = write_files(tmp_path, handed(told), extension)
    other = config(reference={"files": [str(path) for path in paths]})
    (theirs,), (ours,) = declared.detection.files, other.detection.files

    assert same(read_ticks(other, ours), read_ticks(declared, theirs))
    assert len(read_ticks(other, ours)) == HANDED


def test_a_worker_says_what_a_replay_does(tmp_path: Path, told: list[Event], stored: Kept) -> None:
    """Two workers, one after the other: the second goes on from the state of the first, and needs no file."""
    (path,) = write_files(tmp_path, handed(told), "jsonl")
    kafka = {"kafka": KafkaConfig(partitions=1)}
    bench = Bench()
    bench.config = config(reference={"files": [str(path)]}).model_copy(update=kafka)

    async def work() -> list[Held]:
        first, second = Held(bench), Held(bench)
        await first.worker.assigned(frozenset({0}))
        bench.emit(*told[: len(told) * 9 // 10])
        await drained(first)
        await first.worker.revoked(frozenset({0}))
        path.unlink()
        await second.worker.assigned(frozenset({0}))
        bench.emit(*told[len(told) * 9 // 10 :])
        for kind in EVENT_TYPES:
            bench.end(kind, 24 * 365)
        await drained(second)
        return [first, second]

    rows = [held.shelf.tables.rows for held in asyncio.run(work())]
    assert all(one["signals"] for one in rows)
    for table in ("signals", "alerts"):
        found = [row for one in rows for row in one.get(table, [])]
        assert plain(found) == plain(stored.rows(table).to_pylist())


async def drained(held: Held) -> None:
    """Have a worker read and show all that is there."""
    before = -1
    while before != (before := held.worker.read(0)):
        await held.deliver()
        held.seconds += 100
        await held.worker.tick()


def test_a_worker_without_the_file_does_not_start(tmp_path: Path) -> None:
    """Where nothing is known yet, and the file is not there, that is said."""
    bench = Bench()
    bench.config = config(reference={"files": [str(tmp_path / "gone.avro")]}).model_copy(
        update={"kafka": KafkaConfig(partitions=1)}
    )
    with pytest.raises(UsageError, match=r"gone\.avro cannot be read"):
        asyncio.run(Held(bench).worker.assigned(frozenset({0})))


def test_a_pipeline_does_not_start_without_its_reference(told: list[Event], declared: Config) -> None:
    """Whoever forgets to hand it over is told, instead of learning from something else."""
    with pytest.raises(ValueError, match="call `learn` before the first tick"):
        run(told, 1_000, declared)
    assert Pipeline(declared).awaited().keys() == {"fraud"}


def rewritten(told: Sequence[Event], change: Callable[[Event], None]) -> Iterator[Event]:
    """Copies of the predictions, each changed."""
    for event in told:
        copy = dict(event)
        if event["type"] == "prediction":
            copy |= {"features": dict(event["features"]), "attributes": dict(event["attributes"])}
            change(copy)
        yield copy


def checked(directory: Path, told: Sequence[Event], **changes: Any) -> list[str]:
    """What is remarked on a reference of these events."""
    reference = {"files": [str(path) for path in write_files(directory, told, "parquet")]}
    return [f"{model}: {remark}" for model, remark in check_references(config(reference=reference, **changes))]


def test_a_good_reference_leaves_nothing_to_say(tmp_path: Path, told: list[Event]) -> None:
    """Twenty days of both kinds of events are enough for all that is watched of the whole."""
    assert checked(tmp_path, handed(told), slices=[[]]) == []


def test_ten_rows_are_not_enough(tmp_path: Path, told: list[Event]) -> None:
    """What is missing is said of metrics and of columns, and that they go on learning; so it is in a replay."""
    few = [event for event in told if event["request_id"] in {f"r{number}" for number in range(40)}]
    remarks = checked(tmp_path, few, slices=[[]], metrics=["accuracy"])
    start = [one for one in remarks if "columns have" in one or "accuracy" in one]

    assert start == remarks
    assert re.search(r"columns have 1\d effective rows in \d+ ticks, 100 are needed", remarks[-1])
    assert all(one.endswith("learned on from the stream") for one in remarks)


def test_one_day_is_enough_for_columns_to_be_compared_with(tmp_path: Path, told: list[Event]) -> None:
    """All rows at one time: they are what columns are compared with, and how far ticks are from it is still learned."""
    at_once = [event | {"event_time": START + DAY} for event in told]
    remarks = checked(tmp_path, at_once, slices=[[]], metrics=["accuracy"], columns=["score"])

    assert remarks == [
        "fraud: accuracy has a value in 1 ticks, 20 are needed: it is learned on from the stream",
        "fraud: how far ticks usually are from it is learned from the stream, as there are too few in it: score",
    ]


def test_a_file_of_another_schema_is_refused(tmp_path: Path, told: list[Event]) -> None:
    """Columns that are in none of its rows are named, with the file and what can be done."""
    other = rewritten(handed(told), lambda event: event.update(features={"b": 1.0}, latency_ms=None))
    with pytest.raises(UsageError) as caught:
        checked(tmp_path, list(other))

    assert str(caught.value) == (
        f"reference of fraud: {', '.join(f'{tmp_path}/{kind}.parquet' for kind in EVENT_TYPES)} hold no value of "
        "latency_ms, features.age, which is watched of model fraud; name files that do under `detection`, or another "
        "reference"
    )


def test_labels_that_are_watched_must_be_in_the_files(tmp_path: Path, told: list[Event]) -> None:
    """Without outcomes the column of outcomes cannot be compared; a metric waits for those of the stream."""
    unlabelled = [event for event in handed(told) if event["type"] == "prediction"]
    with pytest.raises(UsageError, match="hold no value of outcome, which"):
        checked(tmp_path, unlabelled)
    remarks = checked(tmp_path, unlabelled, columns=["score"], slices=[[]], metrics=["accuracy"])

    assert remarks == ["fraud: accuracy has no value in it: it is learned from the stream"]


def test_a_file_without_the_model_is_refused(tmp_path: Path, told: list[Event]) -> None:
    """Predictions of others are no reference, and neither is an empty file."""
    others = [event for event in handed(told) if event.get("model") == "other"]
    for some in (others, []):
        with pytest.raises(UsageError, match="hold no prediction of model fraud; name files that do"):
            checked(tmp_path, some)


ALIKE = {
    "constant numbers": (lambda event: event["features"].update(age=7.0), "features.age", "7 to 7.25"),
    "numbers that are none": (lambda event: event["features"].update(age=math.nan), "features.age", "not a number"),
    "one category": (lambda event: event["attributes"].update(country="de"), "attributes.country", "category"),
}


@pytest.mark.parametrize("kind", ALIKE)
def test_a_column_of_which_all_is_alike_is_told(tmp_path: Path, told: list[Event], kind: str) -> None:
    """It is watched, for what is not alike; that nothing else can be seen is said."""
    change, column, what = ALIKE[kind]
    remarks = checked(tmp_path, list(rewritten(handed(told), change)), slices=[[]], columns=[column])

    assert len(remarks) == 1
    assert remarks[0].startswith(f"fraud: {column} judges, but all of the reference is in one bin")
    assert what in remarks[0]


def test_identifiers_are_told(tmp_path: Path, told: list[Event]) -> None:
    """A column whose categories hardly ever come again cannot be judged."""
    named = rewritten(handed(told), lambda event: event["attributes"].update(country=event["request_id"]))
    remarks = checked(tmp_path, list(named), slices=[[]], columns=["attributes.country"])

    assert len(remarks) == 1
    assert "attributes.country cannot judge" in remarks[0]


def test_what_there_is_too_little_of_is_in_the_log(
    tmp_path: Path, told: list[Event], caplog: pytest.LogCaptureFixture
) -> None:
    """A replay says it when it begins."""
    caplog.set_level(logging.INFO)
    write_jsonl(tmp_path / "few.jsonl", [event for event in told if event["event_time"] < START + 3 * DAY])
    replay(config(reference={"files": [str(tmp_path / "few.jsonl")]}), [Source([])], Kept())

    assert "few.jsonl: " in caplog.messages[0]
    assert "reference of fraud: accuracy has a value in 3 ticks, 20 are needed" in "\n".join(caplog.messages)


def test_files_are_found_beside_the_configuration(tmp_path: Path, told: list[Event]) -> None:
    """A relative name is relative to the file that declares it, wherever the command runs; state knows the name."""
    (tmp_path / "deep").mkdir()
    write_jsonl(tmp_path / "deep" / "days.jsonl", handed(told))
    text = (
        'models: {fraud: {task: binary, positive: "1"}}\n'
        "detection: {learn: 20d, season: 1d, reference: {files: [days.jsonl]}, models: {fraud: {}}}\n"
    )
    (tmp_path / "deep" / "config.yaml").write_text(text, encoding="utf-8")
    loaded = load_config(tmp_path / "deep" / "config.yaml")

    assert loaded.detection.files[0].paths == (tmp_path / "deep" / "days.jsonl",)
    assert [remark for _, remark in check_references(loaded)] == []
    assert str(tmp_path) not in repr(Pipeline(loaded).snapshot()["downstream"]["watchmen"]["fraud"]["signature"])


def test_a_check_reads_the_files(cli: Run, tmp_path: Path, told: list[Event]) -> None:
    """What there is too little of is said on standard error; files that cannot be used are an error."""
    section = "detection: {learn: 20d, season: 1d, reference: {files: [days.jsonl]}, models: {fraud: {}}}\n"
    path = tmp_path / "config.yaml"
    path.write_text(
        f'models: {{fraud: {{task: binary, positive: "1", metrics: [accuracy]}}}}\n{section}', encoding="utf-8"
    )
    gone = cli("check", "--config", path)
    write_jsonl(tmp_path / "days.jsonl", [event for event in told if event["event_time"] < START + 3 * DAY])
    few = cli("check", "--config", path)
    write_jsonl(tmp_path / "days.jsonl", handed(told))
    good = cli("check", "--config", path)

    assert (gone.code, gone.out) == (2, "")
    assert f"{tmp_path}/days.jsonl cannot be read: No such file or directory" in gone.err
    assert (few.code, few.out) == (good.code, good.out) == (0, f"{path}: no problems; models: fraud\n")
    assert f"{path}: reference of fraud: accuracy has a value in 3 ticks, 20 are needed" in few.err
    assert "accuracy" not in good.err
