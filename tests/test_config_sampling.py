"""The section `sampling`: what it means, its problems with their places, and that its documents say so."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from streams.config import Config, json_schema, parse_config
from streams.config.sampling import PolicyConfig, SamplingConfig, plan_of
from streams.core.assertion.parse import parse_condition
from streams.core.sampling.plan import Budget, BySlice, Hold, InFull, Plan, Rows, Targeted
from streams.core.window_spec import DAY, HOUR
from streams.errors import ConfigError
from streams.runtime.snapshot import fingerprint
from streams.sinks.clickhouse.store import open_store

DOCS = Path(__file__).parents[1] / "docs"
SAMPLING, CONFIGURATION = ((DOCS / name).read_text(encoding="utf-8") for name in ("sampling.md", "configuration.md"))
MODELS = 'models: {fraud: {task: binary, positive: "1", slices: [[country, app]]}, price: {task: regression}}\n'
MARCH = 1_772_323_200_000_000  # 2026-03-01, us
PARTS = {
    "sampling": "SamplingConfig",
    "sampling.models": "ModelSamplingConfig",
    "sampling.models.policies": "PolicyConfig",
    "sampling.models.reservoir": "ReservoirConfig",
    "sampling.models.budget": "BudgetConfig",
    "sampling.models.hold": "HoldConfig",
}


def parsed(section: str) -> Config:
    return parse_config(f"{MODELS}sampling: {section}\n", "test")


def policy(text: str, model: str = "fraud") -> Config:
    return parsed(f"{{models: {{{model}: {{policies: [{text}]}}}}}}")


def problems(text: str, model: str = "fraud") -> list[str]:
    """Every problem of a policy, without what their places have in common."""
    with pytest.raises(ConfigError) as caught:
        policy(text, model)
    return [
        re.sub(rf"^sampling\.models\.{model}\.policies\[0\]\.?| ?\(line 2\)", "", one) for one in caught.value.problems
    ]


def documented(part: str) -> dict[str, tuple[str, str]]:
    """Default and example of every key that the table lists under a part."""
    rows = re.findall(
        rf"^\| `{re.escape(part)}\.(\w+)` \|[^|]*\| ([^|]*) \| `([^`]*)` \|$", CONFIGURATION, re.MULTILINE
    )
    return {key: (default.strip("`"), example) for key, default, example in rows}


def test_the_example_means_what_it_says() -> None:
    """The first example of the document arrives as the core knows it."""
    config = parse_config(re.findall(r"^```yaml\n(.*?)^```", SAMPLING, re.DOTALL | re.MULTILINE)[0], "sampling.md")

    assert plan_of(config.sampling, "fraud", config.samples, 30 * DAY) == Plan(
        0.001,
        (
            BySlice(("country",), 100.0, 0.1),
            InFull(parse_condition("0.4 < score < 0.6")),
            Targeted((("country", ("NZ",)),), 0.5, MARCH, MARCH + 2 * DAY),
        ),
        frozenset({"error", "complaint", "crash"}),
        Rows(HOUR, 50),
        Budget(10_000, 20_000_000),
        Hold(7 * DAY, 200_000_000 // (7 * 24)),
    )


def test_the_example_in_python_works(tmp_path: Path) -> None:
    """The programs of the document run, one after the other, and what they assert is so."""
    program = "\n".join(re.findall(r"^```python\n(.*?)^```", SAMPLING, re.DOTALL | re.MULTILINE))
    (tmp_path / "example.py").write_text(program)

    assert "assert" in program
    assert runpy.run_path(str(tmp_path / "example.py"))["total"] == 44


def test_the_query_of_the_document_runs(tmp_path: Path) -> None:
    """The store answers it."""
    (query,) = re.findall(r"^    (SELECT .*\n(?:    .*\n)+)", SAMPLING, re.MULTILINE)
    with open_store(f"chdb://{tmp_path}/store") as store:
        store.migrate()
        assert store.query(query).num_columns == 2


def test_without_a_word_models_are_sampled_as_before() -> None:
    """By the share of `samples`, and the section is not part of what state belongs to."""
    without = parse_config(MODELS, "test")

    assert without.sampling == SamplingConfig()
    assert plan_of(without.sampling, "fraud", 0.01, HOUR) == Plan(0.01)
    assert plan_of(parsed("{models: {fraud: {}}}").sampling, "fraud", 0.01, HOUR) == Plan(0.01)
    assert fingerprint(without) == fingerprint(parsed("{}"))


def test_a_rate_and_a_salt_are_those_that_were_declared() -> None:
    """A rate goes before `samples`, 0 as well."""
    section = parsed("{salt: spring, models: {fraud: {rate: 0}}}").sampling

    assert plan_of(section, "fraud", 0.01, HOUR) == Plan(0.0, salt="spring")
    assert plan_of(section, "price", 0.01, HOUR) == Plan(0.01, salt="spring")


@pytest.mark.parametrize(
    ("written", "microseconds"),
    [
        ("2026-03-01", MARCH),
        ("2026-03-01T12:00:00", MARCH + 12 * HOUR),
        ("2026-03-01T12:00:00Z", MARCH + 12 * HOUR),
        ("2026-03-01T12:00:00+02:00", MARCH + 10 * HOUR),
    ],
)
def test_times_are_utc_unless_they_name_a_zone(written: str, microseconds: int) -> None:
    """Days begin at midnight; dumped and read again a time is the same."""
    config = policy(f"{{where: {{}}, rate: 1, from: '{written}'}}")
    (one,) = config.sampling.models["fraud"].policies
    dumped = one.model_dump(mode="json", by_alias=True)

    assert one.begin == microseconds
    assert PolicyConfig.model_validate(dumped) == one


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{by: [contry], per_hour: 5}", ['by[0]: "contry" is in no slice and no watched column of the model; did you']),
        ("{by: [app, app], per_hour: 5}", ['by[1]: "app" says the same as item [0]']),
        ("{by: [''], per_hour: 5}", ['by[0]: "" is no attribute name']),
        ("{by: app, per_hour: 5}", ['by: "app" must be a list']),
        ("{by: [app]}", [": `by` needs `per_hour`"]),
        ("{by: [app], per_hour: 0}", ["per_hour: 0 is too small: at least 1 is allowed"]),
        ("{by: [app], per_hour: 5, start: 0}", ["start: 0"]),
        ("{keep: scor > 1}", ["keep: unknown column `scor`; did you mean `score`?"]),
        ("{keep: score + 1}", ["keep: `score + 1` is a number: write a condition"]),
        ("{keep: attributes.contry == 'NZ'}", ["keep: unknown column `attributes.contry`; did you mean"]),
        (
            "{where: {contry: NZ}, rate: 1}",
            ['where.contry: "contry" is in no slice and no watched column of the model; did'],
        ),
        ("{where: {country: NZ}}", [": `where` needs `rate`"]),
        ("{where: {country: NZ}, rate: 2}", ["rate: 2 is too large: at most 1 is allowed"]),
        ("{where: {country: []}, rate: 1}", ["where.country: [] is empty: at least one is needed"]),
        ("{where: {}, rate: 1, from: tomorrow}", ['from: "tomorrow" is no time: write a day such as 2026-03-01']),
        ("{where: {}, rate: 1, from: 5}", ["from: 5 is no time"]),
        ("{where: {}, rate: 1, from: 2026-03-02, to: 2026-03-01}", [": `from`, 2026-03-02T00:00:00+00:00, must be"]),
        ("{once_known: [eror]}", ['once_known[0]: "eror" does not show later; did you mean `error`? Allowed:']),
        ("{}", [": has no policy: write one of by, keep, where, once_known"]),
        ("{rate: 1}", [": has no policy: write one of"]),
        ("{keep: score > 0, once_known: [crash]}", [": has several policies (keep, once_known): write one of"]),
        ("{keep: score > 0, from: 2026-03-02}", [": `from` does not belong to `keep`, which has keep"]),
        ("{keeps: score > 0}", ["keeps: unknown key `keeps`; did you mean `keep`?"]),
    ],
)
def test_problems_say_what_is_wrong_and_what_was_meant(text: str, expected: list[str]) -> None:
    """Each problem at its place, with the value and what is allowed."""
    found = problems(text)

    assert len(found) == len(expected)
    for one, start in zip(found, expected, strict=True):
        assert one.startswith(start)


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("{models: {froud: {}}}", 'models.froud (line 2): "froud" is no model of the configuration; did you mean'),
        ("{models: {fraud: {budget: {}}}}", "models.fraud.budget (line 2): needs `events_per_hour` or"),
        ("{models: {fraud: {budget: {events: 1}}}}", "models.fraud.budget.events (line 2): unknown key `events`"),
        ("{models: {fraud: {reservoir: {}}}}", "models.fraud.reservoir.rows (line 2): is required"),
        (
            "{models: {fraud: {reservoir: {per: 7m, rows: 1}}}}",
            "models.fraud.reservoir.per (line 2): 7m neither divides an hour nor is a multiple of one",
        ),
        ("{models: {fraud: {rates: 0.1}}}", "models.fraud.rates (line 2): unknown key `rates`; did you mean `rate`?"),
        ("{model: {}}", "model (line 2): "),
    ],
)
def test_problems_of_the_section_have_their_places(section: str, expected: str) -> None:
    """Models, reservoirs and budgets."""
    with pytest.raises(ConfigError) as caught:
        parsed(section)
    (found,) = caught.value.problems

    assert found.startswith(f"sampling.{expected}")


def test_errors_are_for_models_that_are_right_or_wrong() -> None:
    """A regression is never either; complaints may come about any model."""
    (found,) = problems("{once_known: [error]}", "price")

    assert found.startswith('once_known: "error" is for binary and multiclass models')
    assert policy("{once_known: [complaint]}", "price").sampling.models["price"].policies


def test_watched_columns_are_known_as_well() -> None:
    """An attribute that is in no slice may be used where it is watched; without any, every name is allowed."""
    watched = "detection: {models: {fraud: {columns: [attributes.plan]}}}\n"
    by_plan = "sampling: {models: {fraud: {policies: [{by: [plan], per_hour: 5}, {keep: attributes.plan == 'x'}]}}}\n"

    assert parse_config(MODELS + watched + by_plan, "test").sampling.models
    assert policy("{by: [anything], per_hour: 5}", "price").sampling.models


@pytest.mark.parametrize("part", PARTS)
def test_every_key_is_documented_with_its_default(part: str) -> None:
    """The tables name every key in order, with the defaults that editors are told."""
    declared = json_schema()["$defs"][PARTS[part]]["properties"]
    rows = documented(part)

    assert sorted(rows) == sorted(declared)
    for key, value in declared.items():
        if value.get("default"):
            assert rows[key][0] == str(value["default"]), key


@pytest.mark.parametrize(
    ("key", "example"), [(key, row[1]) for key, row in documented("sampling.models.policies").items()]
)
def test_every_documented_example_of_a_policy_is_allowed(key: str, example: str) -> None:
    """The example beside each key can be written, with what it needs beside it."""
    beside = {"per_hour": "by: [country]", "start": "by: [country], per_hour: 1", "by": "per_hour: 1"}
    beside |= dict.fromkeys(("rate", "from", "to"), "where: {}") | {"where": "rate: 1"}
    needed = [beside[key]] if key in beside else []
    needed += ["rate: 1"] if key in {"from", "to"} else []

    assert policy(f"{{{', '.join([f'{key}: {example}', *needed])}}}", "price" if key == "where" else "fraud")


@pytest.mark.parametrize("part", ["sampling.models", "sampling.models.reservoir", "sampling.models.budget"])
def test_every_documented_example_of_a_model_is_allowed(part: str) -> None:
    """All at once: keys of a model, of its reservoir and of its budget."""
    keys = ", ".join(f"{key}: {example}" for key, (_, example) in documented(part).items())
    whole = f"{{{keys}}}" if part == "sampling.models" else f"{{{part.rpartition('.')[2]}: {{{keys}}}}}"

    assert parsed(f"{{models: {{fraud: {whole}}}}}").sampling.models


def test_predictions_are_held_for_what_shows_later_only() -> None:
    """No longer than a label may take, an equal share for each hour begun; without `once_known` it means nothing."""
    once, hold = "policies: [{once_known: [error]}]", "hold: {for: 90m, bytes: 100}"
    section = parsed(f"{{models: {{fraud: {{{once}, {hold}}}, price: {{rate: 1}}}}}}").sampling

    assert plan_of(section, "fraud", 0.01, 30 * DAY).hold == Hold(90 * HOUR // 60, 50)
    assert plan_of(section, "fraud", 0.01, HOUR).hold == Hold(HOUR, 100)
    assert plan_of(parsed(f"{{models: {{fraud: {{{once}}}}}}}").sampling, "fraud", 0.01, HOUR).hold == Hold(
        HOUR, 64 << 20
    )
    assert plan_of(section, "price", 0.01, HOUR).hold is None
    with pytest.raises(ConfigError, match="`hold` is for what a policy keeps with `once_known`"):
        parsed(f"{{models: {{fraud: {{{hold}}}}}}}")


def test_every_kind_of_value_is_allowed_in_code() -> None:
    """Microseconds for times, as a configuration that is made in code has them."""
    one: dict[str, Any] = {"where": {"country": "NZ"}, "rate": 1.0, "from": MARCH}

    assert PolicyConfig.model_validate(one).begin == MARCH
