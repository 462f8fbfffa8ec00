"""What a finding says to an alert rule: whether the whole interval of the effect is beyond a margin or back inside."""

from __future__ import annotations

import math
from typing import Literal

from streams.core.alert.rule import AlertRule, Harm
from streams.core.detect.finding import Finding

Reading = Literal["beyond", "leaning", "between", "inside", "thin", "empty"]
"""
Proven to be beyond the margin; perhaps on the way there; neither here nor there; back inside the recovery margin; too
little to say anything; nothing to look at.
"""


def read(finding: Finding, rule: AlertRule, harm: Harm) -> Reading:
    """
    Say what a finding means to a rule for which effects in the direction `harm` matter.

    That something changed must be proven by the watch; a limit that was declared needs no more than the interval.
    A finding without an interval proves nothing, so that an exact check must come with an interval of one point.
    The verdict of an experiment has been held against margin and direction already.
    """
    if finding.standing == "no data":
        return "empty"
    if finding.standing == "learning" or _is_thin(finding, rule):
        return "thin"
    if finding.kind == "verdict":
        return "beyond" if finding.standing == "changed" else "inside"
    proven = finding.standing == "changed" or finding.kind == "threshold"
    if proven and _is_beyond(finding, rule.margin, harm):
        return "beyond"
    if _is_back(finding, rule.inner, harm):
        return "inside"
    suspicious = finding.standing in ("suspected", "changed") and finding.kind != "threshold"
    return "leaning" if suspicious and not _is_for_good(finding, harm) else "between"


def _is_thin(finding: Finding, rule: AlertRule) -> bool:
    """Whether a tick has too few observations or labels; a watch that needs no labels has never too few of these."""
    return finding.n_effective < rule.min_n_effective or finding.label_coverage < rule.min_label_coverage


def _is_beyond(finding: Finding, margin: float, harm: Harm) -> bool:
    """Whether the whole interval is beyond the margin; false for an unknown one, as comparisons with NaN are."""
    fell, rose = finding.high < -margin, finding.low > margin
    return {"lower": fell, "higher": rose, "either": fell or rose}[harm] and finding.low <= finding.high


def _is_back(finding: Finding, margin: float, harm: Harm) -> bool:
    """
    Whether a finding is reason to recover.

    The whole interval must be inside the margin. It may reach outside where a watch that accumulates evidence says by
    itself that there is no change: then it is wide only because the tick is small.
    """
    above, below = finding.low >= -margin, finding.high <= margin
    if {"lower": above, "higher": below, "either": above and below}[harm]:
        return True
    quiet = finding.standing == "quiet" and finding.kind != "threshold"
    return quiet and not _is_beyond(finding, max(margin, 0.0), harm)


def _is_for_good(finding: Finding, harm: Harm) -> bool:
    """Whether an effect, if it is one, goes the other way; false for an unknown one."""
    return {"lower": finding.effect > 0, "higher": finding.effect < 0, "either": False}[harm]


def strength(finding: Finding) -> float:
    """How many half-widths of its interval an effect is large; comparable between watches. 0 where it is unknown."""
    half = (finding.high - finding.low) / 2
    if not (math.isfinite(finding.effect) and math.isfinite(half)):
        return 0.0
    return abs(finding.effect) / half if half > 0 else math.inf
