"""Notices keep identity apart from numbers, have stable names, and survive being written as JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from streams.core.alert.monitor import MonitorKey
from streams.core.alert.notice import Notice, dedup_key, from_json, to_json
from streams.core.detect.finding import Slice
from tests.core.alert.making import EV, QUALITY, UA, WHOLE, alerting, at, fell, moved, only

KEY = MonitorKey("quality", "metric", "accuracy", EV)


def notice(**changes: Any) -> Notice:
    """Return the notice of an alert about accuracy in one slice, and a column."""
    rule = replace(QUALITY, runbook="https://runbooks/quality")
    one = fell("accuracy", 1, slice=EV, worst=((UA, -0.3), (WHOLE, 0.1)), release="version 7", **changes)
    return only(alerting(rule, replace(QUALITY, name="columns", kinds=("column",))), 1, one, moved("dep_delay", 1))


def test_labels_are_identity_only() -> None:
    """Labels name the alert and hold no number; what is empty is left out."""
    one = notice()

    assert one.labels() == {
        "model": "delays",
        "rule": "quality",
        "severity": "page",
        "team": "models",
        "watch": "accuracy",
        "slice": "carrier=EV",
    }
    assert set(replace(one, slice=(), team="").labels()) == {"model", "rule", "severity", "watch"}


def test_annotations_hold_the_numbers() -> None:
    """Annotations are texts for a person: what, how much, since when, where, why, and what to do."""
    told = notice().annotations()

    assert told["title"].startswith("delays: accuracy where carrier=EV fell by 0.04 (0.03 to 0.05) since")
    assert (told["value"], told["reference"], told["effect"], told["interval"]) == (
        "0.8",
        "0.84",
        "-0.04",
        "-0.05 to -0.03",
    )
    assert (told["n"], told["n_effective"], told["label_coverage"]) == ("1,000", "900", "0.9")
    assert told["since"] == "2013-07-12 01:00 (2013-07-12 01:00 to 2013-07-12 01:00)"
    assert told["worst_slices"] == "carrier=UA: -0.3; everything: 0.1"
    assert (told["members"], told["worst_members"]) == ("2", "dep_delay moved by 0.3 (0.2 to 0.4)")
    assert (told["release"], told["runbook"], told["cause"]) == ("version 7", "https://runbooks/quality", "together")
    assert told["query"].startswith("SELECT tick")
    assert "explanation" not in told


def test_what_is_unknown_or_without_bounds_is_null() -> None:
    """A number that is not finite is None, and no annotation speaks of it."""
    one = notice(value=float("nan"), low=float("-inf"), label_coverage=float("nan"))

    assert (one.value, one.low, one.high, one.label_coverage) == (None, None, -0.03, None)
    assert not {"value", "interval", "label_coverage"} & set(one.annotations())


def test_a_notice_survives_json() -> None:
    """What is written as JSON, which knows no NaN, is read as the same notice; the record is flat."""
    one = notice(value=float("nan"), high=-0.03)
    text = json.dumps(to_json(one), allow_nan=False)

    assert from_json(json.loads(text)) == one
    assert from_json(json.loads(text) | {"added_later": 1}) == one
    flat = (str, int, float, bool, type(None))
    lists = {"slice": dict, "worst_slices": list, "worst_effects": list, "worst_members": list}
    assert all(isinstance(value, lists.get(name, flat)) for name, value in json.loads(text).items())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"dedup_key": None, "tick": None}, "it has no dedup_key, tick"),
        ({"status": "open"}, 'the status of a notice is "open": it must be one of firing, updated, resolved'),
        ({"severity": "high"}, 'the severity of a notice is "high"'),
        ({"state": "bad"}, 'the state of a notice is "bad"'),
        ({"cause": "moon"}, 'the cause of a notice is "moon"'),
    ],
)
def test_what_is_no_notice_is_refused(changes: dict[str, Any], said: str) -> None:
    """A record that lacks something, or says what no notice says, is an error that names it."""
    record = {
        name: value for name, value in (to_json(notice()) | changes).items() if value is not None or name == "low"
    }
    with pytest.raises(ValueError, match=said):
        from_json(record)


def test_a_silenced_alert_can_be_recorded_as_such() -> None:
    """Whoever delivers can write down that nobody wanted to hear of it."""
    assert from_json(to_json(replace(notice(), state="silenced"))).state == "silenced"


def test_dedup_keys_are_stable() -> None:
    """The name of an alert is a function of what it was when it began, the same in every version of this program."""
    assert dedup_key("delays", "alone", KEY, at(1)) == "ad938f96b9871f62379ddb9ba1ee3286"


@pytest.mark.parametrize(
    "other",
    [
        ("fraud", "alone", KEY, at(1)),
        ("delays", "outage", KEY, at(1)),
        ("delays", "alone", KEY._replace(rule="q"), at(1)),
        ("delays", "alone", KEY._replace(kind="threshold"), at(1)),
        ("delays", "alone", KEY._replace(watch="recall"), at(1)),
        ("delays", "alone", KEY._replace(slice=UA), at(1)),
        ("delays", "alone", KEY, at(2)),
    ],
)
def test_dedup_keys_tell_alerts_apart(other: tuple[str, Any, MonitorKey, int]) -> None:
    """Each part of what an alert was when it began makes another name."""
    assert dedup_key(*other) != dedup_key("delays", "alone", KEY, at(1))


def test_dedup_keys_do_not_mix_up_texts() -> None:
    """Texts that read the same when put one after the other are not the same."""

    def named(slice_: Slice) -> str:
        return dedup_key("delays", "alone", KEY._replace(slice=slice_), at(1))

    assert named((("a", "b,c"),)) != named((("a,b", "c"),))
    assert named((("a", "b"), ("c", "d"))) != named((("a", 'b"],["c'), ("c", "d")))
