"""`streams analyze` and `streams power`: a comparison by every method side by side, and the sizes that each needs."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import rich_click as click

from streams.errors import UsageError

if TYPE_CHECKING:
    from streams.core.judge.binomial_interval import Count
    from streams.core.judge.moments import Moments

Number = TypeVar("Number", int, float)

_alpha = click.option("--alpha", type=float, default=0.05, show_default=True, help="Error rate.")
_planned = click.option(
    "--planned", type=float, default=10_000, show_default=True, help="Units expected, in two arms together."
)
_margin = click.option("--margin", type=float, default=None, help="Largest difference that does not matter.")
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group()
def analyze() -> None:
    """Compare arms by every method, from their counts."""


@analyze.command()
@click.option("--control", required=True, metavar="K/N", help="Successes and trials.")
@click.option("--treatment", "treatments", required=True, multiple=True, metavar="K/N", help="One, or several.")
@_alpha
@_planned
@_margin
@_json
def proportions(
    control: str, treatments: tuple[str, ...], alpha: float, planned: float, margin: float | None, as_json: bool
) -> None:
    """Compare shares of successes; more is better.

    Example: streams analyze proportions --control 378/3662 --treatment 462/3568
    """
    from streams.analyze.arms import compare_proportions, print_comparisons, tell_comparisons  # noqa: PLC0415 - quick --help
    from streams.core.judge.side_by_side import Plan  # noqa: PLC0415

    with _wrong_numbers():
        arms = [_count(text) for text in (control, *treatments)]
        found = compare_proportions(arms[0], arms[1:], Plan(alpha, planned, margin))
    _show(as_json, tell_comparisons(found), lambda: print_comparisons(found))


@analyze.command()
@click.option("--control", required=True, metavar="MEAN,SD,N", help="Mean, standard deviation, observations.")
@click.option("--treatment", "treatments", required=True, multiple=True, metavar="MEAN,SD,N", help="One, or several.")
@_alpha
@_planned
@_margin
@_json
def means(
    control: str, treatments: tuple[str, ...], alpha: float, planned: float, margin: float | None, as_json: bool
) -> None:
    """Compare means; more is better.

    Example: streams analyze means --control 51.4,4.1,120 --treatment 49,4.3,118
    """
    from streams.analyze.arms import compare_means, print_comparisons, tell_comparisons  # noqa: PLC0415
    from streams.core.judge.side_by_side import Plan  # noqa: PLC0415

    with _wrong_numbers():
        arms = [_moments(text) for text in (control, *treatments)]
        found = compare_means(arms[0], arms[1:], Plan(alpha, planned, margin))
    _show(as_json, tell_comparisons(found), lambda: print_comparisons(found))


@analyze.command()
@click.option("--counts", required=True, metavar="N,N,...", help="Units in each arm, each unit once.")
@click.option("--weights", required=True, metavar="W,W,...", help="Weights that they were assigned by.")
@click.option("--alpha", type=float, default=0.01, show_default=True, help="Error rate.")
@_json
def srm(counts: str, weights: str, alpha: float, as_json: bool) -> None:
    """Check that units reach the arms as the weights promise.

    Example: streams analyze srm --counts 5000,5210 --weights 1,1
    """
    from streams.analyze.arms import check_sample_ratio, print_sample_ratio, tell_sample_ratio  # noqa: PLC0415

    with _wrong_numbers():
        units, shares = _numbers(f"--counts {counts}", counts, int), _numbers(f"--weights {weights}", weights, float)
        found = check_sample_ratio(units, shares, alpha)
    _show(as_json, tell_sample_ratio(found), lambda: print_sample_ratio(found))


@click.command(short_help="Sizes to find a difference, at one look and sequentially.")
@click.option("--baseline", type=float, required=True, help="Share of successes in control.")
@click.option("--effect", type=float, required=True, help="Difference to find, in shares: 0.02 is 2 points.")
@_alpha
@click.option("--power", "wanted", type=float, default=0.8, show_default=True, help="Chance to find it.")
@click.option("--looks", type=click.IntRange(1, 500), default=20, show_default=True, help="Looks, evenly spaced.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the simulations.")
@_json
def power(  # noqa: PLR0913, PLR0917 - an option each
    baseline: float, effect: float, alpha: float, wanted: float, looks: int, seed: int, as_json: bool
) -> None:
    """Sizes to find a difference of shares, at one look and sequentially.

    Example: streams power --baseline 0.10 --effect 0.02 --alpha 0.05 --power 0.8
    """
    from streams.analyze.sizes import Wanted, plan_sizes, print_sizes, tell_sizes  # noqa: PLC0415

    with _wrong_numbers():
        found = plan_sizes(Wanted(baseline, effect, alpha, wanted, looks), seed)
    _show(as_json, tell_sizes(found), lambda: print_sizes(found))


def _show(as_json: bool, told: dict[str, object], print_tables: Callable[[], None]) -> None:
    if as_json:
        click.echo(json.dumps(told, allow_nan=False))
    else:
        print_tables()


@contextmanager
def _wrong_numbers() -> Iterator[None]:
    """Tell what the statistics refuse as what was asked wrongly: they compute from nothing but the options."""
    try:
        yield
    except ValueError as error:
        raise UsageError(str(error)) from error


def _count(text: str) -> Count:
    from streams.core.judge.binomial_interval import check_count  # noqa: PLC0415

    successes, slash, trials = text.partition("/")
    if not slash:
        raise UsageError(f"{text!r} is no K/N, such as 378/3662")
    return check_count((_number(text, successes, int), _number(text, trials, int)))


def _moments(text: str) -> Moments:
    from streams.core.judge.moments import Moments  # noqa: PLC0415

    parts = text.split(",")
    if len(parts) != 3:
        raise UsageError(f"{text!r} is no MEAN,SD,N, such as 51.42,4.1,120")
    mean, sd = (_number(text, part, float) for part in parts[:2])
    n = _number(text, parts[2], int)
    try:
        return Moments.of_mean_sd(mean, sd, n)
    except ValueError as error:
        raise UsageError(f"{text}: {error}") from error


def _numbers(where: str, text: str, kind: Callable[[str], Number]) -> Sequence[Number]:
    return [_number(where, part, kind) for part in text.split(",")]


def _number(where: str, text: str, kind: Callable[[str], Number]) -> Number:
    try:
        number = kind(text)
    except ValueError as error:
        whole = "a whole number" if kind is int else "a number"
        raise UsageError(f"{where}: {text.strip()!r} is not {whole}") from error
    if not math.isfinite(number):
        raise UsageError(f"{where}: {text.strip()!r} is not a finite number")
    return number
