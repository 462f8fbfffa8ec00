"""What docs/labels.md shows works: its configurations, its query, and what the command beside it prints."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from random import Random
from typing import Any

import pytest

from streams.config import parse_config
from streams.core.maturity import shares, strata
from streams.core.maturity.corrected import LEAST_SHARE, SHARE_SEEN, kinds_of
from streams.core.maturity.delays import TICKS
from streams.core.metric.feedback import RATES
from streams.core.metric.registry import TASKS, metric_for, metrics_for
from streams.sinks.clickhouse.store import read_store
from tests.conftest import Run
from tests.core.maturity.scored import truths

TEXT = (Path(__file__).parents[1] / "docs" / "labels.md").read_text(encoding="utf-8")
DAY = 86_400_000_000
START = 1_767_225_600_000_000  # 2026-01-01, us
RIGHT = {"DE": 0.95, "FR": 0.85}
LABELLED = {"DE": 1.0, "FR": 0.1}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


def request(rng: Random, number: int) -> list[dict[str, Any]]:
    """A payment of 45 days, and perhaps its label: the model knows one country better, which is labelled in full."""
    country = rng.choice(("DE", "FR"))
    label = rng.random() < 0.3
    score = rng.uniform(0.5, 1.0) if label == (rng.random() < RIGHT[country]) else rng.uniform(0.0, 0.5)
    time = START + rng.randrange(45 * DAY)
    ids = {"request_id": f"r{number}"}
    named = {"model": "fraud", "version": "v1", "attributes": {"country": country}}
    told = {"type": "prediction", **ids, "prediction_id": f"p{number}", "event_time": time, "score": score, **named}
    delay = rng.expovariate(1 / (2 * DAY if label else DAY / 4))
    if delay > 9 * DAY or rng.random() > LABELLED[country]:
        return [told]
    return [told, {"type": "outcome", **ids, "event_time": time + round(delay), "label": str(int(label))}]


@pytest.fixture
def replayed(cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work where each configuration of the document, 0.yaml and 1.yaml, has run over 9,000 payments into a store."""
    rng = Random(1)
    events = [event for number in range(9_000) for event in request(rng, number)]
    lines = [json.dumps(event) for event in sorted(events, key=lambda event: event["event_time"])]
    monkeypatch.chdir(tmp_path)
    Path("events.jsonl").write_text("\n".join(lines), encoding="utf-8")
    for number, text in enumerate(blocks("yaml")):
        Path(f"{number}.yaml").write_text(text, encoding="utf-8")
        ran = cli("replay", "--config", f"{number}.yaml", "--store", f"chdb:store{number}", "--json", "events.jsonl")
        assert (ran.code, json.loads(ran.out)["rejected"]) == (0, 0)
    return tmp_path


def test_the_examples_are_configurations() -> None:
    """The first declares what is done about late and missing labels, the second what was found offline."""
    late, compared = (parse_config(text, "docs/labels.md").models["fraud"] for text in blocks("yaml"))

    assert (late.labels.delays, late.strata) == (True, ("country",))
    assert list(compared.offline) == ["accuracy", "recall", "roc_auc"]


@pytest.mark.usefixtures("replayed")
def test_the_query_shows_both_estimates() -> None:
    """It has a row a day, plain and corrected estimate side by side; the last day is not mature."""
    (query,) = blocks("sql")
    with read_store("chdb:store0") as store:
        rows = store.query(query).to_pylist()

    assert len(rows) > 40
    assert all(row["corrected_low"] <= row["corrected"] <= row["corrected_high"] for row in rows)
    assert all(row["low"] <= row["value"] <= row["high"] for row in rows)
    assert rows[0]["maturity"] == 1 > rows[-1]["maturity"] > 0.1


@pytest.mark.usefixtures("replayed")
def test_the_comparison_is_printed_as_shown(cli: Run) -> None:
    """The command prints what stands under it, and the plain accuracy is what the text says."""
    (command,), (shown,) = blocks("sh"), blocks("text")
    words = shlex.split(command.replace("config.yaml", "1.yaml").replace("chdb:store", "chdb:store1"))
    ran = cli(*words[1:])
    (plain,) = re.findall(r"plain accuracy is ([\d.]+) %", TEXT)
    with read_store("chdb:store1") as store:
        accuracy = store.query(
            "SELECT value FROM quality WHERE metric = 'accuracy' AND slice = map() AND is_final"
        ).to_pylist()

    assert (ran.code, ran.err) == (0, "")
    assert [line.rstrip() for line in ran.out.splitlines()] == shown.splitlines()
    assert [f"{100 * row['value']:.1f}" for row in accuracy] == [plain]


@pytest.mark.parametrize(
    "said",
    [
        f"less than {LEAST_SHARE:.0%} of the labels have come",
        f"before {SHARE_SEEN:.0%} of these should have come",
        f"is 0.292 where the truth is {truths()['log_loss']:.3f},",
        f"error 0.139 where the truth is {truths()['ece']:.3f},",
        f"more than {strata.MOST_UNHEARD:.0%} of the window's predictions",
        f"each group that has at least {shares.FEWEST} labels",
        f"{TICKS}th part of the horizon",
    ],
)
def test_numbers_are_those_of_the_code(said: str) -> None:
    """Shares and counts in the text are those by which the code goes."""
    assert said.replace("%", " %") in TEXT


def test_every_metric_is_corrected_as_the_table_says() -> None:
    """Of each kind of metric the table names what it is weighted by, and no metric of binary models is left out."""
    rows = re.findall(r"^\| (.*`.*) \| ([^|]+) \|$", TEXT.partition("weighted by the share")[2], re.MULTILINE)
    said = {name: of for names, of in rows for name in re.findall(r"`([^`]+)`", names)}
    kinds = {
        "each class by itself": {"positive", "negative"},
        "positives": {"positive"},
        "negatives": {"negative"},
        "ratings": {"rating"},
    }

    for name in metrics_for("binary"):
        known = kinds_of(metric_for(name, "binary"), "binary")
        if name in RATES:
            assert known == {RATES[name]}
        elif known:
            assert known == kinds[said[name]], name
        else:
            assert name in {"count", "request_rate", "mean_prediction"} or name.startswith("latency_")
    assert said["complaint_rate"] == "feedback of that kind"
    for task in set(TASKS) - {"binary", "none"}:
        of_labels = set(metrics_for(task)) - set(metrics_for("none"))
        assert {kind for name in of_labels for kind in kinds_of(metric_for(name, task), task)} == {"label"}


def test_counts_in_words_are_those_of_the_code() -> None:
    """Ten, where the text has it as a word."""
    assert f"fewer than { {10: 'ten'}[strata.FEWEST] } labels in a window" in TEXT
