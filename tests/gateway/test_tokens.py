"""Tokens: who is who, and a file of them that is wrong is told without saying what may be a secret."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from streams.errors import ConfigError
from streams.gateway.tokens import Token, Tokens, load_tokens

FIRST, SECOND = "first-secret", "second-secret"


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def written(path: Path, text: str) -> Path:
    file = path / "tokens.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_file_names_those_who_may_write(tmp_path: Path) -> None:
    """Each name has its hash, in either case, and the models that it is restricted to, or all."""
    text = (
        f"tokens:\n  a: {{sha256: '{sha256(FIRST)}'}}\n  b:\n    sha256: '{sha256(SECOND).upper()}'\n    models: [m]\n"
    )
    tokens = load_tokens(written(tmp_path, text), ["m", "other"])

    assert tokens.holder(f"Bearer {FIRST}") == Token("a", bytes.fromhex(sha256(FIRST)))
    assert tokens.holder(f"bearer  {SECOND}") == Token("b", bytes.fromhex(sha256(SECOND)), frozenset({"m"}))


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        FIRST,
        f"Basic {FIRST}",
        f"Bearer {FIRST}x",
        f"Bearer {FIRST[:-1]}",
        f"Bearer {sha256(FIRST)}",
        "Bearer \udcff\udcfe",
        "Bearer " + "x" * 8_000,
    ],
)
def test_who_has_no_token_is_nobody(header: str | None) -> None:
    """No header, another scheme, a token that is nearly right, its hash, and bytes that are no text."""
    tokens = Tokens([Token("a", bytes.fromhex(sha256(FIRST))), Token("empty", bytes.fromhex(sha256("x")))])

    assert tokens.holder(header) is None


def test_every_token_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long it takes does not tell which token was met: all hashes are compared, by a function of constant time."""
    compared: list[bytes] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append(one)
        return one == other

    monkeypatch.setattr("streams.gateway.tokens.hmac.compare_digest", compare)
    every = [Token(name, bytes.fromhex(sha256(name))) for name in "abc"]
    tokens = Tokens(every)

    assert [tokens.holder(f"Bearer {name}") for name in "abcd"] == [*every, None]
    assert compared == [token.digest for token in every] * 4


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty, or not YAML: it must be `tokens:`"),
        ("tokens: [", "is empty, or not YAML: it must be `tokens:`"),
        (f"tokens: {FIRST}", "must be `tokens:` with a name for each token"),
        ("tokens: {}", "must be `tokens:` with a name for each token"),
        (f"tokens: {{a: {FIRST}}}", "tokens.a (line 1): must have `sha256:` under it"),
        (f"tokens: {{a: {{token: {FIRST}}}}}", "unknown key `token`"),
        (f"tokens: {{a: {{sha256: {FIRST}}}}}", "tokens.a.sha256 (line 1): must be 64 hexadecimal digits in quotes"),
        ("tokens: {a: {sha256: 12}}", "must be 64 hexadecimal digits in quotes"),
        (f"tokens: {{a: {{sha256: '{sha256(FIRST)}', models: m}}}}", "must be a list of models; leave it out for all"),
        (f"tokens: {{a: {{sha256: '{sha256(FIRST)}', models: [frod]}}}}", "`frod` is no model of the configuration"),
    ],
)
def test_a_file_that_is_wrong_says_where_and_not_what(tmp_path: Path, text: str, problem: str) -> None:
    """The place and what belongs there are told; never a value, which may be a token that stands there by mistake."""
    with pytest.raises(ConfigError) as caught:
        load_tokens(written(tmp_path, text), ["fraud"])

    assert problem in str(caught.value)
    assert FIRST not in str(caught.value)


def test_one_token_has_one_name(tmp_path: Path) -> None:
    """The same hash under two names is a problem, whatever its case."""
    text = f"tokens:\n  a: {{sha256: '{sha256(FIRST)}'}}\n  b: {{sha256: '{sha256(FIRST).upper()}'}}\n"

    with pytest.raises(ConfigError, match=r"tokens\.b\.sha256 \(line 3\): is that of `a` too"):
        load_tokens(written(tmp_path, text), [])


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """One that is missing, and one that is no text."""
    (tmp_path / "bytes").write_bytes(b"\xff")

    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_tokens(tmp_path / "missing", [])
    with pytest.raises(ConfigError, match="is not UTF-8"):
        load_tokens(tmp_path / "bytes", [])
