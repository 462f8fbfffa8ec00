"""Replay: the same events give the same store, however they lie in files and are cut into blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from random import Random

import pyarrow as pa
import pytest

from streams.codecs.write import write_jsonl
from streams.errors import StoreUnavailable, UsageError
from streams.pipeline import Pipeline
from streams.runtime.replay import in_event_time, open_files, replay
from streams.sinks.clickhouse.rows import TableName
from streams.sinks.clickhouse.store import Store, open_store
from tests.driving import FAR_FUTURE
from tests.runtime.story import DAY, Event, Stored, assert_same, config, replayed, story, tables, write_files


@pytest.fixture(scope="module")
def events() -> list[Event]:
    """Return three months of some 2,600 events."""
    return story(requests=1_000, days=75, seed=3)


@pytest.fixture(scope="module")
def in_one(events: list[Event], tmp_path_factory: pytest.TempPathFactory) -> Stored:
    """Return what becomes of the events in one file, read in one block."""
    directory = tmp_path_factory.mktemp("one")
    return replayed(directory / "store", write_files(directory, events, "jsonl"))


def test_story_has_something_of_everything(in_one: Stored) -> None:
    """The events whose replays are compared include each fate that an event can have."""
    counts, shown = in_one.counts, in_one.shown

    assert all(counts[name] for name in counts.keys() - {"rejected", "summaries", "duplicate_summaries", "let_go"}), (
        counts
    )
    assert counts["rejected"] == 0
    assert set(shown["orphans"]["reason"].to_pylist()) == {"late", "unmatched"}
    assert set(shown["quality"]["window"].to_pylist()) == {"1d", "6h/3h", "1mo"}
    assert set(shown["quality"]["is_final"].to_pylist()) == {True, False}
    methods = {"exact counts", "exact quantiles", "mixture over buckets of units", "too little to say"}
    assert methods < set(shown["verdicts"]["method"].to_pylist())
    assert {"equivalent", "mismatch", "not enough evidence"} <= set(shown["verdicts"]["verdict"].to_pylist())


@pytest.mark.parametrize("block_rows", [7, 1000, 65_536])
@pytest.mark.parametrize("extension", ["jsonl", "avro", "parquet"])
def test_blocks_and_formats_change_nothing(
    events: list[Event], in_one: Stored, tmp_path: Path, extension: str, block_rows: int
) -> None:
    """Blocks of 7, 1,000 or 65,536 rows of any format end in the same counts and tables."""
    again = replayed(tmp_path / "store", write_files(tmp_path, events, extension), block_rows)

    assert_same(again, in_one)


def by_type(events: Sequence[Event]) -> list[list[Event]]:
    return [[event for event in events if event["type"] == kind] for kind in ("feedback", "outcome", "prediction")]


def by_month(events: Sequence[Event]) -> list[list[Event]]:
    def month(event: Event) -> int:
        return datetime.fromtimestamp(event["event_time"] // 1_000_000, UTC).month

    return [list(part) for _, part in groupby(sorted(events, key=month), key=month)]


def dealt(events: Sequence[Event]) -> list[list[Event]]:
    return [list(events[first::5]) for first in range(5)]


@pytest.mark.parametrize("backwards", [False, True], ids=["forwards", "backwards"])
@pytest.mark.parametrize("split", [by_type, by_month, dealt])
def test_files_and_their_order_change_nothing(
    events: list[Event],
    in_one: Stored,
    tmp_path: Path,
    split: Callable[[Sequence[Event]], list[list[Event]]],
    *,
    backwards: bool,
) -> None:
    """A file a type, a file a month or events dealt out to five files, in either order, end in the same tables."""
    parts = split(events)
    paths = [tmp_path / f"{number}.jsonl" for number in range(len(parts))]
    for path, part in zip(paths, parts, strict=True):
        write_jsonl(path, part)
    again = replayed(tmp_path / "store", paths[::-1] if backwards else paths, 100)

    assert len(parts) >= 3
    assert_same(again, in_one)


@pytest.mark.parametrize("seed", [1, 2])
def test_any_order_within_the_horizon_changes_nothing(
    events: list[Event], in_one: Stored, tmp_path: Path, seed: int
) -> None:
    """Events out of order in a file by up to the longest label horizon, far over the disorder, fare the same."""
    rng = Random(seed)
    delays = {id(event): rng.randrange(2 * DAY) for event in events}
    shuffled = sorted(events, key=lambda event: event["event_time"] + delays[id(event)])
    write_jsonl(tmp_path / "shuffled.jsonl", shuffled)
    again = replayed(tmp_path / "store", [tmp_path / "shuffled.jsonl"], 50)

    assert shuffled != events
    assert_same(again, in_one)


def test_read_is_told_as_it_goes_on(events: list[Event], tmp_path: Path) -> None:
    """Progress counts the events read after each block, up to all of them."""
    told: list[int] = []
    with open_store(f"chdb:{tmp_path / 'store'}") as store:
        store.migrate()
        sources = open_files(write_files(tmp_path, events, "jsonl"), 500)
        replay(config(), sources, store, lambda done, _total: told.append(done))

    assert told == [*range(500, len(events), 500), len(events)]


def test_files_of_the_same_time_are_read_side_by_side(events: list[Event], tmp_path: Path) -> None:
    """The next block always comes from the file that is furthest behind, so that little has to wait in memory."""
    paths = [tmp_path / f"{number}.jsonl" for number in range(3)]
    for path, part in zip(paths, (events[::3], events[1::3], events[2::3]), strict=True):
        write_jsonl(path, part)
    pipeline, sources = Pipeline(config()), open_files(paths, 10)
    for source in sources:
        pipeline.open(source.name)
    spread = []
    for block in in_event_time(pipeline, sources):
        for _ in pipeline.process(block, FAR_FUTURE):
            pass
        if len(block) == 10:
            reached = pipeline.watermarks.largest.values()
            spread.append(max(reached) - min(reached))

    assert len(spread) > 60
    assert max(spread[3:]) < 12 * DAY  # thirty events are three days; all of them are seventy-five


def test_same_file_under_another_name_is_refused(tmp_path: Path) -> None:
    """A file that is given twice, once by a roundabout path or a link, is a UsageError that names it."""
    path, link = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    path.write_text("")
    link.symlink_to(path)
    for other in (tmp_path / "x" / ".." / "a.jsonl", link):
        with pytest.raises(UsageError, match=r"a\.jsonl is given more than once; name each file once"):
            open_files([path, other])


def test_no_events_are_a_run_too(tmp_path: Path) -> None:
    """An empty file replays to counts of zero and a store without a window."""
    (tmp_path / "empty.jsonl").write_text("\n\n")
    stored = replayed(tmp_path / "store", [tmp_path / "empty.jsonl"])

    assert set(stored.counts.values()) == {0}
    assert not any(map(len, stored.shown.values()))


class Faltering:
    """A store that is away at its n-th insert, from 1."""

    def __init__(self, store: Store, away_at: int) -> None:
        self._store = store
        self._left = away_at

    def insert(self, table: TableName, batch: pa.Table) -> None:
        self._left -= 1
        if not self._left:
            raise StoreUnavailable(f"cannot insert into {table} now: gone away")
        self._store.insert(table, batch)


@pytest.mark.parametrize("away_at", [1, 2, 3])
def test_replay_is_repeatable_after_the_store_was_away(
    events: list[Event], in_one: Stored, tmp_path: Path, away_at: int
) -> None:
    """An insert that fails ends the replay with StoreUnavailable; run again it leaves what one run leaves."""
    paths = write_files(tmp_path, events, "jsonl")
    with open_store(f"chdb:{tmp_path / 'store'}") as store:
        store.migrate()
        with pytest.raises(StoreUnavailable, match="gone away"):
            replay(config(), open_files(paths), Faltering(store, away_at))
        halfway = store.query("SELECT count() AS rows FROM windows").to_pylist()[0]["rows"]
        report = replay(config(), open_files(paths), store)
        again = Stored(report.counts, tables(store))

    assert halfway == 0 or away_at > 1
    assert_same(again, in_one)
