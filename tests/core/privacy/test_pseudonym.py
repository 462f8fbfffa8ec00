"""Pseudonyms: equal within a period, unlinkable beyond it, and known again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.core.privacy.pseudonym import Pseudonyms, period_of

ROTATE = 1_000
NAMES = Pseudonyms(b"the secret", ROTATE)
texts = st.text()
times = st.integers(0, 10**16)


@given(text=texts, time=times)
def test_a_pseudonym_is_the_one_of_its_period(text: str, time: int) -> None:
    """Within a period it is the same at any time, and says which period that is."""
    name = NAMES.of("unit_id", text, time)

    assert name == NAMES.in_period("unit_id", text, time // ROTATE)
    assert period_of(name) == time // ROTATE


@given(text=texts, one=times, other=times)
def test_a_pseudonym_stays(text: str, one: int, other: int) -> None:
    """What the service has hashed is not hashed again, also if the time of the event is another."""
    name = NAMES.of("unit_id", text, one)

    assert NAMES.of("unit_id", name, other) == name


@given(text=texts)
def test_pseudonyms_depend_on_everything(text: str) -> None:
    """Another period, another field, another text and another secret give other hashes."""
    others = [
        NAMES.in_period("unit_id", text, 8),
        NAMES.in_period("attributes.email", text, 7),
        NAMES.in_period("unit_id", text + "x", 7),
        Pseudonyms(b"another secret", ROTATE).in_period("unit_id", text, 7),
    ]

    hashes = {name.rpartition("-")[2] for name in [NAMES.in_period("unit_id", text, 7), *others]}
    assert len(hashes) == 5


def test_what_only_looks_like_a_pseudonym_is_hashed() -> None:
    """A text in the form of a pseudonym that was not made with the secret does not pass."""
    forged = Pseudonyms(b"another secret", ROTATE).of("unit_id", "ada", 0)
    name = NAMES.of("unit_id", "ada", 0)
    changed = name[:-1] + ("0" if name[-1] != "0" else "1")

    for text in (forged, changed, "~0-", "~", f"~0-{40 * 'z'}"):
        assert NAMES.of("unit_id", text, 0) != text
        assert not NAMES.made(text)


def test_keys_of_many_periods_do_not_pile_up() -> None:
    """However many periods are asked for, the answers stay the same, and few keys are held."""
    first = NAMES.in_period("unit_id", "ada", 0)
    for period in range(3_000):
        NAMES.in_period("unit_id", "ada", period)

    assert NAMES.in_period("unit_id", "ada", 0) == first
    assert len(NAMES._keys) <= 1_000


def test_a_digest_tells_bytes_apart() -> None:
    """Equal bytes have equal digests, others not; another secret gives others."""
    assert NAMES.digest(b"a") == NAMES.digest(b"a")
    assert len({NAMES.digest(b"a"), NAMES.digest(b"b"), Pseudonyms(b"x", 1).digest(b"a")}) == 3
