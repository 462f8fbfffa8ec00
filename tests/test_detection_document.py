"""What docs/detection.md says of numbers is what the code does."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from scipy import stats

from streams.config import detection, parse_config
from streams.config.detection import OPERATIONS, DetectionConfig
from streams.config.stream_detectors import MOST_ERRORS, USUAL_ERRORS, StreamConfig
from streams.core.alert.cause import EXPLAINING, Grouping
from streams.core.alert.rule import AlertRule
from streams.core.catalog import Catalog
from streams.core.detect import e_change, e_reference, watchman
from streams.core.detect.detectors import _SUSPICION
from streams.core.detect.e_state import REMEMBERED
from streams.core.detect.finding import Standing
from streams.core.detect.grid import CATEGORIES, RELATIVE_ACCURACY
from streams.core.detect.plan import watches
from streams.core.detect.reference import BINS, FREQUENT, LEAST_ROWS
from streams.core.detect.rules import _STEADY, rules
from streams.core.detect.sensitivity import Sensitivity
from streams.core.detect.standardized import standardized
from streams.core.detect.stream.catalogue import NAMES
from streams.core.detect.stream_watch import MOST_SLICES
from streams.core.detect.texts import LONGEST
from streams.core.window_spec import DAY
from tests.core.detect.test_stage import events, run

TEXT = (Path(__file__).parents[1] / "docs" / "detection.md").read_text(encoding="utf-8")
BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
NORMAL = stats.norm.ppf(np.linspace(0, 1, 18))  # as many bins as a reference has for numbers
ALIKE = [1 / 17] * 17
HAPPENED = {
    "one of two categories has 55 % instead of 50 %": ([0.55, 0.45], [0.5, 0.5]),
    "one of two categories has 60 % instead of 50 %": ([0.6, 0.4], [0.5, 0.5]),
    "a category has 15 % instead of 10 %": ([0.15, 0.85], [0.1, 0.9]),
    "normal values move by a fifth of a standard deviation": (np.diff(stats.norm.cdf(NORMAL - 0.2)), ALIKE),
    "normal values move by half a standard deviation": (np.diff(stats.norm.cdf(NORMAL - 0.5)), ALIKE),
    "1 % of the values is missing, where none was": ([0.01, 0.99], [0, 1]),
    "10 % of the values are missing, where none was": ([0.1, 0.9], [0, 1]),
}

WATCHED = """
models: {m: {task: binary, positive: "1", metrics: [accuracy, f1]}}
assertions: {NAME: {model: m, expect: score >= 0, severity: critical}}
detection:
  models:
    m:
      margins: {f1: 0.02}
      limits: {f1: {at_least: 0.5}}
      column_severity: info
      detectors: [{detector: ddm, severity: page}]
"""


def table(heading: str) -> list[list[str]]:
    """Return the cells of the table whose first heading is this."""
    (rows,) = re.findall(rf"^\| {heading} \|.*\n\|[-|]+\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
    return [[cell.strip().strip("`") for cell in row.strip("|").split("|")] for row in rows.splitlines()]


def test_the_examples_are_configurations() -> None:
    """Each can be written, and watches a model."""
    examples = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)

    watched = [watchman.watchmen(Catalog(parse_config(one, "docs/detection.md"))).keys() for one in examples]
    assert watched == [{"fraud"}, {"oven"}, {"fraud"}, {"fraud"}, {"fraud"}]


def test_keys_of_detectors_are_those_of_the_code() -> None:
    """The table lists each with what is so without it, and all eight detectors."""
    keys = {key: (meaning, default) for key, meaning, default in table("key")}
    numbers = re.findall(r"up to ([\d,]+)", keys["errors_a_tick"][0])

    assert list(keys) == list(StreamConfig.model_fields)
    assert set(re.findall(r"`(\w+)`", f"`{keys['detector'][0]}")) == set(NAMES)
    assert (numbers, keys["errors_a_tick"][1]) == ([f"{MOST_ERRORS:,}"], f"{USUAL_ERRORS}")


def test_costs_of_detectors_are_those_that_were_measured() -> None:
    """The table and the sentence under it tell what the command has kept."""
    kept = json.loads((BENCHMARKS / "errors.json").read_text(encoding="utf-8"))
    rows = [
        [name, f"{taken:.1f}", f"{taken * USUAL_ERRORS / 1_000:.2f}"] for name, taken in kept["microseconds"].items()
    ]

    label = {slices: f"{taken:.0f} ns" for slices, taken in kept["label_nanoseconds"].items()}
    beside = f"10 slices beside the whole {label['10']}, of 100 {label['100']}, and of 1,000 {label['1000']}."

    assert table("detector") == rows
    assert f"takes {label['0']} a label; with a sample of each of {beside}" in TEXT
    assert f"A tick of a column takes {kept['column_microseconds']:.0f} us in each slice" in TEXT


def test_detectors_in_slices_do_what_the_example_says() -> None:
    """Run over events, the example's detectors have rows of the names in the table, in the slices that it declares."""
    (example,) = (one for one in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL) if "slice: {country: de}" in one)
    declared = parse_config(example, "docs/detection.md")
    told = [event for event in events(1, requests=600) if event.get("model", "fraud") == "fraud"]
    found = [row for row in run(told, 200, declared)["signals"] if row["method"].startswith("river")]
    named = {name.strip("`") for _, name in table("what is declared")}
    rules_of = {
        rule.name for one in Catalog(declared).watches for rule in rules(one, declared.detection.models["fraud"], DAY)
    }

    assert {row["watch"] for row in found} == named | {"errors by hddm_a"}
    assert {str(dict(row["slice"])) for row in found if row["watch"] == "errors by hddm_a"} == {"{'country': 'de'}"}
    assert {len(row["slice"]) for row in found if row["watch"] == "errors by ddm"} == {1}
    assert "detector errors by hddm_a where country=de" in rules_of
    assert f"{MOST_SLICES} at most for each that is declared" in TEXT


def test_distances_are_those_of_the_code() -> None:
    """What the table says that a drift amounts to is what a tick of 10,000 rows is found to be."""
    found = {}
    for name, (now, before) in HAPPENED.items():
        one = standardized(
            np.array([now]) * 10_000, np.array([10_000.0]), np.array([before], float), np.array([280_000.0])
        )
        found[name] = f"{one.distance[0]:.3f}"

    assert dict(table("what happened")) == found


def test_standings_are_those_of_the_code() -> None:
    """The table lists each, in order."""
    assert tuple(name for name, _ in table("standing")) == get_args(Standing)
    assert math.exp(_SUSPICION) == pytest.approx(10)


def test_rules_are_those_of_the_code() -> None:
    """Names, margins and severities in the table are those that follow from a watch that declares little."""
    whole = parse_config(WATCHED, "test")
    declared = whole.detection.models["m"]
    (watch,) = watches(whole)
    made = {
        rule.name.replace("f1", "NAME").replace("errors by ddm", "WATCH"): rule
        for rule in rules(watch, declared, whole.detection.tick)
    }
    listed = {rule: (margin, severity) for _, rule, margin, _, severity in table("about")}

    assert listed.keys() == made.keys()
    for name, (margin, severity) in listed.items():
        wanted = "page" if severity.startswith("its own") else getattr(declared, severity)
        assert made[name].severity == wanted
        assert margin == ("its own" if name == "quality of NAME" else f"{made[name].margin:g}")


@pytest.mark.parametrize(
    "said",
    [
        f"For `learn`, {DetectionConfig().learn // DAY} days unless declared otherwise",
        f"fewer than {detection._FEWEST_LEARNED} of its ticks, or less than four seasons",
        f"compared with, if there are {LEAST_ROWS} or more",
        f"`false_alarm_every`**, {DetectionConfig().false_alarm_every // DAY} days unless",
        f"With 50 watches and ticks of a day that is {Sensitivity(2 * 30, 56, 7).log_threshold(50):.1f}.",
        f"more than {math.exp(OPERATIONS['traffic']):.2f} times as many, or less than {math.exp(-0.5):.2f} of them",
        f"labels take more than {math.exp(OPERATIONS['label_delay']):.2f} times as long",
        f"a drop of traffic explains others only from {EXPLAINING['traffic'].least:g} on",
        f"of label coverage from {EXPLAINING['label_coverage'].least:g} on",
        f"A version that has {watchman._MATERIAL:.0%} of a tick's predictions".replace("%", " %"),
        f"farther than {e_reference._DRAWN_IN:g} robust standard deviations",
        f"when {math.exp(e_change._BACK):.0f} to 1 speaks for the values being back",
        f"more than {REMEMBERED} ticks back",
        f"in {BINS} bins at most",
        f"each that has {FREQUENT * 100:g} % or more",
        f"until its reference has {LEAST_ROWS} effective rows",
        f"Any number is told to {RELATIVE_ACCURACY:.2%} of itself".replace("%", " %"),
        f"a chance of 1 in {CATEGORIES:,}",
        f"cut to {LONGEST} characters",
        f"so are {Grouping(1).storm} monitors or more",
    ],
)
def test_numbers_are_those_of_the_code(said: str) -> None:
    """Each number in the text is the one by which the code goes."""
    assert said in TEXT


def test_counts_in_words_are_those_of_the_code() -> None:
    """Two, three and five, where the text has them as words."""
    words = {2: "two", 3: "three", 5: "five", 7: "seven"}
    rule, grouping = AlertRule("r"), Grouping(1)
    patience = math.ceil(e_change._BACK / e_change._BACK_OF_A_TICK)

    assert f"which takes {words[patience]} ticks at least" in TEXT
    assert f"recovers after {words[rule.recover_ticks]} ticks in a row" in TEXT
    assert f"fire {words[rule.flap_count]} times within {_STEADY // DAY} days" in TEXT
    assert f"open until it has been well for {_STEADY // DAY} days" in TEXT
    assert f"within {words[grouping.together]} ticks of each other" in TEXT
    assert f"outlasts its cause by {words[grouping.outlast]} ticks" in TEXT
    assert f"more than {words[grouping.lasting // DAY]} days later" in TEXT
    assert f"up to {words[watchman._REACH]} ticks before it" in TEXT
    assert f"standard error: {words[watchman._WORST]} at most" in TEXT
