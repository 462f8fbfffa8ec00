"""The section `assertions`: what it means, its problems with their places, and that its document says so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from streams.config.assertions import AssertionConfig, AssertionsConfig, check_against_models, rules_of
from streams.config.fields import IN_FILE
from streams.config.problems import Problems, Section, describe
from streams.core.assertion.building import FUNCTIONS
from streams.core.assertion.errors import ExpressionError
from streams.core.assertion.node import COLUMNS, MAPS
from streams.core.assertion.parse import parse_condition
from streams.core.assertion.rules import Agree, Expect, Flicker, Rate, Rule, Stable, compile_rules
from streams.core.assertion.sequences import Sequences
from streams.core.detect.plan import PREFIX, watches
from streams.core.window_spec import HOUR, SECOND
from streams.errors import ConfigError
from tests.core.assertion.making import batch
from tests.core.making import make_config

DOCUMENT = (Path(__file__).parents[1] / "docs" / "assertions.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"^```yaml\n(.*?)^```", DOCUMENT, re.DOTALL | re.MULTILINE)
SECTION: TypeAdapter[dict[str, AssertionConfig]] = TypeAdapter(AssertionsConfig)
RULE = Section((None,), frozenset(AssertionConfig.model_fields), "in a rule")
MINUTE = 60 * SECOND


def read(section: object) -> dict[str, AssertionConfig]:
    """Read a section as it stands in a file."""
    return SECTION.validate_python(section, context=IN_FILE)


def problems(**rule: Any) -> list[tuple[str, str]]:
    """What is wrong with a rule `r` of a model `m`, and where."""
    with pytest.raises(ValidationError) as caught:
        read({"r": {"model": "m", **rule}})
    return [(".".join(map(str, where)), text) for where, text in describe(caught.value, [RULE], {})]


def section_of(title: str) -> str:
    """Text of the document under a title."""
    return DOCUMENT.split(f"# {title}\n")[1].split("\n## ")[0]


def rows_of(table: str) -> list[list[str]]:
    """Cells of a table, without its head."""
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in re.findall(r"^\|.*\|$", table, re.MULTILINE)[2:]
    ]


def test_the_section_means_what_it_says() -> None:
    """Every rule of the document's first example arrives as the core knows it."""
    rules = {rule.name: rule for rule in rules_of(read(yaml.safe_load(SNIPPETS[0])["assertions"]))}

    assert rules["score_is_a_probability"] == Rule(
        "score_is_a_probability", "fraud", Expect("0 <= score <= 1"), None, "critical"
    )
    assert rules["label_follows_score"].when == 'role == "live"'
    assert rules["no_jumps"].check == Stable(0.3, 10 * MINUTE)
    assert rules["no_flicker"].check == Flicker(MINUTE)
    assert rules["not_hammered"].check == Rate(100, HOUR)
    assert rules["like_the_old_one"] == Rule(
        "like_the_old_one", "fraud", Agree("fraud_v1", 5 * MINUTE, 0.1), None, "info"
    )
    assert len(rules) == 8


def test_what_is_required_is_missed() -> None:
    """`require` fails for each event that lacks one of the columns."""
    section = read({"r": {"model": "m", "require": ["score", "features['a b']"]}})
    rows: list[dict[str, Any]] = [{"score": 1.0, "features": {"a b": 1.0}}, {"score": 1.0}, {"features": {"a b": 1.0}}]
    (checked,) = compile_rules(rules_of(section)).check(batch(rows))

    assert checked.failed.tolist() == [False, True, True]
    assert not checked.not_applicable.any()


def test_predictions_of_one_model_may_be_asked_to_agree() -> None:
    """Without `with`, a model is compared with itself."""
    (rule,) = rules_of(read({"r": {"model": "m", "agree": {"within": "1m"}}}))

    assert rule.check == Agree("m", MINUTE, None)


@pytest.mark.parametrize(
    ("rule", "where", "text"),
    [
        ({"expect": "scoer > 1"}, "r.expect", "unknown column `scoer`; did you mean `score`? (at character 1)"),
        ({"expect": "score > 1", "when": "lable == 'a'"}, "r.when", "unknown column `lable`; did you mean `label`?"),
        ({"require": ["scoer"]}, "r.require", "unknown column `scoer`; did you mean `score`?"),
        ({"require": ["score + 1"]}, "r.require", '"score + 1" is no column: an expression belongs under `expect`'),
        ({}, "r", "has no rule: write one of expect, require, stable, flicker, rate, agree"),
        ({"expect": "score > 1", "rate": {"at_most": 1, "within": "1m"}}, "r", "has several rules (expect, rate)"),
        ({"flicker": {"within": 60}}, "r.flicker.within", "60 is not a duration"),
        ({"stable": {"by": -1, "within": "1m"}}, "r.stable.by", "-1 is too small: at least 0 is allowed"),
        ({"rate": {"at_most": 0, "within": "1m"}}, "r.rate.at_most", "0 is too small: at least 1 is allowed"),
        ({"expct": "score > 1"}, "r.expct", "unknown key `expct`; did you mean `expect`?"),
        ({"expect": "score > 1", "severity": "bad"}, "r.severity", "\"bad\" Input should be 'info', 'warning' or 'cri"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(rule: dict[str, Any], where: str, text: str) -> None:
    """Each mistake is found at its key."""
    found = problems(**rule)

    assert [place for place, _ in found if place == where] == [where]
    assert any(said.startswith(text) for place, said in found if place == where)


def test_the_schema_knows_the_keys() -> None:
    """The JSON Schema takes the document's examples, and refuses a key without its value, and an unknown one."""
    validator = jsonschema.Draft202012Validator(SECTION.json_schema())
    good = [yaml.safe_load(text)["assertions"] for text in SNIPPETS]
    bad = [
        {"r": {"model": "m", "expect": None}},
        {"r": {"model": "m", "stable": {"by": 1}}},
        {"r": {"model": "m", "x": 1}},
    ]

    assert [validator.is_valid(section) for section in good] == [True] * len(SNIPPETS)
    assert [validator.is_valid(section) for section in bad] == [False] * 3


def test_names_can_stand_in_labels() -> None:
    """A name with a space is refused at its place."""
    with pytest.raises(ValidationError) as caught:
        read({"a b": {"model": "m", "expect": "score > 1"}})

    assert list(describe(caught.value, [RULE], {})) == [(("a b",), "a name has up to 100 letters, digits, _ and -")]


def test_names_are_compared_with_what_is_declared() -> None:
    """Unknown models, features and attributes are refused with a suggestion, all at once."""
    section = read(
        {
            "a": {"model": "fraud", "expect": "features.amuont > 1", "when": 'attributes.contry == "DE"'},
            "b": {"model": "frod", "agree": {"with": "fraud1", "within": "1m"}},
            "c": {"model": "fraud", "require": ["score", "features.amuont"]},
            "d": {"model": "free", "expect": "features.anything > 1"},
        }
    )
    with pytest.raises(Problems) as caught:
        check_against_models(section, ["fraud", "free"], {"fraud": ["features.amount", "attributes.country"]})

    assert [(where, text.split("?")[0].split("; ")[1]) for where, text in caught.value.items] == [
        (("b", "model"), "did you mean `fraud`"),
        (("b", "agree", "with"), "did you mean `fraud`"),
        (("a", "when"), "did you mean `attributes.country`"),
        (("a", "expect"), "did you mean `features.amount`"),
        (("c", "require", 1), "did you mean `features.amount`"),
    ]


def test_what_fits_is_taken() -> None:
    """A section that names what there is passes."""
    section = read(yaml.safe_load(SNIPPETS[0])["assertions"])
    columns = ["features.amount", "features.speed_gps", "features.speed_wheel", "attributes.country"]

    check_against_models(section, ["fraud", "fraud_v1"], {"fraud": columns})
    check_against_models(section, ["fraud", "fraud_v1"])


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_the_documents_sections_are_rules(snippet: str) -> None:
    """Each example of the document is read, compiled, and followed."""
    assertions = compile_rules(rules_of(read(yaml.safe_load(snippet)["assertions"])))

    assert assertions.compiled
    assert len(Sequences(assertions)) == 0


def test_the_documents_examples_decide() -> None:
    """What the examples of the document say of a prediction: one that breaks all of them, and one that none."""
    section = {name: rule for text in SNIPPETS for name, rule in yaml.safe_load(text)["assertions"].items()}
    features = {"amount": 1.0, "speed_gps": 50.0, "speed_wheel": 51.0, "age": 30.0}
    good = {"model": "fraud", "unit_id": "u", "score": 0.7, "label": "1", "features": features}
    good |= {"attributes": {"country": "DE"}}
    bad = {
        "model": "fraud",
        "score": 1.5,
        "label": "approve",
        "features": {"speed_gps": 50.0, "speed_wheel": 9.0, "age": 9.0},
    }
    bad |= {"attributes": {"country": "Xx"}}
    checked = compile_rules(rules_of(read(section))).check(batch([good, bad]))

    assert [(one.rule.name, one.failed.tolist()) for one in checked if one.failed.tolist() != [False, True]] == []
    assert len(checked) == 6


def test_the_document_names_every_key() -> None:
    """The table of keys lists those of a rule."""
    assert {row[0].strip("`") for row in rows_of(section_of("Keys"))} == set(AssertionConfig.model_fields)


def test_the_document_names_every_column_and_function() -> None:
    """The table of what an expression is made of lists all columns and functions."""
    text = section_of("Expressions").split("\n### ")[0]

    assert all(f"`{name}`" in text for name in COLUMNS)
    assert all(f"`{name}.NAME`" in text for name in MAPS)
    assert set(re.findall(r"`(\w+)\(", text)) == set(FUNCTIONS)


def test_the_documents_logic_is_ours() -> None:
    """The table of what is unknown when a feature is missing says what comes of it, for a low and a high score."""
    answers = {
        "unknown": [None, None],
        "false where the score is at most 1, else unknown": [False, None],
        "true where the score is above 1, else unknown": [None, True],
        "true": [True, True],
    }
    for expression, answer in rows_of(DOCUMENT.split("### When something is missing\n")[1].split("\n### ")[0]):
        rule = Rule("r", "m", Expect(expression.strip("`")))
        (checked,) = compile_rules([rule]).check(batch([{"score": 0.5}, {"score": 1.5}]))
        pairs = zip(checked.failed.tolist(), checked.not_applicable.tolist(), strict=True)
        found = [None if unknown else not failed for failed, unknown in pairs]

        assert found == answers[answer], expression


def test_the_documents_refusals_are_ours() -> None:
    """The table of what is refused says what is said."""
    refused = rows_of(DOCUMENT.split("### What is refused\n")[1].split("\n## ")[0])
    for expression, said in refused:
        with pytest.raises(ExpressionError, match="^" + re.escape(said) + "$"):
            parse_condition(expression.strip("`"))

    assert len(refused) == 4


def test_rules_about_several_predictions_are_watched() -> None:
    """The document's rules of each kind are taken as part of a configuration, and each has a column of its own."""
    section = yaml.safe_load(SNIPPETS[0])["assertions"]
    config = make_config({"fraud": {"task": "none"}, "fraud_v1": {"task": "none"}}, assertions=section)
    [watch] = watches(config)

    assert {rule.name for rule in watch.followed} == {"no_jumps", "no_flicker", "not_hammered", "like_the_old_one"}
    assert {PREFIX + name for name in section} < set(watch.columns)
    assert len(set(watch.numbers.values())) == len(watch.columns)


def test_a_rule_names_models_that_are_there() -> None:
    """The other model of `agree` must be one of the configuration."""
    with pytest.raises(ConfigError, match=r"assertions\.r\.agree\.with"):
        make_config({"m": {"task": "none"}}, assertions={"r": {"model": "m", "agree": {"with": "n", "within": "1m"}}})
