"""Large arrays come back from their narrow form bit by bit, whatever is in them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from streams.runtime.narrow import Values, narrow, widen

KINDS = [np.uint8, np.uint16, np.int32, np.int64, np.uint64, np.float64, np.bool_]


def back(array: Values) -> Values:
    form, arrays = narrow(array)
    return widen(form, [held.copy() for held in arrays], len(array))


def held(array: Values) -> tuple[str, int]:
    form, arrays = narrow(array)
    return form, sum(part.nbytes for part in arrays)


@given(st.data())
def test_every_array_comes_back_bit_by_bit(data: st.DataObject) -> None:
    """Values of any type, NaN of any kind among them, are the same bytes again, and can be written to."""
    kind = np.dtype(data.draw(st.sampled_from(KINDS)))
    few = data.draw(st.booleans())
    elements = nps.from_dtype(kind)
    values = st.sampled_from(data.draw(st.lists(elements, min_size=1, max_size=3))) if few else elements
    array = data.draw(nps.arrays(kind, st.integers(0, 200), elements=values))
    again = back(array)

    assert again.dtype == array.dtype
    assert again.tobytes() == array.tobytes()
    assert again.flags.writeable


@pytest.mark.parametrize("span", [2**8 - 1, 2**8, 2**16, 2**32 - 1, 2**32, 2**40 - 1, 2**40, 2**48 - 1, 2**48, 2**63])
def test_numbers_at_the_edges_of_a_width_come_back(span: int) -> None:
    """Distances that just fit into a width, and those that just do not, are kept alike."""
    spread = np.arange(1_000, dtype=np.uint64) * np.uint64(span // 1_000)
    for least in (0, -(2**63)):
        array = np.append(spread, np.uint64(span)).view(np.int64) + np.int64(least)

        assert back(array).tolist() == array.tolist()


def test_what_a_column_of_state_usually_is_becomes_small() -> None:
    """One value takes its own bytes, few take one byte a row, times of an hour five; hashes stay what they are."""
    rng = np.random.default_rng(5)
    rows = 10_000
    times = 1_700_000_000_000_000 + rng.integers(0, 3_600_000_000 * 4, rows)

    assert held(np.full(rows, np.nan)) == ("alike", 8)
    assert held(rng.choice(rng.random(3), rows)) == ("coded", 3 * 8 + rows)
    assert held(times) == ("near", 8 + 5 * rows)
    assert held(rng.integers(0, 2**63, rows).astype(np.uint64) * np.uint64(2)) == ("plain", 8 * rows)


def test_a_rare_value_beside_few_is_kept() -> None:
    """Values that the sample does not see are in the list of codes all the same."""
    array = np.zeros(100_000)
    array[::2] = 1.0
    array[777] = np.pi

    assert back(array).tobytes() == array.tobytes()


def test_more_values_than_codes_stay_as_they_are() -> None:
    """A column that looks like few values, and has more than there are codes, is not cut short."""
    array = np.zeros(200_000)
    array[1::2] = np.arange(100_000)
    array[::2][: len(array[::2])] = 0.0
    looked_at = array.copy()
    looked_at[:: len(array) // 1_024] = 0.0

    assert back(looked_at).tobytes() == looked_at.tobytes()


def test_an_unknown_form_is_an_error() -> None:
    """Bytes of a later version are not taken for something else."""
    with pytest.raises(ValueError, match="unknown form"):
        widen("woven", [np.zeros(1)], 1)  # type: ignore[arg-type]  # what is read may say anything
