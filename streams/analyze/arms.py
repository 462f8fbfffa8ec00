"""Arms compared by every method, and their sizes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from streams.core.judge import sample_ratio as ratios
from streams.core.judge.binomial_interval import Count
from streams.core.judge.evidence import Interval
from streams.core.judge.moments import Moments
from streams.core.judge.side_by_side import (
    Plan,
    Quantity,
    Row,
    SideBySide,
    means_side_by_side,
    proportions_side_by_side,
)

Arm = TypeVar("Arm")
Told = dict[str, object]
"""An object of JSON, with null for what is infinite or absent."""

_ONCE = "once: for one look that was planned beforehand; any: for any number of looks, at any time"


@dataclass(frozen=True, slots=True)
class Compared:
    """One treatment against control: who they are, what they measured, the rows, and the verdicts at a shared alpha."""

    control: str
    treatment: str
    values: tuple[float, float]
    found: SideBySide
    shared: SideBySide


@dataclass(frozen=True, slots=True)
class Comparisons:
    """All treatments against control; `points` says whether values are shares, told in percent and points."""

    plan: Plan
    points: bool
    compared: tuple[Compared, ...]

    @property
    def alpha_each(self) -> float:
        """Error rate of each verdict, so that all of them together err at most alpha (Bonferroni)."""
        return self.plan.alpha / len(self.compared)


def compare_proportions(control: Count, treatments: Sequence[Count], plan: Plan) -> Comparisons:
    """Compare each treatment's share with control's; a ValueError for what cannot be."""
    arms = [(f"{k}/{n}", k / n) for k, n in (control, *treatments)]
    found = _sides(proportions_side_by_side, control, treatments, plan)
    return Comparisons(plan, True, _named(arms, found))


def compare_means(control: Moments, treatments: Sequence[Moments], plan: Plan) -> Comparisons:
    """Compare each treatment's mean with control's; a ValueError for what cannot be."""
    arms = [(f"{arm.mean:g},{arm.sd:g},{arm.n}", arm.mean) for arm in (control, *treatments)]
    found = _sides(means_side_by_side, control, treatments, plan)
    return Comparisons(plan, False, _named(arms, found))


def _sides(
    judge: Callable[[Arm, Arm, Plan], SideBySide], control: Arm, treatments: Sequence[Arm], plan: Plan
) -> list[tuple[SideBySide, SideBySide]]:
    shared = replace(plan, alpha=plan.alpha / len(treatments))
    return [(judge(control, arm, plan), judge(control, arm, shared)) for arm in treatments]


def _named(arms: list[tuple[str, float]], found: list[tuple[SideBySide, SideBySide]]) -> tuple[Compared, ...]:
    (control, base), *others = arms
    return tuple(
        Compared(control, treatment, (base, value), *sides)
        for (treatment, value), sides in zip(others, found, strict=True)
    )


def tell_comparisons(found: Comparisons) -> Told:
    """Return every number of the comparisons."""
    plan = {"alpha": found.plan.alpha, "planned": found.plan.planned, "margin": found.plan.margin}
    return {**plan, "alpha_each": found.alpha_each, "comparisons": [_tell(each) for each in found.compared]}


def _tell(each: Compared) -> Told:
    base, value = each.values
    return {
        "control": {"arm": each.control, "value": base},
        "treatment": {"arm": each.treatment, "value": value},
        "improvement": value / base - 1 if base else None,
        "rows": [_tell_row(row) for row in each.found.rows],
        "verdict": each.shared.verdict,
        "verdict_by": _tell_row(each.shared.basis),
        "verdict_once": each.shared.verdict_once,
    }


def _tell_row(row: Row) -> Told:
    interval = row.interval
    return {
        "method": row.name.method,
        "formula": row.name.formula,
        "quantity": row.quantity,
        "effect": _finite(row.effect),
        "low": None if interval is None else _finite(interval.low),
        "high": None if interval is None else _finite(interval.high),
        "p": row.p,
        "chance": row.chance,
        "looks": row.looks,
    }


def print_comparisons(found: Comparisons) -> None:
    """Print a table a treatment, and the verdicts last."""
    console = Console()
    for each in found.compared:
        console.print(Text(_title(each, found.points), style="bold"), soft_wrap=True)
        console.print(_rows_table(each, found), "")
    console.print(Text(_ONCE, style="dim"), soft_wrap=True)
    for each in found.compared:
        console.print(_verdict_line(each, found), soft_wrap=True)


def _title(each: Compared, points: bool) -> str:
    base, value = each.values
    before, after = (_percent(x, 2) if points else f"{x:g}" for x in each.values)
    lift = f", {write_number(value / base - 1, 'lift', points)}" if base else ""
    return f"{each.treatment} against {each.control}: {before} to {after}{lift}"


def _rows_table(each: Compared, found: Comparisons) -> Table:
    frame = table("method", "effect", f"{100 * (1 - found.plan.alpha):.4g} % interval", "p / chance", "looks")
    for row, after_it in zip(each.found.rows, [*each.found.rows[1:], None], strict=True):
        last_of_kind = after_it is None or row.looks != after_it.looks
        frame.add_row(*_cells(row, found.points), end_section=last_of_kind)
    return frame


def _cells(row: Row, points: bool) -> tuple[str, ...]:
    interval = "" if row.interval is None else write_interval(row.interval, row.quantity, points)
    said = _percent(row.chance) if row.p is None else write_p(row.p)
    return row.name.method, write_number(row.effect, row.quantity, points), interval, said, row.looks


def _verdict_line(each: Compared, found: Comparisons) -> Text:
    basis = each.shared.basis
    interval = write_interval(basis.interval or Interval.everything(), basis.quantity, found.points)
    share = f", alpha {found.alpha_each:.2g} for each of {len(found.compared)}" if len(found.compared) > 1 else ""
    once = f"at one planned look: {each.shared.verdict_once}"
    style = {"better": "bold green", "worse": "bold red", "equivalent": "bold"}.get(each.shared.verdict, "bold yellow")
    line = Text(f"{each.treatment}: ").append(each.shared.verdict, style=style)
    return line.append(f" ({basis.name.method}, {interval}{share}; {once})")


@dataclass(frozen=True, slots=True)
class ArmSizes:
    """Units in the arms: the always-valid test, and the chi-square test for one look as (statistic, freedom, p)."""

    alpha: float
    found: ratios.SampleRatio
    chi_square: tuple[float, int, float]


def check_sample_ratio(counts: Sequence[int], weights: Sequence[float], alpha: float) -> ArmSizes:
    """Check the arms' sizes; a ValueError for what cannot be."""
    return ArmSizes(alpha, ratios.sample_ratio(counts, weights, alpha=alpha), ratios.chi_square(counts, weights))


def tell_sample_ratio(sizes: ArmSizes) -> Told:
    """Return every number of the check."""
    found, (statistic, freedom, p) = sizes.found, sizes.chi_square
    arms = zip(found.counts, found.shares, found.expected, found.intervals, strict=True)
    told = [
        {"count": count, "share": share, "expected": expected, "low": interval.low, "high": interval.high}
        for count, share, expected, interval in arms
    ]
    rows = [
        {"method": "multinomial, Dirichlet", "p": found.p, "log_e": found.log_e, "looks": "any"},
        {"method": "chi-square", "p": p, "statistic": statistic, "freedom": freedom, "looks": "once"},
    ]
    return {"alpha": sizes.alpha, "arms": told, "rows": rows, "verdict": found.verdict}


def print_sample_ratio(sizes: ArmSizes) -> None:
    """Print a row an arm, both p-values, and the verdict last."""
    console, found = Console(), sizes.found
    frame = table("arm", "units", "share", "promised", f"{100 * (1 - sizes.alpha):.4g} % interval, any look")
    arms = zip(found.counts, found.shares, found.expected, found.intervals, strict=True)
    for arm, (count, share, expected, interval) in enumerate(arms):
        limits = f"{_percent(interval.low, 2)} to {_percent(interval.high, 2)}"
        frame.add_row(str(arm + 1), f"{count:,}", _percent(share, 2), _percent(expected, 2), limits)
    console.print(frame, "")
    console.print(f"multinomial, Dirichlet: p {write_p(found.p)} (any look)", highlight=False)
    console.print(f"chi-square, one look: p {write_p(sizes.chi_square[2])} (once)", highlight=False)
    style = {"mismatch": "bold red", "match": "bold green"}.get(found.verdict, "bold yellow")
    line = Text("sample ratio: ").append(found.verdict, style=style)
    console.print(line.append(f" (p {write_p(found.p)} at any look, alpha {sizes.alpha:g})"), soft_wrap=True)


def table(first: str, *headings: str) -> Table:
    """Return an empty table as all of these commands print it: the first column of text, the others of numbers."""
    frame = Table(box=box.SIMPLE_HEAD)
    frame.show_edge, frame.pad_edge, frame.padding = False, False, (0, 1, 0, 0)
    frame.add_column(first, overflow="fold")
    for heading in headings:
        frame.add_column(heading, justify="right", overflow="fold")
    return frame


def write_number(number: float, quantity: Quantity, points: bool) -> str:
    """
    Write an effect: a lift in percent, a difference of shares in percentage points, any other as it is.

    >>> write_number(0.25442, "lift", True), write_number(0.026262, "difference", True)
    ('+25.4 %', '+2.63 pp')
    """
    if quantity == "lift":
        return f"{100 * number:+.1f} %"
    return f"{100 * number:+.2f} pp" if points else f"{number:+.4g}"


def write_interval(interval: Interval, quantity: Quantity, points: bool) -> str:
    """
    Write an interval in the units of its effect.

    >>> write_interval(Interval(-0.053, 0.238), "lift", True)
    '-5.3 to +23.8 %'
    """
    if interval == Interval.everything():
        return "everything"
    low, high = (write_number(limit, quantity, points) for limit in (interval.low, interval.high))
    return f"{low.removesuffix(' %').removesuffix(' pp')} to {high}"


def write_p(p: float) -> str:
    """
    Write a p-value with the digits that count.

    >>> write_p(0.1529), write_p(0.00002), write_p(0.0)
    ('0.153', '2.0e-05', '< 1e-300')
    """
    if p < 1e-300:
        return "< 1e-300"
    return f"{p:.3f}" if p >= 0.001 else f"{p:.1e}"


def _percent(share: float | None, digits: int = 1) -> str:
    return "" if share is None else f"{100 * share:.{digits}f} %"


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
