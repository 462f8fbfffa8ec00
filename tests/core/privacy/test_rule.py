"""Rules: what they give, and that they change nothing when they are applied again."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.privacy.pseudonym import Pseudonyms
from streams.core.privacy.rule import DROP, HASH, KEEP, Rule, bucketed, known, treat_of

NAMES = Pseudonyms(b"s", 1_000)
RULES = [KEEP, DROP, HASH, Rule("truncate", 3), Rule("bucket", 0.1), known(("a", "b"))]
numbers = st.floats(-1e15, 1e15)
widths = st.floats(1e-6, 1e6)


@given(rule=st.sampled_from(RULES), value=st.text() | st.floats() | st.integers(), time=st.integers(0, 10**9))
def test_a_rule_applied_again_changes_nothing(rule: Rule, value: Any, time: int) -> None:
    """What the service has treated, the pipeline leaves as it is."""
    treat = treat_of(rule, "field", NAMES)
    once = treat(value, time)

    assert once is None or repr(treat(once, time)) == repr(once)


@given(number=numbers, width=widths)
def test_a_bucket_holds_its_number(number: float, width: float) -> None:
    """A bucket begins at most one width below its number, up to rounding, and is its own bucket."""
    start = bucketed(number, width)
    rounding = 8 * math.ulp(max(abs(number), width))

    assert -rounding <= number - start <= width + rounding
    assert bucketed(start, width) == start


@pytest.mark.parametrize("number", [math.inf, -math.inf, 1e308])
def test_numbers_without_a_bucket_stay(number: float) -> None:
    """What is infinite, or so large that it is a multiple of any width, is its own bucket."""
    assert bucketed(number, 1e-3) == number
    assert math.isnan(bucketed(math.nan, 1.0))


@pytest.mark.parametrize(
    ("rule", "value", "left"),
    [
        (KEEP, "ada", "ada"),
        (DROP, "ada", None),
        (HASH, "ada", NAMES.of("field", "ada", 7)),
        (HASH, "", ""),
        (HASH, 7, None),
        (Rule("truncate", 2), "ada", "ad"),
        (Rule("truncate", 2), 7.0, None),
        (Rule("bucket", 10), 37, 30.0),
        (Rule("bucket", 10), "37", None),
        (Rule("bucket", 10), True, None),
        (known(("ada",)), "ada", "ada"),
        (known(("ada",)), "bob", None),
        (known(("ada",)), ["ada"], None),
    ],
)
def test_what_a_rule_leaves(rule: Rule, value: Any, left: Any) -> None:
    """Each rule does what it says; a value of a type that it is not for is dropped."""
    assert treat_of(rule, "field", NAMES)(value, 7) == left


def test_without_a_secret_a_hash_drops() -> None:
    """Nothing is hashed without a key: whoever knows the names could try them out."""
    assert treat_of(HASH, "unit_id", None)("ada", 7) is None
