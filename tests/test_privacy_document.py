"""What docs/privacy.md shows works, and its table of defaults is the code's."""

from __future__ import annotations

import json
import re
import shlex
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from streams.config import parse_config
from streams.config.privacy import ALWAYS_KEPT, MAPS_OF_NUMBERS, MAPS_OF_TEXTS, NUMBERS, PAYLOAD, TEXTS
from streams.core.metric.crowd import bins_for
from streams.sinks.clickhouse.store import open_store
from tests.conftest import Run

DOCUMENT = (Path(__file__).parents[1] / "docs" / "privacy.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", DOCUMENT, re.DOTALL | re.MULTILINE)


def event(type_: str, request: str, **fields: Any) -> str:
    """Write an event of now: an old one would be older than is retained."""
    return json.dumps({"type": type_, "request_id": request, "event_time": time.time_ns() // 1_000, **fields})


def test_every_field_has_its_default_documented() -> None:
    """The table names each field that there is, once."""
    (table,) = re.findall(r"\| field \| by default \|\n(.*?)\n\n", DOCUMENT, re.DOTALL)
    named = [name for row in table.splitlines() for name in re.findall(r"`([\w.]+)`", row.split("|")[1])]
    maps = [f"{name}.NAME" for name in (*MAPS_OF_TEXTS, *MAPS_OF_NUMBERS)]

    assert sorted(named) == sorted([*ALWAYS_KEPT, *TEXTS, *NUMBERS, *maps, PAYLOAD])


def test_the_example_in_python_works() -> None:
    """The program treats its event as it says."""
    (program,) = blocks("python")

    exec(compile(program, "docs/privacy.md", "exec"), {})  # noqa: S102 - our own document


def test_a_unit_is_forgotten_as_shown(tmp_path: Path, cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the documented configuration and command, the unit's rows are counted as shown, and are gone."""
    monkeypatch.setenv("STREAMS_PRIVACY_SECRET", "the secret of the test")
    monkeypatch.chdir(tmp_path)
    (config,), (command,), (answer,) = blocks("yaml"), blocks("sh"), blocks("text")
    Path("config.yaml").write_text(config.replace("models:", "samples: 1\nmodels:"))
    prediction = {"model": "fraud", "version": "1", "score": 0.5}
    events = [
        event("prediction", "r1", prediction_id="p1", unit_id="ada", **prediction),
        event("prediction", "r2", prediction_id="p2", unit_id="bob", **prediction),
        event("prediction", "r3", prediction_id="p3", unit_id="ada", **prediction | {"score": 7}),
        event("outcome", "r1", label="1"),
        event("outcome", "r2", label="0"),
        event("feedback", "r1", feedback_id="f1", unit_id="ada", kind="click"),
        event("outcome", "r3", label="1"),
    ]
    Path("events.jsonl").write_text("\n".join(events))
    store = f"chdb:{tmp_path}/.streams/store"
    replayed = cli("replay", "--config", "config.yaml", "--store", store, "events.jsonl")
    forgotten = cli(*shlex.split(command.replace("chdb:.streams/store", store))[1:])
    rows = "SELECT (SELECT count() FROM samples), (SELECT count() FROM rejected), (SELECT count() FROM orphans)"

    assert (replayed.code, forgotten.code) == (0, 0)
    assert forgotten.out == answer
    assert cli("query", "--store", store, "--format", "csv", rows).out.splitlines()[1:] == ["2,0,0"]
    again = cli(*shlex.split(command.replace("chdb:.streams/store", store))[1:], "--json")
    assert json.loads(again.out) == {name: {"before": 0, "after": 0} for name in ("samples", "rejected", "orphans")}


def test_the_configuration_is_complete() -> None:
    """The documented configuration is one."""
    (config,) = blocks("yaml")

    assert parse_config(config, "docs/privacy.md").privacy.smallest_cell == 20


def test_the_table_of_units_is_exact() -> None:
    """The numbers of bins and units are those of throwing units into bins at random."""
    rows = re.findall(r"^\| (\d+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", DOCUMENT, re.MULTILINE)

    assert len(rows) == 4
    for row in rows:
        smallest, bins, *units = map(int, row)
        assert bins == bins_for(smallest)
        chances = chance_of_enough(bins, smallest, max(units))
        assert [int(np.argmax(chances >= share)) for share in (0.5, 0.95, 0.999)] == units


def chance_of_enough(bins: int, smallest: int, most: int) -> npt.NDArray[np.float64]:
    """Return the chances that 0, 1, ..., `most` units occupy so many bins or more."""
    occupied, chances = np.zeros(most + 1), [0.0]
    occupied[0] = 1.0
    for _ in range(most):
        again = np.arange(most + 1) / bins
        occupied, fresh = occupied * again, occupied * (1 - again)
        occupied[1:] += fresh[:-1]
        chances.append(float(occupied[smallest:].sum()))
    return np.array(chances)


def test_the_grants_are_statements_of_the_engine(tmp_path: Path) -> None:
    """The embedded engine, which has no access control to run them on, reads each of them as such."""
    (grants,) = blocks("sql")
    statements = [one.strip() for one in grants.split(";") if one.strip()]
    with open_store(f"chdb:{tmp_path}/store") as store:
        store.migrate()
        views = set(
            store.query("SELECT name FROM system.tables WHERE database = currentDatabase() AND engine = 'View'")[
                "name"
            ].to_pylist()
        )
        read = [str(store._writer.command(f"EXPLAIN AST {one}")) for one in statements]

    assert read == ["CreateRoleQuery", *["GrantQuery"] * 3]
    assert {re.sub(r".*streams\.(\w+).*", r"\1", one) for one in statements[1:]} == views - {"current_alerts"}


def test_forgetting_needs_the_secret(tmp_path: Path, cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the secret is not set, nothing is looked for, and it is said which variable it should be in."""
    monkeypatch.delenv("STREAMS_PRIVACY_SECRET", raising=False)
    (tmp_path / "config.yaml").write_text(blocks("yaml")[0])
    ran = cli("forget", "--unit", "ada", "--config", tmp_path / "config.yaml", "--store", f"chdb:{tmp_path}/store")

    assert ran.code == 2
    assert "STREAMS_PRIVACY_SECRET is not set" in ran.err
