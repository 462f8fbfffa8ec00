"""Texts of categories: one for each bin of a column and tick, whoever read it first, and short."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.core.detect.texts import LONGEST, Texts, readable

told = st.lists(st.tuples(st.sampled_from("mn"), st.integers(0, 2), st.integers(1, 2), st.integers(1, 3), st.text()))
Told = tuple[str, int, int, int, str]


def added(texts: Texts, some: list[Told]) -> Texts:
    for model, tick, column, bin_, text in some:
        texts.add((model, tick), [column], [bin_], [text])
    return texts


@given(told, st.integers(1, 5), st.data())
def test_parts_have_the_texts_of_the_whole(some: list[Told], size: int, data: st.DataObject) -> None:
    """In any order and blocks, collected, stopped and restored: the first text by letters of each model's ticks."""
    whole = added(Texts(), some)
    some, parts, together = data.draw(st.permutations(some)), Texts(), Texts()
    for first in range(0, len(some), size):
        together.merge(added(parts, some[first : first + size]).collect())
    again = Texts()
    again.restore(together.snapshot())

    early = whole.take(1)
    assert together.take(1) == again.take(1) == early
    assert early.keys() == {(model, tick) for model, tick, *_ in some if tick < 1}
    assert all(
        text == min(one[-1] for one in some if one[:4] == (*key, *place))
        for key, names in early.items()
        for place, text in names.items()
    )
    assert together.take(9) == again.take(9) == whole.take(9)


@given(st.text())
def test_what_is_kept_of_a_text_is_short_and_in_one_line(text: str) -> None:
    """A text that is short and can be printed stays as it is; whatever it is, it is one line."""
    kept = readable(text)

    assert len(kept) <= LONGEST
    assert kept.isprintable()
    assert kept == text or len(text) > LONGEST or not text.isprintable()
