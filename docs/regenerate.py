"""
Write the generated parts of the documentation again: `docs/demo.svg`, and answers to queries in README.md, flights.md.

`.venv/bin/python docs/regenerate.py` (from the project's root) makes the demo's events, unless `make demo` has,
replays them into a new store, and writes what comes out.
"""

from __future__ import annotations

import io
import re
import shlex
import tempfile
from pathlib import Path

from rich.console import Console

from streams.demo import report
from streams.demo.alerts import print_alerts
from streams.demo.config import demo_config
from streams.demo.events import write_events
from streams.runtime.replay import open_files, replay
from streams.sinks.clickhouse.store import Store, open_store
from streams.sinks.render import to_rich

ROOT = Path(__file__).parents[1]
EVENTS = ROOT / ".streams" / "demo" / "events"
STORE = "chdb:.streams/demo/store"
"""What the documents call the store: the one that `make demo` leaves."""
WIDTH = 100

_COMMAND = rf"streams query --store {re.escape(STORE)} [^`]*?"
_ANSWERED = re.compile(rf"(```sh\n({_COMMAND})\n```\n\n```text\n).*?(```)", re.DOTALL)
_WEB_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


def main() -> None:
    """Replay, and write both."""
    with tempfile.TemporaryDirectory() as directory, open_store(f"chdb://{directory}/store") as store:
        store.migrate()
        replayed = replay(demo_config(), open_files(write_events(EVENTS)), store)
        run = report.Run(replayed.counts, {"replay": replayed.seconds}, STORE)
        (ROOT / "docs" / "demo.svg").write_text(picture(store, run), encoding="utf-8")
        for document in (ROOT / "README.md", ROOT / "docs" / "flights.md"):
            document.write_text(answered(document.read_text(encoding="utf-8"), store), encoding="utf-8")


def picture(store: Store, run: report.Run) -> str:
    """Draw the demo's report, without the fonts that it would load from elsewhere."""
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    report.print_report(console, store.query, run)
    print_alerts(console, store.query)
    svg = _WEB_FONTS.sub("", console.export_svg(title="make demo", unique_id="demo"))
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


def answered(document: str, store: Store) -> str:
    """Put the answers of `streams query` behind the commands that a document shows."""

    def answer(match: re.Match[str]) -> str:
        file = io.StringIO()
        table = store.query(shlex.split(match[2])[-1])
        Console(file=file, width=WIDTH).print(to_rich(table, width=WIDTH))
        lines = [line.rstrip() for line in file.getvalue().splitlines()]
        return "\n".join([match[1].rstrip("\n"), *filter(None, lines), match[3]])

    return _ANSWERED.sub(answer, document)


if __name__ == "__main__":
    main()
