"""The texts of what may become an orphan."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.archive import Archive
from tests.core.making import ints


def table(*names: str) -> pa.Table:
    return pa.table({"id": pa.array(names, pa.string())})


def fetched(archive: Archive, refs: np.ndarray) -> list[str]:
    found: list[str] = archive.fetch(refs).column("id").to_pylist()
    return found


@given(sizes=st.lists(st.integers(0, 5), min_size=1, max_size=5), data=st.data())
def test_references_give_back_their_records_in_any_order(sizes: list[int], data: st.DataObject) -> None:
    """Records of several tables are fetched in the order asked for, repeated as often as asked."""
    archive = Archive()
    names: dict[int, str] = {}
    for number, size in enumerate(sizes):
        texts = [f"{number}.{row}" for row in range(size)]
        names |= dict(zip(archive.keep(table(*texts), 0).tolist(), texts, strict=True))
    wanted = data.draw(st.lists(st.sampled_from(sorted(names)), min_size=1, max_size=10) if names else st.just([]))

    assert archive.fetch(ints(wanted)).to_pydict().get("id", []) == [names[ref] for ref in wanted]


def test_no_references_give_an_empty_table() -> None:
    """Fetching nothing gives no rows."""
    assert archive_of().fetch(ints([])).num_rows == 0


def archive_of() -> Archive:
    archive = Archive()
    archive.keep(table("old"), 10)
    archive.keep(table("new"), 20)
    return archive


def test_tables_are_dropped_when_their_last_record_is_passed() -> None:
    """A table whose last time is the bound stays; one before it goes, and its references are dead."""
    archive = Archive()
    old, new = archive.keep(table("old"), 10), archive.keep(table("new"), 20)
    archive.drop(10)
    kept = fetched(archive, old)
    archive.drop(11)

    assert (kept, fetched(archive, new)) == (["old"], ["new"])
    with pytest.raises(KeyError):
        archive.fetch(old)


def test_a_dropped_number_is_not_given_to_another_table() -> None:
    """References after a drop are new ones."""
    archive = Archive()
    first = archive.keep(table("a"), 1)
    archive.drop(9)

    assert archive.keep(table("b"), 9).tolist() != first.tolist()


def test_a_restored_archive_knows_its_references() -> None:
    """References from before a snapshot are good after it, and new ones do not collide with them."""
    archive, copy = Archive(), Archive()
    refs = archive.keep(table("a", "b"), 5)
    copy.restore(archive.snapshot())
    more = copy.keep(table("c"), 6)

    assert fetched(copy, np.concatenate([more, refs])) == ["c", "a", "b"]


def test_erased_texts_are_gone_and_the_others_stay() -> None:
    """Of several tables the named records are null from then on; other references lead where they led."""
    archive = Archive()
    first, second = archive.keep(table("a", "b", "c"), 0), archive.keep(table("d"), 0)
    archive.erase(ints([int(first[1]), int(second[0])]))

    assert archive.fetch(np.concatenate([first, second]))["id"].to_pylist() == ["a", None, "c", None]
    texts = archive.snapshot()["0"][0]["id"].combine_chunks()
    assert b"b" not in texts.buffers()[2].to_pybytes()
