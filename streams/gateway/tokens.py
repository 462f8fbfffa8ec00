"""
Who may write: bearer tokens, of which the gateway's file holds only SHA-256 hashes.

A token is drawn at random and long, so that one round of a hash is enough: there is nothing to guess.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from streams.config.document import read_document
from streams.config.problems import Problem, unknown
from streams.errors import ConfigError

_HASH = re.compile(r"[0-9A-Fa-f]{64}")
_KEYS = ("sha256", "models")
_SHAPE = "must be `tokens:` with a name for each token, and `sha256:` under the name"


@dataclass(frozen=True)
class Token:
    """Who writes: a name, the SHA-256 of the token, and the models whose predictions it may write (None: of all)."""

    name: str
    digest: bytes
    models: frozenset[str] | None = None


class Tokens:
    """All tokens."""

    def __init__(self, tokens: Iterable[Token]) -> None:
        self._tokens = tuple(tokens)

    def __iter__(self) -> Iterator[Token]:
        return iter(self._tokens)

    def holder(self, authorization: str | None) -> Token | None:
        """
        Return whose token an Authorization header has; None if it is none that is known.

        Takes as long for a wrong token as for a right one: it is compared, as a hash, with every other.
        """
        scheme, _, presented = (authorization or "").partition(" ")
        digest = hashlib.sha256(presented.strip().encode("utf-8", "surrogateescape")).digest()
        found = None
        for token in self._tokens:
            if hmac.compare_digest(token.digest, digest):
                found = token
        return found if scheme.lower() == "bearer" else None


def load_tokens(path: Path, models: Iterable[str]) -> Tokens:
    """
    Read a file of tokens: YAML, `tokens:` and under each name its `sha256` and, optionally, its `models`.

    Raises
    ------
    ConfigError
        With every problem in the file. Says no value from it but names, as a token may stand there by mistake.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(str(path), [f"cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError:  # not its cause: the error holds what the file holds
        raise ConfigError(str(path), ["is not UTF-8"]) from None
    document = read_document(text)
    if document.data is None:
        raise ConfigError(str(path), [f"is empty, or not YAML: it {_SHAPE}"])
    entries = document.data.get("tokens") if isinstance(document.data, dict) else None
    if not isinstance(entries, dict) or not entries or document.problems:
        raise ConfigError(str(path), [_SHAPE])
    declared = tuple(models)
    problems = [problem for name, entry in entries.items() for problem in _problems(name, entry, declared)]
    problems = problems or [*_repeated(entries)]
    if problems:
        raise ConfigError(str(path), document.report(problems))
    return Tokens(_token(name, entry) for name, entry in entries.items())


def _token(name: str, entry: dict[str, object]) -> Token:
    models = entry.get("models")
    allowed = frozenset(map(str, models)) if isinstance(models, list) else None
    return Token(name, bytes.fromhex(str(entry["sha256"])), allowed)


def _problems(name: str, entry: object, declared: tuple[str, ...]) -> Iterator[Problem]:
    where = ("tokens", name)
    if not isinstance(entry, dict):
        yield where, "must have `sha256:` under it, the SHA-256 of the token"
        return
    for key in entry:
        if key not in _KEYS:
            yield (*where, key), f"unknown key `{key}`{unknown(key, _KEYS)}"
    hashed = entry.get("sha256")
    if not isinstance(hashed, str) or not _HASH.fullmatch(hashed):
        yield (*where, "sha256"), "must be 64 hexadecimal digits in quotes: the SHA-256 of the token, not the token"
    yield from _problems_of_models(where, entry.get("models"), declared)


def _problems_of_models(where: tuple[str, ...], models: object, declared: tuple[str, ...]) -> Iterator[Problem]:
    if models is None:
        return
    if not isinstance(models, list) or not models:
        yield (*where, "models"), "must be a list of models; leave it out for all"
        return
    for model in models:
        if model not in declared:
            yield (*where, "models"), f"`{model}` is no model of the configuration{unknown(str(model), declared)}"


def _repeated(entries: dict[str, dict[str, object]]) -> Iterator[Problem]:
    """Two names for one token: nobody could say which of them writes."""
    first: dict[str, str] = {}
    for name, entry in entries.items():
        earlier = first.setdefault(str(entry["sha256"]).lower(), name)
        if earlier != name:
            yield ("tokens", name, "sha256"), f"is that of `{earlier}` too: give each name a token of its own"
