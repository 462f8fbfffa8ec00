"""benchmarks/alerts: alerts are scored as they deserve, and the command says what came of it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from benchmarks import alerts
from benchmarks.incidents.plan import DAY, HOUR, KINDS, START, Incident, World, make_worlds
from benchmarks.incidents.score import ADMISSIBLE, GRACE, Notice, by_kind, pages, score

INCIDENT = Incident("latency", "fraud", START + 40 * DAY, START + 41 * DAY, 1.5)
WORLD = World("one", 1, (INCIDENT,))
CALM = World("calm", 2)
PAGE = Notice(
    "fraud", "latency_p95", "latency-grew", "critical", INCIDENT.start + 6 * HOUR, None, "firing", "k1", "slow"
)
END = replace(PAGE, tick=INCIDENT.end, status="resolved")


def test_an_incident_is_found_by_the_first_page_that_names_it() -> None:
    """The delay runs from the start of the incident; further pages about it are repeats, and not false."""
    again = replace(PAGE, tick=PAGE.tick + HOUR, watch="latency_p50", dedup_key="k2")
    found = score({"one": [again, END, PAGE]}, [WORLD])

    assert [(result.page, result.delay, result.repeats) for result in found.results] == [(PAGE, 6.0, 1)]
    assert found.false == ()
    assert found.found == 1.0


@pytest.mark.parametrize(
    ("page", "during"),
    [
        (replace(PAGE, tick=INCIDENT.start - 1), None),
        (replace(PAGE, tick=INCIDENT.end + GRACE["latency"] + 1), None),
        (replace(PAGE, model="churn"), None),
        (replace(PAGE, kind="quality-dropped"), "latency"),
    ],
    ids=["too early", "too late", "another model", "another cause"],
)
def test_a_page_about_something_else_is_false(page: Notice, during: str | None) -> None:
    """It finds nothing, and counts as false; one that gives the incident a wrong name says so."""
    found = score({"one": [page]}, [WORLD])

    assert [result.delay for result in found.results] == [None]
    assert [(false.notice, false.during) for false in found.false] == [(page, during)]
    assert found.found == 0.0


@pytest.mark.parametrize("tick", [INCIDENT.start, INCIDENT.end + GRACE["latency"]])
def test_both_ends_of_an_incident_belong_to_it(tick: int) -> None:
    """A page at its very start, and one at the end of the grace behind it, find it."""
    assert score({"one": [replace(PAGE, tick=tick)]}, [WORLD]).found == 1.0


def test_an_alert_pages_when_it_begins_to_fire() -> None:
    """A notice that it still fires, or of more about it, pages nobody; one after it had ended does."""
    still = replace(PAGE, tick=PAGE.tick + HOUR)
    updated = replace(PAGE, tick=PAGE.tick + 2 * HOUR, status="updated")
    anew = replace(PAGE, tick=END.tick + HOUR)

    assert pages([anew, END, updated, still, PAGE]) == [PAGE, anew]


def test_only_severities_that_page_count() -> None:
    """Where severities are named, a notice of another one neither finds anything nor is false."""
    found = score({"one": [replace(PAGE, severity="warning")]}, [WORLD], severities={"critical"})

    assert (found.found, found.false) == (0.0, ())


def test_false_pages_are_counted_for_thirty_days_of_each_world() -> None:
    """Pages of a quiet world are false, those of the month of learning included; days of learning are not counted."""
    said = [replace(PAGE, tick=START + 3 * DAY), replace(PAGE, tick=START + 50 * DAY, dedup_key="k2")]
    found = score({"one": [PAGE], "calm": said}, [WORLD, CALM])

    assert len(found.false) == 2
    assert found.days == 60
    assert found.false_in_30_days == 1.0


def test_a_world_that_was_not_looked_at_is_an_error() -> None:
    """Silence is not the same as nothing read."""
    with pytest.raises(ValueError, match="calm was not looked at"):
        score({"one": []}, [WORLD, CALM])


def test_the_table_has_a_row_for_each_kind_and_one_for_all() -> None:
    """Rows count incidents and those found, with the median and the longest delay of these."""
    later = replace(INCIDENT, start=START + 50 * DAY, end=START + 51 * DAY)
    flips = Incident("label flips", "churn", START + 55 * DAY, START + 57 * DAY, 0.2)
    world = replace(WORLD, incidents=(INCIDENT, later, flips))
    rows = by_kind(score({"one": [PAGE, END, replace(PAGE, tick=later.start + 8 * HOUR)]}, [world]).results)

    assert [row.kind for row in rows] == [*KINDS, "all"]
    assert [asdict(row) for row in rows if row.incidents and row.kind != "all"] == [
        {"kind": "label flips", "incidents": 1, "found": 0, "median_delay": None, "slowest": None},
        {"kind": "latency", "incidents": 2, "found": 2, "median_delay": 7.0, "slowest": 8.0},
    ]
    assert (rows[-1].incidents, rows[-1].found, rows[-1].median_delay) == (3, 2, 7.0)


def test_every_kind_can_be_found() -> None:
    """Each kind has alerts that name it, and a grace."""
    assert set(ADMISSIBLE) == set(GRACE) == set(KINDS)
    assert all(ADMISSIBLE.values())


def call(incident: Incident) -> Notice:
    """The page that an incident deserves, six hours after its start."""
    kind = min(ADMISSIBLE[incident.kind])
    return Notice(incident.model, "w", kind, "critical", incident.start + 6 * HOUR, None, "firing", str(incident), "t")


def run(monkeypatch: pytest.MonkeyPatch, results: Path, missed: int, *arguments: str) -> int:
    """Run the command on replays that find all incidents but some of the first worlds, and say nothing false."""

    def replayed(world: World, _config: Path, _volume: float) -> list[Notice]:
        return [call(incident) for incident in world.incidents[world.name in kept :]]

    kept = {f"world-{number:02}" for number in range(1, missed + 1)}
    monkeypatch.setattr(alerts, "replayed", replayed)
    monkeypatch.setattr(alerts, "RESULTS", results)
    monkeypatch.setattr(sys, "argv", ["alerts", *arguments])
    return alerts.main()


def test_the_command_prints_and_keeps_what_it_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """38 of 40 incidents are enough: the table, the misses and the rate of false pages are printed and written."""
    assert run(monkeypatch, tmp_path / "alerts.json", 2) == 0
    printed = capsys.readouterr().out
    kept = json.loads((tmp_path / "alerts.json").read_text())

    assert "95% found; 0 false pages in 360 days: 0.00 in 30 days" in printed
    assert printed.count("missed: world-0") == 2
    assert (kept["found"], kept["false_pages"], len(kept["incidents"]), len(kept["kinds"])) == (0.95, 0, 40, 9)
    assert sum(incident["delay_hours"] is None for incident in kept["incidents"]) == 2


def test_the_command_fails_where_the_promise_is_broken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """37 of 40 are too few; a run of some worlds only keeps no results."""
    assert run(monkeypatch, tmp_path / "alerts.json", 3) == 1
    (tmp_path / "alerts.json").unlink()
    assert run(monkeypatch, tmp_path / "alerts.json", 0, "--only", "world-01", "quiet-01") == 0
    assert not (tmp_path / "alerts.json").exists()


def test_the_command_lists_what_happens(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--list` prints a line for each incident and each quiet world, and replays nothing."""
    assert run(monkeypatch, tmp_path / "alerts.json", 0, "--list") == 0
    lines = capsys.readouterr().out.splitlines()

    assert len(lines) == sum(max(len(world.incidents), 1) for world in make_worlds())
    assert not (tmp_path / "alerts.json").exists()


def test_notices_are_read_from_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each row of the table `alerts` is a notice, named as its page in docs/runbooks."""
    rows = [{**asdict(notice), "kind": "metric", "state": "firing"} for notice in (PAGE, END)]
    monkeypatch.setattr(alerts, "_run", lambda *_: "".join(json.dumps(row) + "\n" for row in rows))

    assert alerts.read_notices("chdb:store") == [PAGE, END]


@pytest.mark.parametrize(
    ("kind", "watch", "state", "name"),
    [
        ("traffic", "traffic", "firing", "traffic-changed"),
        ("traffic", "label_coverage", "firing", "labels-missing"),
        ("traffic", "label_delay", "warning", "labels-delayed"),
        ("traffic", "traffic", "no_data", "no-data"),
        ("metric", "ece", "firing", "calibration-moved"),
        ("metric", "accuracy", "firing", "quality-dropped"),
        ("metric", "latency_p50", "firing", "latency-grew"),
        ("column", "amount", "firing", "column-drifted"),
        ("assertion", "in_range", "firing", "assertion-failing"),
    ],
)
def test_an_alert_is_named_by_what_is_watched(kind: str, watch: str, state: str, name: str) -> None:
    """Every name that an incident may be found by is given to some watch."""
    assert alerts.alert_name(kind, watch, state) == name
    assert name in frozenset().union(*ADMISSIBLE.values())
