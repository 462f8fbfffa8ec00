"""The OpenFeature client gets arms, parameters, reasons and error codes from declared experiments."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import FlagEvaluationDetails, Reason

from streams.experiments import Experiments
from streams.experiments.openfeature import ExperimentsProvider

ARMS = {"control": 1, "treatment": 1}
EXPERIMENTS = Experiments.parse(
    {
        "holdouts": {"some": {"share": 1, "layers": ["held"]}},
        "experiments": {
            "ranker": {
                "arms": ARMS,
                "traffic": 0.5,
                "whitelist": {"listed": "treatment"},
                "parameters": {
                    "depth": {"arm": {"control": 50, "treatment": 100}},
                    "boost": {"random_float": [1, 2]},
                    "fast": {"arm": {"control": False, "treatment": True}},
                    "model": "m1",
                    "weights": [1, 2],
                    "options": {"literal": {"a": 1}},
                    "nothing": None,
                },
                "defaults": {"boost": 0},
            },
            "local": {"arms": ARMS, "rules": [{"when": {"attribute": "country", "equals": "DE"}}]},
            "request": {"arms": ARMS, "unit": "request_id"},
            "killed": {"arms": ARMS, "enabled": False, "parameters": {"x": {"arm": {"control": 1, "treatment": 2}}}},
            "held": {"arms": ARMS},
        },
    }
)


@pytest.fixture
def client() -> Iterator[OpenFeatureClient]:
    """Give a client whose provider has the experiments above."""
    api.set_provider(ExperimentsProvider(EXPERIMENTS), "test")
    yield api.get_client("test")
    api.clear_providers()


def about(unit: str | None, **attributes: Any) -> EvaluationContext:
    return EvaluationContext(unit, attributes)


def unit_in(arm: str | None) -> str:
    """A unit that is in an arm of `ranker`, or in none."""
    return next(f"u{i}" for i in range(100) if EXPERIMENTS.assign(f"u{i}").arms.get("ranker") == arm)


def outcome(details: FlagEvaluationDetails[Any]) -> tuple[object, Any, str | None]:
    return details.value, details.reason, details.variant


def test_the_provider_has_a_name(client: OpenFeatureClient) -> None:
    """Hooks see which provider answered."""
    assert client.provider.get_metadata().name == "streams"


def test_an_arm_is_a_variant(client: OpenFeatureClient) -> None:
    """Who is in an experiment gets the arm; who is not gets the caller's default, and no variant."""
    inside, outside = unit_in("treatment"), unit_in(None)

    assert outcome(client.get_string_details("ranker", "none", about(inside))) == (
        "treatment",
        Reason.SPLIT,
        "treatment",
    )
    assert outcome(client.get_string_details("ranker", "none", about(outside))) == ("none", Reason.DEFAULT, None)


def test_reasons(client: OpenFeatureClient) -> None:
    """A whitelist and a rule are targeting, a hash is a split, the kill switch is disabled, all else a default."""

    def reason(flag: str, unit: str, **attributes: str) -> Any:
        return client.get_string_details(flag, "none", about(unit, **attributes)).reason

    assert reason("ranker", "listed") == Reason.TARGETING_MATCH
    assert reason("local", "u1", country="DE") == Reason.TARGETING_MATCH
    assert reason("local", "u1", country="FR") == Reason.DEFAULT
    assert reason("local", "u1") == Reason.DEFAULT
    assert reason("killed", "u1") == Reason.DISABLED
    assert reason("held", "u1") == Reason.DEFAULT


@pytest.mark.parametrize("arm", ["treatment", "control", None])
def test_parameters_of_every_type(client: OpenFeatureClient, arm: str | None) -> None:
    """`experiment.parameter` has the value that assignment gives, inside of the experiment and outside."""
    unit = unit_in(arm)
    expected = EXPERIMENTS.assign(unit).parameters("ranker")
    context = about(unit)

    assert client.get_integer_value("ranker.depth", 0, context) == expected["depth"]
    assert client.get_float_value("ranker.boost", 9.0, context) == expected["boost"]
    assert client.get_float_value("ranker.depth", 9.0, context) == expected["depth"]
    assert client.get_boolean_details("ranker.fast", True, context).value is expected["fast"]
    assert client.get_string_value("ranker.model", "m0", context) == "m1"
    assert client.get_object_value("ranker.weights", [], context) == [1, 2]
    assert client.get_object_value("ranker.options", {}, context) == {"a": 1}
    assert client.get_integer_details("ranker.depth", 0, context).variant == arm


def test_a_killed_experiment_gives_its_defaults(client: OpenFeatureClient) -> None:
    """Parameters stay those that the declaration has for outside, not the caller's."""
    assert outcome(client.get_integer_details("killed.x", 9, about("u1"))) == (1, Reason.DISABLED, None)


def test_a_request_can_be_the_unit(client: OpenFeatureClient) -> None:
    """Its id is the attribute `request_id`."""
    details = client.get_string_details("request", "none", about(None, request_id="r1"))

    assert details.value == EXPERIMENTS.assign(request_id="r1").arms["request"]


@pytest.mark.parametrize(
    ("flag", "context", "code", "message"),
    [
        ("rankr", about("u1"), ErrorCode.FLAG_NOT_FOUND, "did you mean `ranker`"),
        ("ranker.dept", about("u1"), ErrorCode.FLAG_NOT_FOUND, "did you mean `depth`"),
        ("ranker.", about("u1"), ErrorCode.FLAG_NOT_FOUND, "has no parameter"),
        ("ranker", about(None), ErrorCode.TARGETING_KEY_MISSING, "the unit of experiment ranker"),
        ("ranker", None, ErrorCode.TARGETING_KEY_MISSING, "the unit of experiment ranker"),
        ("ranker", about(7), ErrorCode.INVALID_CONTEXT, "must be text, not 7"),  # type: ignore[arg-type]
        ("request", about("u1"), ErrorCode.INVALID_CONTEXT, "request_id is the unit of experiment request"),
        ("request", about("u1", request_id=7), ErrorCode.INVALID_CONTEXT, "request_id must be text, not 7"),
        ("ranker.depth", about("u1"), ErrorCode.TYPE_MISMATCH, "not of the type that was asked for"),
        ("ranker.nothing", about("u1"), ErrorCode.TYPE_MISMATCH, "ranker.nothing is null"),
    ],
)
def test_errors_have_codes(
    client: OpenFeatureClient, flag: str, context: EvaluationContext | None, code: ErrorCode, message: str
) -> None:
    """The caller gets its default, and what was wrong."""
    details = client.get_string_details(flag, "mine", context)

    assert (details.value, details.reason, details.error_code) == ("mine", Reason.ERROR, code)
    assert message in (details.error_message or "")


@pytest.mark.parametrize(
    ("kind", "flag", "default"),
    [
        ("integer", "ranker.fast", 1),
        ("integer", "ranker.model", 1),
        ("float", "ranker.fast", 1.0),
        ("boolean", "ranker.depth", True),
        ("object", "ranker.depth", []),
    ],
)
def test_a_value_of_another_type_is_an_error(client: OpenFeatureClient, kind: str, flag: str, default: Any) -> None:
    """True is no number, and a number neither true nor an object."""
    details = getattr(client, f"get_{kind}_details")(flag, default, about("listed"))

    assert (details.value, details.error_code) == (default, ErrorCode.TYPE_MISMATCH)


def test_a_hook_can_log_exposures(client: OpenFeatureClient) -> None:
    """The details have the experiment, the arm and how it was decided."""
    details = client.get_integer_details("ranker.depth", 0, about("listed"))

    assert details.flag_metadata == {"experiment": "ranker", "decision": "whitelist"}
    assert details.variant == "treatment"


def test_asyncio_gets_the_same(client: OpenFeatureClient) -> None:
    """The awaited forms of the client resolve alike."""
    details = asyncio.run(client.get_string_details_async("ranker", "none", about("listed")))

    assert outcome(details) == ("treatment", Reason.TARGETING_MATCH, "treatment")
