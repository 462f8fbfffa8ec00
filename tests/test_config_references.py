"""The references of `detection`: what can be declared, and what is said of what cannot."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from streams.config import Config, load_config, parse_config
from streams.config.references import PinnedPeriod, ReferenceFiles, instant, written
from streams.core.catalog import Catalog
from streams.core.detect.watchman import Watchman, watchmen
from streams.core.window_spec import DAY, HOUR
from streams.errors import ConfigError
from streams.runtime.snapshot import fingerprint

MODELS = 'models: {fraud: {task: binary, positive: "1"}, spam: {task: none}}\n'
NEW_YEAR = 1_767_225_600_000_000  # 2026
PERIOD = {"from": "2026-01-01", "to": "2026-03-01"}


def parsed(reference: Any = None, **section: Any) -> Config:
    """Return a configuration with a reference for all models (None: none)."""
    declared = {"models": {"fraud": {}}} | section | ({} if reference is None else {"reference": reference})
    return parse_config(f"{MODELS}detection: {json.dumps(declared)}\n", "test")


def problems(reference: Any, **section: Any) -> list[str]:
    """Every problem of a file, without the lines."""
    with pytest.raises(ConfigError) as caught:
        parsed(reference, **section)
    return [re.sub(r" \(line \d+\)", "", problem).removeprefix("detection.") for problem in caught.value.problems]


def watchman(config: Config) -> Watchman:
    return watchmen(Catalog(config))["fraud"]


def test_the_first_ticks_are_learned_from_unless_declared_otherwise() -> None:
    """For every model that says nothing itself."""
    section = parsed(models={"fraud": {"reference": "trailing"}, "spam": {}}).detection

    assert section.reference == "first"
    assert section.reference_of(section.models["fraud"]) == "trailing"
    assert section.reference_of(section.models["spam"]) == "first"


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("first", "first"),
        ("trailing", "trailing"),
        (PERIOD, PinnedPeriod(NEW_YEAR, NEW_YEAR + 59 * DAY)),
        (
            {"from": "2026-01-01T01:00+01:00", "to": "2026-03-01T06:00"},
            PinnedPeriod(NEW_YEAR, NEW_YEAR + 59 * DAY + 6 * HOUR),
        ),
        ({"files": ["a.avro", "deep/b.jsonl"]}, ReferenceFiles(("a.avro", "deep/b.jsonl"))),
    ],
    ids=str,
)
def test_every_form_can_be_declared(reference: Any, expected: Any) -> None:
    """For all models or for one, and what is written of it can be declared again."""
    assert parsed(reference).detection.reference == expected
    assert parsed(models={"fraud": {"reference": reference}}).detection.models["fraud"].reference == expected
    assert parsed(written(expected)).detection.reference == expected
    assert json.loads(parsed(reference).detection.model_dump_json())["reference"] == written(expected)


def test_a_tick_belongs_to_a_period_as_a_whole() -> None:
    """Those that begin before it or end after it do not."""
    assert PinnedPeriod(NEW_YEAR + 1, NEW_YEAR + 3 * DAY - 1).ticks(DAY) == range(
        NEW_YEAR // DAY + 1, NEW_YEAR // DAY + 2
    )
    assert len(PinnedPeriod(NEW_YEAR, NEW_YEAR + 3 * DAY).ticks(HOUR)) == 72
    assert instant("2026-01-01") == NEW_YEAR


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("last", ['reference: "last" is no reference: write first, trailing, {from: ']),
        (7, ["reference: 7 is no reference: write first"]),
        ({}, ["reference.from: is required: write", "reference.to: is required"]),
        ({"from": "2026-01-01"}, ["reference.to: is required"]),
        (PERIOD | {"from": "new year"}, ['reference.from: "new year" is no date: write 2026-01-01 or']),
        (PERIOD | {"from": 2026}, ["reference.from: 2026 is no date"]),
        (PERIOD | {"until": "2026-03-01"}, ["reference.until: unknown key `until`"]),
        (PERIOD | {"to": "2026-01-01"}, ['reference.to: "2026-01-01" is not after "2026-01-01"']),
        (PERIOD | {"to": "2026-01-20"}, ["reference: the period has 19 whole ticks of 1d: at least 28 are needed"]),
        ({"files": []}, ["reference.files: [] is empty: name at least one file"]),
        ({"files": "a.avro"}, ['reference.files: "a.avro" must be a list']),
        ({"files": ["a.avro", "a.avro"]}, ['reference.files[1]: "a.avro" says the same as item [0]']),
        ({"files": [3]}, ["reference.files[0]: 3 is no file: write its name as text"]),
        ({"files": ["a.avro"], "from": "2026-01-01"}, ["reference.from: unknown key `from`"]),
    ],
    ids=str,
)
def test_what_is_no_reference_is_told(reference: Any, expected: list[str]) -> None:
    """With its place, the value and what can be written; for a model likewise."""
    found = problems(reference)
    of_model = problems(None, models={"fraud": {"reference": reference}})

    assert len(found) == len(expected) == len(of_model)
    assert all(problem.startswith(start) for problem, start in zip(found, expected, strict=True)), found
    assert [one.removeprefix("models.fraud.") for one in of_model] == found


def test_a_period_of_hours_without_a_season_may_be_short() -> None:
    """Twenty ticks are enough where a season is one tick."""
    short = {"from": "2026-01-01T00:00", "to": "2026-01-01T20:00"}

    assert watchman(parsed(short, tick="1h", season="1h")).awaited is None
    assert problems(short, tick="1h", season="6h") == [
        "reference: the period has 20 whole ticks of 1h: at least 24 are needed"
    ]


def test_files_are_waited_for_until_they_are_handed_over() -> None:
    """Models say which files they need; those that learn from the stream need none."""
    files = {"files": ["a.avro"]}
    both = watchmen(Catalog(parsed(files, models={"fraud": {}, "spam": {"reference": "first"}})))

    assert both["fraud"].awaited == ReferenceFiles(("a.avro",))
    assert both["spam"].awaited is None
    assert parsed(files, models={"fraud": {}}).detection.files == (ReferenceFiles(("a.avro",)),)


def test_names_of_files_are_relative_to_the_configuration(tmp_path: Path) -> None:
    """Of all models and of one; an absolute name stays what it is."""
    path = tmp_path / "config.yaml"
    text = "detection: {reference: {files: [a.avro]}, models: {fraud: {reference: {files: [/b.avro]}}, spam: {}}}\n"
    path.write_text(MODELS + text, encoding="utf-8")
    every = load_config(path).detection.files

    assert [one.paths for one in every] == [(tmp_path / "a.avro",), (Path("/b.avro"),)]
    assert [one.names for one in every] == [("a.avro",), ("/b.avro",)]


def test_state_is_kept_when_a_reference_changes() -> None:
    """Checkpoints are good for another reference; what watches have learned is not, but where it is the same."""
    signatures = {
        repr(watchman(parsed(one)).snapshot()["signature"]) for one in ("first", "trailing", PERIOD, {"files": ["a"]})
    }
    of_all, of_one = parsed(PERIOD), parsed(models={"fraud": {"reference": PERIOD}})

    assert len(signatures) == 4
    assert fingerprint(of_all) == fingerprint(parsed())
    assert watchman(of_all).snapshot()["signature"] == watchman(of_one).snapshot()["signature"]
    assert watchman(parsed("first")).snapshot()["signature"] == watchman(parsed()).snapshot()["signature"]
    assert len(watchman(parsed()).snapshot()["signature"]) == 3
