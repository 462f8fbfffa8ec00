"""The report for people: what went wrong first, then each comparison by its evidence, then what one look would say."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

from rich import box
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from streams.core.judge.fixed import Comparison
from streams.report import numbers
from streams.report.fixed import fixed_test
from streams.report.looks import UNDECIDED, Look, Report, newest_tick

_STYLES = {"better": "green", "match": "green", "worse": "red", "mismatch": "bold red", "equivalent": "cyan"}
# A comparison has four lines; the heading says what each of them is, column by column.
_HEADINGS = (
    "metric\narm and control\nverdict\nfirst, or missing",
    "effect\nits interval\nrelative\nits interval",
    "arm\nn\neff. n\nlabelled",
    "control\nn\neff. n\nlabelled",
    "e-value\np\nalpha\nmethod",
)
_LEGEND = (
    "Intervals, e-values and p-values hold at every look at once, however often and whenever one looks: the chance "
    "that an interval ever misses the truth is at most alpha."
)
_METHOD_WIDTH = 16
_MISMATCHES = {
    "sample_ratio": "SAMPLE RATIO MISMATCH: arm {} does not have the share of units that it was assigned",
    "crossovers": "CROSSOVERS: too many units were seen in more than one arm",
}
_DISTRUST = "No verdict on model {} is to be trusted until the cause is found: they are in parentheses."
_FIXED = (
    "For one look at the end: these hold only if the end was set before the start, and not if the experiment was ended "
    "because of what it showed."
)


def print_report(console: Console, report: Report) -> None:
    """Print what there is to say of each model's comparisons."""
    for model in report.models:
        looks = report.checks(model) + report.comparisons(model)
        console.print(Text(f"Experiment {report.experiment}, model {model}", style="bold"))
        console.print(Text(f"Newest look: {numbers.moment(newest_tick(looks))} UTC of event time\n", style="dim"))
        for look in report.mismatches(model):
            console.print(_banner(look), "")
        console.print(verdicts_table(report, model), "")
        if report.finished and report.comparisons(model) and not report.mismatches(model):
            _print_fixed(console, report.comparisons(model))
    console.print(Text(_LEGEND + "\n", style="dim"))


def verdicts_table(report: Report, model: str) -> Table:
    """Lay out the looks at one model, the checks first, then kind by kind: four lines each, as the heading says."""
    table = _table()
    for place, heading in enumerate(_HEADINGS):
        side: Literal["left", "right"] = "right" if place in {2, 3} else "left"
        wide = _METHOD_WIDTH if place == 4 else None  # leaves room for the verdict on a terminal of 80 columns
        table.add_column(Text(heading), justify=side, no_wrap=place in {1, 2, 3}, max_width=wide, overflow="fold")
    looks = report.checks(model) + report.comparisons(model)
    kind = ""
    for look in looks:
        if not look.is_check and look.kind != kind:
            kind = look.kind
            table.add_row(Text(kind, style="bold underline"))
        stale = f"last look {numbers.moment(look.tick)}" if look.tick < newest_tick(looks) else ""
        table.add_row(_said(look, report.trusts(look), stale), *map(Text, _measured(look)), end_section=True)
    return table


def fixed_table(looks: Iterable[Look]) -> Table:
    """Lay out what a test for one look says of each comparison that has one."""
    table = _table("tests for one look")
    for heading in ("metric\narm and control", "effect\nits interval", "p\nalpha", "test"):
        table.add_column(heading, no_wrap="interval" in heading, overflow="fold")
    for look in looks:
        found = fixed_test(look)
        if isinstance(found, Comparison):
            table.add_row(*map(Text, _tested(look, found)), end_section=True)
    return table


def _print_fixed(console: Console, looks: tuple[Look, ...]) -> None:
    table = fixed_table(looks)
    if table.row_count:
        console.print(table, "")
    untested: dict[str, dict[str, None]] = {}
    for look in looks:
        if isinstance(why := fixed_test(look), str):
            untested.setdefault(why, {})[look.metric] = None
    for why, metrics in untested.items():
        console.print(Text(f"{', '.join(metrics)}: no test for one look, {why}."))
    console.print(Text(_FIXED + "\n", style="dim"))


def _banner(look: Look) -> Panel:
    text = f"{_MISMATCHES[look.kind].format(look.arm)} (p {numbers.p_value(look.p)}). {_DISTRUST.format(look.model)}"
    return Panel(Text(text), style="bold red", box=box.HEAVY)


def _said(look: Look, trusted: bool, stale: str) -> Text:
    """Write which comparison it is, the verdict, and when it was first reached or what is missing."""
    verdict = look.verdict if trusted else f"({look.verdict})"
    style = _STYLES.get(look.verdict, "") if trusted else "dim"
    names, rest = f"{look.metric}\n{look.compared}\n", f"\n{_first(look)}" + (f"\n{stale}" if stale else "")
    return Text.assemble(names, (verdict, style), rest)


def _first(look: Look) -> str:
    if look.verdict != UNDECIDED:
        return f"first at {numbers.moment(look.first_reached)}" if look.first_reached else ""
    if look.is_check:
        return ""
    known = look.needed is not None and look.needed < math.inf
    return f"about {numbers.about(look.needed or 0.0)} more observations" if known else "unknown how many more"


def _measured(look: Look) -> tuple[str, ...]:
    digits = _digits(look.effect, look.low, look.high)
    share = [look.relative(value) for value in (look.effect, look.low, look.high)]
    of_effect = (
        numbers.number(look.effect, digits, signed=True),
        numbers.interval(look.low, look.high, digits),
        *_relative(*share),
    )
    of_arm = (look.arm_value, look.n_arm, look.n_effective_arm, look.label_coverage_arm)
    of_control = (look.control_value, look.n_control, look.n_effective_control, look.label_coverage_control)
    evidence = (numbers.e_value(look.log_e), numbers.p_value(look.p), f"{look.alpha:g}", look.method)
    return "\n".join(of_effect), _arm(digits, *of_arm), _arm(digits, *of_control), "\n".join(evidence)


def _digits(effect: float | None, low: float | None, high: float | None) -> int:
    """Digits behind the point for all that is in the effect's unit: three of the interval's width count."""
    width = numbers.width(low, high)
    return numbers.digits_for(width if 0 < width < math.inf else abs(effect or 0.0))


def _relative(effect: float | None, low: float | None, high: float | None) -> tuple[str, str]:
    """Write an effect and its interval in percent; `-` where the control's value is 0 or not known."""
    if effect is None:
        return "-", "-"
    below, above = (None if end is None else 100 * end for end in (low, high))
    digits = _digits(100 * effect, below, above)
    interval = numbers.interval(below, above, digits)
    return f"{numbers.number(100 * effect, digits, signed=True)} %", interval if interval == "-" else f"{interval} %"


def _arm(digits: int, value: float | None, n: float, n_effective: float, labelled: float | None) -> str:
    return f"{numbers.number(value, digits)}\n{n:,.0f}\n{n_effective:,.0f}\n{numbers.percent(labelled)}"


def _tested(look: Look, found: Comparison) -> tuple[str, ...]:
    digits = _digits(look.effect, look.low, look.high)
    interval = numbers.interval(found.interval.low, found.interval.high, digits) if found.interval else "-"
    effect = f"{numbers.number(found.effect, digits, signed=True)}\n{interval}"
    level = f"{numbers.p_value(found.p)}\n{look.alpha:g}"
    return f"{look.metric}\n{look.compared}", effect, level, found.name.method


def _table(title: str | None = None) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.show_edge, table.pad_edge, table.padding = False, False, (0, 1, 0, 0)
    return table
