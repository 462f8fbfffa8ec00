"""Reads secrets from where the configuration says that they are; they go into no message."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from streams.errors import UsageError


def read_secret(what: str, variable: str | None, file: str | None, environ: Mapping[str, str]) -> str:
    """
    Return a secret, without white space around it.

    Parameters
    ----------
    what
        The secret in words, for messages: "the routing key of route oncall".
    variable, file
        The environment variable that holds it, or the file; one of the two.
    environ
        The environment.

    Raises
    ------
    UsageError
        The variable is not set, or the file is empty or cannot be read. Names it, never what it holds.
    """
    if variable is not None:
        if not environ.get(variable, "").strip():
            raise UsageError(f"environment variable {variable} is not set; put {what} into it")
        return environ[variable].strip()
    try:
        secret = Path(str(file)).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise UsageError(f"file {file}, which should hold {what}, cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:  # not its cause: the error holds what the file holds
        raise UsageError(f"file {file} is not UTF-8; write {what} into it") from None
    if not secret:
        raise UsageError(f"file {file} is empty; write {what} into it")
    return secret
