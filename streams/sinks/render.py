"""Show a table to people and programs: JSON lines, CSV, or a table on the terminal."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import orjson
import pyarrow as pa
from rich import box
from rich.table import Table
from rich.text import Text

_ROWS_AT_ONCE = 10_000
_GAP = 2  # characters between columns on the terminal
Convert = Callable[[Any], Any]


def to_json_lines(table: pa.Table) -> Iterator[str]:
    r"""
    Yield one JSON object a row, without line ends.

    Maps are objects, times ISO 8601 in UTC ("2013-01-01T00:00:00Z"), bytes text with what is not UTF-8 as "\xff".
    NULL, NaN and infinities are null.

    >>> list(to_json_lines(pa.table({"slice": pa.array([[("a", "b")]], pa.map_(pa.string(), pa.string()))})))
    ['{"slice":{"a":"b"}}']
    """
    names = table.column_names
    for row in _rows(table):
        yield orjson.dumps(dict(zip(names, row, strict=True))).decode()


def to_csv(table: pa.Table) -> Iterator[str]:
    """
    Yield the header and one CSV record a row (RFC 4180), without line ends.

    Maps, lists and structs are JSON text, times and bytes as in `to_json_lines`; NULL and NaN are empty.
    """
    yield _record(table.column_names)
    for row in _rows(table):
        yield _record([_csv_cell(value) for value in row])


def to_rich(table: pa.Table, *, width: int = 80, max_rows: int = 50, title: str | None = None) -> Table:
    """
    Return a table for a terminal `width` characters wide: the first rows, and how many there are in all.

    Nothing is cut off: if the columns do not fit side by side, rows are shown one below the other, each as a list
    of columns, and a fifth as many of them. Numbers show five digits; a map shows as "attribute=value", an empty
    one as "(all)"; a column of times that are all midnights shows dates; NULL is "-".
    """
    first = table.slice(0, max_rows)
    columns = {name: _cells(column) for name, column in zip(table.column_names, first.columns, strict=True)}
    fits = sum(_width(name, cells) + _GAP for name, cells in columns.items()) + _GAP <= width
    shown = min(table.num_rows, max_rows if fits else max(1, max_rows // 5))
    caption = (f"first {shown:,} of " if shown < table.num_rows else "") + f"{table.num_rows:,} "
    caption += "row" if table.num_rows == 1 else "rows"
    frame = Table(
        title=title,
        caption=caption,
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, _GAP - 1, 0, 0),
        min_width=len(caption) + _GAP,
        show_header=fits,
    )
    return _side_by_side(frame, table.schema, columns) if fits else _one_below_the_other(frame, columns, shown)


def _side_by_side(frame: Table, schema: pa.Schema, columns: Mapping[str, list[str]]) -> Table:
    for field, (name, cells) in zip(schema, columns.items(), strict=True):
        numeric = pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
        frame.add_column(_header(name, cells), justify="right" if numeric else "left", no_wrap=True)
    for row in zip(*columns.values(), strict=True):
        frame.add_row(*map(Text, row))
    return frame


def _one_below_the_other(frame: Table, columns: Mapping[str, list[str]], rows: int) -> Table:
    frame.add_column(no_wrap=True, style="bold")
    frame.add_column(overflow="fold")
    for row in range(rows):
        for name, cells in columns.items():
            frame.add_row(Text(name), Text(cells[row]))
        frame.add_section()
    return frame


def _header(name: str, cells: list[str]) -> Text:
    """Return a column's name, broken after its underscores if it is wider than the cells."""
    return Text(name.replace("_", "_\n") if len(name) > max(map(len, cells), default=0) else name)


def _width(name: str, cells: list[str]) -> int:
    header = _header(name, cells).plain.splitlines()
    return max(map(len, (*header, *cells)), default=0)


def _rows(table: pa.Table) -> Iterator[tuple[Any, ...]]:
    for batch in table.to_batches(max_chunksize=_ROWS_AT_ONCE):
        yield from zip(*(_values(column) for column in batch.columns), strict=True)


def _values(column: pa.Array | pa.ChunkedArray) -> list[Any]:
    """Return a column as what JSON knows."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", tz=column.type.tz), safe=False)  # Python's times have no nanoseconds
    convert = _converter(column.type)
    return [convert(value) for value in column.to_pylist()]


def _converter(kind: pa.DataType) -> Convert:
    """Return the function that makes a Python value of an Arrow type, or None, fit for JSON."""
    if pa.types.is_map(kind):
        item = _converter(kind.item_type)
        return _unless_none(lambda pairs: {str(key): item(value) for key, value in pairs})
    if pa.types.is_list(kind):
        element = _converter(kind.value_type)
        return _unless_none(lambda values: [element(value) for value in values])
    if pa.types.is_struct(kind):
        fields = {field.name: _converter(field.type) for field in kind}
        return _unless_none(lambda value: {name: convert(value[name]) for name, convert in fields.items()})
    return next((convert for fits, convert in _SCALARS if fits(kind)), _unless_none(str))


def _unless_none(convert: Convert) -> Convert:
    return lambda value: None if value is None else convert(value)


def _same(value: Any) -> Any:
    return value


def _time(value: datetime) -> str:
    utc = value if value.tzinfo is None else value.astimezone(UTC)
    return utc.replace(tzinfo=None).isoformat() + ("Z" if value.tzinfo else "")


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _text(value: bytes) -> str:
    return value.decode(errors="backslashreplace")


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind))


def _is_plain(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_boolean(kind))


_SCALARS: tuple[tuple[Callable[[pa.DataType], bool], Convert], ...] = (
    (_is_plain, _same),
    (pa.types.is_floating, _unless_none(_finite)),
    (pa.types.is_timestamp, _unless_none(_time)),
    (pa.types.is_date, _unless_none(date.isoformat)),
    (_is_bytes, _unless_none(_text)),
)


def _record(cells: Sequence[object]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue()


def _csv_cell(value: Any) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return orjson.dumps(value).decode()
    return value


def _cells(column: pa.ChunkedArray) -> list[str]:
    """Return a column as short text for people."""
    values = _values(column)
    if pa.types.is_timestamp(column.type):
        return _short_times(values)
    return [_cell(value) for value in values]


def _short_times(values: list[str | None]) -> list[str]:
    midnights = all(value is None or value.removesuffix("Z").endswith("T00:00:00") for value in values)
    return ["-" if value is None else value[:10] if midnights else value.replace("T", " ") for value in values]


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.5g}"
    if isinstance(value, dict):
        return ", ".join(f"{key}={_cell(item)}" for key, item in value.items()) or "(all)"
    if isinstance(value, list):
        return ", ".join(map(_cell, value))
    return str(value)
