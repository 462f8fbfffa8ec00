"""`streams experiment report`: what the store says of an experiment, as a table, a plot, a picture or JSON."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

if TYPE_CHECKING:
    import pyarrow as pa

    from streams.report.looks import Look, Report

_path = click.Path(path_type=Path)


def _duration(_context: click.Context, _parameter: click.Parameter, text: str) -> timedelta:
    from streams.core.window_spec import parse_duration  # noqa: PLC0415 - so that --help is quick

    try:
        return timedelta(microseconds=parse_duration(text))
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _png(_context: click.Context, _parameter: click.Parameter, path: Path | None) -> Path | None:
    if path is not None and path.suffix.lower() != ".png":
        raise click.BadParameter(f"a plot is written as PNG: {path} must end in .png")
    return path


@click.command()
@click.argument("name")
@click.option("--store", "dsn", required=True, envvar="STREAMS_STORE", show_envvar=True, help="A store, as for query.")
@click.option("--metric", default=None, help="Only this metric, beside the checks.")
@click.option("--plot", "plot", type=_path, default=None, callback=_png, metavar="FILE.png", help="Draw a picture too.")
@click.option("--config", "config_path", type=_path, default=None, help="Tells declared names from unknown ones.")
@click.option("--fixed", is_flag=True, help="It is over: add the tests for one look.")
@click.option(
    "--finished", default="2d", show_default=True, callback=_duration, help="It is over after so long without a look."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def report(  # noqa: PLR0913, PLR0917 - an option each
    name: str,
    dsn: str,
    metric: str | None,
    plot: Path | None,
    config_path: Path | None,
    fixed: bool,
    finished: timedelta,
    as_json: bool,
) -> None:
    """Say how the arms of an experiment compare, and how sure that is."""
    from streams.report.looks import Report, newest_tick  # noqa: PLC0415
    from streams.report.read import read_history, read_newest  # noqa: PLC0415
    from streams.report.series import plotted  # noqa: PLC0415
    from streams.sinks.clickhouse.store import read_store  # noqa: PLC0415

    declared = config_path is not None and _is_declared(config_path, name)
    with read_store(dsn) as store:
        looks = read_newest(store.query, name, metric, declared=declared)
        shown = plotted(looks, metric)
        history = read_history(store.query, name, {look.metric for look in shown})
    over = fixed or datetime.now(UTC) - newest_tick(looks) > finished
    told = Report(name, looks, over)
    if plot is not None:
        _draw(plot, told, history, shown)
    if as_json:
        _print_json(told)
    else:
        _print(told, history, shown)


def _is_declared(path: Path, name: str) -> bool:
    from streams.config import load_config  # noqa: PLC0415

    return name in load_config(path).experimentation.experiments


def _draw(path: Path, told: Report, history: pa.Table, shown: list[Look]) -> None:
    from streams.errors import UsageError  # noqa: PLC0415
    from streams.report.picture import picture, write_picture  # noqa: PLC0415 - matplotlib takes a second
    from streams.report.series import series_of  # noqa: PLC0415

    if not shown:
        raise UsageError(f"experiment {told.experiment} has nothing to draw: name a metric with --metric")
    write_picture(picture(f"Experiment {told.experiment}", series_of(history, shown), told.trusts), path)


def _print(told: Report, history: pa.Table, shown: list[Look]) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from streams.report.series import foremost, series_of  # noqa: PLC0415
    from streams.report.table import print_report  # noqa: PLC0415
    from streams.report.text_plot import text_plot  # noqa: PLC0415

    console = Console(highlight=False)
    print_report(console, told)
    for series in series_of(history, foremost(shown)):
        # Whole lines: a plot that is wrapped is none.
        console.print(Text(text_plot(series, console.width) + "\n"), soft_wrap=True)


def _print_json(told: Report) -> None:
    import orjson  # noqa: PLC0415

    from streams.report.document import document  # noqa: PLC0415

    click.echo(orjson.dumps(document(told)).decode())
