"""
The references of detection: from what it is learned what is usual.

Written as `first`, `trailing`, `{from: 2026-01-01, to: 2026-03-01}` or `{files: [reference.avro]}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from streams.config.problems import Problem, Problems, parse_list, shown, unknown

Word = Literal["first", "trailing"]
_WORDS: tuple[Word, ...] = ("first", "trailing")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FORMS = "write first, trailing, {from: 2026-01-01, to: 2026-03-01} or {files: [reference.avro]}"


@dataclass(frozen=True)
class PinnedPeriod:
    """A period of event time, us: the ticks that lie in it as a whole are learned from."""

    start: int
    end: int

    def ticks(self, tick: int) -> range:
        """Return the numbers of the ticks in it, each `tick` us long."""
        return range(-(-self.start // tick), self.end // tick)


@dataclass(frozen=True)
class ReferenceFiles:
    """Files of events, named as they are declared; a relative name is one in `directory`."""

    names: tuple[str, ...]
    directory: Path = field(default=Path(), compare=False)

    @property
    def paths(self) -> tuple[Path, ...]:
        """Where the files are."""
        return tuple(self.directory / name for name in self.names)

    def found_in(self, directory: Path) -> ReferenceFiles:
        """Return the same files, with names that are relative to another directory."""
        return replace(self, directory=directory)


AnyReference = Word | PinnedPeriod | ReferenceFiles


def instant(text: object) -> int:
    """
    Read a date, or a date with a time, of UTC unless it says otherwise; as microseconds since 1970.

    Raises
    ------
    ValueError
        If it is none.

    >>> instant("1970-01-01T00:00:01")
    1000000
    """
    if not isinstance(text, str):
        raise ValueError(f"{shown(text)} is no date: write 2026-01-01 or 2026-01-01T06:00")  # noqa: TRY004 - pydantic collects ValueErrors
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{shown(text)} is no date: write 2026-01-01 or 2026-01-01T06:00") from error
    return ((time if time.tzinfo else time.replace(tzinfo=UTC)) - _EPOCH) // timedelta(microseconds=1)


def written_instant(time: int) -> str:
    """Return microseconds since 1970 as they could be declared."""
    return (_EPOCH + timedelta(microseconds=time)).isoformat()


def written(reference: AnyReference | None) -> Any:
    """Return a reference as it could be declared."""
    if isinstance(reference, PinnedPeriod):
        return {"from": written_instant(reference.start), "to": written_instant(reference.end)}
    return {"files": list(reference.names)} if isinstance(reference, ReferenceFiles) else reference


def _reference(value: object) -> AnyReference:
    if isinstance(value, PinnedPeriod | ReferenceFiles):
        return value
    if isinstance(value, Mapping):
        return _files(value) if "files" in value else _period(value)
    for word in _WORDS:
        if value == word:
            return word
    raise ValueError(f"{shown(value)} is no reference: {_FORMS}")


def _period(value: Mapping[Any, Any]) -> PinnedPeriod:
    problems = [*_others(value, ("from", "to"))]
    times: dict[str, int] = {}
    for key in ("from", "to"):
        try:
            times[key] = instant(value[key])
        except KeyError:
            problems.append(((key,), f"is required: {_FORMS}"))
        except ValueError as error:
            problems.append(((key,), str(error)))
    if not problems and times["from"] >= times["to"]:
        problems.append((("to",), f"{shown(value['to'])} is not after {shown(value['from'])}"))
    if problems:
        raise Problems(problems)
    return PinnedPeriod(times["from"], times["to"])


def _files(value: Mapping[Any, Any]) -> ReferenceFiles:
    problems = [*_others(value, ("files",))]
    try:
        names = parse_list(value["files"], _name, str)
    except Problems as found:
        raise Problems([*problems, *((("files", *where), text) for where, text in found.items)]) from None
    except ValueError as error:
        raise Problems([*problems, (("files",), str(error))]) from None
    if not names:
        problems.append((("files",), "[] is empty: name at least one file"))
    if problems:
        raise Problems(problems)
    return ReferenceFiles(names)


def _name(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{shown(value)} is no file: write its name as text")
    return value


def _others(value: Mapping[Any, Any], keys: tuple[str, ...]) -> list[Problem]:
    """Keys that do not belong beside these."""
    return [((str(key),), f"unknown key `{key}`{unknown(str(key), keys)}") for key in value if key not in keys]


_FILE_NAMES = {"type": "array", "minItems": 1, "items": {"type": "string", "pattern": r"\S"}}
_TIME = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}"}
_SCHEMA = {
    "anyOf": [
        {"enum": list(_WORDS)},
        {
            "type": "object",
            "properties": {"from": _TIME, "to": _TIME},
            "required": ["from", "to"],
            "additionalProperties": False,
        },
        {
            "type": "object",
            "properties": {"files": _FILE_NAMES},
            "required": ["files"],
            "additionalProperties": False,
        },
    ]
}

_HOW = (PlainValidator(_reference), PlainSerializer(written), WithJsonSchema(_SCHEMA))

Reference = Annotated[AnyReference, *_HOW]
"""What is learned from, as a value of the configuration."""

OwnReference = Annotated[AnyReference | None, *_HOW]
"""The same of one model; None where it has none of its own."""
