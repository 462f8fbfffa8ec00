"""The number of a request: uniform, the same on every topic, another with another salt."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from streams.core.flatten import identify
from streams.core.ids import hash_strings
from streams.core.sample import sampled
from streams.core.sampling.uniform import kept, uniforms
from tests.core.making import make_batch, prediction

hashes = st.lists(st.integers(0, 2**64 - 1), max_size=20).map(lambda values: np.array(values, np.uint64))
salts = st.sampled_from(["", "spring", "autumn"])


def ids(many: int) -> np.ndarray:
    return hash_strings(pa.array([f"request-{number}" for number in range(many)]))


@given(keys=hashes, salt=salts)
def test_numbers_are_from_0_to_below_1(keys: np.ndarray, salt: str) -> None:
    """So a probability of 1 keeps every request, and one of 0 none."""
    keys = np.append(keys, np.array([0, 2**64 - 1], np.uint64))
    numbers = uniforms(keys, salt)

    assert ((numbers >= 0) & (numbers < 1)).all()
    assert kept(numbers, 1.0).all()
    assert not kept(numbers, 0.0).any()


@given(keys=hashes, salt=salts, one=st.floats(0, 1), other=st.floats(0, 1))
def test_a_higher_rate_contains_a_lower(keys: np.ndarray, salt: str, one: float, other: float) -> None:
    """What a rate keeps, every higher rate keeps too."""
    numbers = uniforms(keys, salt)
    less, more = sorted((one, other))

    assert not (kept(numbers, less) & ~kept(numbers, more)).any()


@given(request=st.text(min_size=1, max_size=9), salt=salts)
def test_all_events_of_a_request_have_one_number(request: str, salt: str) -> None:
    """A prediction, its outcome and its feedback are kept or left together, on whatever topic each comes."""
    events = [
        make_batch("prediction", [prediction("p", 1, request_id=request)]),
        make_batch("outcome", [{"request_id": request, "event_time": 9, "label": "1"}]),
        make_batch("feedback", [{"feedback_id": "f", "request_id": request, "event_time": 5, "kind": "click"}]),
    ]

    assert len({uniforms(identify(batch.table)["key"], salt).tolist()[0] for batch in events}) == 1


def test_numbers_are_uniform() -> None:
    """Those of 20,000 ids, with and without a salt (Kolmogorov and Smirnov's test, at 1 in 1,000)."""
    for salt in ("", "spring"):
        assert stats.kstest(uniforms(ids(20_000), salt), "uniform").pvalue > 0.001


def test_a_salt_draws_independently() -> None:
    """Numbers of two salts are not correlated, nor do those of one decide where the others lie."""
    one, other = uniforms(ids(20_000)), uniforms(ids(20_000), "spring")
    table = np.histogram2d(one, other, bins=10)[0]

    assert abs(np.corrcoef(one, other)[0, 1]) < 4.5 / np.sqrt(20_000)
    assert stats.chisquare(table.ravel()).pvalue > 0.001


def test_without_a_salt_the_same_requests_are_kept_as_by_a_share() -> None:
    """`samples: 0.1` and a plan's rate of 0.1 keep the same."""
    keys = ids(20_000)

    np.testing.assert_array_equal(kept(uniforms(keys), 0.1), sampled(keys, 0.1))
