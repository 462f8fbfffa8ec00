from __future__ import annotations

from collections.abc import Callable

import pytest

from streams.errors import StoreError, StoreUnavailable
from streams.sinks.clickhouse.retry import ONCE, Retry


def failing(errors: list[Exception]) -> Callable[[], str]:
    """Return an action that raises each of the errors in turn, then succeeds."""

    def act() -> str:
        if errors:
            raise errors.pop(0)
        return "done"

    return act


def test_a_store_that_comes_back() -> None:
    """The call is repeated after pauses that double up to the longest, and its result returned."""
    pauses: list[float] = []
    retry = Retry(attempts=6, first_pause=1.0, longest_pause=5.0, sleep=pauses.append)

    assert retry.call(failing([StoreUnavailable("away")] * 5)) == "done"
    assert pauses == [1.0, 2.0, 4.0, 5.0, 5.0]


def test_a_store_that_stays_away() -> None:
    """After the last attempt its error is raised, without a pause after it."""
    pauses: list[float] = []
    errors: list[Exception] = [StoreUnavailable(str(attempt)) for attempt in range(9)]

    with pytest.raises(StoreUnavailable, match="2"):
        Retry(attempts=3, sleep=pauses.append).call(failing(errors))
    assert pauses == [0.5, 1.0]


def test_other_errors_are_not_repeated() -> None:
    """A mistake of the caller's is raised at once."""
    pauses: list[float] = []

    with pytest.raises(StoreError, match="wrong"):
        Retry(sleep=pauses.append).call(failing([StoreError("wrong")]))
    assert pauses == []


def test_once_is_once() -> None:
    """The embedded engine is asked a single time."""
    with pytest.raises(StoreUnavailable):
        ONCE.call(failing([StoreUnavailable("full")]))
