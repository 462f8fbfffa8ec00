"""Changes for people: of each watch its jumps and what they may be called, slow trends, and what releases did."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Literal

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from streams.core.alert.wording import moment
from streams.core.detect.change_points import ChangePoint
from streams.core.detect.movers import Movement, Mover
from streams.core.detect.release import BeforeAfter
from streams.core.judge.evidence import Interval
from streams.core.window_spec import format_duration
from streams.report import numbers
from streams.report.changes import Jump, Report, Watched

_MOST_MOVERS = 3  # of an attribute
_STYLES = {"higher": "green", "lower": "red", "rising": "green", "falling": "red"}
_COLUMNS = "when", "after less before\nits interval", "verdict", "ticks\nbefore, after"


def print_changes(console: Console, report: Report) -> None:
    """Print what there is to say of each watch."""
    for watched in report.watched:
        begin, end = _day(watched.first), _day(watched.last)
        ticks = f"{watched.ticks} ticks of {format_duration(report.tick)}"
        console.print(Text(f"{watched.name} of {report.asked.span.model}", style="bold"), end="")
        console.print(Text(f"  {ticks}, {begin} to {end}\n", style="dim"))
        _print_jumps(console, watched, report.fewest)
        console.print(_trends(watched), "")
        if watched.releases:
            console.print(_releases(watched), "")
    console.print(Text(_about_releases(report) + _legend(report) + "\n", style="dim"))


def _print_jumps(console: Console, watched: Watched, fewest: int) -> None:
    if watched.ticks < fewest:
        console.print(Text(f"Jumps are told from {fewest} ticks with data on.\n"))
    elif not watched.jumps:
        console.print(Text("No jump is proven.\n"))
    for slow, jumps in groupby(watched.jumps, lambda jump: jump.gradual):
        if slow:
            console.print(_slide(list(jumps)))
            continue
        for jump in jumps:
            _print_jump(console, jump)


def _print_jump(console: Console, jump: Jump) -> None:
    verb = "rose" if jump.point.after > jump.point.before else "fell"
    console.print(Text(f"{_day(jump.point.onset)}  {verb} {_levels(jump.point, jump.point)}", style="bold"))
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(min_width=14)
    grid.add_column(overflow="fold")
    for name, text in _told(jump):
        grid.add_row(Text(f"  {name}"), Text(text))
    console.print(grid, "")


def _slide(steps: Sequence[Jump]) -> Text:
    """Say in one line what was found as several steps."""
    first, last = steps[0].point, steps[-1].point
    verb = "rises" if last.after > first.before else "falls"
    when = f"{_day(first.low)} to {_day(last.high)}"
    slow = f" slowly: a straight line fits better than {len(steps)} jumps\n"
    return Text.assemble((f"{when}  {verb} {_levels(first, last)}", "bold"), slow)


def _levels(first: ChangePoint, last: ChangePoint) -> str:
    digits = numbers.digits_for(abs(last.after - first.before))
    return f"from {numbers.number(first.before, digits)} to {numbers.number(last.after, digits)}"


def _told(jump: Jump) -> Iterator[tuple[str, str]]:
    """Yield each thing to say of a jump: when it began, how ticks near it compare, what it points to, and slices."""
    point = jump.point
    yield "began", f"between {_day(point.low)} and {_day(point.high)}; p {numbers.p_value(point.p)}"
    if jump.nearby is not None:
        before, after = jump.nearby.ticks
        compared = f"{_number(jump.nearby.effect.value, jump.nearby.interval)}: {jump.nearby.verdict}"
        yield "near it", f"{compared}; {before} ticks before and {after} after"
    if jump.release is not None:
        yield "release", f"{jump.release.name}, {_day(jump.release.time)}"
    for call in jump.calls:
        yield call.cause, call.evidence
    for attributes, moved in jump.movements:
        yield ", ".join(attributes), _moved(moved)


def _moved(moved: Movement) -> str:
    """Say which slices surely moved furthest, and what is surely of their mix."""
    sure = [mover for mover in moved.movers if mover.effect is not None and mover.sure > 0]
    said = [_mover(mover) for mover in sure[:_MOST_MOVERS]] or ["no slice surely moved"]
    if len(sure) > _MOST_MOVERS:
        said.append(f"{len(sure) - _MOST_MOVERS} more moved")
    if not moved.mix.interval.contains(0.0):
        said.append(f"their mix {_number(moved.mix.value, moved.mix.interval)}")
    return "; ".join(said)


def _mover(mover: Mover) -> str:
    name = ", ".join(value for _, value in mover.slice)
    effect = "" if mover.effect is None else _number(mover.effect.value, mover.effect.interval)
    return f"{name} {effect} ({mover.share_before:.0%} of n)"


def _trends(watched: Watched) -> Table:
    jumps = any(not jump.gradual for jump in watched.jumps)
    table = _table("slow trends" + (": first of everything, then between jumps" if jumps else ""))
    _columns(table, "from", "to", "a week", "its interval", "verdict")
    for trend in watched.trends:
        found = trend.decay
        scale = _scale(found.slope, found.interval)
        slope = numbers.number(None if math.isnan(found.slope) else found.slope, scale, signed=True)
        interval = numbers.interval(found.interval.low, found.interval.high, scale)
        verdict = Text(found.verdict, style=_STYLES.get(found.verdict, ""))
        table.add_row(_day(trend.first), _day(trend.last), slope, interval, verdict)
    return table


def _releases(watched: Watched) -> Table:
    table = _table("releases")
    _columns(table, "release", *_COLUMNS)
    for marker, compared in watched.releases:
        table.add_row(Text(marker.name), _day(marker.time), *_compared(compared), end_section=True)
    return table


def _compared(found: BeforeAfter | None) -> tuple[str | Text, ...]:
    if found is None:
        return "-", "too few ticks", "-"
    scale = _scale(found.effect.value, found.interval)
    effect = numbers.number(found.effect.value, scale, signed=True)
    interval = numbers.interval(found.interval.low, found.interval.high, scale)
    verdict = Text(found.verdict, style=_STYLES.get(found.verdict, ""))
    return f"{effect}\n{interval}", verdict, f"{found.ticks[0]}, {found.ticks[1]}"


def _about_releases(report: Report) -> str:
    if report.releases is None:
        return "Releases are not known: the store has no windows of this model that tumble, such as 1d. "
    return "" if report.releases else "No version was released in this time. "


def _legend(report: Report) -> str:
    asked = report.asked
    season = f"The season of {asked.season} ticks is taken out. " if asked.season > 1 else ""
    return (
        f"{season}The chance that a watch without a change shows any jump is at most {asked.alpha:g}; intervals are at "
        f"{100 * (1 - asked.alpha):.4g} %, those of trends between jumps together. The size of a jump was searched "
        "for, and is on average larger than the truth."
    )


def _columns(table: Table, *headings: str) -> None:
    for heading in headings:
        side: Literal["left", "right"] = "right" if heading == "a week" else "left"
        table.add_column(Text(heading), justify=side, no_wrap="interval" in heading, overflow="fold")


def _number(value: float, interval: Interval) -> str:
    scale = _scale(value, interval)
    return f"{numbers.number(value, scale, signed=True)} {numbers.interval(interval.low, interval.high, scale)}"


def _scale(value: float, interval: Interval) -> int:
    """Digits behind the point: three of the interval's width, or of the number's own size, count."""
    return numbers.digits_for(interval.width if 0 < interval.width < math.inf else abs(value))


def _day(us: int) -> str:
    """Write a time, as a date if it is midnight."""
    return moment(us).removesuffix(" 00:00")


def _table(title: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.show_edge, table.pad_edge, table.padding = False, False, (0, 1, 0, 0)
    return table
