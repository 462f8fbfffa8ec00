"""`streams experiment plan`: from verdicts in a store to what runs, in a file that services can be given."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from streams.cli_plan import write_allocation
from streams.experiments import Allocation, Experiments
from streams.sinks.clickhouse.store import open_store
from tests.conftest import Ran, Run
from tests.report.rows import NOON, row, sample_ratio, table, undecided

EXPERIMENT = {
    "model": "ranker",
    "layer": "l",
    "traffic": 0.4,
    "queue": 1,
    "arms": {"old": 1, "new": 1},
    "metrics": {"primary": ["accuracy"], "guardrail": [{"metric": "latency_p95", "margin": 2}]},
}
SECTION: dict[str, Any] = {
    "layers": {"l": {"slots": 1_000}},
    "experiments": {
        "better": EXPERIMENT | {"arms": {"old": 1, "new": 1, "idle": 0}},
        "worse": EXPERIMENT,
        "open": EXPERIMENT | {"arms": {"old": 1, "new": 1, "newer": 1}, "maximum_duration": "7d"},
        "spoilt": EXPERIMENT,
        "next": EXPERIMENT | {"queue": 2},
    },
}
DAY = 86_400_000_000
FIRST = {"layer": "l", "slots": [0], "since": 0}
BACK = "it gives back 100 slots of layer l"

Declare = Callable[..., Path]


def verdicts() -> list[dict[str, Any]]:
    """Return looks: one experiment has its answer, one does harm, one does to one arm of two, and one is spoilt."""
    latency: dict[str, Any] = {"metric": "latency_p95", "kind": "guardrail", "margin": 2.0}
    fine = latency | {"verdict": "equivalent", "first_reached": NOON}
    worse = latency | {"verdict": "worse", "first_reached": NOON - timedelta(hours=1)}
    return [
        row(experiment="better", verdict="worse", tick=NOON - timedelta(days=1)),  # was so, and is no more
        row(experiment="better"),
        row(experiment="better", **fine),
        sample_ratio(experiment="better"),
        undecided(experiment="worse"),
        row(experiment="worse", **worse),
        row(experiment="open", arm="newer", **worse),
        undecided(experiment="open"),
        row(experiment="spoilt", verdict="worse"),
        sample_ratio(experiment="spoilt", arm="old", verdict="mismatch"),
        row(experiment="removed", verdict="worse"),
    ]


@pytest.fixture(scope="module")
def dsn(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the DSN of a store with verdicts."""
    dsn = f"chdb:{tmp_path_factory.mktemp('plan')}/store"
    with open_store(dsn) as store:
        store.migrate()
        store.insert("verdicts", table(verdicts()))
    return dsn


@pytest.fixture
def declare(tmp_path: Path) -> Declare:
    """Declare those experiments that are named, all of them if none is."""

    def write(*names: str) -> Path:
        kept = {name: SECTION["experiments"][name] for name in names or SECTION["experiments"]}
        models = {"ranker": {"task": "binary", "positive": "1"}}
        config = {"models": models, "experimentation": SECTION | {"experiments": kept}}
        (tmp_path / "config.yaml").write_text(json.dumps(config))
        return tmp_path / "config.yaml"

    return write


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Say where the allocation is."""
    return tmp_path / "allocation.json"


@pytest.fixture
def plan(cli: Run, declare: Declare, dsn: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Plan what was declared last, else everything."""
    monkeypatch.setenv("COLUMNS", "250")
    config = declare()

    def run(*arguments: object) -> Ran:
        return cli("experiment", "plan", "--config", config, "--store", dsn, "--allocation", path, *arguments)

    return run


def runs(path: Path, **since: int) -> None:
    """Write an allocation in which these have 100 slots each, one after the other, since then."""
    slots = {name: f"{100 * place}-{100 * place + 99}" for place, name in enumerate(since)}
    running = {name: {"layer": "l", "slots": [slots[name]], "since": since[name]} for name in since}
    path.write_text(json.dumps({"runs": running, "ended": {}}))


def allocation(path: Path) -> Allocation:
    """Read what was written, as services do."""
    return Allocation.parse(json.loads(path.read_text()))


def changes(ran: Ran) -> dict[str, tuple[str, str]]:
    """Return action and reason by experiment, from JSON."""
    assert (ran.code, ran.err) == (0, "")
    return {one["experiment"]: (one["action"], one["reason"]) for one in json.loads(ran.out)["changes"]}


def test_what_waits_starts_by_itself(plan: Run, declare: Declare, path: Path) -> None:
    """Without a file nothing has been started, so what fits starts now, in the order of the queue; the rest waits."""
    declare("next", "spoilt", "open")
    before = time.time_ns() // 1_000
    ran = plan("--apply")
    after = time.time_ns() // 1_000
    written = allocation(path)

    assert (ran.code, ran.err) == (0, "")
    lines = [line.rstrip() for line in ran.out.splitlines()]
    assert lines[0] == f"There is no {path} yet: nothing has been started."
    assert [line.split(maxsplit=2) for line in lines if line.startswith(("next", "open", "spoilt"))][:3] == [
        ["open", "start", "on 400 slots of layer l"],
        ["spoilt", "start", "on 400 slots of layer l"],
        ["next", "wait", "for 400 slots of layer l: 200 are free"],
    ]
    assert lines[-1] == f"Written to {path}."
    assert {name: run.slots for name, run in written.runs.items()} == {"open": ((0, 399),), "spoilt": ((400, 799),)}
    assert all(before <= run.since <= after for run in written.runs.values())
    assert written.ended == {}


def test_what_is_decided_or_does_harm_stops_and_makes_room(plan: Run, path: Path) -> None:
    """Both stop with since when and by which metric, and who waits starts on what they give back."""
    now = time.time_ns() // 1_000
    runs(path, better=now, worse=now, open=now, spoilt=now)
    found = changes(plan("--apply", "--json"))

    assert found["better"] == (
        "stop",
        f"there is an answer; {BACK}; decided since 2024-03-01 12:00 UTC: new is better by accuracy (model ranker)",
    )
    assert found["worse"] == (
        "stop",
        f"it does harm; {BACK}; harmful since 2024-03-01 11:00 UTC: new is worse by latency_p95 (model ranker)",
    )
    assert (found["open"][0], found["spoilt"][0], found["next"][0]) == ("grow", "grow", "wait")
    assert allocation(path).ended == {"better": "decided", "worse": "harmful"}
    assert set(changes(plan("--json"))) == {"next"}


def test_without_apply_nothing_is_written(plan: Run, path: Path) -> None:
    """A plan is only shown, and its last line says so; neither a new file nor another one comes to be."""
    first = plan()
    files = sorted(path.parent.iterdir())
    runs(path, worse=0)
    before = path.read_bytes()
    second, told = plan(), plan("--json")

    assert path not in files
    assert first.out.splitlines()[-1] == f"Nothing is written: --apply writes {path}."
    assert second.out.splitlines()[-1] == f"Nothing is written: --apply writes {path}."
    assert "it does harm" in second.out
    assert path.read_bytes() == before
    assert json.loads(told.out)["applied"] is False
    assert json.loads(told.out)["allocation"]["ended"]["worse"] == "harmful"


def test_what_decides_nothing_is_told_as_a_warning(plan: Run, path: Path) -> None:
    """Experiments that are not to be trusted, and arms that are harmed alone, are named as long as they run."""
    now = time.time_ns() // 1_000
    runs(path, open=now, spoilt=now)
    told = json.loads(plan("--json").out)
    shown = plan().out
    runs(path, open=now)

    assert told["warnings"] == [
        {
            "experiment": "open",
            "reason": "some arms are harmed, others are not: newer is worse by latency_p95 (model ranker)",
        },
        {
            "experiment": "spoilt",
            "reason": "not to be trusted, so nothing is decided: "
            "sample_ratio is a mismatch, most in old (model ranker)",
        },
    ]
    assert all(one["reason"] in shown for one in told["warnings"])
    assert set(told["decisions"]) == {"better", "worse"}


def test_an_answer_that_is_there_already_needs_no_start(plan: Run, declare: Declare, path: Path) -> None:
    """What the store has an answer to ends without a start, so that a lost file repeats nothing harmful."""
    declare("better", "worse", "next")
    found = changes(plan("--apply", "--json"))

    assert found["worse"][0] == "stop"
    assert found["worse"][1].startswith("it does not start: harmful since 2024-03-01 11:00 UTC: new is worse")
    assert allocation(path).ended == {"better": "decided", "worse": "harmful"}
    assert set(allocation(path).runs) == {"next"}


def test_what_has_run_for_as_long_as_it_may_stops(plan: Run, path: Path) -> None:
    """The clock is that of the wall."""
    now = time.time_ns() // 1_000
    runs(path, open=now - 7 * DAY)
    stopped = changes(plan("--json"))["open"]
    runs(path, open=now - 6 * DAY)

    assert stopped == ("stop", f"it has run for as long as it may; {BACK}")
    assert changes(plan("--json"))["open"][0] == "grow"


def test_what_is_declared_no_more_is_withdrawn(plan: Run, declare: Declare, path: Path) -> None:
    """A run of an experiment that is gone from the configuration ends; that one has ended is remembered."""
    runs(path, gone=0)
    declare("next")
    assert changes(plan("--apply", "--json"))["gone"] == (
        "stop",
        f"it is declared no more; {BACK}",
    )

    assert plan("--apply").code == 0
    assert allocation(path).ended == {"gone": "withdrawn"}


def test_when_nothing_changes(plan: Run, declare: Declare) -> None:
    """A plan that leaves everything as it is says so."""
    declare("next")
    plan("--apply")

    assert plan().out.splitlines()[0] == "Nothing changes."


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "is no JSON: Expecting value: line 1 column 1 (char 0)"),
        ("\ufeff{", "is no JSON: "),
        ("[" * 100_000, "is no JSON: "),
        ("[]", "[] must be a mapping of keys to values"),
        ('{"runs": {}}', "ended: is required"),
        ('{"runs": {}, "ended": {"next": "won"}}', 'ended.next: "won" is no ending'),
        (
            '{"runs": {"next": {"layer": "l", "slots": ["0-1000"], "since": 0}}, "ended": {}}',
            "runs.next: has slot 1000 of 1000 in layer l",
        ),
        (
            json.dumps({"runs": {"next": FIRST, "open": FIRST}, "ended": {}}),
            "runs.open: has slot 0, which next has as well",
        ),
        (
            json.dumps({"runs": {"next": FIRST}, "ended": {"next": "decided"}}),
            "next cannot run and have ended: remove it from `runs` or from `ended`",
        ),
    ],
)
def test_a_bad_allocation(plan: Run, path: Path, content: str, problem: str) -> None:
    """A file that cannot be used is one line with its name, exit code 2, and stays as it is."""
    path.write_text(content)
    ran = plan("--apply")

    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"error: {path}: {problem}")
    assert ran.err.count("\n") == 1
    assert path.read_text() == content


def test_a_path_that_is_no_file(cli: Run, declare: Declare, dsn: str, tmp_path: Path) -> None:
    """A directory cannot be read, and where there is none nothing can be written; exit code 2."""
    options = ("experiment", "plan", "--config", declare(), "--store", dsn, "--apply", "--allocation")
    directory, nowhere = cli(*options, tmp_path), cli(*options, tmp_path / "nowhere" / "a.json")

    assert (directory.code, nowhere.code) == (2, 2)
    assert directory.err == f"error: {tmp_path}: cannot be read: Is a directory\n"
    assert nowhere.err == (
        f"error: cannot write the allocation to {tmp_path}/nowhere/a.json: No such file or directory\n"
    )


def test_a_write_that_fails_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch, plan: Run) -> None:
    """When the disk does not keep what was written, the old allocation stays, whole, and nothing else is left."""

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    runs(path, worse=0)
    before, files = path.read_bytes(), sorted(path.parent.iterdir())
    monkeypatch.setattr(os, "fsync", full)
    ran = plan("--apply")

    assert (ran.code, ran.out) == (2, "")
    assert ran.err == f"error: cannot write the allocation to {path}: No space left on device\n"
    assert path.read_bytes() == before
    assert sorted(path.parent.iterdir()) == files


def test_a_file_is_replaced_and_not_rewritten(path: Path) -> None:
    """Whoever has the old file open goes on reading it; permissions and links stay."""
    write_allocation(path, Allocation())
    path.chmod(0o640)
    link = path.with_name("link.json")
    link.symlink_to(path.name)
    with path.open() as old:
        write_allocation(link, Allocation({}, {"a": "decided"}))
        seen = old.read()

    assert json.loads(seen) == {"runs": {}, "ended": {}}
    assert allocation(path).ended == {"a": "decided"}
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert sorted(one.name for one in path.parent.iterdir()) == ["allocation.json", "link.json"]


def test_what_has_started_is_assigned(cli: Run, plan: Run, declare: Declare, path: Path) -> None:
    """`assign` decides by the file as a service does: units of what was waiting are in it, and it names its slots."""
    config = declare("next")
    plan("--apply")
    service = Experiments.parse(SECTION | {"experiments": {"next": SECTION["experiments"]["next"]}}, allocation(path))
    expected = {unit: service.assign(unit).arms.get("next") for unit in map(str, range(8))}
    options = ("experiment", "assign", "next", "--config", config, "--json", "--unit")
    told = {unit: json.loads(cli(*options, unit, "--allocation", path).out) for unit in expected}

    assert {unit: one["arm"] for unit, one in told.items()} == expected
    assert set(expected.values()) == {"old", "new", None}
    assert {tuple(one["experiment_slots"]) for one in told.values()} == {("0-399",)}
    assert json.loads(cli(*options, "0").out)["reason"] == "waiting"


def test_what_has_not_started_or_has_ended_is_not_assigned(cli: Run, declare: Declare, path: Path) -> None:
    """By an allocation without it an experiment waits, and after its end nobody is in it."""
    options = ("experiment", "assign", "next", "--config", declare(), "--json", "--unit", "1", "--allocation", path)
    path.write_text('{"runs": {}, "ended": {}}')
    waiting = json.loads(cli(*options).out)
    path.write_text('{"runs": {}, "ended": {"next": "decided"}}')
    ended = json.loads(cli(*options).out)

    assert (waiting["reason"], waiting["experiment_slots"]) == ("waiting", [])
    assert (ended["reason"], ended["arm"]) == ("ended", None)


def test_assigning_needs_a_file_that_is_there(cli: Run, declare: Declare, path: Path) -> None:
    """A file that is missing or bad is an error and not an empty allocation: everybody would be out."""
    options = ("experiment", "assign", "next", "--config", declare(), "--unit", "1", "--allocation", path)
    missing = cli(*options)
    path.write_text("{}")
    bad = cli(*options)

    assert (missing.code, bad.code) == (2, 2)
    assert missing.err.startswith(f"error: {path}: there is no such file")
    assert bad.err.startswith(f"error: {path}: 2 problems:")
