"""Owners: a keyed hash of a unit, which is nobody's where there is no unit."""

from __future__ import annotations

import polars as pl
import polars_hash
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from streams.core.privacy.owner import NOBODY, Owners

OWNERS = Owners(b"the secret")
units = st.lists(st.none() | st.text(max_size=80), max_size=20)


@given(texts=units)
def test_equal_units_have_one_owner_and_others_have_others(texts: list[str | None]) -> None:
    """Owners tell units apart, whatever they are called and in whichever column they stand."""
    owners = OWNERS.of(pa.array(texts, pa.string())).tolist()

    assert [owner == NOBODY for owner in owners] == [not text for text in texts]
    assert len(set(owners) - {int(NOBODY)}) == len({text for text in texts if text})
    assert [OWNERS.of(pa.array([text], pa.string())).tolist()[0] for text in texts] == owners


def test_owners_depend_on_the_secret() -> None:
    """Without the secret nobody can find a unit's owner by trying names; and the name alone gives another hash."""
    names = pa.array(["ada"])
    plain = pl.DataFrame({"unit": ["ada"]}).select(polars_hash.col("unit").chash.blake3())["unit"][0]

    assert OWNERS.of(names) != Owners(b"another secret").of(names)
    assert f"{OWNERS.of(names)[0]:016x}" != plain[:16]


def test_owners_stay_what_they_are() -> None:
    """A checkpoint of today is read tomorrow: the hash is a fixed function of secret and text."""
    assert OWNERS.of(pa.array(["ada", "Grüße"])).tolist() == [5764726218019120109, 13350139578172100697]
