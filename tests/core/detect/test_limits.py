"""A limit is broken once the whole interval of a metric lies beyond it, and on the side of harm only."""

from __future__ import annotations

import math

import pytest

from streams.core.alert.alerting import Alerting
from streams.core.alert.cause import Grouping
from streams.core.alert.rule import AlertRule
from streams.core.detect.limits import Limit, limited
from streams.core.detect.measuring import Signal, Z
from streams.core.groups import Slice

DAY = 86_400_000_000


def signal(value: float, error: float = 0.01) -> Signal:
    """Return the accuracy of a day."""
    return Signal(0, Slice("m", (), ()), "accuracy", value, error, 100.0, 90.0, 0.8)


@pytest.mark.parametrize(
    ("limit", "value", "standing"),
    [
        (Limit("accuracy", at_least=0.9), 0.9 - Z * 0.01 - 1e-6, "changed"),
        (Limit("accuracy", at_least=0.9), 0.9 - Z * 0.01 + 1e-6, "quiet"),
        (Limit("accuracy", at_least=0.9), 0.99, "quiet"),
        (Limit("accuracy", at_most=0.9), 0.9 + Z * 0.01 + 1e-6, "changed"),
        (Limit("accuracy", at_most=0.9), 0.9 + Z * 0.01 - 1e-6, "quiet"),
        (Limit("accuracy", at_most=0.9), 0.1, "quiet"),
    ],
)
def test_the_whole_interval_must_be_beyond(limit: Limit, value: float, standing: str) -> None:
    """An interval that touches the limit proves nothing."""
    [found] = limited("m", DAY, {"accuracy": limit}, [((), signal(value))])

    assert (found.standing, found.kind, found.reference) == (standing, "threshold", 0.9)
    assert [found.effect, found.high - found.low] == pytest.approx([value - 0.9, 2 * Z * 0.01])
    assert (found.n, found.n_effective, found.label_coverage) == (100.0, 90.0, 0.8)


def test_other_metrics_have_no_limit() -> None:
    """What no limit is declared for is not compared with one."""
    assert list(limited("m", DAY, {"brier": Limit("brier", at_most=0.2)}, [((), signal(0.5))])) == []


def test_a_metric_without_an_error_proves_nothing() -> None:
    """An unknown interval is not beyond."""
    [found] = limited("m", DAY, {"accuracy": Limit("accuracy", at_least=0.9)}, [((), signal(0.5, math.nan))])

    assert found.standing == "quiet"


def test_an_alert_comes_and_goes_with_the_limit() -> None:
    """It fires at once, and ends when the interval has been inside for two ticks."""
    limit = Limit("accuracy", at_least=0.9)
    rule = AlertRule("limit", watches=("accuracy",), kinds=("threshold",), direction=limit.harm)
    alerting = Alerting("m", [rule], Grouping(DAY))
    told: list[tuple[int, str]] = []
    for day, value in enumerate((0.95, 0.8, 0.85, 0.95, 0.96, 0.97), 1):
        findings = list(limited("m", day * DAY, {"accuracy": limit}, [((), signal(value))]))
        told += [(day, one.status) for one in alerting.step(day * DAY, findings)]

    assert told == [(2, "firing"), (5, "resolved")]


@pytest.mark.parametrize("given", [{}, {"at_least": 0.1, "at_most": 0.9}])
def test_a_limit_has_one_side(given: dict[str, float]) -> None:
    """None or both is refused."""
    with pytest.raises(ValueError, match="either `at_least` or `at_most`"):
        Limit("accuracy", **given)
