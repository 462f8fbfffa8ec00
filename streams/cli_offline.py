"""`streams analyze offline`: production beside the offline evaluation that the configuration declares."""

from __future__ import annotations

import json
from pathlib import Path

import rich_click as click

_path = click.Path(path_type=Path)


@click.command(short_help="Compare production with the offline evaluation.")
@click.option("--config", "config_path", required=True, type=_path, help="Has `offline` values for a model.")
@click.option("--store", "dsn", required=True, envvar="STREAMS_STORE", show_envvar=True, help="A store, as for query.")
@click.option("--model", default=None, help="Only this model; all with values.")
@click.option("--window", default=None, help="Windows, such as 1mo; the longest.")
@click.option("--version", default=None, help="Only this version; all.")
@click.option("--last", type=click.IntRange(1), default=1, show_default=True, help="How many of the newest windows.")
@click.option(
    "--alpha",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.05,
    show_default=True,
    help="Error rate of all answers together.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def offline(  # noqa: PLR0913, PLR0917 - an option each
    config_path: Path,
    dsn: str,
    model: str | None,
    window: str | None,
    version: str | None,
    last: int,
    alpha: float,
    as_json: bool,
) -> None:
    """Compare final windows with the offline evaluation.

    Example: streams analyze offline --config c.yaml --store chdb:store
    """
    from streams.analyze.offline import Asked, compare_offline, print_offline, tell_offline  # noqa: PLC0415 - quick --help
    from streams.config import load_config  # noqa: PLC0415
    from streams.sinks.clickhouse.store import read_store  # noqa: PLC0415

    models = load_config(config_path).models
    with read_store(dsn) as store:
        found = compare_offline(store.query, models, Asked(model, window, version, last, alpha))
    if as_json:
        click.echo(json.dumps(tell_offline(found), allow_nan=False))
    else:
        print_offline(found)
