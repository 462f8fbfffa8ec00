"""What explains what: by what things are of, how far they went, and when they began."""

from __future__ import annotations

from typing import Any

import pytest

from streams.core.alert.cause import (
    EXPLAINING,
    Grouping,
    Scope,
    Span,
    covers,
    is_within,
    rank,
    scope_of,
    span_of_finding,
)
from streams.core.detect.finding import Finding, Slice
from streams.core.window_spec import HOUR
from tests.core.alert.making import EV, EV_JFK, UA, WHOLE, at, fell, finding, gone, moved, silence


@pytest.mark.parametrize(
    ("one", "scope"),
    [
        (silence(1), "everything"),
        (finding("traffic", 1, (-3.0, -0.6), kind="traffic"), "everything"),
        (finding("traffic", 1, (-3.0, -0.4), kind="traffic"), None),
        (finding("traffic", 1, (0.6, 3.0), kind="traffic"), None),
        (finding("lag", 1, (1.0, 1.0), kind="pipeline"), "everything"),
        (gone("label_coverage", 1, kind="traffic"), "labelled"),
        (finding("label_coverage", 1, (-0.6, -0.4), kind="traffic"), "labelled"),
        (finding("label_coverage", 1, (-0.15, -0.05), kind="traffic"), None),
        (finding("label_delay", 1, (2.0, 3.0), kind="traffic"), "labelled"),
        (finding("label_delay", 1, (-3.0, -2.0), kind="traffic"), None),
        (moved("label_delay", 1), None),
        (gone("accuracy", 1), None),
        (finding("latency", 1, (2.0, 3.0), kind="traffic"), None),
        (finding("sample_ratio", 1, (-0.1, 0.1), kind="verdict"), "arms"),
        (finding("crossovers", 1, (0.1, 0.2), kind="verdict"), "arms"),
        (finding("traffic", 1, (-3.0, -0.6), kind="verdict"), None),
        (finding("sample_ratio", 1, (0.1, 0.2)), None),
    ],
)
def test_what_a_watch_explains(one: Finding, scope: Scope | None) -> None:
    """No events explain everything and no labels what needs them; a little less of either explains nothing."""
    assert scope_of(one, EXPLAINING) == scope


@pytest.mark.parametrize(
    ("scope", "cause", "effect", "covered"),
    [
        ("everything", WHOLE, fell("accuracy", 1), True),
        ("everything", WHOLE, moved("dep_delay", 1), True),
        ("everything", EV, fell("accuracy", 1), False),
        ("everything", EV, fell("accuracy", 1, slice=EV), True),
        ("everything", EV, fell("accuracy", 1, slice=EV_JFK), True),
        ("everything", EV, fell("accuracy", 1, slice=UA), False),
        ("labelled", WHOLE, fell("accuracy", 1), True),
        ("labelled", WHOLE, moved("dep_delay", 1), False),
        ("labelled", WHOLE, fell("mean_score", 1, label_coverage=float("nan")), False),
        ("labelled", WHOLE, gone("accuracy", 1), True),
        ("labelled", WHOLE, gone("dep_delay", 1, kind="column"), False),
        ("arms", WHOLE, fell("accuracy", 1, kind="verdict"), True),
        ("arms", WHOLE, fell("accuracy", 1), False),
    ],
)
def test_how_far_a_cause_reaches(scope: Scope, cause: Slice, effect: Finding, covered: bool) -> None:
    """A cause explains what is in its slice, and missing labels only what is made from labels."""
    missing = effect.standing == "no data"

    assert covers(silence(1, slice=cause), scope, effect, missing=missing) == covered


@pytest.mark.parametrize(
    ("effect", "covered"),
    [
        (fell("accuracy", 1, slice=EV_JFK), True),
        (fell("accuracy", 1, slice=EV), False),
        (fell("accuracy", 1, slice=UA), False),
        (fell("recall", 1, slice=EV_JFK), False),
        (fell("accuracy", 1, slice=EV_JFK, kind="threshold"), False),
    ],
)
def test_a_whole_explains_its_parts(effect: Finding, covered: bool) -> None:
    """A watch explains itself in a smaller slice, and nothing else."""
    assert covers(fell("accuracy", 1, slice=EV), None, effect, missing=False) == covered


def test_slices_are_within_their_wholes() -> None:
    """Everything holds all slices, and a slice those with more attributes."""
    assert is_within(EV_JFK, WHOLE)
    assert is_within(EV_JFK, EV)
    assert is_within(EV, EV)
    assert not is_within(EV, EV_JFK)
    assert not is_within(EV_JFK, UA)


def test_causes_come_first() -> None:
    """What stops everything ranks before what stops labels, before quality, delays, assertions and columns."""
    kinds: list[tuple[Any, Scope | None]] = [("pipeline", "everything"), ("traffic", "everything")]
    kinds += [("traffic", "labelled"), ("metric", None), ("traffic", None), ("assertion", None), ("column", None)]
    ranks = [rank(finding("x", 1, kind=kind), scope) for kind, scope in kinds]

    assert ranks == sorted(set(ranks))


def test_what_began_together_is_near() -> None:
    """Two onsets are near if their intervals are no further apart than they may be."""
    one = Span(at(2), at(4), at(5))

    assert one.is_near(Span(at(6), at(7), at(8)), 2 * HOUR)
    assert one.is_near(Span(at(0), at(0), at(8)), 2 * HOUR)
    assert one.is_near(Span(at(0), at(9), at(9)), 0)
    assert not one.is_near(Span(at(7), at(8), at(8)), 2 * HOUR)


def test_a_cause_comes_first_and_does_not_last_forever() -> None:
    """What began before its supposed cause, or is found too long after it, is not explained by it."""
    grouping = Grouping(HOUR, together=2, lasting=24 * HOUR)
    cause = Span(at(10), at(11), at(12))

    assert cause.explains(Span(at(8), at(8), at(13)), grouping)
    assert not cause.explains(Span(at(7), at(7), at(13)), grouping)
    assert cause.explains(Span(at(36), at(36), at(36)), grouping)
    assert not cause.explains(Span(at(37), at(37), at(37)), grouping)


def test_a_finding_without_onset_begins_now() -> None:
    """Where a finding does not say when it began, it began at its tick."""
    assert span_of_finding(fell("accuracy", 3)) == Span(at(3), at(3), at(3))
    known = fell("accuracy", 3, onset=at(2), onset_low=at(1), onset_high=at(3))
    assert span_of_finding(known) == Span(at(1), at(3), at(2))


@pytest.mark.parametrize(
    "changes",
    [{"tick": 0}, {"together": -1}, {"outlast": -1}, {"lasting": -1}, {"storm": 1}],
    ids=lambda one: next(iter(one)),
)
def test_a_grouping_that_cannot_be_is_refused(changes: dict[str, int]) -> None:
    """Numbers that mean nothing are refused by name."""
    ((name, value),) = changes.items()
    with pytest.raises(ValueError, match=f"{name} is {value}, but must be at least"):
        Grouping(**({"tick": HOUR} | changes))
