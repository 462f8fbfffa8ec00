"""`streams forget`: what is stored of a unit, and what waits of it, is deleted, and proven to be gone."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

import rich_click as click

_WIDTH = 8  # of the longest table


@click.command(short_help="Delete what is stored of a unit, and prove it.")
@click.option("--unit", required=True, help="The unit, as services name it.")
@click.option(
    "--config", "config_path", required=True, type=click.Path(path_type=Path), help="The configuration, a YAML file."
)
@click.option("--store", "dsn", required=True, envvar="STREAMS_STORE", show_envvar=True, help="A store, as for query.")
@click.option("--brokers", default=None, help="host:port[,host:port]: have workers forget what waits.")
@click.option("--timeout", default=60.0, show_default=True, help="Seconds for each partition to answer.")
@click.option("--request", "requests", multiple=True, help="A request of the unit that the store may not know as such.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as one JSON object.")
def forget(  # noqa: PLR0913, PLR0917 - an option each
    unit: str,
    config_path: Path,
    dsn: str,
    brokers: str | None,
    timeout: float,
    requests: tuple[str, ...],
    as_json: bool,
) -> None:
    """Delete the events of a unit, stored or waiting, and count them before and after."""
    from streams.config import load_config  # noqa: PLC0415 - so that --help is quick
    from streams.core.privacy.plan import landing  # noqa: PLC0415
    from streams.privacy import with_secret  # noqa: PLC0415
    from streams.runtime.forget import Workers, forget_waiting, orders_for  # noqa: PLC0415
    from streams.runtime.kafka import at_brokers  # noqa: PLC0415
    from streams.sinks.clickhouse.forget import forget, requests_of  # noqa: PLC0415
    from streams.sinks.clickhouse.store import open_store  # noqa: PLC0415

    config = with_secret(load_config(config_path), os.environ)
    names = landing(config).pseudonyms
    found: dict[str, tuple[int, int]] = {}
    with open_store(dsn) as store:
        if brokers is not None:  # first, since what waits may land
            known = {*requests, *requests_of(store, unit, names)}
            orders = orders_for(config, unit, known, time.time_ns() // 1_000)
            workers = Workers(at_brokers(config.kafka, brokers), os.environ, timeout)
            waiting = forget_waiting(workers, orders, store.query)
            found |= {f"waiting {kind}": counts for kind, counts in waiting.items()}
        found |= {one.table: (one.before, one.after) for one in forget(store, unit, names, requests)}
    _tell(found, as_json=as_json)


def _tell(found: Mapping[str, tuple[int, int]], *, as_json: bool) -> None:
    from streams.errors import StreamsError  # noqa: PLC0415

    if as_json:
        click.echo(json.dumps({name: {"before": before, "after": after} for name, (before, after) in found.items()}))
    else:
        width = max(_WIDTH, *map(len, found))
        for name, (before, after) in found.items():
            click.echo(f"{name:<{width}}  {before:>9,} before  {after:>9,} after")
    left = sum(after for _, after in found.values())
    if left:
        raise StreamsError(f"{left:,} rows are left: some came while others were deleted; forget the unit again")
