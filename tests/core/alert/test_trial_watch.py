"""Looks at an experiment become notices: what is harm, what ends it, and when an experiment is over."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from streams.core.alert.notice import Notice
from streams.core.alert.trial_watch import OVER, Concern, TrialWatch, found, rules
from streams.core.judge.looks import SHARE_ALPHA, Plan, Role, Row
from streams.core.trial import Trial
from streams.core.window_spec import HOUR
from tests.core.alert.making import at

ROOT = Path(__file__).parents[3]
WARN = Concern("warning", "risk")
CANARY = Concern("page", "risk", is_canary=True)


def plan(*kinds: str) -> Plan:
    """Return a plan by which three arms are judged by a metric of each kind, named after it."""
    roles = tuple(Role(f"a_{kind}", kind, higher_is_better=True, alpha=0.025) for kind in kinds)
    return Plan(Trial("fraud", "e", "binary", ("old", "new", "newer"), {}, {}), 0, (1.0, 1.0, 1.0), 100.0, roles)


def row(verdict: str, kind: str = "guardrail", arm: str = "new", **changes: Any) -> Row:
    """Return what a look says of an arm by the metric of a kind."""
    effect = {"worse": -0.2, "better": 0.2, "mismatch": 0.2}.get(verdict, 0.0)
    known = {"arm_value": 0.6, "control_value": 0.8, "effect": effect, "low": effect - 0.1, "high": effect + 0.1}
    sizes = {"n_arm": 90.0, "n_control": 200.0, "n_effective_arm": 80.0, "n_effective_control": 190.0}
    named = {"model": "fraud", "experiment": "e", "kind": kind, "arm": arm, "verdict": verdict, "alpha": 0.025}
    metric = kind if kind in {"sample_ratio", "crossovers"} else f"a_{kind}"
    return {
        **named,
        **known,
        **sizes,
        "metric": metric,
        "log_e": 7.0,
        "method": "counts",
        "label_coverage_arm": 0.7,
        **changes,
    }


def watch(*kinds: str, concern: Concern = WARN) -> TrialWatch:
    """Return the watch of an experiment with looks every hour."""
    return TrialWatch(plan(*(kinds or ("guardrail", "primary"))), concern, HOUR)


def told(one: TrialWatch, hour: int, *rows: Row, asked: bool = True) -> list[tuple[str, str]]:
    """Take a look, and return status and watch of each notice."""
    return [(notice.status, notice.watch) for notice in one.look(at(hour), asked=asked, rows=rows)]


def test_a_finding_says_what_the_verdict_does() -> None:
    """Of an arm its own numbers; of a check all units, with the arm that is furthest off; of no evidence nothing."""
    arm, check = found(row("worse"), at(1)), found(row("mismatch", "sample_ratio"), at(1))

    assert arm is not None
    assert (arm.slice, arm.standing, arm.value, arm.reference) == (
        (("arm", "new"), ("experiment", "e")),
        "changed",
        0.6,
        0.8,
    )
    assert (arm.effect, arm.low, arm.high) == pytest.approx((-0.2, -0.3, -0.1))
    assert (arm.n, arm.n_effective, arm.label_coverage) == (90.0, 80.0, 0.7)
    assert check is not None
    assert (check.slice, check.n, check.n_effective) == ((("experiment", "e"),), 200.0, 190.0)
    assert check.worst == (((("arm", "new"),), 0.2),)
    assert found(row("not enough evidence", effect=None, low=None, high=None), at(1)) is None


def test_harm_is_told_once_until_it_is_ruled_out() -> None:
    """More of the same and looks without evidence change nothing; two looks in a row that rule harm out end it."""
    one, bad, open_, good = watch(), row("worse"), row("not enough evidence"), row("equivalent")
    said = [
        told(one, hour, each) for hour, each in enumerate([open_, bad, bad, open_, good, bad, good, open_, good, good])
    ]

    assert said == [[], [("firing", "a_guardrail")], *[[]] * 6, [("resolved", "a_guardrail")], []]


@pytest.mark.parametrize("verdict", ["better", "equivalent", "not enough evidence", "match"])
@pytest.mark.parametrize("kind", ["primary", "guardrail", "exploratory", "sample_ratio"])
def test_what_is_no_harm_is_not_told(kind: str, verdict: str) -> None:
    """Neither what wins nor what is not known yet."""
    assert told(watch("primary", "guardrail", "exploratory"), 1, row(verdict, kind)) == []


def test_what_is_only_explored_is_not_told() -> None:
    """A metric without a decision has none to raise."""
    assert told(watch("exploratory"), 1, row("worse", "exploratory")) == []


def test_all_that_an_experiment_does_is_one_alert() -> None:
    """Two arms and a primary metric at once, and wrong arms a day later: one key, and the last notice says why."""
    one = watch()
    first = one.look(at(1), asked=True, rows=[row("worse"), row("worse", arm="newer"), row("worse", "primary")])
    later = one.look(at(30), asked=True, rows=[row("mismatch", "sample_ratio"), row("worse")])

    assert [(notice.status, notice.severity, notice.members) for notice in first] == [("firing", "warning", 3)]
    assert [(notice.status, notice.cause, notice.members) for notice in later] == [("updated", "arms", 4)]
    assert {notice.dedup_key for notice in [*first, *later]} == {first[0].dedup_key}


def test_harm_after_wrong_arms_is_part_of_it() -> None:
    """A mismatch that was told is not told again for what is found in arms that are wrong, however late."""
    one = watch()

    assert told(one, 1, row("mismatch", "crossovers")) == [("firing", "crossovers")]
    assert [told(one, hour, row("mismatch", "crossovers")) for hour in range(2, 300, 40)] == [[]] * 8
    assert told(one, 301, row("mismatch", "crossovers"), row("worse")) == []


def test_units_in_several_arms_are_put_into_words() -> None:
    """The share that was seen, the share that is tolerated, and what to think of the verdicts."""
    [one] = watch().look(
        at(1), asked=True, rows=[row("mismatch", "crossovers", "", arm_value=0.05, control_value=0.01)]
    )

    assert one.title == (
        "fraud: units in more than one arm of e are 0.05 of all, where 0.01 are tolerated since 2013-07-12 01:00: "
        "trust none of its verdicts"
    )


def test_an_experiment_that_nobody_comes_into_is_over() -> None:
    """Late labels alone do not keep it open, nor fire anew; when predictions come again, so do its alerts."""
    one = watch()
    over = at(1) + OVER
    told(one, 1, row("worse"))

    assert told(one, 40, row("worse"), asked=False) == []
    assert one.pass_to(over - 1) == []
    assert [(notice.status, notice.tick) for notice in one.pass_to(over)] == [("resolved", over)]
    assert told(one, 60, row("worse"), asked=False) == []
    assert told(one, 70, row("worse")) == [("firing", "a_guardrail")]


@pytest.mark.parametrize("passed", [False, True])
def test_a_look_just_when_it_would_be_over(passed: bool) -> None:
    """Somebody came in the very last tick: it is not over, whether or not event time was told in between."""
    one = watch()
    told(one, 1, row("worse"))
    early = one.pass_to(at(48)) if passed else []

    assert (early, told(one, 49, row("worse")), one.pass_to(at(50))) == ([], [], [])


def test_a_look_that_comes_too_late_is_left_out() -> None:
    """What is further out of order than the disorder is in the next look as well."""
    one = watch()
    told(one, 5, row("equivalent"))

    assert told(one, 4, row("worse")) == []
    assert told(one, 6, row("worse")) == [("firing", "a_guardrail")]


def test_it_goes_on_from_a_snapshot() -> None:
    """Restored with an open alert: it is not told again, and ends under its key."""
    one, other = watch(), watch()
    [fired] = one.look(at(1), asked=True, rows=[row("worse")])
    other.restore(one.snapshot())
    ended: list[Notice] = []
    for hour in (2, 3):
        ended += other.look(at(hour), asked=True, rows=[row("better")])

    assert [(notice.status, notice.dedup_key) for notice in ended] == [("resolved", fired.dedup_key)]


@pytest.mark.parametrize("concern", [WARN, CANARY])
def test_rules_are_those_of_the_document(concern: Concern) -> None:
    """docs/experiments.md has the name, the severity and the page of each, and each page is there."""
    text = (ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")
    listed = {
        name: (severity, f"docs/{page}")
        for name, severity, page in re.findall(r"\| `(\w[\w ]*) NAME` \| `(\w+)` \| \[.*?\]\((.*?)\) \|", text)
    }
    made = {rule.name.removesuffix(" e"): rule for rule in rules(plan("guardrail", "primary"), concern, HOUR)}

    assert len(listed) == 4
    assert made.keys() == listed.keys() - {"guardrails of" if concern.is_canary else "canary"}
    for name, rule in made.items():
        assert (rule.severity if name == "primaries of" else "severity", rule.runbook) == listed[name]
        assert (rule.team, (ROOT / rule.runbook).is_file()) == ("risk", True)
    assert f"{SHARE_ALPHA * 100:g} % for each check of the arms" in text
    assert f"over {OVER // (24 * HOUR)} days".replace("2", "two") in text
