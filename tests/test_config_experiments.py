"""The section `experimentation`: what it means, and its problems all at once, with those of the rest of the file."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import ValidationError

from streams.config import Config, json_schema, parse_config
from streams.config.experiment_problems import can_be_compared, direction_of
from streams.config.experiments import ExperimentationConfig, ExperimentConfig, Guardrail, Measure
from streams.core.metric.registry import METRICS, TASKS
from streams.core.window_spec import DAY
from streams.errors import ConfigError
from streams.experiments import Experiments
from streams.experiments.planning import Request
from streams.runtime.snapshot import fingerprint

Plain = Any

DOCS = (Path(__file__).parents[1] / "docs" / "configuration.md").read_text(encoding="utf-8")
SECTION = """
experimentation:
  layers:
    l: {slots: 1000}
  segments:
    dach: {attribute: country, values: [DE, AT]}
  holdouts:
    all: {share: 0.1}
  experiments:
    stricter:
      model: fraud
      layer: l
      slots: [0-99, 500]
      arms: {control: 1, strict: 3}
      rules: [{when: {segment: dach}, share: 0.5}]
      parameters: {x: {arm: {control: 1, strict: 2}}}
      metrics:
        primary: [precision, {metric: mean_score, direction: lower}]
        guardrail: [{metric: latency_p95, margin: 5}, crash_rate]
        exploratory: [brier]
      maximum_duration: 2w
    later: {models: [fraud, rank], layer: l, traffic: 0.2, queue: 3, arms: {a: 1, b: 1}, control: b, planned: 500}
"""
MODELS = 'models:\n  fraud: {task: binary, positive: "1"}\n  rank: {task: ranking}\n  kinds: {task: multiclass}\n'


def problems(section: Plain, models: str = MODELS) -> list[str]:
    """Every problem of a file with this section, without the lines and what they have in common."""
    with pytest.raises(ConfigError) as caught:
        parse_config(f"{models}experimentation: {json.dumps(section)}\n", "test")
    found = [re.sub(r" \(line \d+\)", "", problem) for problem in caught.value.problems]
    return [problem.removeprefix("experimentation.").removeprefix("experiments.e.") for problem in found]


def problem_of(**experiment: Plain) -> str:
    """Return the only problem of an experiment on `fraud`."""
    (problem,) = problems({"experiments": {"e": {"model": "fraud", "arms": {"a": 1, "b": 1}, **experiment}}})
    return problem


def test_the_section_means_what_it_says() -> None:
    """Every value arrives typed: microseconds, measures with their direction, conditions."""
    section = parse_config(MODELS + SECTION, "test").experimentation
    stricter, later = section.experiments["stricter"], section.experiments["later"]

    assert (stricter.judged, later.judged) == (("fraud",), ("fraud", "rank"))
    assert (stricter.control, later.control) == ("control", "b")
    assert stricter.arms == {"control": 1.0, "strict": 3.0}
    assert stricter.maximum_duration == 14 * DAY
    assert (stricter.alpha, stricter.power, stricter.minimum_effect, later.planned) == (0.05, 0.8, None, 500)
    assert stricter.metrics.primary == (
        Measure(metric="precision", direction="higher"),
        Measure(metric="mean_score", direction="lower"),
    )
    assert stricter.metrics.guardrail == (
        Guardrail(metric="latency_p95", direction="lower", margin=5.0),
        Guardrail(metric="crash_rate", direction="lower", margin=0.0),
    )
    assert stricter.metrics.exploratory == (Measure(metric="brier", direction="lower"),)
    assert stricter.rules[0].when is not None
    assert stricter.rules[0].when.segment == "dach"


@pytest.mark.parametrize(
    ("declared", "urgency"),
    [
        ({"metrics": {"guardrail": ["f1"]}}, "page"),
        ({"metrics": {"guardrail": ["f1"], "primary": ["brier"]}}, "warning"),
        ({"metrics": {"exploratory": ["f1"]}}, "warning"),
        ({"metrics": {"guardrail": ["f1"]}, "severity": "info"}, "info"),
    ],
)
def test_a_canary_pages_unless_declared_otherwise(declared: dict[str, Plain], urgency: str) -> None:
    """An experiment with guardrails and nothing to make better is one."""
    text = json.dumps({"experiments": {"e": {"model": "fraud", "arms": {"a": 1, "b": 1}, **declared}}})
    one = parse_config(MODELS + f"experimentation: {text}\n", "test").experimentation.experiments["e"]

    assert one.urgency == urgency


def test_the_section_may_be_left_out() -> None:
    """Without it there are no experiments, and the state of workers is as it was."""
    config = parse_config(MODELS, "test")

    assert config.experimentation == ExperimentationConfig()
    assert config.experimentation.assignment().assign("u7").arms == {}
    assert "experimentation" not in config.model_dump_json(exclude_defaults=True)
    assert fingerprint(config) == fingerprint(parse_config(MODELS + "experimentation: {}\n", "test"))


def test_a_section_does_not_change() -> None:
    """Objects are frozen."""
    section = parse_config(MODELS + SECTION, "test").experimentation
    with pytest.raises(ValidationError, match="frozen"):
        section.experiments["later"].alpha = 0.5


@pytest.mark.parametrize("text", [SECTION, re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL)[1]])
def test_services_are_given_the_section_as_it_stands(text: str) -> None:
    """The part of the file, read by any YAML reader, decides in a service what the configuration decides."""
    whole = MODELS + text if text == SECTION else text
    configured = parse_config(whole, "test").experimentation
    in_service = Experiments.parse(yaml.safe_load(whole)["experimentation"])
    kept = configured.assignment()
    for number in range(300):
        attributes = {"country": ["DE", "FR"][number % 2], "app": "4.3"}
        one, other = (each.assign(f"u{number}", attributes) for each in (in_service, kept))

        assert one.arms == other.arms
        for name in configured.experiments:
            assert one.decision(name) == other.decision(name)
            assert one.parameters(name) == other.parameters(name)


def test_what_a_plan_needs_is_there() -> None:
    """Slots of all layers, and what each experiment asks for, with its longest duration."""
    section = parse_config(
        f"{MODELS}{SECTION}    own: {{model: fraud, arms: {{a: 1, b: 1}}}}\n", "test"
    ).experimentation

    assert section.layer_slots() == {"l": 1_000, "own": 10_000}
    assert section.requests() == {
        "stricter": Request("l", 101, ((0, 99), (500, 500)), None, 14 * DAY),
        "later": Request("l", 200, (), 3),
        "own": Request("own", 10_000, ((0, 9_999),)),
    }


def test_every_problem_is_listed_at_once_in_the_order_of_the_file() -> None:
    """Mistakes of assignment, of judging and of the rest of the file are one list, each on its line."""
    text = """
models:
  fraud: {task: binary, positive: "1", windows: [7x]}
experimentation:
  layer: {}
  experiments:
    e:
      model: fraud
      arms: {a: 1}
      alpha: 2
      metrics: {primary: [acuracy]}
      rules: [{when: {segment: s}}]
disorder: 5
"""
    with pytest.raises(ConfigError) as caught:
        parse_config(text, "test")

    assert [problem.split(": ")[0] for problem in caught.value.problems] == [
        "models.fraud.windows[0] (line 3)",
        "experimentation.layer (line 5)",
        "experimentation.experiments.e.arms (line 9)",
        "experimentation.experiments.e.alpha (line 10)",
        "experimentation.experiments.e.rules[0].when.segment (line 12)",
        "disorder (line 13)",
    ]
    with pytest.raises(ConfigError, match=re.escape("metrics.primary[0] (line 11): acuracy is no metric by which")):
        parse_config(text.replace("7x", "7d"), "test")


@pytest.mark.parametrize(
    ("experiment", "expected"),
    [
        ({"models": ["fraud"]}, "experiments.e: needs either `model` or `models`: whose predictions are compared"),
        ({"model": "frod"}, 'model: "frod" is no model; did you mean `fraud`? Allowed: fraud, kinds, rank'),
        ({"model": ["fraud"]}, 'model: ["fraud"] is no model'),
        ({"metrics": {"main": []}}, "metrics.main: unknown key `main`. Allowed: exploratory, guardrail, primary"),
        ({"metrics": []}, "metrics: [] must be a mapping of keys to values"),
        ({"metrics": {"primary": "precision"}}, 'metrics.primary: "precision" must be a list'),
        ({"metrics": {"primary": [1]}}, "metrics.primary[0]: 1 must be a mapping of keys to values"),
        ({"metrics": {"primary": [{}]}}, "metrics.primary[0].metric: is required"),
        ({"metrics": {"primary": [{"metric": 1}]}}, "metrics.primary[0].metric: 1 must be text"),
        (
            {"metrics": {"primary": ["acuracy"]}},
            "metrics.primary[0]: acuracy is no metric by which arms of fraud, a binary model, can be compared; did y",
        ),
        ({"metrics": {"primary": ["mae"]}}, "metrics.primary[0]: mae is no metric by which arms of fraud, a binary"),
        ({"metrics": {"primary": ["count"]}}, "metrics.primary[0]: count is no metric by which arms of fraud"),
        ({"metrics": {"primary": ["f1", "f1"]}}, "metrics.primary[1]: f1 is there already: remove one of the two"),
        ({"metrics": {"primary": [{"metric": "f1", "margin": 1}]}}, "metrics.primary[0].margin: unknown key `margin`"),
        (
            {"metrics": {"guardrail": [{"metric": "f1", "margin": -1}]}},
            "metrics.guardrail[0].margin: -1 is not between 0 and 1e+15",
        ),
        (
            {"metrics": {"guardrail": ["mean_score"]}},
            "metrics.guardrail[0]: mean_score may be better higher or lower: write {metric: mean_score, direction",
        ),
        (
            {"metrics": {"primary": [{"metric": "f1", "direction": "up"}]}},
            'metrics.primary[0].direction: "up" is no direction. Allowed: higher, lower',
        ),
        ({"minimum_effect": 0}, "minimum_effect: 0 is not between 0 and 1e+15, both excluded"),
        ({"alpha": 1}, "alpha: 1 is not between 0 and 1, both excluded"),
        ({"power": "80%"}, 'power: "80%" must be a number, without quotes'),
        ({"planned": 1.5}, "planned: 1.5 must be a whole number, without quotes"),
        ({"planned": 0}, "planned: 0 is not between 1 and 1e+15"),
        ({"maximum_duration": 28}, "maximum_duration: 28 must be text that is not empty"),
        ({"maximum_duration": "1mo"}, 'maximum_duration: "1mo" is not a duration: months differ in length'),
        ({"severity": "critical"}, 'severity: "critical" is no severity. Allowed: info, page, warning'),
        ({"team": 3}, "team: 3 must be text"),
        ({"trafic": 1}, "trafic: unknown key `trafic`; did you mean `traffic`? Allowed: alpha, arms,"),
        ({"layer": "l"}, "layer: the layer is not declared. Allowed: none"),
    ],
)
def test_an_experiment_is_checked(experiment: Plain, expected: str) -> None:
    """A single mistake is the only problem, with what is allowed."""
    assert problem_of(**experiment).startswith(expected)


def test_a_metric_must_suit_every_model() -> None:
    """What one of several models does not have cannot be compared, nor what has no sums."""
    found = problems(
        {"experiments": {"e": {"models": ["fraud", "kinds"], "arms": {"a": 1, "b": 1}, "metrics": {"primary": ["f1"]}}}}
    )

    assert len(found) == 1
    assert found[0].startswith("metrics.primary[0]: f1 is no metric by which arms of kinds, a multiclass model, can be")


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        (None, "experimentation: null must be a mapping of keys to values"),
        ([], "experimentation: [] must be a mapping of keys to values"),
        ({"experiments": [1]}, "experiments: [1] must be a mapping of names to experiments"),
        ({"experiments": {"e": 1}}, "experiments.e: 1 must be a mapping of keys to values"),
        ({"holdouts": {"h": {"share": "1%"}}}, 'holdouts.h.share: "1%" must be a number, without quotes'),
    ],
)
def test_the_section_is_checked(section: Plain, expected: str) -> None:
    """What stands in place of the section or of an experiment is one problem."""
    assert problems(section) == [expected]


def test_without_models_only_they_are_missing() -> None:
    """When the models cannot be read, experiments are not said to be about unknown ones."""
    section = {"experiments": {"e": {"model": "x", "arms": {"a": 1, "b": 1}, "metrics": {"primary": ["f1"]}}}}

    assert problems(section, "models: {}\n") == ["models: {} is empty: at least one is needed"]


def test_code_is_checked_too() -> None:
    """Objects that are made in code have the same problems, and may be put into a configuration as they are."""
    section = ExperimentationConfig(experiments={"e": ExperimentConfig(model="m", arms={"a": 1, "b": 1})})
    with pytest.raises(ValidationError, match="at least two arms"):
        ExperimentationConfig.model_validate({"experiments": {"e": {"model": "m", "arms": {"a": 1}}}})
    with pytest.raises(ValidationError, match='"m" is no model'):
        Config.model_validate({"models": {"x": {"task": "none"}}, "experimentation": section})

    assert (
        Config.model_validate({"models": {"m": {"task": "none"}}, "experimentation": section}).experimentation
        == section
    )


def test_every_metric_that_can_be_compared_has_a_direction_or_needs_one() -> None:
    """The table of directions names metrics that there are, and leaves out those of which it depends."""
    comparable = {name for task in TASKS for name in METRICS if can_be_compared(name, task)}

    assert {name for name in comparable if direction_of(name) is None} == {
        "bias",
        "mean_score",
        "mean_prediction",
        "quantile_coverage",
        "positive_rate",
    }
    assert {"accuracy", "f1", "mae", "mrr", "mean_rating", "crash_rate", "latency_p99"} <= comparable
    assert not {"count", "request_rate", "roc_auc", "mcc", "rmse"} & comparable
    assert can_be_compared("accuracy", "multiclass")
    assert not can_be_compared("f1", "multiclass")
    assert can_be_compared("ndcg@7", "ranking")


def test_every_key_is_documented_with_its_default() -> None:
    """The table names every key of every part in order, with the defaults of the code."""
    rows = re.findall(r"^\| `(\w+)\.(\w+)` \|[^|]*\| ([^|]*) \| `", DOCS, re.MULTILINE)
    definitions = json_schema()["$defs"]
    parts = {"layers": "Layer", "segments": "Segment", "holdouts": "Holdout", "experiments": "Experiment"}
    declared = [
        (part, key, value)
        for part, name in parts.items()
        for key, value in definitions[f"{name}Config"]["properties"].items()
    ]
    shown = [(part, key, default.strip("`")) for part, key, default in rows if part in parts]

    assert [(part, key) for part, key, _ in shown] == [(part, key) for part, key, _ in declared]
    for (_, key, default), (_, _, value) in zip(shown, declared, strict=True):
        if "default" in value and value["default"] != []:
            assert default == str(value["default"]), key


@pytest.mark.parametrize("text", [SECTION, *re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL)])
def test_the_schema_accepts_what_the_parser_accepts(text: str) -> None:
    """Valid sections are valid for editors, conditions and all."""
    whole = MODELS + text if text == SECTION else text

    jsonschema.validate(yaml.safe_load(whole), json_schema())


@pytest.mark.parametrize(
    "change",
    [
        {"arms": {"a": 1}},
        {"arms": {"a": -1, "b": 1}},
        {"unit": "user"},
        {"slots": ["9..12"]},
        {"traffic": 1.5},
        {"queue": 0},
        {"rules": [{"share": 2}]},
        {"rules": [{"when": {"attribute": "a", "equal": "x"}}]},
        {"rules": [{"when": {"not": {"any": [{"segment": 1}]}}}]},
        {"whitelist": {"u": 1}},
        {"enabled": "off"},
        {"metrics": {"primary": [{"margin": 1}]}},
        {"metrics": {"guardrail": [{"metric": "f1", "margin": -1}]}},
        {"metrics": {"guardrail": [{"metric": "f1", "direction": "up"}]}},
        {"alpha": 0},
        {"power": 1},
        {"minimum_effect": 0},
        {"planned": 0},
        {"maximum_duration": "1y"},
        {"unknown": 1},
    ],
)
def test_the_schema_refuses_what_the_parser_refuses(change: Plain) -> None:
    """Mistakes that concern one value are found by both."""
    experiment = {"model": "fraud", "arms": {"a": 1, "b": 1}, **change}
    section = {"experiments": {"e": experiment}}

    assert problems(section)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"models": {"fraud": {"task": "none"}}, "experimentation": section}, json_schema())


def test_a_metric_has_one_role() -> None:
    """A metric cannot be primary and exploratory at once: its part of alpha would be told twice."""
    problem = problem_of(metrics={"primary": ["accuracy"], "exploratory": ["accuracy"]})

    assert problem == "metrics.exploratory[0]: accuracy is there already: remove one of the two"


def test_as_many_experiments_as_can_be_told_apart() -> None:
    """Forty experiments of two arms are too many to be judged at once, and the message says what to do."""
    experiments = {f"e{number}": {"model": "fraud", "arms": {"a": 1, "b": 1}} for number in range(40)}
    (problem,) = problems({"experiments": experiments})

    assert problem.startswith("experiments: 40 experiments with all their arms take 80 bits, and there are 64: end")


@pytest.mark.parametrize("tick", ["1", "0h", 5, "1mo"])
def test_a_tick_is_a_duration(tick: Plain) -> None:
    """What is no duration is refused; minutes are one."""
    (problem,) = problems({"tick": tick})

    assert problem.startswith("tick: ")
    assert parse_config(f"{MODELS}experimentation: {{tick: 5m}}\n", "test").experimentation.tick == 300_000_000
