"""What docs/alerts.md shows is a configuration, and does what it says."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from streams.alerts.routing import held_until, routes_for
from streams.config import Config, parse_config
from streams.core.alert.rule import Severity
from tests.alerts.making import notice

DOCUMENT = Path(__file__).parents[2] / "docs" / "alerts.md"


@pytest.fixture(scope="module")
def shown() -> Config:
    """Return the configuration of the document."""
    [text] = re.findall(r"^```yaml\n(.*?)^```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return parse_config(text, str(DOCUMENT))


@pytest.mark.parametrize(
    ("model", "team", "severity", "routes"),
    [
        ("fraud", "payments", "page", ("pager", "chat")),
        ("fraud", "", "page", ("chat",)),
        ("fraud_v2", "payments", "info", ("chat",)),
        ("churn", "payments", "page", ("pager",)),
        ("churn", "", "warning", ("mail",)),
    ],
)
def test_the_first_rule_decides(
    shown: Config, model: str, team: str, severity: Severity, routes: tuple[str, ...]
) -> None:
    """Rules go on where they say `continue`, and the default is for what none matches."""
    told = replace(notice(), model=model, team=team, severity=severity)

    assert routes_for(told, shown.alerting) == routes


def test_only_pages_go_out_at_night(shown: Config) -> None:
    """At three in the morning in Berlin a warning waits until seven, and a page does not."""
    three, seven = 1_704_074_400_000_000, 1_704_088_800_000_000
    quiet = shown.alerting.routes["chat"].quiet

    assert held_until(replace(notice(), severity="warning"), quiet, three) == seven
    assert held_until(replace(notice(), severity="page"), quiet, three) is None
