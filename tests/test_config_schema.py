"""The JSON Schema for editors says what the parser says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streams.config import json_schema, parse_config
from streams.core.metric.registry import default_metrics, metrics_for
from streams.errors import ConfigError

FILE = Path(__file__).parents[1] / "schemas" / "config.schema.json"
COMMAND = (
    "python -c 'import json, streams.config as c; print(json.dumps(c.json_schema(), indent=2))'"
    " > schemas/config.schema.json"
)
TYPES: dict[str, Any] = {"string": str, "array": list, "object": dict, "null": type(None), "boolean": bool}
ANNOTATIONS = {"$schema", "$defs", "title", "description", "default"}


def has_type(value: Any, name: str) -> bool:
    """Tell types apart as JSON Schema does: true is no number, 1.0 is an integer."""
    if name in TYPES:
        return isinstance(value, TYPES[name])
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and (name == "number" or value == int(value))


def fits_object(schema: dict[str, Any], value: dict[str, Any]) -> bool:
    """Check the keywords about properties."""
    known = schema.get("properties", {})
    other = schema.get("additionalProperties", True)
    return (
        all(key in value for key in schema.get("required", ()))
        and len(value) >= schema.get("minProperties", 0)
        and all(fits(known.get(key, other), item) for key, item in value.items())
    )


def fits(schema: dict[str, Any] | bool, value: Any) -> bool:
    """Validate a value by the part of JSON Schema (draft 2020-12) that ours uses; an unknown keyword is an error."""
    if isinstance(schema, bool):
        return schema
    text, number = value if isinstance(value, str) else "", value if isinstance(value, int | float) else 0
    items, members = value if isinstance(value, list) else [], value if isinstance(value, dict) else {}
    checks: dict[str, Callable[[Any], bool]] = {
        "type": lambda name: has_type(value, name),
        "enum": lambda allowed: value in allowed,
        "const": lambda constant: value == constant,
        "pattern": lambda pattern: not isinstance(value, str) or re.search(pattern, text) is not None,
        "minimum": lambda least: number >= least or not has_type(value, "number"),
        "maximum": lambda most: number <= most or not has_type(value, "number"),
        "minItems": lambda least: len(items) >= least or not isinstance(value, list),
        "maxItems": lambda most: len(items) <= most,
        "items": lambda inner: all(fits(inner, item) for item in items),
        "anyOf": lambda options: any(fits(option, value) for option in options),
        "allOf": lambda parts: all(fits(part, value) for part in parts),
        "$ref": lambda name: fits(json_schema()["$defs"][name.removeprefix("#/$defs/")], value),
        "if": lambda condition: not fits(condition, value) or fits(schema["then"], value),
        **dict.fromkeys(["properties", "required", "minProperties", "additionalProperties"], lambda _: True),
        "then": lambda _: True,
    }
    unknown = schema.keys() - checks.keys() - ANNOTATIONS
    assert not unknown
    keywords = [checks[key](argument) for key, argument in schema.items() if key in checks]
    return all(keywords) and (not isinstance(value, dict) or fits_object(schema, members))


def with_model(**model: object) -> dict[str, Any]:
    """Configure one model."""
    return {"models": {"m": model}}


def test_the_schema_file_is_up_to_date() -> None:
    """What editors read is what the code generates."""
    assert json.loads(FILE.read_text(encoding="utf-8")) == json.loads(json.dumps(json_schema())), f"run {COMMAND}"


@pytest.mark.parametrize(
    "data",
    [
        with_model(
            task="binary",
            positive="1",
            label_horizon="30d",
            windows=["1d", "7d", "15m/1m", "1mo"],
            slices=[[], ["country"], ["country", "device"]],
            metrics=["accuracy", "precision", "recall", "roc_auc", "brier", "ece"],
        ),
        with_model(task="binary", positive=1, negative=None, threshold=0),
        with_model(task="multiclass", classes=["a", 2, True], max_groups=1),
        with_model(task="ranking", metrics=["ndcg@10", "ndcg@7", "hit_rate@1000", "mrr"]),
        {"disorder": "0s", "max_future": "1h30m", "idle_timeout": "5m", "samples": 1, **with_model(task="none")},
    ],
)
def test_schema_and_parser_accept_the_same_files(data: dict[str, Any]) -> None:
    """Valid files are valid to both."""
    assert fits(json_schema(), data)
    assert parse_config(json.dumps(data), "test").models.keys() == {"m"}


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"models": {}},
        {"models": []},
        {"sample": 1, **with_model(task="none")},
        {"samples": 1.5, **with_model(task="none")},
        {"samples": "1", **with_model(task="none")},
        {"disorder": 10, **with_model(task="none")},
        {"disorder": "1mo", **with_model(task="none")},
        {"max_future": "", **with_model(task="none")},
        {"idle_timeout": 300, **with_model(task="none")},
        with_model(),
        with_model(task="binry"),
        with_model(task="binary"),
        with_model(task="none", name="m"),
        with_model(task="none", positive="1"),
        with_model(task="binary", positive="1", classes=["a", "b"]),
        with_model(task="regression", threshold=0.5),
        with_model(task="regression", metrics=["roc_auc"]),
        with_model(task="ranking", metrics=["ndcg@0"]),
        with_model(task="ranking", metrics=["ndcg@1001"]),
        with_model(task="ranking", metrics=[]),
        with_model(task="none", windows=[]),
        with_model(task="none", windows=["1d", "7x"]),
        with_model(task="none", windows=["1mo/1d"]),
        with_model(task="none", slices=["country"]),
        with_model(task="none", slices=[[""]]),
        with_model(task="none", slices=[list("abcdefghi")]),
        with_model(task="none", max_groups=0),
        with_model(task="none", max_groups=100_001),
        with_model(task="none", max_groups=1.5),
    ],
)
def test_schema_and_parser_refuse_the_same_files(data: dict[str, Any]) -> None:
    """Mistakes that concern one value, and keys of another task, are found by both."""
    assert not fits(json_schema(), data)
    with pytest.raises(ConfigError):
        parse_config(json.dumps(data), "test")


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression", "ranking", "none"])
def test_all_metrics_of_a_task_are_allowed(task: str) -> None:
    """Schema and parser take every metric the registry has for a task, and its defaults."""
    needed = {"positive": "1"} if task == "binary" else {}
    for metrics in (metrics_for(task), default_metrics(task)):  # type: ignore[arg-type]  # parametrized as text
        data = with_model(task=task, metrics=list(metrics), **needed)

        assert fits(json_schema(), data)
        assert parse_config(json.dumps(data), "test").models["m"].metrics == metrics


def test_defaults_are_written_as_in_the_file() -> None:
    """Editors show 30d, not microseconds."""
    schema = json_schema()
    model = schema["$defs"]["ModelConfig"]["properties"]

    assert schema["properties"]["disorder"]["default"] == "1d"
    assert schema["properties"]["idle_timeout"]["default"] == "1h"
    assert (model["label_horizon"]["default"], model["windows"]["default"]) == ("30d", ["1d"])
