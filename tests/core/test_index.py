"""The index of keys against a dictionary of lists, where runs are large and where keys are no hashes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import numpy as np
import pytest

from streams.core.columns import Hashes
from streams.core.index import KeyIndex

MANY = 300_000
SPREADS: dict[str, Callable[[np.random.Generator], Hashes]] = {
    "evenly": lambda rng: rng.integers(0, 2**64, MANY, np.uint64),
    "in one range": lambda rng: rng.integers(2**63, 2**63 + 10 * MANY, MANY, np.uint64),
    "at both ends": lambda rng: np.where(rng.random(MANY) < 0.5, np.uint64(0), np.uint64(2**64 - 1)),
    "often the same": lambda rng: rng.integers(0, 2**64, MANY // 3, np.uint64)[rng.integers(0, MANY // 3, MANY)],
}


@pytest.mark.parametrize("spread", SPREADS)
def test_large_runs_find_what_they_hold(spread: str) -> None:
    """Every place of a key that is held, nothing of one that is not: below, between and above those that are."""
    rng = np.random.default_rng(3)
    keys = SPREADS[spread](rng)
    index = KeyIndex()
    places: defaultdict[int, list[int]] = defaultdict(list)
    for first in range(0, MANY, 100_000):
        index.insert(keys[first : first + 100_000], first)
    for number, key in enumerate(keys.tolist()):
        places[key].append(number)
    some = rng.choice(keys, 40) if spread == "at both ends" else rng.choice(keys, 5_000)
    near = np.concatenate([some, some + np.uint64(1), some - np.uint64(1), np.array([0, 2**64 - 1], np.uint64)])
    asked = np.unique(near) if spread == "at both ends" else np.sort(near)

    query, at = index.find(asked)

    expected = [(q, place) for q, key in enumerate(asked.tolist()) for place in places.get(key, ())]
    assert sorted(zip(query.tolist(), at.tolist(), strict=True)) == expected


def test_places_between_keys_come_in_the_order_of_keys() -> None:
    """Both ends belong to it; all keys are between the least and the largest."""
    rng = np.random.default_rng(4)
    keys = rng.integers(0, 2**64, 1_000, np.uint64)
    index = KeyIndex()
    index.insert(keys[:900], 0)
    index.insert(keys[900:], 900)
    low, high = (int(key) for key in np.sort(keys)[[10, 500]])

    assert keys[index.between(low, high)].tolist() == np.sort(keys)[10:501].tolist()
    assert keys[index.between(0, 2**64 - 1)].tolist() == np.sort(keys).tolist()


def test_places_get_new_numbers() -> None:
    """What is forgotten is found no longer, the rest where it has gone."""
    keys = np.random.default_rng(5).integers(0, 2**64, MANY, np.uint64)
    index = KeyIndex()
    index.insert(keys, 0)
    kept = np.arange(MANY) % 3 == 0

    index.move(np.where(kept, np.cumsum(kept) - 1, -1).astype(np.int32))

    order = np.argsort(keys)
    query, place = index.find(keys[order])
    found = dict(zip(order[query].tolist(), place.tolist(), strict=True))
    assert found == {old: old // 3 for old in range(0, MANY, 3)}
