"""`streams experiment plan`: experiments that wait start by themselves, and what is decided or does harm stops."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from streams.errors import UsageError

if TYPE_CHECKING:
    from streams.config.experiments import ExperimentationConfig
    from streams.experiments.allocation import Allocation
    from streams.experiments.decisions import Finding, Judged, Row
    from streams.experiments.planning import Plan

    Findings = Mapping[str, Finding]

_path = click.Path(path_type=Path)


@click.command(short_help="Start what waits, stop what is decided or harmful.")
@click.option("--config", "config_path", required=True, type=_path, help="The configuration.")
@click.option("--store", "dsn", required=True, envvar="STREAMS_STORE", show_envvar=True, help="A store, as for query.")
@click.option("--allocation", "allocation_path", required=True, type=_path, metavar="FILE", help="What runs, JSON.")
@click.option("--apply", "is_applied", is_flag=True, help="Write FILE; without it nothing is written.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def plan(config_path: Path, dsn: str, allocation_path: Path, *, is_applied: bool, as_json: bool) -> None:
    """Let experiments start where there is room, and stop what is decided or harmful."""
    from streams.config import load_config  # noqa: PLC0415 - so that --help is quick
    from streams.experiments.decisions import findings  # noqa: PLC0415

    section = load_config(config_path).experimentation
    content = _read(allocation_path)
    running = _nothing() if content is None else _parsed(allocation_path, content, section)
    found = findings(_judged(section), _read_rows(dsn))
    now = time.time_ns() // 1_000
    planned = _planned(section, running, found, now)
    if is_applied:
        write_allocation(allocation_path, planned.allocation)
    warnings = _warnings(found, {*running.runs, *planned.allocation.runs})
    if as_json:
        click.echo(json.dumps(_document(planned, found, warnings, now) | {"applied": is_applied}))
        return
    if content is None:
        click.echo(f"There is no {allocation_path} yet: nothing has been started.\n")
    _print([*((one.experiment, one.action, one.reason) for one in planned.changes), *warnings])
    click.echo(("Written to {}." if is_applied else "Nothing is written: --apply writes {}.").format(allocation_path))


def read_allocation(path: Path, section: ExperimentationConfig) -> Allocation:
    """Read what runs. Raises UsageError if there is no such file, or it does not fit what is declared."""
    content = _read(path)
    if content is None:
        raise UsageError(f"{path}: there is no such file; `streams experiment plan --apply` writes one")
    return _parsed(path, content, section)


def write_allocation(path: Path, allocation: Allocation) -> None:
    """
    Replace the file in one step: whoever reads it finds the old one or the new one, whole, even after a crash.

    It keeps its permissions, and stays where it is if the path is a link to it. Raises UsageError if that cannot be.
    """
    target = path.resolve()
    unfinished = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        try:
            with unfinished.open("x", encoding="utf-8") as file:
                file.write(json.dumps(allocation.to_plain(), indent=2, sort_keys=True) + "\n")
                file.flush()
                os.fsync(file.fileno())
            if target.exists():
                shutil.copymode(target, unfinished)
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write the allocation to {path}: {error.strerror or error}") from error


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error


def _parsed(path: Path, content: bytes, section: ExperimentationConfig) -> Allocation:
    from streams.experiments.allocation import Allocation  # noqa: PLC0415
    from streams.experiments.reading import ExperimentsError  # noqa: PLC0415

    try:
        allocation = Allocation.parse(json.loads(content))
        section.assignment(allocation)
    except ExperimentsError as error:
        raise UsageError(f"{path}: {error}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: is no JSON: {error}") from error
    both = sorted(allocation.runs.keys() & allocation.ended.keys())
    if both:
        raise UsageError(f"{path}: {both[0]} cannot run and have ended: remove it from `runs` or from `ended`")
    return allocation


def _nothing() -> Allocation:
    from streams.experiments.allocation import Allocation  # noqa: PLC0415

    return Allocation()


def _judged(section: ExperimentationConfig) -> dict[str, Judged]:
    """By what each experiment is judged; an arm of weight 0 gets no units, so nothing is waited for in it."""
    from streams.experiments.decisions import Judged  # noqa: PLC0415

    return {
        name: Judged(
            models=declared.judged,
            arms=tuple(arm for arm, weight in declared.arms.items() if weight > 0 and arm != declared.control),
            primary=tuple(one.metric for one in declared.metrics.primary),
            guardrail=tuple(one.metric for one in declared.metrics.guardrail),
        )
        for name, declared in section.experiments.items()
    }


def _read_rows(dsn: str) -> list[Row]:
    from streams.experiments.decisions import Row  # noqa: PLC0415
    from streams.sinks.clickhouse.store import read_store  # noqa: PLC0415

    columns = ", ".join(field.name for field in fields(Row))
    with read_store(dsn) as store:
        rows = store.query(f"SELECT {columns} FROM current_verdicts WHERE kind != 'exploratory'")  # noqa: S608 - ours
    return [Row(**row) for row in rows.to_pylist()]


def _planned(section: ExperimentationConfig, running: Allocation, found: Findings, now: int) -> Plan:
    """Plan; what has not run by this allocation, but has its answer already, ends without a start."""
    from streams.experiments.allocation import Allocation  # noqa: PLC0415
    from streams.experiments.planning import Change, Plan, plan  # noqa: PLC0415

    decisions = {name: finding.decision for name, finding in found.items() if finding.decision is not None}
    known = decisions.keys() - running.runs.keys() - running.ended.keys()
    before = Allocation(running.runs, {**running.ended, **{name: decisions[name] for name in sorted(known)}})
    planned = plan(section.requests(), section.layer_slots(), before, decisions, now)
    changes = [Change(name, "stop", f"it does not start: {explained(found[name])}") for name in sorted(known)]
    for one in planned.changes:
        is_decided = one.action == "stop" and planned.allocation.ended[one.experiment] == decisions.get(one.experiment)
        why = f"; {explained(found[one.experiment])}" if is_decided else ""
        changes.append(Change(one.experiment, one.action, one.reason + why))
    return Plan(planned.allocation, tuple(changes))


def explained(finding: Finding) -> str:
    """Say in words what a decision rests on."""
    since = "" if finding.since is None else f" since {_moment(finding.since)}"
    return f"{finding.decision}{since}: {_told(finding.grounds)}"


def _warnings(found: Findings, names: Iterable[str]) -> list[tuple[str, str, str]]:
    """What should be looked into although it decides nothing, of the experiments with these names."""
    warnings = []
    for name in sorted(set(names) & found.keys()):
        finding = found[name]
        if finding.mismatches:
            reason = f"not to be trusted, so nothing is decided: {_told(finding.mismatches)}"
            warnings.append((name, "warning", reason))
        elif finding.harmed and finding.decision is None:
            reason = f"some arms are harmed, others are not: {_told(finding.harmed)}"
            warnings.append((name, "warning", reason))
    return warnings


def _told(rows: Iterable[Row]) -> str:
    return ", ".join(_verdict(row) for row in rows)


def _verdict(row: Row) -> str:
    if row.verdict == "mismatch":
        return f"{row.metric} is a mismatch" + (f", most in {row.arm}" if row.arm else "") + f" (model {row.model})"
    return f"{row.arm} is {row.verdict} by {row.metric} (model {row.model})"


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _print(lines: Iterable[tuple[str, str, str]]) -> None:
    from rich import box  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table("experiment", "change", "why", box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for line in lines:
        table.add_row(*map(Text, line))
    console = Console(highlight=False)
    console.print(table if table.row_count else "Nothing changes.")
    console.print()


def _document(planned: Plan, found: Findings, warnings: Iterable[tuple[str, str, str]], now: int) -> dict[str, object]:
    """The plan for programs."""
    known = {name: finding for name, finding in found.items() if finding.decision is not None}
    return {
        "at": f"{datetime.fromtimestamp(now / 1e6, UTC):%Y-%m-%dT%H:%M:%SZ}",
        "changes": [asdict(one) for one in planned.changes],
        "warnings": [{"experiment": name, "reason": reason} for name, _, reason in warnings],
        "decisions": {name: {"decision": one.decision, "why": explained(one)} for name, one in known.items()},
        "allocation": planned.allocation.to_plain(),
    }
