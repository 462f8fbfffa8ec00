"""What is watched, parted for its way: nothing is lost, nothing comes twice, and nothing goes where it is not due."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.core.detect.column_sums import ColumnSums
from streams.core.detect.texts import Texts
from streams.core.detect.traveling import bare, halves, is_bare, of_models, size_of
from streams.core.groups import Slice

told = st.lists(st.tuples(st.sampled_from("mn"), st.integers(0, 2), st.integers(1, 3), st.integers(1, 9)), max_size=12)


def watched(some: list[tuple[str, int, int, int]], errors: int) -> dict[str, Any]:
    """Return sums of columns, texts, and a sample of errors."""
    columns, texts = ColumnSums(), Texts()
    for model, tick, column, bin_ in some:
        cell = np.array([columns.cell(tick, Slice(model, (), ()))])
        columns.add(cell, np.array([column]), np.array([bin_]), np.ones(1))
        texts.add((model, tick), [column], [bin_], [f"text {bin_}"])
    rows = {"rank": np.arange(errors) / 4, "id": np.arange(errors)}
    sample = [{"model": "m", "tick": 0, "rows": rows}] if errors else []
    return {"columns": columns.collect(), "delays": ColumnSums().collect(), "texts": texts.collect(), "errors": sample}


def read(columns: ColumnSums) -> dict[tuple[int, str], list[tuple[int, int, float]]]:
    """Return the entries of each tick and model."""
    return {
        (tick, slice_.model): list(zip(*(of.tolist() for of in (e.column, e.bin, e.weight)), strict=True))
        for tick, by_slice in columns.take(9).items()
        for slice_, e in by_slice.items()
    }


@given(told, st.integers(0, 5))
def test_halves_of_halves_are_the_whole(some: list[tuple[str, int, int, int]], errors: int) -> None:
    """By model, then in halves until a piece holds one entry: together they are what there was, and each is small."""
    whole = watched(some, errors)
    columns, texts = ColumnSums(), Texts()
    pieces = [of_models(whole, "m".__eq__), of_models(whole, "n".__eq__)]
    ids: list[int] = []
    while pieces:
        piece = pieces.pop()
        cut = halves(piece)
        pieces += cut
        if not cut:
            assert is_bare(piece) or 0 < size_of(piece) <= 16 + len("text 9") + 16
            columns.merge(piece["columns"])
            texts.merge(piece["texts"])
            ids += [one for sample in piece["errors"] for one in sample["rows"]["id"].tolist()]
    expected = ColumnSums()
    expected.merge(whole["columns"])

    assert read(columns) == read(expected)
    assert sorted(ids) == list(range(errors))
    again = Texts()
    again.merge(whole["texts"])
    assert texts.take(9) == again.take(9)


def test_a_shard_gets_the_texts_of_its_models() -> None:
    """Names of categories go with their model, and with nothing else."""
    whole = watched([("m", 0, 1, 1), ("n", 0, 1, 2)], 3)

    mine = of_models(whole, lambda name: name == "n")
    assert [(piece["model"], piece["rows"]["text"]) for piece in mine["texts"]] == [("n", ["text 2"])]
    assert mine["errors"] == []
    assert is_bare(bare(whole))
    assert size_of(bare(whole)) == 0 < size_of(whole)


def test_samples_of_slices_are_cut_with_their_names() -> None:
    """A piece holds the slices that its rows are in, and no others, so that it becomes small."""
    rows = {"slice": np.array([0, 0, 1, 2]), "id": np.arange(4)}
    names = [[["country"], [country]] for country in ("de", "fr", "it")]
    piece = {"model": "m", "tick": 0, "slices": names, "rows": rows}
    pieces, found = [watched([], 0) | {"errors": [piece]}], []
    while pieces:
        one = pieces.pop()
        cut = halves(one)
        assert not cut or sum(map(size_of, cut)) <= 2 * size_of(one)
        pieces += cut
        if not cut:
            [left] = one["errors"]
            assert len(left["slices"]) == 1
            found.append((left["rows"]["id"].item(), left["slices"][left["rows"]["slice"].item()][1][0]))

    assert sorted(found) == [(0, "de"), (1, "de"), (2, "fr"), (3, "it")]
