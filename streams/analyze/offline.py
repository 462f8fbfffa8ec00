"""Production beside the offline evaluation that the configuration declares: read, compared, told."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.text import Text

from streams.analyze.arms import Told, table, write_interval, write_number, write_p
from streams.config.models import ModelConfig
from streams.config.offline import OfflineConfig, is_share
from streams.config.problems import unknown
from streams.core.alert.wording import quoted
from streams.core.judge.evidence import Interval
from streams.core.judge.offline import Beside, Measured, Pair, compare
from streams.core.window_spec import DAY
from streams.errors import StreamsError, UsageError
from streams.report.read import Query

_STYLE = {"differs": "bold red", "agrees": "bold green"}


@dataclass(frozen=True, slots=True)
class Asked:
    """
    What is compared.

    Attributes
    ----------
    model
        Only this model; None: every one that has offline values.
    window
        Windows of this name, such as 1mo; None: the longest of each model.
    version
        Only this version; None: every one that has a window.
    last
        How many of the newest final windows of each model.
    alpha
        Error rate of all answers together.
    """

    model: str | None = None
    window: str | None = None
    version: str | None = None
    last: int = 1
    alpha: float = 0.05


@dataclass(frozen=True, slots=True)
class Line:
    """One metric of one window and version: what is stored of it, and the two sides that are compared."""

    row: Mapping[str, Any]
    declared: OfflineConfig
    share: bool
    pair: Pair

    @property
    def basis(self) -> str:
        """Which column of the store was taken."""
        return _basis(self.row)


@dataclass(frozen=True, slots=True)
class Compared:
    """All lines with what was found; `alpha` is the error rate of all together."""

    alpha: float
    lines: tuple[Line, ...]
    found: tuple[Beside, ...]


def chosen(models: Mapping[str, ModelConfig], asked: Asked) -> list[tuple[ModelConfig, str]]:
    """
    Return the models with offline values that are asked about, each with the name of its windows.

    Raises
    ------
    UsageError
        If there are none, or what is asked for is not declared.
    """
    if asked.model is not None and asked.model not in models:
        raise UsageError(f"{asked.model} is no model of the configuration{unknown(asked.model, models)}")
    having = [one for name, one in models.items() if one.offline and asked.model in {None, name}]
    if not having:
        whose = f"model {asked.model} has" if asked.model else "models have"
        raise UsageError(f"{whose} no `offline` values in the configuration: declare what was found, and how surely")
    return [(model, _window(model, asked.window)) for model in having]


def compare_offline(query: Query, models: Mapping[str, ModelConfig], asked: Asked) -> Compared:
    """
    Compare what is stored of final windows with what was found offline.

    Raises
    ------
    UsageError
        As `chosen` says.
    StreamsError
        If no final window holds a metric that has an offline value.
    """
    lines = [line for model, window in chosen(models, asked) for line in _lines(query, model, window, asked)]
    if not lines:
        only = f" of version {asked.version}" if asked.version is not None else ""
        raise StreamsError(
            f"the store has no final window{only} with these metrics yet: they wait for the label horizon"
        )
    return Compared(asked.alpha, tuple(lines), compare([line.pair for line in lines], asked.alpha))


def _window(model: ModelConfig, name: str | None) -> str:
    names = [spec.name for spec in model.windows]
    if name is None:
        return max(model.windows, key=lambda spec: spec.months * 30 * DAY or spec.size).name
    if name not in names:
        raise UsageError(f"model {model.name} has no windows of {name}{unknown(name, names)}")
    return name


def _lines(query: Query, model: ModelConfig, window: str, asked: Asked) -> Iterator[Line]:
    version = "" if asked.version is None else f" AND version = {quoted(asked.version)}"
    held = (
        f"model = {quoted(model.name)} AND window = {quoted(window)} AND empty(slice) AND is_final{version} "
        f"AND metric IN ({', '.join(map(quoted, model.offline))}) AND isNotNull(value)"
    )
    rows = query(
        f"SELECT * FROM quality WHERE {held} AND window_start IN "  # noqa: S608
        f"(SELECT DISTINCT window_start FROM quality WHERE {held} ORDER BY window_start DESC LIMIT {asked.last}) "
        "ORDER BY metric, window_start, version"
    )
    for row in rows.to_pylist():
        declared, share = model.offline[row["metric"]], is_share(row["metric"], model.task)
        yield Line(row, declared, share, Pair(_production(row, share), _offline(declared, share), declared.margin))


def _basis(row: Mapping[str, Any]) -> str:
    return "value" if row["corrected"] is None else "corrected"


def _production(row: Mapping[str, Any], share: bool) -> Measured:
    """Take what is corrected for late and missing labels, where the window has it; NULL limits exclude nothing."""
    names = ("value", "low", "high") if _basis(row) == "value" else ("corrected", "corrected_low", "corrected_high")
    value, low, high = (row[name] for name in names)
    low, high = -math.inf if low is None else low, math.inf if high is None else high
    return _measured(value, min(low, value), max(high, value), share)


def _offline(declared: OfflineConfig, share: bool) -> Measured:
    if declared.low is None or declared.high is None:
        return Measured.share(declared.value, declared.n or 0)
    return _measured(declared.value, declared.low, declared.high, share)


def _measured(value: float, low: float, high: float, share: bool) -> Measured:
    return Measured.share_within(value, low, high) if share else Measured(value, low, high)


def _n(line: Line) -> float:
    number: float = line.row["n_effective" if line.basis == "value" else "corrected_n_effective"]
    return number


def tell_offline(compared: Compared) -> Told:
    """Return every number of the comparison."""
    rows = [_tell(line, found) for line, found in zip(compared.lines, compared.found, strict=True)]
    return {"alpha": compared.alpha, "compared": len(rows), "rows": rows}


def _tell(line: Line, found: Beside) -> Told:
    names = ("model", "version", "metric", "window")
    times = {name: line.row[name].strftime("%Y-%m-%dT%H:%M:%SZ") for name in ("window_start", "window_end")}
    offline = {"n": line.declared.n, "margin": line.declared.margin}
    return {
        **{name: line.row[name] for name in names},
        **times,
        "production": {**_sides(line.pair.production), "n_effective": _n(line), "basis": line.basis},
        "offline": {**_sides(line.pair.offline), **offline},
        "difference": found.difference,
        "low": _finite(found.interval.low),
        "high": _finite(found.interval.high),
        "p": found.p,
        "p_adjusted": found.p_adjusted,
        "answer": found.answer,
    }


def _sides(side: Measured) -> Told:
    return {"value": side.value, "low": _finite(side.low), "high": _finite(side.high)}


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def print_offline(compared: Compared) -> None:
    """Print a table a metric of a model, and the answers last."""
    console = Console(highlight=False)
    level = 100 * (1 - compared.alpha / len(compared.lines))
    both = list(zip(compared.lines, compared.found, strict=True))
    for model, metric in dict.fromkeys(_subject(line) for line in compared.lines):
        mine = [(line, found) for line, found in both if _subject(line) == (model, metric)]
        console.print(Text(_title(mine[0][0]), style="bold"), soft_wrap=True)
        frame = table("window", "version", "live", "from", "n", "difference", f"{level:.4g} % interval")
        for line, found in mine:
            frame.add_row(*_cells(line, found))
        console.print(frame, "")
    for line, found in both:
        console.print(_answer(line, found, compared), soft_wrap=True)


def _subject(line: Line) -> tuple[str, str]:
    return line.row["model"], line.row["metric"]


def _title(line: Line) -> str:
    offline, row = line.pair.offline, line.row
    limits = f"{_write(offline.low, line.share)} to {_write(offline.high, line.share)}"
    margin = line.declared.margin
    within = "" if margin is None else f", margin {_move(margin, line.share).removeprefix('+')}"
    return f"{row['metric']} of {row['model']}: offline {_write(offline.value, line.share)} ({limits}){within}"


def _cells(line: Line, found: Beside) -> Sequence[str]:
    return (
        _when(line),
        line.row["version"],
        _write(line.pair.production.value, line.share),
        line.basis,
        f"{_n(line):,.0f}",
        _move(found.difference, line.share),
        _limits(found.interval, line.share),
    )


def _answer(line: Line, found: Beside, compared: Compared) -> Text:
    model, metric = _subject(line)
    among = f" among {len(compared.lines)}" if len(compared.lines) > 1 else ""
    text = Text(f"{metric} of {model} {_when(line)} {line.row['version']}: ").append(
        found.answer, style=_STYLE.get(found.answer, "bold yellow")
    )
    return text.append(f" (p {write_p(found.p_adjusted)}{among})")


def _when(line: Line) -> str:
    start = line.row["window_start"]
    return f"{start:%Y-%m-%d}" if start.hour == start.minute == start.second == 0 else f"{start:%Y-%m-%d %H:%M:%S}"


def _move(number: float, share: bool) -> str:
    return write_number(number, "difference", share) if share else f"{number:+.3g}"


def _limits(interval: Interval, share: bool) -> str:
    if share or interval == Interval.everything():
        return write_interval(interval, "difference", share)
    return f"{_move(interval.low, share)} to {_move(interval.high, share)}"


def _write(number: float, share: bool) -> str:
    return f"{100 * number:.2f} %" if share else f"{number:.4g}"
