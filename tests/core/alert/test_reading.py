"""What a finding means to a rule depends on the whole interval, never on the estimate alone."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.alert.reading import Reading, read, strength
from streams.core.alert.rule import AlertRule, Harm
from tests.core.alert.making import finding

RULE = AlertRule("quality", margin=0.02, recovery_margin=0.01, min_n_effective=100.0, min_label_coverage=0.5)
NAN = math.nan


@pytest.mark.parametrize(
    ("harm", "standing", "interval", "reading"),
    [
        ("lower", "changed", (-0.05, -0.03), "beyond"),
        ("lower", "changed", (-math.inf, -0.03), "beyond"),
        ("lower", "changed", (-0.05, -0.02), "leaning"),
        ("lower", "changed", (-0.05, 0.01), "leaning"),
        ("lower", "changed", (-0.009, -0.001), "inside"),
        ("lower", "changed", (0.03, 0.05), "inside"),
        ("lower", "changed", (-0.02, 0.05), "between"),
        ("lower", "changed", (NAN, NAN), "leaning"),
        ("lower", "suspected", (-0.05, -0.03), "leaning"),
        ("lower", "suspected", (-0.02, 0.05), "between"),
        ("lower", "quiet", (-0.05, -0.03), "between"),
        ("lower", "quiet", (-0.019, -0.011), "between"),
        ("lower", "quiet", (-0.019, 0.019), "inside"),
        ("lower", "quiet", (-0.009, 0.009), "inside"),
        ("lower", "quiet", (NAN, NAN), "inside"),
        ("lower", "quiet", (-math.inf, math.inf), "inside"),
        ("higher", "changed", (0.03, 0.05), "beyond"),
        ("higher", "changed", (-0.05, -0.03), "inside"),
        ("higher", "suspected", (0.0, 0.05), "leaning"),
        ("higher", "suspected", (-0.05, 0.02), "between"),
        ("either", "changed", (0.03, 0.05), "beyond"),
        ("either", "changed", (-0.05, -0.03), "beyond"),
        ("either", "changed", (-0.05, 0.05), "leaning"),
        ("either", "changed", (-0.01, 0.01), "inside"),
        ("either", "suspected", (0.0, 0.05), "leaning"),
        ("either", "learning", (0.03, 0.05), "thin"),
        ("either", "no data", (0.03, 0.05), "empty"),
    ],
)
def test_findings_of_a_change(harm: Harm, standing: Any, interval: tuple[float, float], reading: Reading) -> None:
    """A change fires when it is proven and all of its interval is beyond; quiet is enough to recover."""
    assert read(finding("accuracy", 1, interval, standing=standing), RULE, harm) == reading


@pytest.mark.parametrize(
    ("interval", "reading"),
    [
        ((-0.05, -0.03), "beyond"),
        ((-0.05, -0.02), "between"),
        ((-0.05, 0.01), "between"),
        ((-0.01, 0.01), "inside"),
        ((0.1, 0.2), "inside"),
        ((NAN, NAN), "between"),
    ],
)
@pytest.mark.parametrize("standing", ["quiet", "suspected", "changed"])
def test_findings_about_a_limit(standing: Any, interval: tuple[float, float], reading: Reading) -> None:
    """A declared limit goes by the interval alone, on both sides, whatever the watch says."""
    assert read(finding("accuracy", 1, interval, standing=standing, kind="threshold"), RULE, "lower") == reading


@pytest.mark.parametrize(
    ("changes", "reading"),
    [
        ({"n_effective": 100.0}, "beyond"),
        ({"n_effective": 99.0}, "thin"),
        ({"label_coverage": 0.5}, "beyond"),
        ({"label_coverage": 0.49}, "thin"),
        ({"label_coverage": NAN}, "beyond"),
        ({"standing": "no data", "n_effective": 0.0}, "empty"),
    ],
)
def test_too_little_proves_nothing(changes: dict[str, Any], reading: Reading) -> None:
    """A tick with too few observations or labels is thin; a watch that needs no labels has enough of them."""
    assert read(finding("accuracy", 1, (-0.05, -0.03), **changes), RULE, "lower") == reading


@pytest.mark.parametrize(("standing", "reading"), [("changed", "beyond"), ("quiet", "inside")])
@pytest.mark.parametrize("interval", [(-0.05, -0.03), (-0.01, 0.01), (0.03, math.inf)])
def test_a_verdict_means_what_it_says(standing: Any, reading: Reading, interval: tuple[float, float]) -> None:
    """The judge has looked at margin and direction: no rule does so again."""
    assert read(finding("accuracy", 1, interval, kind="verdict", standing=standing), RULE, "lower") == reading


def test_below_zero_it_must_become_better_than_the_limit() -> None:
    """With a recovery margin on the good side of a limit, just reaching the limit is not enough."""
    rule = AlertRule("low", direction="lower", recovery_margin=-0.02)

    assert read(finding("accuracy", 1, (0.0, 0.01), kind="threshold"), rule, "lower") == "between"
    assert read(finding("accuracy", 1, (0.02, 0.03), kind="threshold"), rule, "lower") == "inside"
    assert read(finding("accuracy", 1), rule, "lower") == "inside"


ends = st.floats(allow_nan=True, allow_infinity=True)


@given(
    st.sampled_from(["learning", "quiet", "suspected", "changed", "no data"]),
    st.sampled_from(["metric", "threshold", "pipeline", "column"]),
    st.sampled_from(["lower", "higher", "either"]),
    ends,
    ends,
    st.floats(0, 1e6),
)
def test_beyond_means_the_whole_interval(
    standing: Any, kind: Any, harm: Harm, low: float, high: float, margin: float
) -> None:
    """Whatever the finding, it is read as beyond only if no point of its interval is within the margin."""
    rule = AlertRule("a", margin=margin)
    reading = read(finding("x", 1, (low, high), standing=standing, kind=kind), rule, harm)

    wholly = low <= high and ((high < -margin and harm != "higher") or (low > margin and harm != "lower"))
    proven = standing == "changed" or (kind == "threshold" and standing in ("quiet", "suspected"))
    assert (reading == "beyond") == (wholly and proven)


def test_strength_counts_half_widths() -> None:
    """An effect is as strong as it is many half-widths of its interval large; an unknown one has no strength."""
    assert strength(finding("a", 1, (-0.05, -0.03))) == pytest.approx(4.0)
    assert strength(finding("a", 1, (0.2, 0.2))) == math.inf
    assert strength(finding("a", 1, (-math.inf, 0.2), effect=0.1)) == 0.0
    assert strength(finding("a", 1, (NAN, NAN))) == 0.0
