"""
What can go wrong, named by what the caller should do about it.

The command line prints the message of a `StreamsError` as one line and exits with its `exit_code`.
"""

from __future__ import annotations

from typing import ClassVar


class StreamsError(Exception):
    """Base of every error this package raises on purpose; the message is one clear line for a person."""

    exit_code: ClassVar[int] = 1
    retriable: ClassVar[bool] = False


class UsageError(StreamsError):
    """The caller named something that does not exist or does not fit; call again, corrected."""

    exit_code = 2


class ConfigError(UsageError):
    """The configuration has problems; `problems` lists every one of them with its path in the file."""

    def __init__(self, source: str, problems: list[str]) -> None:
        self.source = source
        self.problems = problems
        listed = "".join(f"\n  {problem}" for problem in problems)
        super().__init__(f"{source}: " + (problems[0] if len(problems) == 1 else f"{len(problems)} problems:{listed}"))


class SchemaError(UsageError):
    """A schema is unknown, malformed or incompatible with its landed version; mend the schema."""


class StoreError(UsageError):
    """A store cannot be opened or read with what was given; mend the DSN, the path or the query."""


class StoreUnavailable(StreamsError):
    """The store did not answer or refused a write for now; the same write may be tried again."""

    retriable = True


class StateCorrupt(StreamsError):
    """A snapshot cannot be restored; start from an older one or from the beginning of the input."""
