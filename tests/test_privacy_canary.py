"""A text that was put into every field is found again nowhere that the configuration does not let it be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from streams.codecs.files import open_source
from streams.codecs.registry import SchemaRegistry, default_schema_dir
from streams.config import load_config
from streams.pipeline import Pipeline
from streams.privacy import with_secret
from streams.runtime.part import dead_letters
from streams.runtime.replay import trail_of
from streams.sinks.clickhouse.store import read_store
from tests.conftest import Run
from tests.driving import FAR_FUTURE

HOUR = 3_600_000_000
START = 1_700_000_000_000_000 // HOUR * HOUR
HOURS = 72
CANARY = "canary7f3a"
"""May be nowhere."""
DECLARED = "declared5c1e"
"""In fields that are kept: ids, versions, attributes of slices."""

CONFIG = """
samples: 1
disorder: 1h
models:
  yes_or_no: {task: binary, positive: "1", label_horizon: 1h, slices: [[country]], windows: [1h]}
  open: {task: multiclass, label_horizon: 1h, metrics: [accuracy], windows: [1h]}
  shown: {task: ranking, label_horizon: 1h, windows: [1h]}
detection:
  {tick: 1h, learn: 20h, season: 1h, models: {yes_or_no: {columns: [score, label], slices: [[country]]}}}
assertions: {low: {model: yes_or_no, expect: score <= 0.1}}
experimentation: {experiments: {e: {model: yes_or_no, arms: {a: 1, b: 1}}}}
privacy:
  secret_env: SECRET
"""
KEEPING = "  fields: {payload: keep, unit_id: keep, label: keep, ranking: keep, attributes.*: keep, features.*: keep}\n"


def prediction(number: int, model: str, **fields: Any) -> dict[str, Any]:
    """Give a prediction with the canary in every field that takes it."""
    ids = {"request_id": f"{DECLARED}-{model}-{number}", "prediction_id": f"{DECLARED}-p{number}"}
    fixed = {"type": "prediction", **ids, "event_time": START + number % HOURS * HOUR + number, "model": model}
    maps = {
        "attributes": {"country": f"{DECLARED}-land", "email": CANARY, f"{CANARY}-key": "x"},
        "features": {f"{CANARY}-feature": 1.0},
        "assignments": {"e": "ab"[number % 2], f"{CANARY}-experiment": CANARY},
    }
    return fixed | {"version": f"{DECLARED}-1", "unit_id": f"{CANARY}-{number}", "score": 0.9} | maps | fields


def events() -> Iterator[dict[str, Any]]:
    """Tell of three models over three days: predictions, labels, feedback, orphans, and all kinds of rejects."""
    for number in range(HOURS * 20):
        time = START + number % HOURS * HOUR + number
        yield prediction(number, "yes_or_no", label="1")
        truth = "1" if number % HOURS < HOURS * 2 // 3 else "0"  # from then on the model is wrong
        yield {
            "type": "outcome",
            "request_id": f"{DECLARED}-yes_or_no-{number}",
            "event_time": time + 9,
            "label": truth,
        }
    for number in range(5):
        yield prediction(number, "open", label=CANARY)
        yield prediction(number, "shown", label=None, ranking=[CANARY, f"{CANARY}-item"])
        about = {"request_id": f"{DECLARED}-open-{number}", "event_time": START + number * HOUR + 9}
        yield {"type": "outcome", **about, "label": CANARY, "source": CANARY}
        yield {"type": "outcome", **about, "request_id": f"{DECLARED}-nobody-{number}", "label": CANARY}
        ids = {"type": "feedback", **about, "unit_id": CANARY, "text": CANARY}
        yield {**ids, "feedback_id": f"{DECLARED}-f{number}", "kind": "click"}
        yield {
            **ids,
            "feedback_id": f"{DECLARED}-g{number}",
            "request_id": f"{DECLARED}-nobody",
            "kind": "rating",
            "value": 1,
        }
    yield prediction(0, "yes_or_no", prediction_id="x", label=CANARY)
    yield prediction(0, "yes_or_no", prediction_id="x", role=CANARY)
    yield prediction(0, "yes_or_no", prediction_id="x", score=7)
    yield prediction(0, "yes_or_no", prediction_id="x", event_time=-1)
    yield prediction(0, "yes_or_no", prediction_id="", score=1)
    yield {
        "type": "feedback",
        "feedback_id": "h",
        "event_time": START,
        "kind": CANARY,
        "request_id": "r",
        "unit_id": CANARY,
    }


def lines() -> list[bytes]:
    """Write them as lines, with some that are none."""
    good = [json.dumps(event).encode() for event in events()]
    bad = [
        f"{CANARY} is no JSON".encode(),
        f'{{"type": "{CANARY}"}}'.encode(),
        f'{{"type": "{CANARY}\'s \\"{CANARY}\\""}}'.encode(),
        b'{"type": "prediction", "unit_id": "' + CANARY.encode() + b'\xff"}',
        json.dumps(prediction(0, "yes_or_no", score=CANARY)).encode(),
        json.dumps(prediction(0, "yes_or_no", event_time=CANARY)).encode(),
        json.dumps(prediction(0, "yes_or_no", event_time="2026-01-01T00:00:00", unit_id=CANARY)).encode(),
        json.dumps(prediction(0, "yes_or_no", attributes={f"{CANARY}{n}": CANARY for n in range(1_001)})).encode(),
        CANARY.encode() * 150_000,
    ]
    return good + bad


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("canary")
    (directory / "events.jsonl").write_bytes(b"\n".join(lines()))
    (directory / "config.yaml").write_text(CONFIG)
    (directory / "keeping.yaml").write_text(CONFIG + KEEPING)
    return directory


def texts_of(directory: Path, config: str) -> dict[str, str]:
    """Return all that a store of a run has, by table and view, as text."""
    with read_store(f"chdb:{directory}/{config}") as store:
        names = [name for (name,) in zip(store.query("SHOW TABLES")["name"].to_pylist(), strict=True)]
        return {name: repr(store.query(f"SELECT * FROM {name}").to_pylist()) for name in names}  # noqa: S608


def written(state: Any) -> str:
    """Write a snapshot as text, whatever it is nested in."""
    if isinstance(state, dict):
        return " ".join(f"{key} {written(value)}" for key, value in state.items())
    if isinstance(state, list | tuple):
        return " ".join(map(written, state))
    return str(state.to_pylist()) if isinstance(state, pa.Table) else str(state)


def test_the_canary_is_nowhere(place: Path, cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """No table, view, message, export, report or list of alerts has it; what is declared is where it should be."""
    monkeypatch.setenv("SECRET", "the secret of the test")
    store = f"chdb:{place}/default"
    ran = [cli("replay", "--config", place / "config.yaml", "--store", store, place / "events.jsonl")]
    texts = texts_of(place, "default")
    for name in texts:
        ran += [cli("query", "--store", store, "--format", form, f"SELECT * FROM {name}") for form in ("json", "csv")]  # noqa: S608
    ran += [
        cli("alerts", "list", "--store", store, "--all"),
        cli("alerts", "list", "--store", store, "--all", "--json"),
    ]
    ran.append(cli("experiment", "report", "e", "--store", store, "--json"))

    assert {one.code for one in ran} == {0}
    assert [name for name, text in texts.items() if CANARY in text] == []
    assert [one for one in ran if CANARY in one.out + one.err] == []
    held = {name for name, text in texts.items() if DECLARED in text}
    assert held >= {"windows", "quality", "slices", "samples", "rejected", "orphans"}
    assert [name for name in ("alerts", "signals", "verdicts") if texts[name] == "[]"] == []


def test_the_canary_is_there_where_it_is_declared(place: Path, cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The search would find it: where fields are declared to be kept, it is in the tables of single events."""
    monkeypatch.setenv("SECRET", "the secret of the test")
    cli("replay", "--config", place / "keeping.yaml", "--store", f"chdb:{place}/keeping", place / "events.jsonl")
    texts = texts_of(place, "keeping")

    assert {name for name, text in texts.items() if CANARY in text} == {"samples", "rejected", "orphans"}


def test_the_canary_is_in_no_state_and_no_dead_letter(place: Path) -> None:
    """What a worker writes to its topics has it as little: what waits to be joined, and the rejected records."""
    config = with_secret(load_config(place / "config.yaml"), {"SECRET": "s"})
    pipeline, letters = Pipeline(config, trail_of(config)), []
    pipeline.open("events")
    for block in open_source(place / "events.jsonl", SchemaRegistry.load(default_schema_dir())):
        for table, rows in pipeline.process(block, FAR_FUTURE):
            letters += dead_letters(rows) if table == "rejected" else []
    state = written(pipeline.snapshot())

    assert len(letters) >= 15
    assert DECLARED in state
    assert CANARY not in state
    assert CANARY.encode() not in b"".join(part or b"" for letter in letters for part in letter)
