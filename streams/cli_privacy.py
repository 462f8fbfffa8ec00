"""`streams forget`: what is stored of a unit is deleted, and proven to be gone."""

from __future__ import annotations

import json
import os
from pathlib import Path

import rich_click as click


@click.command(short_help="Delete what is stored of a unit, and prove it.")
@click.option("--unit", required=True, help="The unit, as services name it.")
@click.option(
    "--config", "config_path", required=True, type=click.Path(path_type=Path), help="The configuration, a YAML file."
)
@click.option("--store", "dsn", required=True, envvar="STREAMS_STORE", show_envvar=True, help="A store, as for query.")
@click.option("--request", "requests", multiple=True, help="A request of the unit that the store may not know as such.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as one JSON object.")
def forget(unit: str, config_path: Path, dsn: str, requests: tuple[str, ...], as_json: bool) -> None:
    """Delete the events of a unit, and count them before and after. What waits to be joined is not touched."""
    from streams.config import load_config  # noqa: PLC0415 - so that --help is quick
    from streams.core.privacy.plan import landing  # noqa: PLC0415
    from streams.errors import StreamsError  # noqa: PLC0415
    from streams.privacy import with_secret  # noqa: PLC0415
    from streams.sinks.clickhouse.forget import forget  # noqa: PLC0415
    from streams.sinks.clickhouse.store import open_store  # noqa: PLC0415

    treatment = landing(with_secret(load_config(config_path), os.environ))
    with open_store(dsn) as store:
        found = forget(store, unit, treatment.pseudonyms, requests)
    if as_json:
        click.echo(json.dumps({one.table: {"before": one.before, "after": one.after} for one in found}))
    else:
        click.echo("\n".join(f"{one.table:<8}  {one.before:>9,} before  {one.after:>9,} after" for one in found))
    left = sum(one.after for one in found)
    if left:
        raise StreamsError(f"{left:,} rows are left: some came while others were deleted; forget the unit again")
