"""The sections `detection` and `alerting`: what is documented of them is so, and what does not fit is said at once."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest

from streams.config import Config, json_schema, parse_config
from streams.config.alerting import AlertingConfig, RouteConfig, RouteRule, keys_of
from streams.config.detection import OPERATIONS, DetectionConfig, WatchConfig
from streams.config.stream_detectors import StreamConfig
from streams.core.catalog import Catalog
from streams.core.detect.cut import WHOLE, Cut
from streams.core.detect.plan import LABEL_DELAY, LABEL_LAG, watches
from streams.core.detect.watchman import watchmen
from streams.core.window_spec import DAY, HOUR
from streams.errors import ConfigError
from streams.runtime.snapshot import fingerprint

DOCS = (Path(__file__).parents[1] / "docs" / "configuration.md").read_text(encoding="utf-8")
MODELS = 'models: {fraud: {task: binary, positive: "1", slices: [[], [country, app]], metrics: [accuracy, count]}}\n'


def parsed(section: Any, key: str = "detection") -> Config:
    return parse_config(f"{MODELS}{key}: {json.dumps(section)}\n", "test")


def problems(section: Any) -> list[str]:
    """Every problem of a file with this section, without the lines and what they have in common."""
    with pytest.raises(ConfigError) as caught:
        parsed(section)
    return [re.sub(r" \(line \d+\)", "", problem).removeprefix("detection.") for problem in caught.value.problems]


def documented(part: str) -> dict[str, tuple[str, str]]:
    """Default and example of every key that the table lists under a part."""
    rows = re.findall(rf"^\| `{re.escape(part)}\.(\w+)` \|[^|]*\| ([^|]*) \| `([^`]*)` \|$", DOCS, re.MULTILINE)
    return {key: (default.strip("`"), example) for key, default, example in rows}


@pytest.mark.parametrize(
    ("part", "definition"), [("detection", "DetectionConfig"), ("detection.models", "WatchConfig")]
)
def test_every_key_of_detection_is_documented_with_its_default(part: str, definition: str) -> None:
    """The tables name every key in order, with the defaults that editors are told."""
    declared = json_schema()["$defs"][definition]["properties"]
    rows = documented(part)

    assert list(rows) == list(declared)
    for key, value in declared.items():
        if value.get("default"):
            assert rows[key][0] == str(value["default"]).replace("'", ""), key


def test_every_key_of_alerting_is_documented_with_its_default() -> None:
    """The tables name every key, and the defaults in them are those of the code, but for where secrets are."""
    section, rule = AlertingConfig(), RouteRule(routes=())
    routes = {key for kind in get_args(RouteConfig) for key in keys_of(kind) if not key.endswith(("_env", "_file"))}
    written = {"give_up_after": "6h"}

    assert documented("alerting").keys() == keys_of(AlertingConfig)
    assert documented("alerting.rules").keys() == keys_of(RouteRule)
    assert documented("alerting.routes").keys() == routes | {"ca_file"}
    assert written["give_up_after"] == section.model_dump(mode="json")["give_up_after"]
    for part, whole in (("alerting", section), ("alerting.rules", rule)):
        dumped = whole.model_dump(mode="json", by_alias=True)
        for key, (default, _) in documented(part).items():
            assert default in (str(dumped[key]).replace("'", ""), "required"), key


@pytest.mark.parametrize(("key", "example"), [(key, row[1]) for key, row in documented("detection").items()])
def test_every_documented_example_of_the_section_is_allowed(key: str, example: str) -> None:
    """The example beside each key can be written in a file."""
    needed = "" if key == "models" else ", models: {fraud: {}}"
    season = ", season: 1d" if key == "learn" else ""
    text = f"{MODELS}detection: {{{key}: {example}{season}{needed}}}\n"

    assert parse_config(text, key).detection.models


@pytest.mark.parametrize(("key", "example"), [(key, row[1]) for key, row in documented("detection.models").items()])
def test_every_documented_example_of_a_watch_is_allowed(key: str, example: str) -> None:
    """The example beside each key of a model can be written, where the model has what it names."""
    models = MODELS.replace("[country, app]", "[country]")
    needed = ", columns: [features.age]" if key == "centers" else ""
    text = f"{models}detection: {{models: {{fraud: {{{key}: {example}{needed}}}}}}}\n"

    assert parse_config(text, key).detection.models


def test_what_every_model_is_watched_for_has_the_margins_that_are_documented() -> None:
    """The sentence under the table tells the margins of traffic and labels."""
    (sentence,) = re.findall(r"^Without a margin of its own, (.+)\.$", DOCS, re.MULTILINE)

    assert dict(re.findall(r"`(\w+)` ([\d.]+)", sentence)) == {name: str(value) for name, value in OPERATIONS.items()}


def test_without_a_word_nothing_is_watched() -> None:
    """The section may be left out; a model that is not named is not watched."""
    assert parse_config(MODELS, "test").detection == DetectionConfig()
    assert watches(parse_config(MODELS, "test")) == ()
    assert watchmen(Catalog(parsed({"models": {}}))) == {}


def test_with_the_least_said_the_usual_is_watched() -> None:
    """All metrics but those that only count traffic, and how late labels are; the smallest section can be run."""
    (watch,) = watches(parsed({"models": {"fraud": {}}}))

    assert (watch.metrics, watch.columns) == (("accuracy",), (LABEL_DELAY, LABEL_LAG))
    assert watch.slices == watch.column_slices == ((),)
    assert watchmen(Catalog(parsed({"models": {"fraud": {}}}))).keys() == {"fraud"}


def test_slices_are_those_of_the_model() -> None:
    """In whatever order their attributes are named, and the whole is always one of them."""
    (watch,) = watches(parsed({"models": {"fraud": {"slices": [["app", "country"]]}}}))

    assert set(watch.slices) == {(), ("country", "app")}


def test_ticks_are_counted_in_event_time() -> None:
    """How many ticks are learned, and make a season, follows from the durations; no season is one tick."""
    hourly = parsed({"tick": "1h", "learn": "4w"}).detection

    assert (hourly.tick, hourly.false_alarm_every) == (HOUR, 30 * DAY)
    assert (hourly.ticks_learned, hourly.ticks_a_season) == (28 * 24, 7 * 24)
    assert parsed({"season": "1d"}).detection.ticks_a_season == 1


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ({"models": {"froud": {}}}, ['models.froud: "froud" is no model of the configuration; did you mean `fraud`?']),
        ({"markers": [{"name": "m", "time": "soon"}]}, ['markers[0].time: "soon" is no date: write 2026-01-01 or']),
        ({"markers": [{"name": "m", "time": 20260301}]}, ["markers[0].time: 20260301 is no date: write 2026-01-01 or"]),
        ({"markers": [{"name": "", "time": "2026-01-01"}]}, ["markers[0].name: "]),
        (
            {"markers": [{"name": "m", "time": "2026-01-01", "models": ["froud"]}]},
            ['markers[0].models[0]: "froud" is no model of the configuration; did you mean `fraud`?'],
        ),
        ({"models": {"fraud": {"metrics": ["acuracy"]}}}, ['models.fraud.metrics[0]: "acuracy" is no metric of the']),
        ({"models": {"fraud": {"margins": {"trafic": 1}}}}, ['models.fraud.margins.trafic: "trafic" is no metric']),
        ({"models": {"fraud": {"columns": ["scores"]}}}, ['models.fraud.columns[0]: "scores" is no column; did you']),
        ({"models": {"fraud": {"columns": ["features."]}}}, ['models.fraud.columns[0]: "features." is no column']),
        ({"models": {"fraud": {"slices": [["city"]]}}}, ['models.fraud.slices: ["city"] is no slice of the model']),
        ({"models": {"fraud": {"share": 0}}}, ["models.fraud.share: 0"]),
        ({"models": {"fraud": {"severity": "critical"}}}, ['models.fraud.severity: "critical"']),
        ({"models": {"fraud": {"colums": ["score"]}}}, ["models.fraud.colums: unknown key `colums`; did you mean"]),
        ({"tick": "0s"}, ['tick: "0s" is zero']),
        ({"tick": "1h", "season": "90m"}, ["season: 1h30m is no multiple of a tick, 1h"]),
        ({"learn": "10d"}, ["learn: 10d are 10 ticks of 1d: at least 20", "learn: 10d are less than 4 seasons of 7d"]),
        ({"false_alarm_every": "12h"}, ["false_alarm_every: 12h is less than a tick, 1d"]),
    ],
    ids=str,
)
def test_what_does_not_fit_is_told(section: dict[str, Any], expected: list[str]) -> None:
    """Each problem has its place, the value, and what was likely meant."""
    found = problems(section)

    assert len(found) >= len(expected)
    assert all(problem.startswith(start) for problem, start in zip(found, expected, strict=False)), found


def test_all_problems_of_the_section_are_listed_at_once() -> None:
    """Times, models and what is watched of them are checked together."""
    found = problems({"learn": "2d", "season": "1d", "models": {"x": {}, "fraud": {"metrics": ["brier", "f1"]}}})

    assert [problem.partition(":")[0] for problem in found] == [
        "learn",
        "models.x",
        "models.fraud.metrics[0]",
        "models.fraud.metrics[1]",
    ]


def test_what_is_accepted_can_be_watched() -> None:
    """The shortest time to learn that a season leaves is one that detectors can work with."""
    accepted = []
    for days in range(1, 60):
        try:
            config = parsed({"learn": f"{days}d", "season": "7d", "models": {"fraud": {}}})
        except ConfigError:
            continue
        accepted.append(days)
        watchmen(Catalog(config))

    assert accepted == list(range(28, 60))


@pytest.mark.parametrize("key", ["detection", "alerting"])
def test_state_is_kept_when_watches_change(key: str) -> None:
    """Checkpoints are good for another section: nothing has to be read again."""
    section = {"detection": {"tick": "1h", "models": {"fraud": {}}}, "alerting": {"most_waiting": 7}}[key]

    assert fingerprint(parsed(section, key)) == fingerprint(parse_config(MODELS, "test"))


def test_the_watch_that_is_documented_is_a_watch() -> None:
    """The file with every key declares every key of a watch."""
    (whole,) = (block for block in re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL) if "\ndetection:" in block)
    declared = parse_config(whole, "docs").detection

    assert declared.models["fraud"].model_fields_set == set(WatchConfig.model_fields)
    assert declared.model_fields_set == set(DetectionConfig.model_fields)


@pytest.mark.parametrize(
    ("model", "watch", "said"),
    [
        ("fraud", {"detectors": [{"detector": "ddm", "metric": "accuracy"}]}, "ddm takes single errors"),
        ("fraud", {"detectors": [{"detector": "adwin", "metric": "accuracy", "errors_a_tick": 9}]}, "without a metric"),
        ("fraud", {"detectors": [{"detector": "adwin", "metric": "acuracy"}]}, "did you mean `accuracy`"),
        ("fraud", {"detectors": [{"detector": "ddm"}, {"detector": "ddm"}]}, "declared twice"),
        ("fraud", {"detectors": [{"detector": "ddm", "errors_a_tick": 0}]}, "at least 1 is allowed"),
        ("fraud", {"detectors": [{"detector": "ddm", "error_above": 2}]}, "`error_above` is for numbers"),
        ("fraud", {"detectors": [{"detector": "dm"}]}, "did you mean `ddm`"),
        ("price", {"detectors": [{"detector": "ddm"}]}, "say with `error_above`"),
        ("chat", {"detectors": [{"detector": "adwin"}]}, "no errors: name a `metric`"),
        ("fraud", {"columns": ["label"], "centers": {"label": 3}}, "has no numbers"),
        ("fraud", {"columns": ["outcome"], "centers": {"outcome": 3}}, "has no numbers"),
        ("fraud", {"centers": {"score": 3}}, "add it to `columns`"),
    ],
)
def test_detectors_and_centers_fit_the_model(model: str, watch: dict[str, Any], said: str) -> None:
    """What a model cannot be watched for is said where it stands, with what would do."""
    models = "models: {fraud: {task: binary, positive: '1', metrics: [accuracy]}, price: {task: regression}, "
    section = json.dumps({"models": {model: watch}})
    with pytest.raises(ConfigError) as caught:
        parse_config(f"{models}chat: {{task: none}}}}\ndetection: {section}\n", "test")

    (problem,) = caught.value.problems
    assert problem.startswith(f"detection.models.{model}.")
    assert said in problem


SLICED = {"slices": [["country"], ["country", "device"]], "columns": ["features.age", "attributes.country", "outcome"]}


@pytest.mark.parametrize(
    ("detector", "where", "said"),
    [
        ({"slice": ["countri"]}, "slice", "did you mean `country`"),
        ({"slice": {"countri": "DE"}}, "slice", "did you mean `country`"),
        ({"slice": ["device"]}, "slice", "is no watched slice: add it to `slices` as well"),
        ({"column": "features.age", "slice": ["country"]}, "slice", "add it to `column_slices` as well"),
        ({"slice": "country"}, "slice", "write [country]"),
        ({"slice": {}}, "slice", "from 1 to 8 are allowed"),
        ({"slice": {"country": None}}, "slice", "is no value of"),
        ({"column": "features.agee"}, "column", "did you mean `features.age`"),
        ({"column": "attributes.country"}, "column", "say with `value` of which the share, or `missing: true`"),
        ({"column": "outcome"}, "column", "holds categories"),
        ({"column": "features.age", "value": "7"}, "value", "of which the mean is seen"),
        ({"column": "outcome", "missing": True}, "missing", "`label_coverage`"),
        ({"column": "features.age", "metric": "accuracy"}, "", "declare a detector for each"),
        ({"column": "features.age", "errors_a_tick": 5}, "", "without a metric or column"),
        ({"column": "attributes.country", "value": "DE", "missing": True}, "", "declare a detector for each"),
        ({"column": "features.age", "detector": "ddm"}, "", "ddm takes single errors"),
        ({"value": "DE"}, "", "name a `column`"),
        ({"metric": "recall"}, "metric", "add it to `metrics`"),
        ({"colum": "score"}, "colum", "did you mean `column`"),
    ],
)
def test_slices_and_columns_of_detectors_are_watched_ones(detector: dict[str, Any], where: str, said: str) -> None:
    """What a detector names must be watched: it is said where it stands, with what was likely meant."""
    with pytest.raises(ConfigError) as caught:
        declared(SLICED | {"metrics": ["accuracy"], "detectors": [{"detector": "adwin"} | detector]})

    (problem,) = caught.value.problems
    place = ".".join(("detection.models.fraud.detectors[0]", *([where] if where else [])))
    assert problem.startswith(f"{place} (line ")
    assert said in problem


def declared(watch: dict[str, Any]) -> Config:
    """Return a model with slices that is watched."""
    slices = [[], ["country"], ["country", "device"]]
    fraud = {"task": "binary", "positive": "1", "metrics": ["accuracy", "recall"], "slices": slices}
    return parse_config(json.dumps({"models": {"fraud": fraud}, "detection": {"models": {"fraud": watch}}}), "test")


@pytest.mark.parametrize(
    ("one", "other", "fine"),
    [
        ({"slice": ["country"]}, {"slice": {"country": "DE"}}, False),
        ({"slice": ["country", "device"]}, {"slice": ["device", "country"]}, False),
        ({"slice": {"country": "DE"}}, {"slice": {"country": "FR"}}, True),
        ({"slice": ["country"]}, {"slice": ["country", "device"]}, True),
        ({"slice": ["country"]}, {}, True),
        ({"column": "features.age"}, {"column": "features.age", "missing": True}, True),
        ({"column": "features.age"}, {"column": "features.age"}, False),
    ],
)
def test_two_detectors_are_of_two_things(one: dict[str, Any], other: dict[str, Any], fine: bool) -> None:
    """Two that would have findings of one name in one slice are refused, and no others."""
    watch = SLICED | {"detectors": [{"detector": "adwin"} | of for of in (one, other)]}
    if fine:
        declared(watch)
    else:
        with pytest.raises(ConfigError, match="declared twice"):
            declared(watch)


def test_errors_are_kept_of_the_slices_that_are_named() -> None:
    """By the model's order of attributes, the largest number that is asked for; numbers and booleans are texts."""
    one, two = {"slice": {"device": 1, "country": True}}, {"slice": ["country"], "errors_a_tick": 50}
    detectors = [{"detector": "ddm"} | one, {"detector": "adwin"} | two, {"detector": "ddm"} | two]
    config = declared(SLICED | {"detectors": [*detectors, {"detector": "adwin", "metric": "accuracy"}]})
    (watch,) = watches(config)

    assert watch.errors == {Cut(("country", "device"), ("true", "1")): 200, Cut(("country",)): 50}
    assert isinstance(watch.errors_said, list)


def test_what_is_not_said_of_a_detector_is_not_in_its_state() -> None:
    """State of before a key existed is that of a detector that does not name the key."""
    said = json.loads(StreamConfig(detector="ddm").model_dump_json())

    assert said.keys() == {"detector", "metric", "errors_a_tick", "error_above", "parameters", "severity"}
    assert json.loads(StreamConfig(detector="ddm", slice=("a",)).model_dump_json())["slice"] == ["a"]


def test_numbers_may_be_watched_from_a_center_or_as_errors() -> None:
    """The truth of a regression has a center, and its answers are errors from where it is declared."""
    text = (
        "models: {price: {task: regression}}\ndetection: {models: {price: {columns: [outcome], centers: {outcome: 9}, "
    )
    (watch,) = watches(parse_config(f"{text}detectors: [{{detector: ddm, error_above: 2}}]}}}}}}\n", "test"))

    assert watch.centers == {"outcome": 9.0}
    assert watch.errors == {WHOLE: 200}
