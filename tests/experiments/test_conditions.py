"""Conditions at their edges: what is true, what is false, and what is unknown."""

from __future__ import annotations

from typing import Any

import pytest

from streams.experiments import Experiments

ARMS = {"a": 1, "b": 1}
SEGMENTS = {"dach": {"attribute": "country", "values": ["DE", "AT"]}, "staff": {"units": ["u1", "r1"]}}
ABSENT = object()


def truth(condition: Any, value: Any = ABSENT, **experiment: Any) -> bool | None:
    """Truth of a condition for the unit u1, request r9, with an attribute `a`."""
    declared = {"arms": ARMS, "parameters": {"x": {"when": condition}}, **experiment}
    attributes = {} if value is ABSENT else {"a": value}
    experiments = Experiments.parse({"experiments": {"e": declared}, "segments": SEGMENTS})
    found = experiments.assign("u1", attributes, request_id="r9").parameters("e")["x"]
    assert found is None or isinstance(found, bool)
    return found


@pytest.mark.parametrize(
    ("test", "value", "expected"),
    [
        ({"equals": "DE"}, "DE", True),
        ({"equals": "DE"}, "de", False),
        ({"equals": "7"}, 7, True),
        ({"equals": "7"}, 7.0, True),
        ({"equals": "true"}, True, True),
        ({"equals": "0.5"}, 0.5, None),
        ({"equals": "x"}, ["x"], None),
        ({"equals": str(2**53)}, 2**53, True),
        ({"equals": str(2**53 + 1)}, 2**53 + 1, None),
        ({"in": ["DE", "AT"]}, "AT", True),
        ({"in": ["DE", "AT"]}, "FR", False),
        ({"less_than": 18}, 17.999, True),
        ({"less_than": 18}, 18, False),
        ({"at_most": 18}, 18, True),
        ({"at_most": 18}, 18.001, False),
        ({"more_than": 18}, 18, False),
        ({"more_than": 18}, "18.5", True),
        ({"at_least": 18}, "18", True),
        ({"at_least": 18}, "17", False),
        ({"at_least": 18}, "18 years", None),
        ({"at_least": 18}, "٣٤", None),
        ({"at_least": 1}, True, None),
        ({"at_least": 1}, float("nan"), None),
        ({"at_least": 1}, "1e999", None),
        ({"at_least": 18, "less_than": 65}, 40, True),
        ({"at_least": 18, "less_than": 65}, 65, False),
        ({"at_least": 18, "equals": "x"}, "x", None),
        ({"starts_with": "mo"}, "mobile", True),
        ({"starts_with": "mo"}, "desktop mo", False),
        ({"starts_with": "4"}, 42, True),
        ({"version_below": "4.10"}, "4.9", True),
        ({"version_below": "4.10"}, "4.10.0", False),
        ({"version_at_least": "4.10"}, "4.10.0", True),
        ({"version_at_least": "4.10.0"}, "v4.10", True),
        ({"version_at_least": "4.10"}, "4.9.9", False),
        ({"version_at_least": "0"}, "4.x", None),
        ({"version_at_least": "4"}, 5, True),
        ({"present": True}, 0, True),
        ({"present": True}, None, False),
        ({"present": False}, None, True),
        ({"present": False}, ABSENT, True),
        ({"equals": "DE"}, None, None),
        ({"equals": "DE"}, ABSENT, None),
        ({"at_least": 0, "at_most": 9}, ABSENT, None),
    ],
)
def test_tests_of_an_attribute(test: dict[str, Any], value: Any, expected: bool | None) -> None:
    """Each test at its bound, and with what it cannot compare."""
    assert truth({"attribute": "a", **test}, value) is expected


YES, NO = {"attribute": "a", "present": True}, {"attribute": "a", "present": False}
UNKNOWN = {"attribute": "b", "equals": "x"}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"all": [YES, YES]}, True),
        ({"all": [YES, UNKNOWN]}, None),
        ({"all": [NO, UNKNOWN]}, False),
        ({"any": [NO, NO]}, False),
        ({"any": [NO, UNKNOWN]}, None),
        ({"any": [YES, UNKNOWN]}, True),
        ({"not": YES}, False),
        ({"not": UNKNOWN}, None),
        ({"not": {"not": NO}}, False),
    ],
)
def test_logic_has_three_values(condition: Any, expected: bool | None) -> None:
    """What is unknown decides nothing unless the rest leaves it no say."""
    assert truth(condition, "here") is expected


def test_segments_of_units_are_about_the_experiments_unit() -> None:
    """An experiment on requests looks for the request's id on the list."""
    assert truth({"segment": "staff"}) is True
    assert truth({"segment": "staff"}, unit="request_id") is False


def test_segments_of_values_are_unknown_without_the_attribute() -> None:
    """They are a list for one attribute, with its rules."""
    assert truth({"segment": "dach"}) is None
    assert truth({"not": {"segment": "dach"}}) is None
