"""Which looks a report shows, in which order, and which of them it trusts."""

from __future__ import annotations

import itertools

import pytest

from streams.report.looks import COLUMNS, Look, Report, newest
from streams.sinks.clickhouse.rows import SCHEMAS
from tests.report.rows import DAY, NOON, look, rows, sample_ratio


def test_a_look_has_the_columns_of_the_table() -> None:
    """A look has a field for every column of `verdicts` but the revision, in the same order."""
    assert [*COLUMNS, "revision"] == SCHEMAS["verdicts"].names


def test_looks_come_in_reading_order() -> None:
    """Checks come first, then primary, guardrail and exploratory metrics, whatever order they are read in."""
    for some in itertools.permutations(rows()):
        assert [seen.kind for seen in newest(map(Look.of, some))] == [
            "sample_ratio",
            "primary",
            "guardrail",
            "exploratory",
        ]


def test_only_the_newest_look_at_a_comparison_counts() -> None:
    """Of one metric and arm the newest look is kept; another arm or model is another comparison."""
    looks = [look(), look(tick=NOON - DAY), look(arm="other", tick=NOON - DAY), look(model="second", tick=NOON - DAY)]

    assert [(seen.model, seen.arm, seen.tick) for seen in newest(looks)] == [
        ("ranker", "new", NOON),
        ("ranker", "other", NOON - DAY),
        ("second", "new", NOON - DAY),
    ]


def test_of_a_check_only_the_newest_tick_counts() -> None:
    """A mismatch of which another arm was the worst is no longer shown when a newer look matches."""
    then = sample_ratio(arm="old", verdict="mismatch", tick=NOON - DAY)
    looks = newest(map(Look.of, (sample_ratio(arm="new"), then)))

    assert [(seen.arm, seen.verdict) for seen in looks] == [("new", "match")]


@pytest.mark.parametrize("kind", ["sample_ratio", "crossovers"])
def test_a_mismatch_spoils_its_model_alone(kind: str) -> None:
    """When a check of a model fails, no verdict on that model is trusted, and those on others are."""
    failed = Look.of(sample_ratio(metric=kind, kind=kind, verdict="mismatch"))
    looks = newest([failed, look(), look(model="second"), Look.of(sample_ratio(model="second"))])
    report = Report("ranker-v2", looks, finished=False)

    assert [(seen.model, seen.kind, report.trusts(seen)) for seen in looks] == [
        ("ranker", kind, True),
        ("ranker", "primary", False),
        ("second", "sample_ratio", True),
        ("second", "primary", True),
    ]


@pytest.mark.parametrize(
    ("control", "difference", "relative"),
    [(0.8, 0.2, 0.25), (-0.8, 0.2, 0.25), (-0.8, -0.2, -0.25), (0.0, 0.2, None), (None, 0.2, None), (0.8, None, None)],
)
def test_what_is_relative(control: float | None, difference: float | None, relative: float | None) -> None:
    """A relative effect has the effect's sign even if the control is negative, and is none where the control is 0."""
    assert look(control_value=control).relative(difference) == (None if relative is None else pytest.approx(relative))
