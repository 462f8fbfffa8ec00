"""A backtest tells what a replay of the same events puts into the table `alerts`, and puts nothing anywhere itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pytest

from streams.core.alert.notice import from_json
from streams.core.block import Block
from streams.errors import UsageError
from streams.runtime.backtest import backtest
from streams.runtime.notices import notices
from streams.runtime.replay import replay
from streams.sinks.clickhouse.rows import SCHEMAS, TableName
from tests.core.detect.test_stage import DAYS, START, config, events
from tests.core.making import make_config
from tests.driving import block_of
from tests.streams_strategy import DAY, Event

LAST = START + DAYS * DAY


@dataclass(frozen=True)
class Held:
    """A source that holds its events in blocks."""

    events: Sequence[Event]
    size: int = 1_000
    name: str = "held"

    def __iter__(self) -> Iterator[Block]:
        starts = range(0, len(self.events), self.size)
        return (block_of(self.name, self.events[start : start + self.size], start) for start in starts)


class Kept:
    """A store that keeps two tables as they were inserted."""

    def __init__(self) -> None:
        self.tables: dict[str, list[pa.Table]] = {"alerts": [], "signals": []}

    def insert(self, table: TableName, batch: pa.Table) -> None:
        if table in self.tables:
            self.tables[table].append(batch)

    def rows(self, table: TableName) -> pa.Table:
        return pa.concat_tables([SCHEMAS[table].empty_table(), *self.tables[table]])


@pytest.fixture(scope="module")
def incident() -> list[Event]:
    """Return fifty days, of which the last fifteen have wrong answers."""
    return events(1, changed=35)


@pytest.fixture(scope="module")
def stored(incident: list[Event]) -> Kept:
    """Return what a replay of the incident stores."""
    store = Kept()
    replay(config(), [Held(incident)], store)
    return store


@pytest.mark.parametrize("size", [199, 100_000])
def test_a_backtest_tells_what_a_replay_stores(incident: list[Event], stored: Kept, size: int) -> None:
    """The same notices in the same order, however the events are cut; each can be read as one."""
    found = backtest(config(), [Held(incident, size)])
    told: list[dict[str, Any]] = list(notices([stored.rows("alerts")]))

    assert [one["status"] for one in told][:1] == ["firing"]
    assert list(found.notices) == told
    assert [from_json(one).watch for one in found.notices][:1] == ["accuracy"]


def test_a_backtest_says_how_much_was_looked_at(incident: list[Event], stored: Kept) -> None:
    """Looks are the rows of the table `signals`, from the end of the first day to that of the last."""
    found = backtest(config(), [Held(incident)])

    assert found.looks == stored.rows("signals").num_rows
    assert (found.first, found.last) == (START + DAY, LAST)


def test_another_configuration_is_another_backtest(incident: list[Event]) -> None:
    """With a margin that is larger than the change, nobody is told of it."""
    quiet = backtest(config(margins={"accuracy": 0.9}, severity="info"), [Held(incident)])

    assert [one["severity"] for one in quiet.notices if one["watch"] == "accuracy"] == []


def test_without_events_there_is_nothing_to_tell() -> None:
    """No looks, and no times."""
    found = backtest(config(), [Held([])])

    assert (list(found.notices), found.looks, found.first, found.last) == ([], 0, 0, 0)


def test_a_configuration_that_watches_nothing_is_refused() -> None:
    """What is missing is said, and where it belongs."""
    with pytest.raises(UsageError, match=r"watches no model: name some under `detection\.models`"):
        backtest(make_config({"m": {"task": "none"}}), [Held([])])
