"""`streams alerts`: what is wrong now, what people say about it, and its delivery."""

from __future__ import annotations

import asyncio
import getpass
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import rich_click as click

from streams.errors import StreamsError, UsageError

if TYPE_CHECKING:
    from streams.alerts.answer import Answer
    from streams.alerts.store import AlertStore
    from streams.config.alerting import RouteConfig
    from streams.core.alert.notice import Notice

F = TypeVar("F", bound=Callable[..., object])

_path = click.Path(path_type=Path)
_config = click.option("--config", "config_path", required=True, type=_path, help="The configuration, a YAML file.")
_store = click.option("--store", "dsn", required=True, envvar="STREAMS_STORE", show_envvar=True, help="As for query.")
_why = click.option("--why", required=True, help="The reason, for those who ask later.")
_author = click.option("--by", "author", default=None, help="Who says so; whoever is logged in.")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON: one object a line.")


def _duration(_context: click.Context, _parameter: click.Parameter, text: str) -> int:
    from streams.core.window_spec import parse_duration  # noqa: PLC0415 - so that --help is quick

    try:
        return parse_duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.group()
def alerts() -> None:
    """Alerts: what is wrong now, who knows, and who looks after it."""


@alerts.command("list")
@_store
@click.option("--all", "everything", is_flag=True, help="Those that are over as well.")
@_json
def list_alerts(dsn: str, everything: bool, as_json: bool) -> None:
    """List open alerts, the newest first."""
    from streams.alerts.listing import as_object, listed  # noqa: PLC0415

    now = _now()
    with _reading(dsn) as store:
        found, muting = store.alerts(resolved=everything), store.muting(now)
    lines = [json.dumps(as_object(one, muting, now)) for one in found] if as_json else [*listed(found, muting, now)]
    if lines:
        click.echo("\n".join(lines))
    else:
        click.echo("no alerts" if everything else "no open alerts", err=True)


@alerts.command()
@click.argument("key")
@_store
@_json
def show(key: str, dsn: str, as_json: bool) -> None:
    """Show one alert: what it says, when it was told to whom, and the query that reproduces it.

    KEY may be as short as the list shows it.
    """
    from dataclasses import asdict  # noqa: PLC0415

    from streams.alerts.listing import as_object, said_of, told_in_full  # noqa: PLC0415

    now = _now()
    with _reading(dsn) as store:
        notices = _notices(store, key)
        deliveries, muting = store.deliveries(notices[-1].dedup_key), store.muting(now)
    if as_json:
        delivered = {"deliveries": [asdict(one) for one in deliveries]}
        click.echo(json.dumps({**as_object(notices[-1], muting, now), **delivered}))
    else:
        click.echo("\n".join(told_in_full(notices, deliveries, said_of(notices[-1], muting, now))))


@alerts.command()
@_store
@click.option("--model", default="*", help="Only of this model; * stands for any text.")
@click.option("--rule", default="*", help="Only of this rule, likewise.")
@click.option("--key", default="*", help="Only this alert.")
@click.option("--for", "duration", required=True, callback=_duration, metavar="DURATION", help="How long: 2h, 1d12h.")
@_why
@_author
def silence(dsn: str, model: str, rule: str, key: str, duration: int, why: str, author: str | None) -> None:  # noqa: PLR0913, PLR0917 - an option each
    """Send nothing about some alerts for a while.

    They stay on record as silenced.
    """
    from uuid import uuid4  # noqa: PLC0415

    from streams.alerts.muting import Silence  # noqa: PLC0415

    if (model, rule, key) == ("*", "*", "*"):
        raise click.UsageError(
            "What is to be silent? Give --model, --rule or --key; --model '*' --rule 'x*' works too."
        )
    now = _now()
    with _writing(dsn) as store:
        dedup_key = key if "*" in key else _notices(store, key)[-1].dedup_key
        said = Silence(uuid4().hex[:10], model, rule, dedup_key, now, now + duration, author or getpass.getuser(), why)
        store.silence(said, now)
        covered = sum(said.covers(one, now) for one in store.alerts())
    click.echo(f"silence {said.silence_id}: {covered} open alerts; end it with `streams alerts unsilence`")


@alerts.command()
@click.argument("silence_id")
@_store
def unsilence(silence_id: str, dsn: str) -> None:
    """End a silence before its time."""
    from dataclasses import replace  # noqa: PLC0415

    now = _now()
    with _writing(dsn) as store:
        running = {one.silence_id: one for one in store.muting(now).silences}
        if silence_id not in running:
            raise UsageError(f"there is no silence {silence_id} now. There are: {', '.join(running) or 'none'}")
        store.silence(replace(running[silence_id], ends=now), now)
    click.echo(f"silence {silence_id} is over")


@alerts.command()
@click.argument("key")
@_store
@_why
@_author
@click.option("--config", "config_path", type=_path, default=None, help="Tell its routes to PagerDuty as well.")
def ack(key: str, dsn: str, why: str, author: str | None, config_path: Path | None) -> None:
    """Say that somebody looks after an alert.

    Nothing more is sent of it until it is resolved.
    """
    from streams.alerts.muting import Acknowledgement  # noqa: PLC0415

    routes = {} if config_path is None else _routes(config_path)
    with _writing(dsn) as store:
        newest = _notices(store, key)[-1]
        if newest.status == "resolved":
            raise UsageError(f"alert {newest.dedup_key} is resolved already")
        store.acknowledge(Acknowledgement(newest.dedup_key, author or getpass.getuser(), why, _now()))
    click.echo(f"{newest.dedup_key} is acknowledged: {newest.title}")
    answers = asyncio.run(_acknowledge(routes, newest.dedup_key))
    _tell(answers)


@alerts.command("test")
@click.argument("route")
@_config
def try_route(route: str, config_path: Path) -> None:
    """Send a harmless notice to a route, and that it is over.

    Prints what the other side answers.
    """
    from streams.config.problems import unknown  # noqa: PLC0415

    routes = _routes(config_path)
    if route not in routes:
        raise UsageError(f"{route} is no route of {config_path}{unknown(route, routes)}")
    _tell(asyncio.run(_try(route, routes[route])))


@alerts.command("backtest")
@_config
@click.argument("files", nargs=-1, required=True, type=_path, metavar="FILE...")
@_json
def backtest_alerts(config_path: Path, files: tuple[Path, ...], as_json: bool) -> None:
    """Say what a configuration would have sent over events of the past; nothing is sent or stored."""
    from streams.alerts.past import backtested  # noqa: PLC0415
    from streams.config import load_config  # noqa: PLC0415
    from streams.runtime.backtest import backtest  # noqa: PLC0415
    from streams.runtime.replay import open_files  # noqa: PLC0415

    config = load_config(config_path)
    found = backtest(config, open_files(files))
    for line in map(json.dumps, found.notices) if as_json else backtested(found, config.alerting):
        click.echo(line)


@alerts.command()
@_config
@_store
@click.option("--brokers", default=None, help="Addresses, host:port[,host:port], instead of kafka.brokers.")
@click.option("--web", default="127.0.0.1:8081", show_default=True, help="Where /health, /ready and /metrics are.")
@click.option(
    "--timeout", type=click.FloatRange(0.1), default=30.0, show_default=True, help="Seconds that Kafka may not answer."
)
def deliver(config_path: Path, dsn: str, brokers: str | None, web: str, timeout: float) -> None:
    """Deliver the topic of alerts to its routes, until told to stop."""
    from streams.alerts.consume import Sections, Terms, run_deliver  # noqa: PLC0415
    from streams.config import load_config  # noqa: PLC0415
    from streams.runtime.kafka import at_brokers  # noqa: PLC0415
    from streams.runtime.web import parse_web  # noqa: PLC0415

    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    config = load_config(config_path)
    sections, terms = Sections(at_brokers(config.kafka, brokers), config.alerting), Terms(timeout, parse_web(web))
    run_deliver(sections, os.environ, dsn, terms)


def _now() -> int:
    from streams.alerts.making import now_us  # noqa: PLC0415

    return now_us()


@contextmanager
def _reading(dsn: str) -> Iterator[AlertStore]:
    from streams.alerts.store import AlertStore  # noqa: PLC0415
    from streams.sinks.clickhouse.store import read_store  # noqa: PLC0415

    with read_store(dsn) as store:
        yield AlertStore(store)


@contextmanager
def _writing(dsn: str) -> Iterator[AlertStore]:
    from streams.alerts.store import AlertStore  # noqa: PLC0415
    from streams.sinks.clickhouse.store import open_store  # noqa: PLC0415

    with open_store(dsn) as store:
        yield AlertStore(store)


def _notices(store: AlertStore, key: str) -> list[Notice]:
    """Return the notices of the one alert whose key begins so."""
    found = store.notices(key)
    keys = sorted({one.dedup_key for one in found})
    if not keys:
        raise UsageError(f"there is no alert {key}; `streams alerts list --all` shows them")
    if len(keys) > 1:
        raise UsageError(f"{key} is the beginning of several keys: {', '.join(keys[:5])}")
    return found


def _routes(config_path: Path) -> dict[str, RouteConfig]:
    from streams.config import load_config  # noqa: PLC0415

    return load_config(config_path).alerting.routes


async def _acknowledge(routes: dict[str, RouteConfig], dedup_key: str) -> list[tuple[str, Answer]]:
    from streams.alerts.making import opened  # noqa: PLC0415
    from streams.alerts.pagerduty import PagerDuty  # noqa: PLC0415

    theirs = {name: route for name, route in routes.items() if route.kind == "pagerduty"}
    async with opened(theirs, os.environ) as made:
        pagers = [route for route in made.values() if isinstance(route, PagerDuty)]
        return [(pager.name, await pager.acknowledge(dedup_key)) for pager in pagers]


async def _try(name: str, route: RouteConfig) -> list[tuple[str, Answer]]:
    from streams.alerts.making import opened  # noqa: PLC0415
    from streams.alerts.trial import trial  # noqa: PLC0415

    now = _now()
    async with opened({name: route}, os.environ) as made:
        fired = await made[name].send(trial(name, "firing", now))
        return [(f"{name}, firing", fired), (f"{name}, resolved", await made[name].send(trial(name, "resolved", now)))]


def _tell(answers: list[tuple[str, Answer]]) -> None:
    """Print what was answered. Raises StreamsError if something was not taken."""
    from streams.alerts.answer import Sent  # noqa: PLC0415

    for name, answer in answers:
        click.echo(f"{name}: {'sent' if isinstance(answer, Sent) else 'not sent'}; {answer.detail}")
    failed = [name for name, answer in answers if not isinstance(answer, Sent)]
    if failed:
        raise StreamsError(f"not sent: {'; '.join(failed)}")
