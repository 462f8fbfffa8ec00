"""`streams forget` on a real broker: workers let go of what waits, and answer with counts."""

from __future__ import annotations

import json
import signal
from typing import Any

from tests.operations.stage import PARTITIONS, Event, Stage, outcome, prediction, wait

SECTIONS = "privacy: {secret_env: STREAMS_PRIVACY_SECRET}\n"
NAMES = ("waiting predictions", "waiting outcomes", "waiting feedback", "waiting samples")
TABLES = ("samples", "rejected", "orphans")


def declare(staged: Stage) -> None:
    """Keep all raw events, treated, with a secret of the section `privacy`."""
    text = staged.path.read_text(encoding="utf-8").replace("samples: 0.0", "samples: 1.0")
    staged.path.write_text(text + SECTIONS, encoding="utf-8")
    staged.environ["STREAMS_PRIVACY_SECRET"] = "the secret of the test"  # noqa: S105 - of nothing


def of(unit: str, number: int) -> Event:
    """Predict something for a unit."""
    return {**prediction("fraud", number), "unit_id": unit}


def click(unit: str, number: int, request: str) -> Event:
    """Tell of a click of a unit."""
    ids = {"type": "feedback", "feedback_id": f"f{number}", "request_id": request, "unit_id": unit}
    return {**ids, "event_time": prediction("fraud", number)["event_time"], "kind": "click"}


def forget(staged: Stage, unit: str, *options: str) -> tuple[int, str]:
    """Run the command against the broker."""
    places = ["--config", str(staged.path), "--store", staged.store.dsn, "--brokers", staged.config.kafka.brokers[0]]
    return staged.streams("forget", "--unit", unit, *places, *options)


def counted(staged: Stage, unit: str) -> dict[str, Any]:
    """Forget a unit; return the rows before, by name, once nothing is left of any."""
    code, said = forget(staged, unit, "--json")
    assert code == 0, said
    found = json.loads(said)
    assert {one["after"] for one in found.values()} == {0}
    return {name: one["before"] for name, one in found.items()}


def test_a_unit_is_forgotten_where_it_waits_and_where_it_is_stored(staged: Stage) -> None:
    """All partitions answer with what they held; after a crash it stays gone, and what comes later is new."""
    declare(staged)
    units = ["ada" if number % 4 else "bob" for number in range(40)]
    events = [of(unit, number) for number, unit in enumerate(units)] + [outcome("fraud", n) for n in range(20)]
    staged.emit([*events, click("ada", 1, "fraud-1"), click("ada", 2, "nobody"), click("bob", 3, "nobody")])
    workers = [staged.start(), staged.start()]

    assert counted(staged, "ada") == {
        **dict(zip(NAMES, (30, 15, 2, 0), strict=True)),
        **dict(zip(TABLES, (30 + 15 + 2, 0, 0), strict=True)),
    }
    answers = staged.query("SELECT count() AS rows, uniqExact(source) AS sources FROM forgotten FINAL")
    assert answers == [{"rows": 3 * PARTITIONS * 4, "sources": 3 * PARTITIONS}]

    for worker in workers:
        worker.end(signal.SIGKILL)
        worker.start()
    assert set(counted(staged, "ada").values()) == {0}
    staged.emit([of("ada", 40)])
    again = counted(staged, "ada")
    assert (again["waiting predictions"], again["samples"]) == (1, 1)
    assert counted(staged, "bob")["waiting predictions"] == 10


def test_nobody_answers_where_no_worker_runs(staged: Stage) -> None:
    """The command says who has not answered, and ends with 1; a worker that comes later does what was asked."""
    declare(staged)
    staged.emit([of("ada", 1)])
    code, said = forget(staged, "ada", "--timeout", "1")

    assert code == 1
    assert f"{staged.config.kafka.prefix}.feedback-0" in said
    assert "asked to forget, and not answered within 1 s" in said
    worker = staged.start()
    done = "SELECT sum(removed) AS removed FROM forgotten FINAL WHERE kind = 'predictions'"
    wait(lambda: staged.query(done) == [{"removed": 1}], "the worker has forgotten", worker)


def test_without_a_secret_nothing_that_waits_is_known(staged: Stage) -> None:
    """The command says what to declare, and asks nobody."""
    code, said = forget(staged, "ada")

    assert code == 2
    assert "declare where the secret is, privacy.secret_env" in said
