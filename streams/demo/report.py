"""
What the demo prints at the end: both versions month by month, the worst slices, what became of each event, the speed.

It fits a terminal of 80 columns, and spells numbers out more on one of 100 and more.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from streams.demo.models import VERSIONS
from streams.demo.quality import METRICS, Cell, Query, read_months, worst_slices

ENOUGH = 500
_AT_MOST = 5
_WIDE = 100  # columns from which estimates are written with spaces and leading zeros
_TITLES = {
    "static": "static: learned until 1 February, frozen after a day with 46 % of flights late",
    "refreshed": "refreshed: the same model, learning on from every flight that has landed",
}
_LEGEND = (
    "n: labelled flights; labelled: their share; ± half a 95 % interval; -: not enough evidence for an estimate. "
    "Months are by scheduled departure in UTC.\n"
)
_RULE = (
    f"Each group at its worst month and version, by the lower end of the Brier score's 95 % interval (0 is best), "
    f"so that no small group is here by chance; months with an effective n under {ENOUGH} are left out.\n"
)
_NO_WORST = f"not enough evidence: no {{}} has a month with an effective n of {ENOUGH}"
_NEXT_SQL = """SELECT window_start, version, value, low, high, n
FROM quality
WHERE metric = 'brier' AND window = '1d' AND slice['carrier'] = 'B6'
ORDER BY low DESC LIMIT 10"""


@dataclass(frozen=True)
class Run:
    """
    How the demo ran.

    `counts` are the pipeline's, `seconds` the time of each phase in order (one of them "replay"), and `store` the
    DSN of the store that has the results.
    """

    counts: Mapping[str, int]
    seconds: Mapping[str, float]
    store: str


def print_report(console: Console, query: Query, run: Run) -> None:
    """Print the whole report; `query` runs SQL on the store."""
    cells = read_months(query)
    wide = console.width >= _WIDE
    for version in VERSIONS:
        whole = [cell for cell in cells if cell.version == version and not cell.slice]
        console.print(months_table(whole, _TITLES[version], wide), "")
    console.print(_LEGEND, style="dim", highlight=False)
    for attribute in ("carrier", "origin"):
        worst = worst_slices(cells, attribute, _AT_MOST, ENOUGH)
        console.print(worst_table(worst, attribute, wide) if worst else _NO_WORST.format(attribute), "")
    console.print(_RULE, style="dim", highlight=False)
    console.print(fates_table(run.counts), "")
    console.print(balance_line(run.counts))
    print_run(console, run)


def months_table(cells: Sequence[Cell], title: str, wide: bool) -> Table:
    """Lay out one version's estimates for the whole: a row a month, a column a metric."""
    table = _table(title)
    for heading in ("month", "n", "labelled", *METRICS.values()):
        table.add_column(heading, justify="left" if heading == "month" else "right", no_wrap=True)
    for month in dict.fromkeys(cell.month for cell in cells):
        of = {cell.metric: cell for cell in cells if cell.month == month}
        estimates = [estimate(of[metric], wide) if metric in of else "-" for metric in METRICS]
        some = of.get("accuracy") or next(iter(of.values()))
        table.add_row(month, f"{some.n:,.0f}", _percent(some.label_coverage), *estimates)
    return table


def worst_table(cells: Sequence[Cell], attribute: str, wide: bool) -> Table:
    """Lay out cells of one attribute, as `worst_slices` ranks them."""
    table = _table(f"worst by {attribute}")
    for heading in (attribute, "version", "month"):
        table.add_column(heading, no_wrap=True)
    for heading in ("Brier", "at least", "n", "labelled"):
        table.add_column(heading, justify="right", no_wrap=True)
    for cell in cells:
        names = (cell.slice[attribute], cell.version, cell.month)
        low = "-" if cell.low is None else f"{cell.low:.3f}"
        table.add_row(*names, estimate(cell, wide), low, f"{cell.n:,.0f}", _percent(cell.label_coverage))
    return table


def estimate(cell: Cell, wide: bool) -> str:
    """
    Write an estimate with half the width of its interval, `0.812 ± 0.003` or `.812±.003`; `-` without evidence.

    >>> cell = Cell("static", "brier", {}, "2013-01", 0.8124, 0.809, 0.815, 900, 900, 1.0)
    >>> estimate(cell, wide=True), estimate(cell, wide=False)
    ('0.812 ± 0.003', '.812±.003')
    """
    if cell.value is None:
        return "-"
    half = "?" if cell.low is None or cell.high is None else f"{(cell.high - cell.low) / 2:.3f}"
    if wide:
        return f"{cell.value:.3f} ± {half}"
    return "±".join(part.removeprefix("0") for part in (f"{cell.value:.3f}", half))


_FATES = {
    "joined with a label": ("joined", "labelling", "attributed"),
    "waiting": ("waiting", None, None),
    "expired, never labelled": ("expired", None, None),
    "orphan": (None, "orphan_outcomes", "orphan_feedback"),
    "duplicate": ("duplicate_predictions", "duplicate_outcomes", "duplicate_feedback"),
    "corrected": (None, "corrected", None),
}
"""What can become of an event: the names of its count for predictions, outcomes and feedback."""
_TYPES = ("predictions", "outcomes", "feedback")


def fates_table(counts: Mapping[str, int]) -> Table:
    """Lay out what became of the events: a row a fate, a column a type, with the sums."""
    table = _table("what became of every event")
    table.add_column("", no_wrap=True)
    for heading in (*_TYPES, "all"):
        table.add_column(heading, justify="right", no_wrap=True)
    for fate, names in _FATES.items():
        numbers = [None if name is None else counts.get(name, 0) for name in names]
        table.add_row(fate, *map(_count, numbers), _count(sum(filter(None, numbers))))
    rejected = counts.get("rejected", 0)
    table.add_row("rejected", "", "", "", _count(rejected), end_section=True)
    accounted = _accounted(counts)
    table.add_row("sum", *map(_count, accounted), _count(sum(accounted) + rejected))
    return table


def balance_line(counts: Mapping[str, int]) -> Text:
    """Say whether every event that went in is accounted for, exactly once."""
    accounted, rejected, read = _accounted(counts), counts.get("rejected", 0), counts["read"]
    off = [
        f"{total:,} {name} but {found:,} accounted for"
        for name, total, found in zip(
            ("events read", *_TYPES),
            (read, *(counts.get(name, 0) for name in _TYPES)),
            (sum(accounted) + rejected, *accounted),
            strict=True,
        )
        if total != found
    ]
    if off:
        return Text(f"This does not add up: {'; '.join(off)}.\n", style="bold red")
    return Text(f"It adds up: {read:,} events went in, and each of them is in this table once.\n", style="green")


def print_run(console: Console, run: Run) -> None:
    """Print how long each phase took, how fast the replay was, where the results are and what to ask them."""
    replay, read = run.seconds["replay"], run.counts["read"]
    phases = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in run.seconds.items())
    console.print(Text(f"{read:,} events in {replay:.1f} s: {read / replay:,.0f} events/s", style="bold"))
    console.print(Text(f"{phases}\n", style="dim"))
    # Whole lines, however long: what is copied must be what was meant.
    console.print(Text(f"The results are in {run.store}. Try:\n"), soft_wrap=True)
    command = f'streams query --store {shlex.quote(run.store)} "{_NEXT_SQL}"'
    console.print(Text(command, style="cyan"), soft_wrap=True)


def _accounted(counts: Mapping[str, int]) -> list[int]:
    """Events of each type that have some fate in the table."""
    return [sum(counts.get(names[i] or "", 0) for names in _FATES.values()) for i in range(len(_TYPES))]


def _table(title: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.show_edge, table.pad_edge, table.padding = False, False, (0, 1, 0, 0)
    return table


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _percent(share: float) -> str:
    return f"{share:.1%}"
