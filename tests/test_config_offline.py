"""`offline` of a model: what it means, its problems with their places, and that its documents say so."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from streams.config import Config, json_schema, parse_config
from streams.config.offline import OfflineConfig
from streams.errors import ConfigError
from streams.runtime.snapshot import fingerprint

DOCS = Path(__file__).parents[1] / "docs"
CONFIGURATION = (DOCS / "configuration.md").read_text(encoding="utf-8")


def parsed(section: str, task: str = "binary", metrics: str = "[accuracy, recall, roc_auc]") -> Config:
    positive = 'positive: "1", ' if task == "binary" else ""
    return parse_config(f"models: {{m: {{task: {task}, {positive}metrics: {metrics}, offline: {section}}}}}", "test")


def documented() -> dict[str, tuple[str, str]]:
    """Default and example of every key."""
    rows = re.findall(r"^\| `offline\.(\w+)` \|[^|]*\| ([^|]*) \| `([^`]*)` \|$", CONFIGURATION, re.MULTILINE)
    return {key: (default.strip("`"), example) for key, default, example in rows}


def test_values_arrive_as_they_are_written() -> None:
    """A metric has a value, and either a size or limits; a margin may be left out."""
    found = parsed("{accuracy: {value: 0.93, n: 20000}, roc_auc: {value: 0.9, low: 0.89, high: 0.91, margin: 0.02}}")

    assert found.models["m"].offline == {
        "accuracy": OfflineConfig(value=0.93, n=20_000),
        "roc_auc": OfflineConfig(value=0.9, low=0.89, high=0.91, margin=0.02),
    }
    assert parsed("{}").models["m"].offline == {}


@pytest.mark.parametrize(
    ("section", "place", "said"),
    [
        ("{acuracy: {value: 1, n: 2}}", "acuracy", "no metric of the model; did you mean `accuracy`?"),
        ("{brier: {value: 0.1, low: 0, high: 1}}", "brier", "no metric of the model"),
        ("{accuracy: {value: 0.9}}", "accuracy", "says not how sure it is: write either `n`, or both"),
        ("{accuracy: {value: 0.9, low: 0.8}}", "accuracy", "says not how sure it is"),
        ("{accuracy: {value: 0.9, n: 9, low: 0.8, high: 1}}", "accuracy", "says not how sure it is"),
        ("{accuracy: {value: 0.9, low: 0.91, high: 1}}", "accuracy", "value 0.9 is not between `low`, 0.91, and"),
        ("{accuracy: {value: 93, n: 9}}", "accuracy.value", "93 cannot be: accuracy is a share, from 0 to 1"),
        ("{accuracy: {value: 0.9, low: -1, high: 1}}", "accuracy.low", "-1 cannot be"),
        ("{roc_auc: {value: 0.9, n: 9}}", "roc_auc.n", "roc_auc is no share, and its size tells not how sure it is"),
        ("{accuracy: {value: 0.9, n: 0}}", "accuracy.n", "at least 1"),
        ("{accuracy: {value: 0.9, n: 10, margin: 0}}", "accuracy.margin", "greater than 0"),
        ("{accuracy: {value: 0.9, n: 10, marge: 1}}", "accuracy.marge", "did you mean `margin`?"),
        ("{accuracy: {n: 10}}", "accuracy.value", "required"),
        ("{accuracy: {value: .inf, n: 10}}", "accuracy.value", "number"),
    ],
)
def test_problems_name_their_place(section: str, place: str, said: str) -> None:
    """What does not fit the metric, the task or itself is one problem, at its key."""
    with pytest.raises(ConfigError) as caught:
        parsed(section)

    (problem,) = caught.value.problems
    assert problem.startswith(f"models.m.offline.{place} ")
    assert said in problem


def test_checkpoints_stay_good() -> None:
    """Nothing that is kept depends on offline values: a worker goes on under others."""
    assert fingerprint(parsed("{}")) == fingerprint(parsed("{accuracy: {value: 0.9, n: 10}}"))
    assert fingerprint(parsed("{}")) != fingerprint(parsed("{}", metrics="[recall]"))


def test_every_key_is_documented_with_an_example_that_is_allowed() -> None:
    """The table lists the keys of the schema, says which are required, and its examples can be written."""
    schema = json_schema()["$defs"]["OfflineConfig"]
    rows = documented()

    assert list(rows) == list(schema["properties"]) == list(OfflineConfig.model_fields)
    assert {key for key, (default, _) in rows.items() if default == "required"} == set(schema["required"])
    examples = {key: json.loads(example) for key, (_, example) in rows.items()}
    sized, limited = ({key: examples[key] for key in names} for names in (("value", "n"), ("value", "low", "high")))
    for one in (sized, limited | {"margin": examples["margin"]}):
        assert parsed(json.dumps({"accuracy": one})).models["m"].offline
