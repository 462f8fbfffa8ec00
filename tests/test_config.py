"""What a configuration file means once it is read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from streams.config import Config, ModelConfig, json_schema, load_config, parse_config
from streams.core.metric.registry import default_metrics
from streams.core.window_spec import DAY, SECOND, WindowSpec

DOCS = Path(__file__).parents[1] / "docs" / "configuration.md"
EXAMPLE = """
models:
  fraud:
    task: binary            # binary | multiclass | regression | ranking | none
    positive: "1"
    label_horizon: 30d
    windows: [1d, 7d]
    slices: [[], [country], [country, device]]
    metrics: [accuracy, precision, recall, roc_auc, brier, ece]
"""


def model(body: str) -> ModelConfig:
    """Parse one model from lines such as "task: none"."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return parse_config(f"models:\n  m:\n{lines}", "test").models["m"]


def test_the_example_means_what_it_says() -> None:
    """Every value of the example arrives typed: microseconds, windows, tuples."""
    fraud = parse_config(EXAMPLE, "example").models["fraud"]

    assert fraud == ModelConfig(
        name="fraud",
        task="binary",
        positive="1",
        negative="0",
        label_horizon=30 * DAY,
        windows=(WindowSpec.parse("1d"), WindowSpec.parse("7d")),
        slices=((), ("country",), ("country", "device")),
        metrics=("accuracy", "precision", "recall", "roc_auc", "brier", "ece"),
    )


def test_what_is_left_out_has_its_default() -> None:
    """A model needs no more than a task; the rest is documented defaults."""
    config = parse_config("models: {m: {task: regression}}", "test")
    only = config.models["m"]

    assert (config.disorder, config.max_future, config.samples) == (DAY, 366 * DAY, 0.01)
    assert config.idle_timeout == 3_600 * SECOND
    assert (only.name, only.task, only.positive, only.negative, only.classes) == ("m", "regression", None, None, ())
    assert (only.threshold, only.label_horizon, only.max_groups) == (0.5, 30 * DAY, 1_000)
    assert only.windows == (WindowSpec.parse("1d"),)
    assert only.slices == ((),)
    assert only.metrics == default_metrics("regression")


def test_values_at_the_top_are_read() -> None:
    """Disorder may be zero; samples may be a whole number."""
    top = "disorder: 0s\nmax_future: 1h30m\nidle_timeout: 5m\nsamples: 1"
    config = parse_config(f"{top}\nmodels: {{m: {{task: none}}}}", "test")

    assert (config.disorder, config.max_future, config.samples) == (0, 5_400 * SECOND, 1.0)
    assert config.idle_timeout == 300 * SECOND


def test_the_whole_is_always_a_slice() -> None:
    """`[]` is put first when it is not listed, and stays where it is when it is."""
    assert model("task: none\nslices: [[a]]").slices == ((), ("a",))
    assert model("task: none\nslices: [[a], []]").slices == (("a",), ())
    assert model("task: none\nslices: []").slices == ((),)


def test_attributes_are_all_that_slices_name() -> None:
    """Attributes come once each, sorted."""
    assert model("task: none\nslices: [[b, c], [b], [a, c]]").attributes == ("a", "b", "c")


def test_the_pane_fits_all_windows() -> None:
    """The pane of a model divides every one of its windows."""
    assert model("task: none\nwindows: [15m/1m, 1mo]").pane == 60 * SECOND


@pytest.mark.parametrize(
    ("positive", "negative"),
    [
        ('"1"', "0"),
        ("1", "0"),
        ("0", "1"),
        ("true", "false"),
        ("True", "False"),
        ("yes", "no"),
        ("NO", "YES"),
        ("y", "n"),
        ("T", "F"),
        ("Positive", "Negative"),
        ("neg", "pos"),
        ("fraud", None),
        ("yEs", None),
        ('"01"', None),
    ],
)
def test_the_negative_label_is_the_known_opposite(positive: str, negative: str | None) -> None:
    """Known pairs complete each other in either direction and in the case that was used; others have no opposite."""
    assert model(f"task: binary\npositive: {positive}").negative == negative


def test_null_turns_the_known_opposite_off() -> None:
    """`negative: null` lets any label that is not positive mean no."""
    assert model('task: binary\npositive: "1"\nnegative: null').negative is None


@pytest.mark.parametrize(
    "label", ["1", "-3", "true", "True", "yes", "off", "01", "0x1F", "1:30", "2024-01-01", "1_000"]
)
def test_plain_labels_stay_what_was_written(label: str) -> None:
    """No label is turned into another by YAML: what is read equals what was typed."""
    assert model(f"task: binary\npositive: {label}\nnegative: other").positive == label


def test_classes_are_labels_too() -> None:
    """Whole numbers and booleans become the text they look like."""
    assert model('task: multiclass\nclasses: [1, true, "no", yes]').classes == ("1", "true", "no", "yes")


def test_names_of_models_are_text() -> None:
    """A key that looks like a number is the name as written."""
    assert list(parse_config("models: {007: {task: none}, null: {task: none}}", "test").models) == ["007", "null"]


def test_aliases_share_values() -> None:
    """YAML anchors and aliases work for values."""
    config = parse_config("models:\n  a: {task: none, windows: &w [1h]}\n  b: {task: none, windows: *w}", "test")

    assert config.models["a"].windows == config.models["b"].windows


def test_a_file_is_read_with_or_without_a_byte_order_mark(tmp_path: Path) -> None:
    """load_config reads UTF-8 from a path or its text."""
    path = tmp_path / "config.yaml"
    path.write_text(EXAMPLE, encoding="utf-8-sig")

    assert load_config(path) == load_config(str(path)) == parse_config(EXAMPLE, "example")


@pytest.mark.parametrize(
    "change",
    [
        lambda config: setattr(config, "samples", 1.0),
        lambda config: setattr(config.models["fraud"], "threshold", 0.1),
    ],
)
def test_a_configuration_does_not_change(change: Callable[[Config], None]) -> None:
    """Objects are frozen."""
    with pytest.raises(ValidationError, match="frozen"):
        change(parse_config(EXAMPLE, "example"))


def test_a_configuration_is_written_as_it_would_stand_in_the_file() -> None:
    """Dumping writes durations and windows as text."""
    dumped = parse_config(EXAMPLE, "example").model_dump(mode="json")

    assert dumped["disorder"] == "1d"
    assert dumped["models"]["fraud"]["label_horizon"] == "30d"
    assert dumped["models"]["fraud"]["windows"] == ["1d", "7d"]


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL))
def test_the_documented_examples_parse(block: str) -> None:
    """Every YAML block of the documentation is a complete, valid file."""
    assert parse_config(block, "docs/configuration.md").models


def documented() -> dict[str, tuple[str, str]]:
    """Default and example of every key in the tables of the documentation."""
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\| ([^|]*) \| `([^|]*)` \|$", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    return {key: (default.strip("`"), example) for key, default, example in rows}


def test_every_key_is_documented_with_its_default() -> None:
    """The tables name every key, and the defaults in them are those of the code."""
    schema = json.loads(json.dumps(json_schema()))
    properties = {**schema["properties"], **schema["$defs"]["ModelConfig"]["properties"]}
    rows = documented()

    assert rows.keys() == properties.keys()
    for key, value in properties.items():
        default = value.get("default")
        if default is not None:
            assert rows[key][0] == str(default).replace("'", ""), key


@pytest.mark.parametrize(("key", "example"), [(key, example) for key, (_, example) in documented().items()])
def test_every_documented_example_is_allowed(key: str, example: str) -> None:
    """The example beside each key can be written in a file."""
    task = "multiclass" if key == "classes" else "binary"
    needed = {"task": task, "positive": "yes"} if task == "binary" else {"task": task}
    models = "models:\n  m:\n" + "".join(f"    {name}: {value}\n" for name, value in needed.items())
    if key == "models":
        text = f"models: {example}"
    elif key in Config.model_fields:
        text = f"{key}: {example}\n{models}"
    else:
        text = models.replace(f"    {key}: {needed.get(key)}\n", "") + f"    {key}: {example}\n"

    assert parse_config(text, key).models
