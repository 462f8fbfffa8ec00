"""The demo from start to end: make the events, replay them into an embedded store, print what the store says."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from streams.core.block import Block
from streams.core.sampling.thinning import thinned
from streams.demo.alerts import print_alerts
from streams.demo.config import demo_config
from streams.demo.flights import PACKAGE, require
from streams.runtime.replay import Source, open_files, replay
from streams.sinks.clickhouse.store import open_store


@dataclass(frozen=True)
class Recorded:
    """A source of which a share of the requests was recorded."""

    source: Source
    share: float

    @property
    def name(self) -> str:
        """What rejects call it."""
        return self.source.name

    def __iter__(self) -> Iterator[Block]:
        """Yield what was recorded."""
        return (thinned(block, self.share) for block in self.source)


def run(directory: Path, console: Console, share: float = 1.0) -> None:
    """
    Judge the two models on all flights of 2013 and print the result.

    Parameters
    ----------
    directory
        Where the events (`events/`, kept for the next time) and the store (`store/`) go.
    console
        Where progress and the report go.
    share
        How many of the requests are recorded, as if services sampled before they emit.

    Raises
    ------
    UsageError
        The `demo` extra is not installed, or the store cannot be opened.

    """
    require(PACKAGE)
    require("river")
    from streams.demo import events, report  # noqa: PLC0415 - they import river: first say what is missing, in a line

    started = time.perf_counter()
    with _bar(console, "two models, 336,776 flights") as progress:
        paths = events.write_events(directory / "events", progress)
    seconds = {"models and events": time.perf_counter() - started}
    store_name = "store" if share == 1 else f"store-{share:g}"  # a store is of one replay: others would mix with it
    dsn = f"chdb://{quote(str((directory / store_name).resolve()))}"
    with open_store(dsn) as store:
        store.migrate()
        with _bar(console, "replay", events.EVENTS) as progress:
            sources = [Recorded(source, share) for source in open_files(paths)]
            replayed = replay(demo_config(), sources, store, progress)
        seconds["replay"] = replayed.seconds
        report.print_report(console, store.query, report.Run(replayed.counts, seconds, dsn))
        print_alerts(console, store.query)


class _Bar:
    """A progress bar that can be called with (done, total); a total of None leaves the one it has."""

    def __init__(self, bars: Progress, what: str, total: int | None) -> None:
        self._bars = bars
        self._task = bars.add_task(what, total=total)

    def __call__(self, done: int, total: int | None) -> None:
        self._bars.update(self._task, completed=done, total=total)


@contextmanager
def _bar(console: Console, what: str, total: int | None = None) -> Iterator[_Bar]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bars:
        yield _Bar(bars, what, total)
