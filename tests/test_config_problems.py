"""What is wrong with a configuration file is said all at once, each problem with its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.config import ModelConfig, load_config, parse_config
from streams.core.metric.registry import metrics_for
from streams.errors import ConfigError, UsageError


def problems(text: str) -> list[str]:
    """Every problem of a text that has some."""
    with pytest.raises(ConfigError) as error:
        parse_config(text, "test.yaml")
    return error.value.problems


def model_problems(body: str) -> list[str]:
    """Every problem of a model made of lines such as "task: none", without the path to the model."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return [problem.removeprefix("models.m.") for problem in problems(f"models:\n  m:\n{lines}")]


def test_every_problem_is_listed_at_once_in_the_order_of_the_file() -> None:
    """One run finds mistakes of every kind, at every level, each on its line."""
    found = problems(
        """
        sample: 0.5
        disorder: 10
        models:
          fraud:
            task: binary
            windows: [1d, 24h, 7x]
            slices: [country, [a, a]]
            metrics: [acuracy, nonsense]
            threshold: 2
          "other one":
            task: regresion
            label_horizon: 400d
            label_horizon: 1d
        samples: 0.1
        samples: 0.2
        """.replace("\n        ", "\n")
    )
    places = [problem.split(": ")[0] for problem in found]

    assert places == [
        "sample (line 2)",
        "disorder (line 3)",
        "models.fraud.positive (line 5)",
        "models.fraud.windows[1] (line 7)",
        "models.fraud.windows[2] (line 7)",
        "models.fraud.slices[0] (line 8)",
        "models.fraud.slices[1][1] (line 8)",
        "models.fraud.metrics[0] (line 9)",
        "models.fraud.metrics[1] (line 9)",
        "models.fraud.threshold (line 10)",
        'models."other one".task (line 12)',
        'models."other one".label_horizon (line 13)',
        'models."other one".label_horizon (line 13)',
        "samples (line 15)",
    ]


def test_the_error_names_its_source_and_asks_for_a_correction() -> None:
    """The command line exits with 2, and the message starts with the file and the number of problems."""
    with pytest.raises(UsageError, match=r"^test\.yaml: 2 problems:\n  models .*\n  a ") as error:
        parse_config("a: 1", "test.yaml")

    assert error.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "empty: declare at least one model under `models`"),
        ("# only a comment\n", "empty: declare at least one model under `models`"),
        ("[1]", "[1] must be a mapping of keys to values"),
        ("models: {", "not YAML at line 1, column 10: while parsing a flow node"),
        ("models:\n\tm: 1", "not YAML at line 2, column 1: while scanning for the next token"),
        ("a: 1\n---\nb: 1", "not YAML at line 2, column 1: expected a single document"),
        ("models: *m", "not YAML at line 1, column 9: found undefined alias"),
        ("models: \x07", "not YAML: unacceptable character #x0007"),
        ("&a [*a]", "nested too deeply, or an alias in it refers to itself"),
        ("[" * 5_000, "nested too deeply, or an alias in it refers to itself"),
    ],
)
def test_text_that_is_no_configuration_says_why(text: str, expected: str) -> None:
    """Syntax errors carry their line and column; emptiness says what to write."""
    (problem,) = problems(text)

    assert problem.startswith(expected)
    assert "\n" not in problem


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("models: {}", "models (line 1): {} is empty: at least one is needed"),
        ("models:", "models (line 1): null must be a mapping of names to models"),
        ("models: [m]", 'models (line 1): ["m"] must be a mapping of names to models'),
        ("models: {m: }", "models.m (line 1): null must be a mapping of keys to values"),
        (
            "models: {m: {}}",
            "models.m.task (line 1): is required: one of binary, multiclass, regression, ranking, none",
        ),
        ('models: {"": {task: none}}', 'models."" (line 1): the name of a model must not be empty'),
        ("models: {m: {task: none, name: x}}", "models.m.name (line 1): unknown key `name`: a model's name is its key"),
        (
            "models: {m: {task: none}}\nmodels: {}",
            "models (line 1): the key is there again on line 2: keep one of the two",
        ),
        ("models: {m: {task: !x none}}", "models.m.task (line 1): the tag `!x` means nothing here: remove it"),
        ("models: {m: {task: none}}\n? [a]\n: 1", "the key on line 2 is a list or a mapping"),
        ("models: {m: {task: none}}\nsamples: !!int x", 'samples (line 2): "x" is not what its tag'),
    ],
)
def test_models_are_a_mapping_of_names(text: str, expected: str) -> None:
    """What stands in place of a model is said by its path."""
    assert problems(text)[0].startswith(expected)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("samples: 1.5", "samples (line 1): 1.5 is too large: at most 1 is allowed"),
        ("samples: -0.1", "samples (line 1): -0.1 is too small: at least 0 is allowed"),
        ('samples: "0.5"', 'samples (line 1): "0.5" must be a number, without quotes'),
        ("samples: .nan", 'samples (line 1): ".nan" must be a number, without quotes'),
        ("samples: 1e999", "samples (line 1): Infinity must be a finite number"),
        ("samples: true", "samples (line 1): true must be a number, without quotes"),
        ("disorder: 3600", 'disorder (line 1): 3600 is not a duration: write a number and its unit, such as "90s"'),
        ("disorder: null", "disorder (line 1): null is not a duration"),
        ("disorder: -1h", 'disorder (line 1): "-1h" is not a duration'),
        ("max_future: 0s", 'max_future (line 1): "0s" is zero'),
        ("max_futur: 1d", "max_futur (line 1): unknown key `max_futur`; did you mean `max_future`? Allowed: alerting,"),
        ("zz: 1", "zz (line 1): unknown key `zz`. Allowed: alerting,"),
        ("windows: [1d]", "windows (line 1): the key `windows` does not belong here, but inside a model"),
    ],
)
def test_values_at_the_top_are_checked(line: str, expected: str) -> None:
    """A single bad value is the only problem, with what is allowed."""
    (problem,) = problems(f"{line}\nmodels: {{m: {{task: none}}}}")

    assert problem.startswith(expected)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("task: binry\npositive: 1", 'task (line 3): "binry" is no task; did you mean `binary`? Allowed: binary, m'),
        ("task: [binary]", 'task (line 3): ["binary"] is no task'),
        ("task: binary", "positive (line 2): is required for binary models: the label that means yes"),
        ("task: binary\npositive: null", "positive (line 4): is required for binary models"),
        ("task: binary\npositive: 1.0", 'positive (line 4): 1.0 is no label: write it as text in quotes, such as "1"'),
        ('task: binary\npositive: ""', 'positive (line 4): "" is no label'),
        ("task: binary\npositive: 1\nnegative: '1'", 'negative (line 5): "1" is the positive label too'),
        ("task: none\npositive: 1", "positive (line 4): 1 is only for binary models, this one is none: remove the key"),
        ("task: ranking\nnegative: 1", "negative (line 4): 1 is only for binary models, this one is ranking"),
        ("task: regression\nthreshold: 0.5", "threshold (line 4): 0.5 is only for binary models"),
        ("task: binary\npositive: 1\nclasses: [a, b]", 'classes (line 5): ["a", "b"] is only for multiclass models'),
        ("task: multiclass\nclasses: [a]", 'classes (line 4): ["a"] is a single class: list at least two'),
        ("task: multiclass\nclasses: [1, '1']", 'classes[1] (line 4): "1" says the same as item [0]'),
        ("task: multiclass\nclasses: ab", 'classes (line 4): "ab" must be a list, such as [a, b]'),
        ("task: binary\npositive: 1\nthreshold: 1.1", "threshold (line 5): 1.1 is too large: at most 1 is allowed"),
        ("task: none\nlabel_horizon: 367d", "label_horizon (line 4): 367d is too long: at most 366d is allowed"),
        ("task: none\nlabel_horizon: 0d", 'label_horizon (line 4): "0d" is zero'),
        ("task: none\nlabel_horizon: 30", "label_horizon (line 4): 30 is not a duration: write a number and its unit"),
        ("task: none\nlabel_horizon: 1mo", 'label_horizon (line 4): "1mo" is not a duration: months differ in length'),
        ("task: none\nwindows: 1d", 'windows (line 4): "1d" must be a list'),
        ("task: none\nwindows: []", "windows (line 4): [] is empty: list at least one"),
        ("task: none\nwindows: [1]", "windows[0] (line 4): 1 is not a window: write a number and its unit"),
        ("task: none\nwindows: [7d, 1w]", 'windows[1] (line 4): "1w" says the same as item [0]: remove one of them'),
        ("task: none\nwindows: [1h/7m]", 'windows[0] (line 4): "1h/7m" does not fit'),
        ("task: none\nslices: [[a, 1]]", "slices[0][1] (line 4): 1 is no attribute name"),
        ("task: none\nslices: [[' ']]", 'slices[0][0] (line 4): " " is no attribute name'),
        ("task: none\nslices: [a]", 'slices[0] (line 4): "a" must be a list of attributes: write [a]'),
        ("task: none\nslices: [3]", "slices[0] (line 4): 3 must be a list"),
        ("task: none\nslices: [[a, b], [b, a]]", 'slices[1] (line 4): ["b", "a"] says the same as item [0]'),
        ("task: none\nslices: [[], []]", "slices[1] (line 4): [] says the same as item [0]"),
        ("task: none\nslices: [[a, b, c, d, e, f, g, h, i]]", "slices[0] (line 4): "),
        ("task: none\nmax_groups: 0", "max_groups (line 4): 0 is too small: at least 1 is allowed"),
        ("task: none\nmax_groups: 100001", "max_groups (line 4): 100001 is too large: at most 100000 is allowed"),
        ("task: none\nmax_groups: 1.0", "max_groups (line 4): 1.0 must be a whole number, without quotes"),
        ("task: none\nmax_groups: true", "max_groups (line 4): true must be a whole number"),
        ("task: none\nmax_groups: 010", 'max_groups (line 4): "010" must be a whole number'),
        ("task: none\nslice: []", "slice (line 4): unknown key `slice`; did you mean `slices`? Allowed: classes, "),
        ("task: none\nsamples: 1", "samples (line 4): the key `samples` does not belong here, but at the top of the"),
        ("task: none\nmetrics: []", "metrics (line 4): [] is empty"),
        ("task: none\nmetrics: [1]", "metrics[0] (line 4): 1 is no metric. Allowed: "),
    ],
)
def test_values_of_a_model_are_checked(body: str, expected: str) -> None:
    """A single bad value is the only problem, with what is allowed."""
    (problem,) = model_problems(body)

    assert problem.startswith(expected)


def test_an_unknown_metric_comes_with_a_suggestion_and_what_is_allowed() -> None:
    """The suggestion is a metric of the model's task, and all of these are listed."""
    (problem,) = model_problems("task: binary\npositive: 1\nmetrics: [Acuracy]")

    assert problem == (
        'metrics[0] (line 5): "Acuracy" is no metric; did you mean `accuracy`? '
        f"Allowed: {', '.join(sorted(metrics_for('binary')))}"
    )


def test_a_metric_of_another_task_says_which() -> None:
    """A known metric that does not fit is told from an unknown one."""
    (problem,) = model_problems("task: regression\nmetrics: [roc_auc]")

    assert problem.startswith('metrics[0] (line 4): "roc_auc" is a metric for binary models, not for regression ones')


def test_without_a_valid_task_only_unknown_metrics_are_problems() -> None:
    """A typo in the task does not make every metric a problem, but typos in metrics are still found."""
    found = model_problems("task: binry\nmetrics: [roc_auc, nonsense]")

    assert [problem.split(" ")[0] for problem in found] == ["task", "metrics[1]"]


def test_long_values_are_cut_and_line_breaks_shown() -> None:
    """Problems stay one readable line whatever the value was."""
    (long,) = model_problems(f"task: none\nwindows: {'x' * 500}")
    (broken,) = model_problems('task: none\nwindows: ["1d\\n"]')

    assert len(long) < 200
    assert "\n" not in broken


def test_a_file_that_cannot_be_read_is_a_usage_error(tmp_path: Path) -> None:
    """Missing files, directories and files that are not UTF-8 say so, with their path."""
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"models: \xe9")

    with pytest.raises(ConfigError, match=r"missing\.yaml: cannot be read: No such file"):
        load_config(tmp_path / "missing.yaml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_config(tmp_path)
    with pytest.raises(ConfigError, match="not UTF-8, byte 8 is 0xe9"):
        load_config(latin)


def test_code_gives_durations_in_microseconds_and_is_checked_too() -> None:
    """Only files need units; limits hold for both."""
    assert ModelConfig(name="m", task="none", label_horizon=5).label_horizon == 5
    with pytest.raises(ValueError, match="is not a duration"):
        ModelConfig(name="m", task="none", label_horizon=0)
    with pytest.raises(ValueError, match="is too long: at most 366d"):
        ModelConfig(name="m", task="none", label_horizon=10**14)


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.sampled_from(["1d", "[]"])
)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner))
keys = st.sampled_from([*ModelConfig.model_fields, "unknown"])


@given(
    bodies=st.dictionaries(st.text(max_size=3), st.dictionaries(keys, values) | values, max_size=2),
    task=st.sampled_from(["binary", "multiclass", "regression", "ranking", "none", "?"]),
)
def test_whatever_is_written_ends_in_a_configuration_or_in_problems(bodies: dict[str, object], task: str) -> None:
    """No value in any place makes the parser fail in another way, and every problem is one line with a place."""
    bodies = {name: {"task": task, **body} if isinstance(body, dict) else body for name, body in bodies.items()}
    text = json.dumps({"models": bodies})
    try:
        outcome = [f"models.{''.join(name.splitlines())}: read" for name in parse_config(text, "fuzz").models]
    except ConfigError as error:
        outcome = error.problems

    assert outcome
    assert all(len(line.splitlines()) == 1 and ": " in line and line.encode() for line in outcome)


def test_escaped_characters_are_joined_and_halves_refused() -> None:
    """Pairs of surrogates, as JSON writes them, are one character; half a pair could not be stored."""
    whole = parse_config('{"models": {"\\ud83d\\ude00": {"task": "none"}}}', "test")
    (half,) = problems('{"models": {"m": {"task": "none", "slices": [["\\ud83d"]]}}}')

    assert list(whole.models) == ["\U0001f600"]
    assert half.startswith("models.m.slices[0][0] (line 1): ")
    assert half.endswith("on line 1 has an escape of half a character")


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    """Arbitrary text raises nothing but ConfigError."""
    with pytest.raises(ConfigError):
        parse_config(text, "fuzz")
