"""Files of events as inputs: opened by their names, and read in the order of event time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from streams.codecs.files import EventFile, open_source
from streams.codecs.registry import SchemaRegistry, default_schema_dir
from streams.config.models import Config
from streams.core.block import Block
from streams.core.watermark import Watermarks
from streams.errors import UsageError

BLOCK_ROWS = 65_536


class Source(Protocol):
    """A named input of blocks."""

    @property
    def name(self) -> str:
        """What rejects call it."""

    def __iter__(self) -> Iterator[Block]:
        """Its blocks, in order."""


class Reader(Protocol):
    """What reads inputs in the order of event time: a pipeline, or the part of one that sums up."""

    @property
    def watermarks(self) -> Watermarks:
        """How far each input has come."""

    @property
    def close(self) -> Callable[[str], None]:
        """Notes that an input has ended."""


def open_files(paths: Sequence[str | Path], block_rows: int = BLOCK_ROWS) -> list[EventFile]:
    """
    Open event files, each once.

    Raises
    ------
    UsageError
        A file does not exist, is given twice, is of no known kind, or its name cannot be stored as text.
    """
    registry = SchemaRegistry.load(default_schema_dir())
    twice = [path for path, count in Counter(Path(path).resolve() for path in paths).items() if count > 1]
    if twice:
        named = next(path for path in paths if Path(path).resolve() == twice[0])
        raise UsageError(f"{named} is given more than once; name each file once")
    unnameable = [str(path) for path in paths if not _is_text(str(path))]
    if unnameable:
        raise UsageError(f"{unnameable[0]!a}: its name is not UTF-8, and the store keeps names as text; rename it")
    return [open_source(path, registry, block_rows) for path in paths]


def _is_text(name: str) -> bool:
    """Whether a name has no bytes that Python could not decode, which it keeps as lone surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def trail_of(config: Config) -> int:
    """How far the watermark trails in a replay, us: files may be in any order within the longest label horizon."""
    return max(config.disorder, *(model.label_horizon for model in config.models.values()))


def in_event_time(reader: Reader, sources: Sequence[Source]) -> Iterator[Block]:
    """Blocks of all sources, always the next one of the source whose watermark is furthest behind."""
    waiting = {source.name: iter(source) for source in sources}
    while waiting:
        name = min(waiting, key=reader.watermarks.of)
        block = next(waiting[name], None)
        if block is None:
            del waiting[name]
            reader.close(name)
        else:
            yield block
