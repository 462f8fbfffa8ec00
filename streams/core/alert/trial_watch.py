"""
Verdicts as alerts: what the looks at an experiment say about harm, and about units in the wrong arms.

A look that says `worse` or `mismatch` is trouble, one that says anything else by which harm is ruled out is none, and
`not enough evidence` is neither: it raises nothing and ends nothing. What wins is no trouble, and is not told here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from streams.core.alert.alerting import Alerting
from streams.core.alert.cause import Grouping
from streams.core.alert.notice import Notice
from streams.core.alert.rule import AlertRule, Severity
from streams.core.detect.finding import Finding, Slice
from streams.core.judge.comparison import OPEN
from streams.core.judge.looks import CHECKS, Plan, Row
from streams.core.watermark import FOREVER, NEVER
from streams.core.window_spec import DAY

OVER = 2 * DAY
"""An experiment is over when nobody has come into its arms for so long."""

_TROUBLE = frozenset({"worse", "mismatch"})
_KINDS = ("guardrail", "primary")
_GUARDRAILS = ("guardrails of", "guardrail-harmed", "switch it off")
_CANARY = ("canary", "canary-harmed", "roll it back")
_NOBODY = "is over: nobody has come into the experiment for two days"
_STEADY = 7 * DAY  # for so long an alert that flaps must be quiet


@dataclass(frozen=True)
class Concern:
    """
    How urgent harm is, whom it concerns, and where it says what to do (empty: in the page of each alert).

    `is_canary` says that the experiment is there only to show that a change does no harm.
    """

    severity: Severity
    team: str = ""
    runbook: str = ""
    is_canary: bool = False


class TrialWatch:
    """Watches the looks at one experiment on one model, of which those of a tick are taken together."""

    def __init__(self, plan: Plan, concern: Concern, tick: int) -> None:
        trial = plan.trial
        # Whenever it was found: all that an experiment does is one alert, and wrong arms spoil every verdict of it.
        grouping = Grouping(tick, together=FOREVER // tick, lasting=FOREVER)
        self._alerting = Alerting(trial.model, list(rules(plan, concern, tick)), grouping)
        self._asked = self._last = NEVER

    def look(self, tick: int, *, asked: bool, rows: Iterable[Row]) -> list[Notice]:
        """
        Take the look at a tick that ends at `tick` (us); `asked` says whether predictions were made in it.

        Looks that come when the experiment is over, since labels are late, are on record and not told; so is one that
        is not after the last, which only events further out of order than the disorder bring: the next says the same.
        """
        over = self.pass_to(tick - 1)
        if tick <= self._last or (not asked and tick - self._asked >= OVER):
            return over
        self._asked, self._last = tick if asked else self._asked, tick
        return over + self._alerting.step(tick, [one for row in rows if (one := found(row, tick)) is not None])

    def pass_to(self, time: int) -> list[Notice]:
        """Note that event time has come so far (us): alerts of an experiment that is over are."""
        end = self._asked + OVER
        if self._asked == NEVER or time < end:
            return []
        self._asked, self._last = NEVER, end
        return self._alerting.finish(end, _NOBODY)

    def snapshot(self) -> dict[str, Any]:
        """Everything as plain data."""
        return {"asked": self._asked, "last": self._last, "alerting": self._alerting.snapshot()}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Replace everything by a snapshot."""
        self._asked, self._last = saved["asked"], saved["last"]
        self._alerting.restore(saved["alerting"])


def found(row: Row, tick: int) -> Finding | None:
    """Return what a row of the table `verdicts` says as a finding; None where it says too little."""
    if row["verdict"] == OPEN:
        return None
    check, arm = row["kind"] in CHECKS, row["arm"]
    whole: Slice = (("experiment", row["experiment"]),)
    return Finding(
        model=row["model"],
        slice=whole if check else (("arm", arm), *whole),
        watch=row["metric"],
        kind="verdict",
        tick=tick,
        standing="changed" if row["verdict"] in _TROUBLE else "quiet",
        value=_number(row["arm_value"]),
        reference=_number(row["control_value"]),
        effect=_number(row["effect"]),
        low=_number(row["low"]),
        high=_number(row["high"]),
        n=row["n_control" if check else "n_arm"],
        n_effective=row["n_effective_control" if check else "n_effective_arm"],
        label_coverage=_number(row["label_coverage_arm"]),
        log_e=row["log_e"],
        threshold=-math.log(row["alpha"]),
        method=row["method"],
        worst=(((("arm", arm),), _number(row["effect"])),) if check and arm else (),
    )


def rules(plan: Plan, concern: Concern, tick: int) -> Iterator[AlertRule]:
    """Yield what is worth telling of an experiment: wrong arms, harm, and what was to get better and got worse."""
    name, urgent = plan.trial.experiment, concern.severity
    usual = AlertRule("usual", team=concern.team, kinds=("verdict",), flap_ticks=max(_STEADY // tick, 2))
    of_kind = {kind: tuple(role.metric for role in plan.roles if role.kind == kind) for kind in _KINDS}
    arms = replace(usual, name=f"arms of {name}", severity=urgent, watches=CHECKS, advice="trust none of its verdicts")
    yield replace(arms, runbook=_page(concern, "sample-ratio-mismatch"))
    if of_kind["guardrail"]:
        harmed = replace(usual, severity=urgent, watches=of_kind["guardrail"])
        what, page, advice = _CANARY if concern.is_canary else _GUARDRAILS
        yield replace(harmed, name=f"{what} {name}", runbook=_page(concern, page), advice=advice)
    if of_kind["primary"]:
        worse = replace(usual, name=f"primaries of {name}", severity="info", watches=of_kind["primary"])
        yield replace(worse, runbook=_page(concern, "arm-worse"))


def _page(concern: Concern, page: str) -> str:
    return concern.runbook or f"docs/runbooks/{page}.md"


def _number(value: float | None) -> float:
    return math.nan if value is None else value
