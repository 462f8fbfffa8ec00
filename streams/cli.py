"""
The command line. Data goes to standard output; progress, messages and errors to standard error.

Exit codes: 0 done; 1 it was tried and failed; 2 it was asked wrongly, and nothing was done; 130 interrupted.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import rich_click as click
from click.exceptions import Exit
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from streams.cli_alerts import alerts
from streams.cli_analyze import analyze, power
from streams.cli_changes import changes
from streams.cli_experiments import experiment
from streams.cli_gateway import gateway
from streams.cli_offline import offline
from streams.cli_privacy import forget
from streams.errors import StreamsError

INTERRUPTED = 130
QUIET_CLIENTS = ("clickhouse_connect", "aiokafka")

_path = click.Path(path_type=Path)
_config = click.option("--config", "config_path", required=True, type=_path, help="The configuration, a YAML file.")
_store = click.option(
    "--store",
    "dsn",
    required=True,
    envvar="STREAMS_STORE",
    show_envvar=True,
    help="chdb:///PATH (embedded) or clickhouse://USER:PASSWORD@HOST:PORT/DATABASE.",
)
_brokers = click.option("--brokers", default=None, help="Addresses, host:port[,host:port], instead of kafka.brokers.")
_timeout = click.option(
    "--timeout", type=click.FloatRange(0.1), default=30.0, show_default=True, help="Seconds that Kafka may not answer."
)
_json = click.option("--json", "as_json", is_flag=True, help="Print the counts as one JSON object on standard output.")
_files = click.argument("files", nargs=-1, required=True, type=_path, metavar="FILE...")


def main() -> None:
    """Run the command line; every error that has a name ends in one clear line."""
    # Clients log a line for each failed attempt; what the last one means is said once, as the error.
    for client in QUIET_CLIENTS:
        logging.getLogger(client).setLevel(logging.CRITICAL)
    try:
        cli(standalone_mode=False)
    except StreamsError as error:
        _fail(str(error), error.exit_code)
    except Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _fail("interrupted", INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()  # the reader has gone, as `| head` does; nobody is left to tell


def _fail(message: str, code: int) -> None:
    Console(stderr=True, soft_wrap=True, highlight=False, emoji=False).print(f"error: {message}", markup=False)
    sys.exit(code)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.rich_config(help_config={"padding_usage": (0, 1), "padding_helptext": (0, 1)})  # a screen has 24 lines
@click.version_option(package_name="streams")
def cli() -> None:
    """Judges models in production. Exit codes: 0 done, 1 failed, 2 asked wrongly."""


alerts.add_command(changes)
analyze.add_command(offline)
cli.add_command(alerts)
cli.add_command(analyze)
cli.add_command(experiment)
cli.add_command(forget)
cli.add_command(gateway)
cli.add_command(power)


@cli.command()
@click.option("--dir", "directory", type=_path, default=Path(".streams/demo"), show_default=True, help="Where to work.")
@click.option(
    "--keep",
    "share",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    help="Share of the flights that is recorded.",
)
def demo(directory: Path, share: float) -> None:
    """Judge two models on all flights that left New York in 2013."""
    from streams.demo.run import run  # noqa: PLC0415 - the demo's libraries take a second to load

    run(directory, Console(), share)


@cli.command(short_help="Run event files through the pipeline into a store.")
@_config
@_store
@_json
@_files
def replay(config_path: Path, dsn: str, as_json: bool, files: tuple[Path, ...]) -> None:
    """Run event files (.avro, .jsonl, .parquet) through the pipeline into a store."""
    from streams.config import load_config  # noqa: PLC0415 - commands load what they need, so that --help is quick
    from streams.privacy import with_secret  # noqa: PLC0415
    from streams.runtime.replay import open_files, replay  # noqa: PLC0415
    from streams.sinks.clickhouse.store import open_store  # noqa: PLC0415

    config = with_secret(load_config(config_path), os.environ)
    sources = open_files(files)
    with open_store(dsn) as store, _progress("replay") as progress:
        store.migrate()
        store.guard(config.privacy.retention, config.privacy.smallest_cell)
        report = replay(config, sources, store, progress)
    if as_json:
        click.echo(json.dumps(report.counts))
    else:
        _print_counts(report.counts)
    rate = report.counts["read"] / report.seconds if report.seconds else 0.0
    click.echo(f"{report.counts['read']:,} events in {report.seconds:.1f} s, {rate:,.0f} events/s", err=True)


@cli.command()
@_config
@_brokers
@_timeout
@_json
@click.option("--end", is_flag=True, help="Say that nothing more will come, so that what waits for more is settled.")
@_files
def emit(
    config_path: Path, brokers: str | None, timeout: float, as_json: bool, end: bool, files: tuple[Path, ...]
) -> None:
    """Publish event files to Kafka; every delivery is confirmed."""
    from streams.config import load_config  # noqa: PLC0415
    from streams.runtime.emit import emit  # noqa: PLC0415
    from streams.runtime.kafka import at_brokers  # noqa: PLC0415
    from streams.runtime.replay import open_files  # noqa: PLC0415

    kafka = at_brokers(load_config(config_path).kafka, brokers)
    sources = open_files(files)
    with _progress("emit") as progress:
        report = emit(sources, kafka, os.environ, timeout, progress, end=end)
    if as_json:
        click.echo(json.dumps({**report.counts, "rejected": report.rejected}))
    else:
        _print_counts({**report.counts, "rejected": report.rejected}, err=True)
    for reason in report.reasons:
        click.echo(f"not sent: {reason}", err=True)
    if report.rejected > len(report.reasons):
        click.echo(f"not sent: {report.rejected - len(report.reasons):,} more", err=True)
    rate = report.confirmed / report.seconds if report.seconds else 0.0
    click.echo(f"{report.confirmed:,} events in {report.seconds:.1f} s, {rate:,.0f} events/s", err=True)


@cli.command(short_help="Read events from Kafka and keep the store up to date.")
@_config
@_store
@_brokers
@click.option("--instance", envvar="STREAMS_INSTANCE", show_envvar=True, help="Name of this worker among the others.")
@click.option("--web", default="127.0.0.1:8080", show_default=True, help="Where /health, /ready and /metrics are.")
@click.option(
    "--session-timeout",
    type=click.FloatRange(3),
    default=60.0,
    show_default=True,
    help="Seconds after which a silent worker's partitions go to others.",
)
@click.option(
    "--stall-timeout",
    type=click.FloatRange(1),
    default=300.0,
    show_default=True,
    help="Seconds without progress after which the worker ends.",
)
@_timeout
def worker(  # noqa: PLR0913, PLR0917 - an option each
    config_path: Path,
    dsn: str,
    brokers: str | None,
    instance: str | None,
    web: str,
    session_timeout: float,
    stall_timeout: float,
    timeout: float,
) -> None:
    """Read events from Kafka, with all other workers, and keep the store up to date, until told to stop."""
    from streams.config import load_config  # noqa: PLC0415
    from streams.runtime.kafka import at_brokers  # noqa: PLC0415
    from streams.runtime.run import Settings, run_worker  # noqa: PLC0415
    from streams.runtime.web import parse_web  # noqa: PLC0415

    _log_to_stderr()
    config = load_config(config_path)
    config = config.model_copy(update={"kafka": at_brokers(config.kafka, brokers)})
    settings = Settings(dsn, instance, parse_web(web), session_timeout, stall_timeout, timeout)
    run_worker(config, os.environ, settings)


@cli.command(short_help="Create the tables of a store, or bring them up to date.")
@_store
@click.option("--config", "config_path", type=_path, help="Keep rows as long as it says, and show no smaller cells.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
def migrate(dsn: str, config_path: Path | None, dry_run: bool) -> None:
    """Create the tables of a store, or bring them up to date; with a configuration, do what `privacy` says as well."""
    from streams.config import load_config  # noqa: PLC0415
    from streams.sinks.clickhouse.store import open_store  # noqa: PLC0415

    privacy = load_config(config_path).privacy if config_path else None
    with open_store(dsn) as store:
        done = store.migrate(dry_run=dry_run)
        if privacy is not None:
            done += store.guard(privacy.retention, privacy.smallest_cell, dry_run=dry_run)
    click.echo("\n".join(done) or "nothing to do")


@cli.group()
def topics() -> None:
    """The topics on Kafka."""


@topics.command("plan")
@_config
@_brokers
@_timeout
def topics_plan(config_path: Path, brokers: str | None, timeout: float) -> None:
    """Show what `apply` would do; changes nothing."""
    from streams.config import load_config  # noqa: PLC0415
    from streams.runtime.kafka import at_brokers  # noqa: PLC0415
    from streams.runtime.topics import plan_topics  # noqa: PLC0415

    changes = plan_topics(at_brokers(load_config(config_path).kafka, brokers), os.environ, timeout)
    click.echo("\n".join(map(str, changes)) or "nothing to do")


@topics.command("apply")
@_config
@_brokers
@_timeout
def topics_apply(config_path: Path, brokers: str | None, timeout: float) -> None:
    """Create and alter topics until they are as configured; deletes nothing."""
    from streams.config import load_config  # noqa: PLC0415
    from streams.runtime.kafka import at_brokers  # noqa: PLC0415
    from streams.runtime.topics import apply_topics  # noqa: PLC0415

    changes = apply_topics(at_brokers(load_config(config_path).kafka, brokers), os.environ, timeout)
    click.echo("\n".join(map(str, changes)) or "nothing to do")


@cli.command()
@_store
@click.option("--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True)
@click.argument("sql")
def query(dsn: str, form: str, sql: str) -> None:
    """Read a store with SQL; `json` is one object a line."""
    from streams.sinks import render  # noqa: PLC0415
    from streams.sinks.clickhouse.store import read_store  # noqa: PLC0415

    with read_store(dsn) as store:
        table = store.query(sql)
    if form == "json":
        for line in render.to_json_lines(table):
            click.echo(line)
    elif form == "csv":
        for line in render.to_csv(table):
            click.echo(line)
    else:
        console = Console()
        console.print(render.to_rich(table, width=console.width))


@cli.command(short_help="Check a configuration: every problem at once.")
@_config
def check(config_path: Path) -> None:
    """Check a configuration: every problem at once, with its place and a suggestion."""
    from streams.config import load_config  # noqa: PLC0415

    config = load_config(config_path)
    if config.detection.files:
        from streams.runtime.references import check_references  # noqa: PLC0415

        for model, remark in check_references(config):
            click.echo(f"{config_path}: reference of {model}: {remark}", err=True)
    click.echo(f"{config_path}: no problems; models: {', '.join(config.models)}")


@cli.group()
def schema() -> None:
    """The Avro schemas of events."""


@schema.command("check")
@click.option("--dir", "directory", type=_path, default=None, help="Schemas to check, instead of the shipped ones.")
def schema_check(directory: Path | None) -> None:
    """Check every schema against its landed versions, in both directions."""
    from streams.codecs.compatibility import check_schemas  # noqa: PLC0415
    from streams.codecs.registry import default_schema_dir  # noqa: PLC0415
    from streams.errors import SchemaError  # noqa: PLC0415

    where = directory or default_schema_dir()
    problems = check_schemas(where)
    if problems:
        raise SchemaError(f"{where}: {len(problems)} found:" + "".join(f"\n  {p}" for p in problems))
    click.echo(f"{where}: every schema is compatible with its landed versions")


def _log_to_stderr() -> None:
    """Say what a process that runs for long does, a line each; of the libraries only what is wrong."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    for library in ("faust", "mode", "aiohttp", "urllib3"):
        logging.getLogger(library).setLevel(logging.ERROR)


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int | None], None]]:
    """A progress bar on standard error; nothing is drawn where that is no terminal."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bars:
        task = bars.add_task(what, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


def _print_counts(counts: dict[str, int], *, err: bool = False) -> None:
    width = max(map(len, counts))
    for name, count in counts.items():
        click.echo(f"{name:<{width}}  {count:>12,}", err=err)
