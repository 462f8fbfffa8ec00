"""`streams experiment report`: from rows in a store to a table, a plot, a picture and JSON."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from matplotlib.image import imread

from streams.report.looks import COLUMNS
from streams.report.read import MOST_LOOKS, read_history, read_newest
from streams.sinks.clickhouse.store import open_store, read_store
from tests.conftest import Ran, Run
from tests.report.rows import DAY, NOON, row, rows, sample_ratio, table

CONFIG = """
models:
  ranker: {task: binary, positive: "1"}
experimentation:
  experiments:
    ranker-v2:
      model: ranker
      arms: {old: 1, new: 1}
    declared-only:
      model: ranker
      arms: {old: 1, new: 1}
"""


def filled(directory: Path, *batches: list[dict[str, Any]]) -> str:
    """Make a store that holds rows, written batch by batch, and return its DSN."""
    dsn = f"chdb:{directory}/store"
    with open_store(dsn) as store:
        store.migrate()
        for batch in batches:
            store.insert("verdicts", table(batch))
    return dsn


def past() -> list[dict[str, Any]]:
    """Return what earlier looks saw: the same effect, less surely, and a worst arm that has changed since."""
    wide = {"verdict": "not enough evidence", "first_reached": None}
    return [
        changed | {"tick": NOON - back * DAY, "low": -0.01 * back, "high": None if back == 20 else 0.04 * back} | wide
        for back in range(1, 21)
        for changed in rows()[1:3]
    ] + [sample_ratio(arm="old", verdict="mismatch", tick=NOON - DAY)]


@pytest.fixture(scope="module")
def dsn(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the DSN of a store with an experiment's history, one row of it revised, and two other experiments."""
    others = [row(experiment="it's; --odd\\", metric="mae"), row(experiment="weather")]
    wrong = row(effect=0.5, verdict="worse", revision=0)
    return filled(tmp_path_factory.mktemp("report"), [*past(), wrong], [*rows(), *others])


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def report(cli: Run, dsn: str) -> Run:
    """Run the report of an experiment of the store."""

    def run(*arguments: object) -> Ran:
        return cli("experiment", "report", *arguments, "--store", dsn)

    return run


def test_a_table_and_a_plot(report: Run) -> None:
    """The report is a table of the newest looks and a plot of the primary metric, 80 columns wide, without colours."""
    ran = report("ranker-v2")

    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("Experiment ranker-v2, model ranker\nNewest look: 2024-03-01 12:00 UTC")
    assert "[+0.0045, +0.0205]" in ran.out
    assert "MISMATCH" not in ran.out
    assert "accuracy (primary): new - old" in ran.out
    assert "◆ first better at 2024-02-11" in ran.out
    assert "latency_p95 (guardrail)" not in ran.out
    assert "\x1b" not in ran.out
    assert max(map(len, ran.out.splitlines())) <= 80


def test_json_has_every_field(report: Run) -> None:
    """JSON is one object with all columns of the newest look at each comparison, and the newest revision of it."""
    ran = report("ranker-v2", "--json")
    told = json.loads(ran.out)

    assert (ran.code, ran.err, ran.out.count("\n")) == (0, "", 1)
    assert (told["experiment"], told["finished"]) == ("ranker-v2", True)
    assert [verdict["metric"] for verdict in told["verdicts"]] == [
        "sample_ratio",
        "accuracy",
        "latency_p95",
        "crash_rate",
    ]
    assert all(set(COLUMNS) < set(verdict) for verdict in told["verdicts"])
    accuracy = {name: value for name, value in told["verdicts"][1].items() if name in COLUMNS}
    assert accuracy == {name: value for name, value in row().items() if name in COLUMNS} | {
        "tick": "2024-03-01T12:00:00Z",
        "first_reached": "2024-02-11T00:00:00Z",
    }


def test_one_metric(report: Run) -> None:
    """With a metric named, it is shown and drawn alone, beside the checks."""
    told = report("ranker-v2", "--metric", "crash_rate", "--json").out
    shown = report("ranker-v2", "--metric", "crash_rate").out

    assert [verdict["metric"] for verdict in json.loads(told)["verdicts"]] == ["sample_ratio", "crash_rate"]
    assert "crash_rate (exploratory): new - old" in shown
    assert "accuracy" not in shown


def test_a_picture(report: Run, tmp_path: Path) -> None:
    """A picture has a panel for each metric that decides, and there is a report beside it."""
    ran = report("ranker-v2", "--plot", tmp_path / "plot.png", "--json")

    assert ran.code == 0
    assert json.loads(ran.out)["experiment"] == "ranker-v2"
    assert imread(tmp_path / "plot.png").shape[:2] == (700, 640)


def test_margins_are_drawn_on_the_side_of_harm(report: Run) -> None:
    """In the plot of a guardrail whose metric should be low, the margin is above 0."""
    ran = report("ranker-v2", "--metric", "latency_p95")

    assert "┄ margin" in ran.out
    assert " 2.00┤┄┄┄┄" in ran.out


@pytest.mark.parametrize(
    ("arguments", "finished"),
    [((), True), (("--finished", "5000w"), False), (("--finished", "5000w", "--fixed"), True)],
)
def test_when_an_experiment_is_over(report: Run, arguments: tuple[str, ...], finished: bool) -> None:
    """An experiment is over if it is said to be, or after some time without a look; then it has tests for one look."""
    assert ("tests for one look" in report("ranker-v2", *arguments).out) == finished


def test_an_experiment_that_goes_on(cli: Run, tmp_path: Path) -> None:
    """An experiment that was looked at a moment ago is not over."""
    dsn = filled(tmp_path, [row(tick=datetime.now(UTC) - timedelta(hours=1))])

    assert json.loads(cli("experiment", "report", "ranker-v2", "--store", dsn, "--json").out)["finished"] is False


def test_a_mismatch_is_said_first(cli: Run, tmp_path: Path) -> None:
    """After a sample ratio mismatch, the report opens with it, and JSON marks the other verdicts."""
    dsn = filled(tmp_path, [*rows(), sample_ratio(arm="old", verdict="mismatch", tick=NOON + DAY)])
    shown = cli("experiment", "report", "ranker-v2", "--store", dsn).out
    told = json.loads(cli("experiment", "report", "ranker-v2", "--store", dsn, "--json").out)

    assert shown.index("SAMPLE RATIO MISMATCH: arm old") < shown.index("accuracy")
    assert [(verdict["arm"], verdict["trusted"]) for verdict in told["verdicts"]] == [
        ("old", True),
        ("new", False),
        ("new", False),
        ("new", False),
    ]


def test_an_unknown_experiment(report: Run) -> None:
    """The error for an unknown experiment names the likely one and all that there are; exit code 2."""
    ran = report("ranker-v3")

    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "error: the store has no verdicts of an experiment ranker-v3; did you mean ranker-v2? "
        "There are: it's; --odd\\, ranker-v2, weather\n"
    )


def test_an_unknown_metric(report: Run) -> None:
    """The error for an unknown metric names those by which the experiment is judged; exit code 2."""
    ran = report("ranker-v2", "--metric", "brier")

    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "error: experiment ranker-v2 is not judged by brier. There are: accuracy, crash_rate, latency_p95\n"
    )


def test_no_verdicts_yet(cli: Run, report: Run, config: Path, tmp_path: Path) -> None:
    """An experiment that is declared and has no look, and a store without any, are said so; exit code 1."""
    declared = report("declared-only", "--config", config)
    empty = cli("experiment", "report", "ranker-v2", "--store", filled(tmp_path))

    assert (declared.code, declared.out) == (1, "")
    assert declared.err == "error: experiment declared-only has no verdicts yet: none of its looks has come\n"
    assert (empty.code, empty.out) == (1, "")
    assert empty.err == "error: experiment ranker-v2 has no verdicts yet, and no other experiment has\n"


def test_names_are_quoted(report: Run) -> None:
    """A name with whatever SQL gives a meaning to is a name."""
    assert json.loads(report("it's; --odd\\", "--json").out)["verdicts"][0]["metric"] == "mae"
    assert report("' OR 1 = 1 --").code == 2


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--plot", "plot.svg"), "plot.svg must end in .png"),
        (("--finished", "soon"), '"soon" is not a duration'),
        (("--plot", "nowhere/plot.png"), "error: cannot write the plot to nowhere/plot.png: No such file"),
        (("--metric", "sample_ratio", "--plot", "x.png"), "has nothing to draw"),
        (("--config", "nowhere.yaml"), "nowhere.yaml"),
    ],
)
def test_asked_wrongly(
    report: Run, arguments: tuple[str, ...], problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be done is one clear error with exit code 2, and leaves no file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    ran = report("ranker-v2", *arguments)

    assert (ran.code, ran.out) == (2, "")
    assert problem in ran.err
    assert not list(tmp_path.iterdir())


def test_a_long_history_is_thinned(tmp_path: Path) -> None:
    """Of a history longer than a picture is wide, looks at even distances are read, always with the newest."""
    looks = 2 * MOST_LOOKS + 501
    ticks = [NOON - timedelta(minutes=back) for back in range(looks)]
    some = [row(tick=tick) for tick in ticks] + [row(arm="other", tick=tick) for tick in ticks[:3]]
    with read_store(filled(tmp_path, some)) as store:
        history = read_history(store.query, "ranker-v2", ["accuracy"]).to_pylist()
        newest = read_newest(store.query, "ranker-v2")
    new = [line["tick"] for line in history if line["arm"] == "new"]

    assert [line["tick"] for line in history if line["arm"] == "other"] == ticks[2::-1]
    assert new[-1] == NOON
    assert MOST_LOOKS / 2 < len(new) <= MOST_LOOKS
    assert {later - earlier for earlier, later in itertools.pairwise(new)} == {timedelta(minutes=3)}
    assert [look.tick for look in newest] == [NOON, NOON]
