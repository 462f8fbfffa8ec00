"""The report as JSON has every field of every look, and what follows from them."""

from __future__ import annotations

import json

import orjson
import pytest

from streams.report.document import document
from streams.report.looks import COLUMNS, Look, Report, newest
from tests.report.rows import look, row, rows, sample_ratio

ADDED = ["relative_effect", "relative_low", "relative_high", "trusted", "fixed"]


def test_every_field_is_there() -> None:
    """Each verdict has all columns of the table, with times in ISO 8601, and what was computed from them."""
    told = json.loads(orjson.dumps(document(Report("ranker-v2", newest(map(Look.of, rows())), finished=False))))

    assert list(told) == ["experiment", "newest_look", "finished", "verdicts"]
    assert (told["experiment"], told["newest_look"], told["finished"]) == ("ranker-v2", "2024-03-01T12:00:00Z", False)
    assert [list(verdict) for verdict in told["verdicts"]] == [[*COLUMNS, *ADDED]] * 4
    accuracy, latency = told["verdicts"][1:3]
    assert accuracy["tick"] == "2024-03-01T12:00:00Z"
    assert accuracy["first_reached"] == "2024-02-11T00:00:00Z"
    assert accuracy["relative_effect"] == pytest.approx(0.0125 / 0.8)
    assert (accuracy["relative_low"], accuracy["relative_high"]) == pytest.approx((0.0045 / 0.8, 0.0205 / 0.8))
    assert (accuracy["trusted"], accuracy["fixed"]) == (True, None)
    assert (latency["needed"], latency["high"], latency["first_reached"]) == (12_345.0, None, None)


def test_what_is_infinite_is_null() -> None:
    """A limit without bound is null, as JSON has no word for it."""
    told = document(Report("ranker-v2", (look(low=float("-inf")),), finished=False))

    assert json.loads(orjson.dumps(told))["verdicts"][0]["low"] is None


def test_tests_for_one_look_of_a_finished_experiment() -> None:
    """A finished experiment has tests for one look, or why there is none; checks have neither."""
    counted = row(metric="edit_rate", kind="exploratory", method="exact counts")
    told = document(Report("ranker-v2", newest(map(Look.of, [*rows(), counted])), finished=True))
    check, accuracy, latency, crashes, wide = (verdict["fixed"] for verdict in told["verdicts"])

    assert check is None
    assert latency == {"test": None, "why": "its effect has no standard error"}
    assert list(crashes) == list(accuracy) == ["test", "formula", "effect", "low", "high", "p"]
    assert (accuracy["test"], accuracy["effect"]) == ("t, 63 degrees of freedom", 0.0125)
    assert accuracy["low"] < 0.0125 < accuracy["high"]
    assert (crashes["test"], crashes["low"], crashes["high"], crashes["p"]) == ("Fisher's exact", None, None, 1.0)
    assert wide["test"] == "unpooled z"
    assert wide["low"] < wide["effect"] < wide["high"]


def test_distrust_is_said() -> None:
    """After a mismatch the verdicts are still there, and marked as not to be trusted."""
    looks = newest([Look.of(sample_ratio(verdict="mismatch")), look()])
    told = document(Report("ranker-v2", looks, finished=False))

    assert [(verdict["kind"], verdict["verdict"], verdict["trusted"]) for verdict in told["verdicts"]] == [
        ("sample_ratio", "mismatch", True),
        ("primary", "better", False),
    ]
