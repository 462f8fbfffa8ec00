"""`streams alerts changes`: from a store to tables and JSON, and what it says where there is nothing to compare."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from streams.sinks.clickhouse.store import open_store
from tests.conftest import Ran, Run
from tests.report import year
from tests.sinks.filled import table, verdict_row, verdicts


@pytest.fixture(scope="module")
def dsn(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the DSN of a store with a year of a model."""
    dsn = f"chdb:{tmp_path_factory.mktemp('changes')}/store"
    with open_store(dsn) as store:
        year.fill(store)
    return dsn


@pytest.fixture
def changes(cli: Run, dsn: str) -> Run:
    """Look for changes in the year."""

    def run(*arguments: object) -> Ran:
        return cli("alerts", "changes", "--store", dsn, *arguments)

    return run


def test_tables(changes: Run) -> None:
    """Jumps with their interval, levels, release and name, slices, slow trends and releases, 80 columns wide."""
    ran = changes("--model", "fraud", "--watch", "accuracy", "--watch", "recall", "--watch", "brier")
    accuracy, recall, brier = (ran.out[ran.out.index(f"{name} of fraud") :] for name in ("accuracy", "recall", "brier"))

    assert (ran.code, ran.err) == (0, "")
    assert max(map(len, ran.out.splitlines())) <= 80
    assert "2013-05-01  fell from 0.8910 to 0.8309\n  began         between 2013-04-30 and 2013-05-02; p " in accuracy
    assert "  release       version v2, 2013-05-01" in accuracy
    assert "  outage / traffic  At the same time traffic fell to 30.3 % of what it was." in accuracy
    assert "version v2  2013-05-01  -0.0633             lower    28, 28" in accuracy
    assert "2013-06-30  fell from 0.7916 to 0.7421" in recall
    assert "  country       IT -0.2489 [-0.2616, -0.2362] (20% of n) " in recall
    assert "rises from 0.095 to 0.305 slowly: a straight line fits" in brier
    assert "2013-01-01  2014-01-01  +0.004212  [+0.004141, +0.004288]  rising" in brier
    assert "\x1b" not in ran.out


def test_declared_markers_and_decisions(cli: Run, tmp_path: Path) -> None:
    """A marker of the configuration is the release of a jump after it; a decision that is stored is compared too."""
    with open_store(f"chdb:{tmp_path}/store") as store:
        year.fill(store)
        reached = year.FIRST + timedelta(days=60)
        store.insert("verdicts", verdicts(verdict_row(model="fraud", first_reached=reached, verdict="better")))
    config = tmp_path / "config.yaml"
    declared = {"name": "border closed", "time": "2013-06-30"}
    config.write_text(json.dumps({"models": {"fraud": {"task": "none"}}, "detection": {"markers": [declared]}}))
    asked = ("alerts", "changes", "--store", f"chdb:{tmp_path}/store", "--model", "fraud", "--watch", "recall")
    with_it, without = cli(*asked, "--config", config), cli(*asked)

    assert (with_it.code, without.code) == (0, 0)
    assert "  release       border closed, 2013-06-30" in with_it.out
    assert "border closed" not in without.out
    assert "decision of" in without.out


def test_a_quiet_watch(changes: Run) -> None:
    """Without a jump it says so; a time without a release says that."""
    ran = changes("--model", "fraud", "--watch", "precision", "--since", "2013-06-01", "--until", "2013-12-01T00:00Z")

    assert ran.code == 0
    assert "precision of fraud  183 ticks of 1d, 2013-06-01 to 2013-12-01\n\nNo jump is proven.\n" in ran.out
    assert "No version was released in this time." in ran.out
    assert "releases\n" not in ran.out


def test_rows_for_programs(changes: Run) -> None:
    """With --json each line is an object: of a watch, a jump, a trend or a release, with times in UTC."""
    ran = changes("--model", "fraud", "--json", "--watch", "recall", "--watch", "specificity")
    rows = [json.loads(line) for line in ran.out.splitlines()]
    recall = [row for row in rows if row["watch"] == "recall"]
    watch, jump, *trends, release = recall
    (country,) = jump["slices"]

    assert ran.code == 0
    assert {(row["model"], row["kind"]) for row in rows} == {("fraud", "metric")}
    assert [row["row"] for row in recall] == ["watch", "jump", "trend", "trend", "trend", "release"]
    assert (watch["ticks"], watch["first"], watch["jumps"]) == (365, "2013-01-01T00:00:00Z", 1)
    assert jump["onset_low"] <= jump["onset"] == "2013-06-30T00:00:00Z" < jump["onset_high"]
    assert (jump["gradual"], jump["release"], jump["calls"][0]["cause"]) == (False, None, "quality")
    assert jump["nearby"]["low"] < -0.05 < jump["nearby"]["high"]
    assert (country["attributes"], country["movers"][0]["slice"]) == (["country"], {"country": "IT"})
    assert country["movers"][0]["effect"]["high"] < -0.2 < -0.1 < country["movers"][1]["effect"]["low"]
    assert [trend["whole"] for trend in trends] == [True, False, False]
    assert (release["release"], release["compared"]["verdict"]) == ("version v2", "not enough evidence")


def test_the_same_twice(changes: Run) -> None:
    """Two runs print the same; another seed shuffles otherwise, which shows in the p-values at most."""
    first, again, other = (changes("--model", "fraud", "--watch", "specificity", "--seed", seed) for seed in (0, 0, 7))

    assert first.out == again.out
    assert [line for line in first.out.splitlines() if "fell" in line] == [
        line for line in other.out.splitlines() if "fell" in line
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ("--model fraude", 2, "no signals of a model fraude; did you mean `fraud`?"),
        ("--model fraud --watch recal", 2, "fraud is not watched for recal; did you mean `recall`?"),
        ("--model fraud --until 2013-01-03", 1, "fraud has 2 ticks with data, and changes are told from 21 on"),
        ("--model fraud --until 2013-01-02", 1, "fraud has 1 tick with signals in this time"),
        ("--model fraud --since 2014-05-01", 1, "fraud has no tick with signals in this time"),
        ("--model fraud --since lately", 2, "'lately' is no date, such as 2013-07-01"),
        ("--model fraud --alpha 1", 2, "Invalid value for '--alpha'"),
        ("--model fraud --season 0", 2, "Invalid value for '--season'"),
        ("", 2, "Missing option '--model'"),
    ],
)
def test_asked_wrongly_or_too_early(changes: Run, arguments: str, code: int, said: str) -> None:
    """It says what it does not know, with the likeliest that was meant, or how much more is needed."""
    ran = changes(*arguments.split())

    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err
    assert "Traceback" not in ran.err


def test_a_shorter_season(changes: Run) -> None:
    """Fewer ticks than three seasons are enough without a season; slopes need more still."""
    ran = changes("--model", "fraud", "--watch", "precision", "--until", "2013-01-10", "--season", 1)

    assert ran.code == 0
    assert "9 ticks of 1d" in ran.out
    assert "season" not in ran.out
    assert "not enough evidence" in ran.out


def test_an_empty_store(cli: Run, tmp_path: Path) -> None:
    """Where nothing was watched yet it says so; where there is no store, it says what other commands do."""
    with open_store(f"chdb:{tmp_path}/store") as store:
        store.migrate()
    empty = cli("alerts", "changes", "--store", f"chdb:{tmp_path}/store", "--model", "fraud")
    missing = cli("alerts", "changes", "--store", f"chdb:{tmp_path}/nowhere", "--model", "fraud")

    assert (empty.code, empty.out) == (1, "")
    assert "the store has no signals: nothing has been watched yet" in empty.err
    assert (missing.code, missing.out) == (2, "")


def test_a_model_without_metrics(cli: Run, tmp_path: Path) -> None:
    """Where only traffic is watched, it says which watches can be named; without windows, no releases are known."""
    with open_store(f"chdb:{tmp_path}/store") as store:
        store.migrate()
        rows = [row for row in year.signals() if row["watch"] == "traffic"]
        store.insert("signals", table("signals", rows))
    asked = ("alerts", "changes", "--store", f"chdb:{tmp_path}/store", "--model", "fraud")
    unnamed, named = cli(*asked), cli(*asked, "--watch", "traffic")

    assert (unnamed.code, unnamed.out) == (2, "")
    assert "fraud is watched for no metric: name another watch, with --watch. There are: traffic" in unnamed.err
    assert named.code == 0
    assert "Releases are not known: the store has no windows of this model that tumble" in " ".join(named.out.split())
