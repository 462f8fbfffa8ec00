"""The numbers in docs/statistics.md are those that `make test-statistics` wrote."""

from __future__ import annotations

import pytest

from streams.core.docket import docket
from streams.core.exposure import BUCKETS
from streams.core.judge import mixture
from tests.core.making import make_config
from tests.statistical.document import DOCUMENT, read, rewritten, tables
from tests.statistical.power import EFFECTS
from tests.statistical.scenario import Result
from tests.statistical.scenarios import SCENARIOS

TEXT = DOCUMENT.read_text(encoding="utf-8")


def test_the_document_has_the_numbers_of_the_results() -> None:
    """Writing its tables again changes nothing: nobody has changed a number by hand, or forgotten to write them."""
    assert rewritten(TEXT) == TEXT


def test_results_are_of_the_scenarios_that_there_are() -> None:
    """Every scenario was simulated in its long form, as it is declared now."""
    results = {one["name"]: Result(**one) for one in read()["scenarios"]}

    assert list(results) == [one.name for one in SCENARIOS]
    for one in SCENARIOS:
        found = results[one.name]
        declared = (one.method, one.about, one.kind, round(one.promised, 6), one.looks, one.paths[1])
        assert declared == (
            found.method,
            found.about,
            found.kind,
            found.promised,
            found.looks,
            found.paths,
        )


def test_every_method_has_a_power_at_every_effect() -> None:
    """The tables of power and sizes have a row for each method and a column for each effect."""
    assert all(len(one["found"]) == len(EFFECTS) for one in read()["power"])
    assert {len(tables(read())[name].splitlines()) for name in ("power", "sizes")} == {len(read()["power"]) + 2}


def test_a_table_without_a_place_is_named() -> None:
    """A document that lacks a table's place is refused with the table's name."""
    with pytest.raises(ValueError, match='no place for the table "power"'):
        rewritten(TEXT.replace("<!-- power -->", ""))


def test_the_example_of_alpha_is_what_the_docket_gives() -> None:
    """Alpha 0.05, two primary metrics, a guardrail, five exploratory ones and two arms beside the control."""
    metrics = {
        "primary": ["accuracy", "precision"],
        "guardrail": [{"metric": "complaint_rate", "margin": 0.1}],
        "exploratory": ["brier", "recall", "f1", "log_loss", "specificity"],
    }
    experiment = {"model": "m", "arms": {"a": 1, "b": 1, "c": 1}, "metrics": metrics}
    config = make_config(
        {"m": {"task": "binary", "positive": "1", "label_horizon": "1d"}},
        experimentation={"experiments": {"e": experiment}},
    )
    (plan,) = docket(config).plans

    alphas = {role.kind: f"{role.alpha:.4g}" for role in plan.roles}
    assert "each comparison has {primary}, {guardrail} and {exploratory}.".format(**alphas) in TEXT


@pytest.mark.parametrize("planned", [1_000, 40_000])
def test_a_plan_that_is_far_off_costs_little(planned: float) -> None:
    """At 10,000 observations the interval is less than a tenth wider with a plan of a tenth, or of four times, that."""
    widths = [
        mixture.t_half_width(1.0, BUCKETS - 1, 10_000, mixture.t_planned_rho(plan, 0.05), 0.05)
        for plan in (planned, 10_000)
    ]

    assert 1 < widths[0] / widths[1] < 1.1
    assert "a tenth of what came in the end, or of four times as much, it is less than a tenth wider" in TEXT
