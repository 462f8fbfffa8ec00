"""Findings of a model become notices: the same ones in any order, and after a restart."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streams.core.alert.cause import Explains
from streams.core.alert.rule import AlertRule
from streams.core.detect.finding import Finding
from tests.core.alert.making import (
    COLUMNS,
    EV,
    QUALITY,
    TRAFFIC,
    UA,
    alerting,
    at,
    fell,
    finding,
    moved,
    only,
    quiet,
    restarted,
    silence,
    told,
)


def test_a_replay_gives_the_same_keys() -> None:
    """Whoever computes the same alerts again gives them the same names."""
    keys = [[only(one, 1, fell("accuracy", 1)).dedup_key] for one in (alerting(), alerting())]

    assert keys[0] == keys[1]


def test_better_is_no_alert() -> None:
    """A metric with a direction fires only when it gets worse, one without both ways."""
    assert alerting().step(at(1), [finding("accuracy", 1, (0.03, 0.05))]) == []
    assert only(alerting(), 1, finding("mean_score", 1, (0.03, 0.05))).watch == "mean_score"
    assert only(alerting(replace(QUALITY, direction="higher")), 1, finding("accuracy", 1, (0.03, 0.05))).effect == 0.04


def test_the_order_of_findings_does_not_matter() -> None:
    """The findings of a tick give the same notices and the same state in any order."""
    findings = [fell("accuracy", 1, slice=where) for where in ((), EV, UA)] + [moved(name, 1) for name in "abc"]
    findings += [silence(1, slice=EV), fell("recall", 1, onset=at(-80))]
    one, other = alerting(), alerting()

    assert one.step(at(1), findings) == other.step(at(1), findings[::-1])
    assert one.snapshot() == other.snapshot()


@pytest.mark.parametrize(
    ("hour", "findings", "said"),
    [
        (5, [], "tick .* is not after the last one"),
        (6, [fell("accuracy", 6, model="fraud")], '"accuracy" is of model "fraud"'),
        (6, [fell("accuracy", 5)], '"accuracy" is of model "delays" at'),
        (6, [fell("accuracy", 6), quiet("accuracy", 6)], "has two findings"),
    ],
)
def test_findings_that_cannot_be_are_refused(hour: int, findings: list[Finding], said: str) -> None:
    """A tick that was, a finding of another tick or model, and two of one watch are errors, and change nothing."""
    one = alerting()
    one.step(at(5), [fell("accuracy", 5)])
    before = one.snapshot()

    with pytest.raises(ValueError, match=said):
        one.step(at(hour), findings)
    assert one.snapshot() == before


def test_rules_have_different_names() -> None:
    """Two rules of one name are an error that names it."""
    with pytest.raises(ValueError, match="alert rules of the same name: quality"):
        alerting(QUALITY, QUALITY, COLUMNS)


def test_rules_about_other_models_do_nothing() -> None:
    """A rule about another model makes no monitor here."""
    one = alerting(replace(QUALITY, models=("fraud",)))

    assert told(one, 1, [fell("accuracy", 1)]) == []
    assert one.monitors == []


def test_each_rule_has_its_own_monitor() -> None:
    """Monitors are told apart by rule, watch and slice, and are sorted."""
    one = alerting(QUALITY, replace(QUALITY, name="all", severity="info"))
    notice = only(one, 1, fell("accuracy", 1), quiet("accuracy", 1, slice=EV))

    assert [(monitor.key.rule, monitor.key.slice, monitor.state) for monitor in one.monitors] == [
        ("all", (), "firing"),
        ("all", EV, "ok"),
        ("quality", (), "firing"),
        ("quality", EV, "ok"),
    ]
    assert (notice.rule, notice.members, notice.cause) == ("quality", 1, "alone")  # the more urgent one


def test_each_monitor_has_its_own_state_after_a_restart() -> None:
    """A watch under two rules, of which one fires, is restored as it was."""
    rules = (QUALITY, replace(QUALITY, name="lenient", margin=0.5))
    one = alerting(*rules)
    one.step(at(1), [fell("accuracy", 1)])
    other = restarted(one, *rules)

    assert [(monitor.key.rule, monitor.state) for monitor in other.monitors] == [
        ("lenient", "warning"),
        ("quality", "firing"),
    ]


def test_of_several_causes_without_a_rule_the_first_is_named() -> None:
    """Whatever the order of the findings, what explains most is named, and only if it is proven."""
    labels = finding("label_coverage", 1, (-0.6, -0.4), kind="traffic")
    perhaps = finding("traffic", 1, (-2.0, -1.0), kind="traffic", standing="suspected")
    for more, cause in ((silence(1), "outage"), (perhaps, "labels")):
        for findings in ([labels, more], [more, labels]):
            assert only(alerting(QUALITY), 1, fell("accuracy", 1), *findings).cause == cause


def test_rules_that_are_gone_leave_no_alert_open() -> None:
    """After a restart without its rule, an alert is resolved, and what others still say goes on."""
    one = alerting()
    first = only(one, 1, fell("accuracy", 1))
    other = alerting(COLUMNS, TRAFFIC)
    other.restore(one.snapshot())
    over = only(other, 2, fell("accuracy", 2))

    assert (over.status, over.dedup_key, over.effect) == ("resolved", first.dedup_key, first.effect)
    assert over.labels() == first.labels()


def test_part_of_an_alert_can_lose_its_rule() -> None:
    """An alert whose subject's rule is gone goes on with the others, and is resolved with them."""
    one = alerting(replace(QUALITY, team="models"), COLUMNS)
    first = only(one, 1, fell("accuracy", 1), moved("a", 1))
    other = alerting(COLUMNS)
    other.restore(one.snapshot())

    assert first.watch == "accuracy"
    assert other.step(at(2), [moved("a", 2)]) == []
    assert told(other, 3, [quiet("a", 3, kind="column")]) == []
    assert told(other, 4, [quiet("a", 4, kind="column")]) == [("resolved", "together", "accuracy")]


def test_a_snapshot_of_another_model_is_refused() -> None:
    """State is of one model."""
    with pytest.raises(ValueError, match='the alerts of model "fraud", not of "delays"'):
        alerting().restore({**alerting().snapshot(), "model": "fraud"})


def test_what_explains_can_be_declared() -> None:
    """Which watches explain others, and in which direction, is the caller's to say."""
    explaining = {"error_rate": Explains("everything", "higher", 0.2)}
    one = alerting(AlertRule("all", team="models"), explaining=explaining)
    errors = finding("error_rate", 1, (0.3, 0.5), kind="traffic")

    assert told(one, 1, [errors, fell("accuracy", 1)]) == [("firing", "outage", "error_rate")]
