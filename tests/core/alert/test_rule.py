"""Alert rules say which watches they are about, and refuse what could never work."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from streams.core.alert.rule import AlertRule, Harm, most_severe
from streams.core.detect.cut import WHOLE as WHOLE_CUT
from streams.core.detect.cut import Cut
from streams.core.detect.finding import Finding
from tests.core.alert.making import EV, EV_JFK, WHOLE, finding


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": ""}, "it has no name"),
        ({"severity": "urgent"}, 'its severity is "urgent": write one of info, warning, page'),
        ({"for_ticks": 0}, "for_ticks is 0: it must be at least 1"),
        ({"recover_ticks": 0}, "recover_ticks is 0"),
        ({"no_data_ticks": 0}, "no_data_ticks is 0"),
        ({"flap_ticks": 0}, "flap_ticks is 0"),
        ({"flap_count": 1}, "flap_count is 1: it must be at least 2"),
        ({"remind_after": -1}, "remind_after is -1"),
        ({"margin": -0.1}, "margin is -0.1: it must be a number from 0 on"),
        ({"margin": math.nan}, "margin is nan"),
        ({"margin": math.inf}, "margin is inf"),
        ({"min_n_effective": -1.0}, "min_n_effective is -1.0"),
        ({"min_label_coverage": 1.5}, "min_label_coverage is 1.5: a share is at most 1"),
        ({"recovery_margin": 0.1}, "recovery_margin is 0.1: it must not be larger than the margin, 0.0"),
        ({"recovery_margin": math.nan}, "recovery_margin is nan"),
        ({"recovery_margin": -0.1}, "recovery_margin is -0.1: below 0 it needs the direction"),
    ],
)
def test_what_cannot_work_is_refused(changes: dict[str, Any], said: str) -> None:
    """A rule that could never fire, never recover, or has no name is refused by its name."""
    with pytest.raises(ValueError, match=said) as error:
        AlertRule(**({"name": "quality"} | changes))
    assert str(error.value).startswith(f'alert rule "{changes.get("name", "quality")}": ')


@pytest.mark.parametrize(
    ("changes", "matches"),
    [
        ({}, True),
        ({"models": ("del*",)}, True),
        ({"cut": Cut(("carrier",), ("EV",))}, True),
        ({"cut": Cut(("carrier",))}, True),
        ({"cut": Cut(("carrier",), ("E",))}, False),
        ({"cut": Cut(("carrier", "origin"))}, False),
        ({"cut": WHOLE_CUT}, False),
        ({"models": ("fraud",)}, False),
        ({"watches": ("accuracy", "f1")}, True),
        ({"watches": ("Accuracy",)}, False),
        ({"watches": ()}, False),
        ({"watches": ("accurac?", "[a]ccuracy", "accurac", "ccuracy")}, False),
        ({"watches": ("*cur*",)}, True),
        ({"kinds": ("column", "metric")}, True),
        ({"kinds": ("column",)}, False),
        ({"slices": ("",)}, False),
        ({"slices": ("carrier=*",)}, True),
        ({"slices": ("carrier=EV",)}, True),
        ({"slices": ("carrier=UA", "origin=*")}, False),
    ],
)
def test_a_rule_is_about_what_its_patterns_name(changes: dict[str, Any], matches: bool) -> None:
    """Model, watch, slice and kind must all be what the rule names; case matters."""
    assert AlertRule("quality", **changes).matches(finding("accuracy", 1, slice=EV)) == matches


def test_slices_are_named_by_all_of_their_attributes() -> None:
    """The whole has an empty name, and a slice of two attributes names both."""

    def about(pattern: str) -> list[bool]:
        rule = AlertRule("quality", slices=(pattern,))
        slices: list[Finding] = [finding("accuracy", 1, slice=one) for one in (WHOLE, EV, EV_JFK)]
        return [rule.matches(one) for one in slices]

    assert about("") == [True, False, False]
    assert about("carrier=EV, origin=JFK") == [False, False, True]
    assert about("*") == [True, True, True]


@pytest.mark.parametrize("declared", ["lower", "higher", "either"])
def test_only_worse_follows_the_metric(declared: Harm) -> None:
    """The direction of a metric counts where the rule says "worse", else that of the rule."""
    assert AlertRule("a").harm(declared) == declared
    assert AlertRule("a", direction="higher").harm(declared) == "higher"


def test_a_rule_recovers_at_its_margin_unless_it_says_otherwise() -> None:
    """Without a margin of its own for recovery, it is the one beyond which the rule fires."""
    rule = AlertRule("a", margin=0.1, direction="lower")

    assert rule.inner == 0.1
    assert replace(rule, recovery_margin=0.0).inner == 0.0
    assert replace(rule, recovery_margin=-0.5).inner == -0.5


def test_the_most_severe_is_the_most_urgent() -> None:
    """A page is more urgent than a warning, and that more than information."""
    assert most_severe({"info", "page", "warning"}) == "page"
    assert most_severe({"info"}) == "info"
