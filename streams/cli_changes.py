"""`streams alerts changes`: jumps and trends of what is stored, what releases did, and what a change may be called."""

from __future__ import annotations

from datetime import UTC, datetime

import rich_click as click


def _instant(_context: click.Context, _parameter: click.Parameter, text: str | None) -> int | None:
    """Read a date, or a date with a time, of UTC unless it says otherwise; as microseconds."""
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is no date, such as 2013-07-01 or 2013-07-01T06:00") from error
    aware = time if time.tzinfo else time.replace(tzinfo=UTC)
    return round((aware - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1_000_000)


@click.command(short_help="Find jumps and slow trends in what is stored.")
@click.option("--model", required=True, help="A model that is watched.")
@click.option("--store", "dsn", required=True, envvar="STREAMS_STORE", show_envvar=True, help="A store, as for query.")
@click.option("--config", type=click.Path(exists=True, dir_okay=False), help="Its declared markers are looked at too.")
@click.option("--watch", "watches", multiple=True, help="A metric, a column, traffic ...; all metrics.")
@click.option("--since", metavar="DATE", callback=_instant, default=None, help="Only ticks from then on, in UTC.")
@click.option("--until", metavar="DATE", callback=_instant, default=None, help="Only ticks until then, in UTC.")
@click.option("--season", type=click.IntRange(1), default=7, show_default=True, help="Ticks in a season, 1 if none.")
@click.option(
    "--alpha",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.01,
    show_default=True,
    help="Error rate.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the shuffles.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: one object a line.")
def changes(  # noqa: PLR0913, PLR0917 - an option each
    model: str,
    dsn: str,
    config: str | None,
    watches: tuple[str, ...],
    since: int | None,
    until: int | None,
    season: int,
    alpha: float,
    seed: int,
    as_json: bool,
) -> None:
    """Find jumps and slow trends in what is stored, and say what they may be."""
    from streams.config import load_config  # noqa: PLC0415 - so that --help is quick
    from streams.core.detect.watchman import markers_of  # noqa: PLC0415
    from streams.report.changes import Asked, find_changes  # noqa: PLC0415
    from streams.report.changes_read import Span  # noqa: PLC0415
    from streams.sinks.clickhouse.store import read_store  # noqa: PLC0415

    markers = () if config is None else markers_of(load_config(config).detection, model)
    asked = Asked(Span(model, since, until), watches, season, alpha, seed, markers)
    with read_store(dsn) as store:
        found = find_changes(store.query, asked)
    if as_json:
        import orjson  # noqa: PLC0415

        from streams.report.changes_rows import rows  # noqa: PLC0415

        click.echo("\n".join(orjson.dumps(row).decode() for row in rows(found)))
    else:
        from rich.console import Console  # noqa: PLC0415

        from streams.report.changes_text import print_changes  # noqa: PLC0415

        print_changes(Console(highlight=False), found)
