"""The hash: unambiguous, even, and the same in every process."""

from __future__ import annotations

import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.experiments.hashing import message, part, position

ROOT = Path(__file__).parents[2]
LISTS = st.lists(st.text(alphabet=st.characters(codec="utf-8"), max_size=6), max_size=4)


def parts(encoded: bytes) -> list[str]:
    """Take a message apart again."""
    found: list[str] = []
    while encoded:
        length, _, rest = encoded.partition(b":")
        data, comma, encoded = rest[: int(length)], rest[int(length) : int(length) + 1], rest[int(length) + 1 :]
        assert comma == b","
        found.append(data.decode())
    return found


@given(LISTS)
def test_a_message_can_be_taken_apart(texts: list[str]) -> None:
    """Whatever the texts are, their encoding leads back to them and to no others."""
    assert parts(message(*texts)) == texts


@given(LISTS)
def test_a_position_is_below_one(texts: list[str]) -> None:
    """A position is the digest's first 53 bits, a fraction that a double holds exactly."""
    found = position(message(*texts))

    assert 0 <= found < 1
    assert found * 2**53 == int.from_bytes(sha256(message(*texts)).digest(), "big") >> 203


@pytest.mark.parametrize("slots", [1_000, 1_023, 1_024, 1_030, 9_999, 10_000, 999_983, 1_000_000])
def test_no_position_is_past_the_last_slot(slots: int) -> None:
    """The largest position times any number of slots rounds to less than that number."""
    assert int((1 - 2**-53) * slots) == slots - 1


def test_half_a_character_has_no_encoding() -> None:
    """Text that UTF-8 cannot write is an error here; `Subject` takes it for no unit."""
    with pytest.raises(UnicodeEncodeError):
        part("\ud800")


def test_processes_agree() -> None:
    """Python's own hash differs between these processes; assignments do not."""
    script = (
        "from streams.experiments import Experiments\n"
        "data = {'experiments': {n: {'arms': {'a': 1, 'b': 1, 'c': 1}, 'traffic': .5} for n in ('e', 'f', 'g')}}\n"
        "print([Experiments.parse(data).assign(f'u{i}').arms for i in range(50)], hash('u1'))"
    )
    printed = []
    for number in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": number}
        command = [sys.executable, "-c", script]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, env=environment)  # noqa: S603
        printed.append(done.stdout.rpartition(" "))

    assert printed[0][0] == printed[1][0]
    assert printed[0][2] != printed[1][2]
