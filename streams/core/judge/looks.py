"""
Judge: looks at trials, taken at the end of each tick of event time that brought something.

A look is of everything that was known by then, and is taken once the watermark has passed its tick, so that it is the
same look however the events came.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from streams.core.columns import Floats, Ints
from streams.core.exposure import BUCKETS
from streams.core.judge import comparison
from streams.core.judge.comparison import Finding
from streams.core.judge.evidence import Interval
from streams.core.judge.sample_ratio import crossovers, sample_ratio
from streams.core.trial import Trial
from streams.core.watermark import NEVER

SHARE_ALPHA = 0.01
SHARE_MARGIN = 0.01  # of an arm's share, relative: a smaller mismatch moves no verdict
CROSSING_TOLERANCE = 0.01  # of units in more than one arm
CHECKS = ("sample_ratio", "crossovers")
"""Kinds of rows that say whether units are in the arms as declared."""

_RESIDUE = 1e-9  # as much may be left of what was added to a sum and taken back

_TIME = pa.timestamp("us", tz="UTC")
_KINDS: Mapping[str, pa.DataType] = {
    **dict.fromkeys(("model", "experiment", "metric", "kind", "arm", "control"), pa.string()),
    "tick": _TIME,
    "verdict": pa.string(),
    **dict.fromkeys(("effect", "low", "high", "error", "arm_value", "control_value", "log_e", "p"), pa.float64()),
    **dict.fromkeys(("n_arm", "n_control", "n_effective_arm", "n_effective_control"), pa.float64()),
    **dict.fromkeys(("label_coverage_arm", "label_coverage_control", "alpha", "margin"), pa.float64()),
    "method": pa.string(),
    "first_reached": _TIME,
    "needed": pa.float64(),
    "revision": pa.uint64(),
}


@dataclass(frozen=True)
class Role:
    """
    What a metric is to an experiment, and how it is judged.

    `margin` is how much worse a guardrail may get, `negligible` the smallest effect that matters, both in the metric's
    unit; `alpha` is for one arm against the control.
    """

    metric: str
    kind: str
    higher_is_better: bool
    alpha: float
    margin: float = 0.0
    negligible: float = 0.0

    @property
    def harm(self) -> float:
        """The margin with the sign of harm, which one of 0 has too: effects beyond it harm a guardrail."""
        return math.copysign(self.margin, -1 if self.higher_is_better else 1)


@dataclass(frozen=True)
class Plan:
    """How a trial is judged: its control, the weight of each arm, how many observations are planned, its metrics."""

    trial: Trial
    control: int
    weights: tuple[float, ...]
    planned: float
    roles: tuple[Role, ...]


Row = dict[str, Any]


class Judge:
    """The looks at one trial."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        trial = plan.trial
        self._sums: Floats = np.zeros((trial.width, len(trial.arms), BUCKETS))
        self._first: dict[tuple[str, str, str], int] = {}
        self._last = NEVER
        self._attended = [0] * (len(trial.arms) + 2)  # units of each arm and of others, and those that changed theirs
        self._checks: list[Row] = []  # what was found of them: while they stay the same, it does

    def look(self, tick: int, added: Floats, units: Ints, crossed: int) -> Iterator[Row]:
        """
        Take in what became known in a tick that ends at `tick` (us), and say what is known by then.

        What comes for a tick that has been looked at, further out of order than the disorder, is seen at the next look.
        A tick that changed nothing is no look: whether it is heard of at all depends on how the events were cut.
        `units` counts the units of each arm, and at the end those in arms that nobody declared.
        """
        self._sums += added
        attended = [*units.tolist(), crossed]
        if tick <= self._last or (attended == self._attended and not (np.abs(added) > _RESIDUE).any()):
            return
        self._last = tick
        if attended != self._attended or not self._checks:
            self._checks = list(self._traffic(units, crossed))
        self._attended = attended
        yield from (self._shared(row, tick) for row in self._checks)
        trial, control = self.plan.trial, self.plan.control
        for role in self.plan.roles:
            for arm in range(len(trial.arms)):
                if arm != control:
                    yield self._shared(self._compared(role, arm), tick)

    def snapshot(self) -> dict[str, Any]:
        """Everything as plain data and arrays."""
        return {
            "signature": self.plan.trial.signature(),
            "sums": self._sums.copy(),
            "first": [[*key, tick] for key, tick in self._first.items()],
            "last": self._last,
            "attended": list(self._attended),
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Replace everything by a snapshot; one of another declaration is of no use."""
        if saved["signature"] == self.plan.trial.signature():
            self._sums, self._last, self._attended = saved["sums"].copy(), saved["last"], list(saved["attended"])
            self._first = {(metric, arm, verdict): tick for metric, arm, verdict, tick in saved["first"]}

    def _shared(self, row: Row, tick: int) -> Row:
        """Add what every row has; a verdict that was lost and has come back was first reached back then."""
        arm = "" if row["kind"] == "sample_ratio" else row["arm"]  # whichever arm is the worst
        decided = row["verdict"] != comparison.OPEN
        first = self._first.setdefault((row["metric"], arm, row["verdict"]), tick) if decided else None
        trial = self.plan.trial
        return {"model": trial.model, "experiment": trial.experiment, "tick": tick, "first_reached": first} | row

    def _compared(self, role: Role, arm: int) -> Row:
        trial, control = self.plan.trial, self.plan.control
        harm = role.harm if role.kind == "guardrail" else None
        measure = self._quantile if role.metric in trial.quantiles else self._ratio
        found, numbers = measure(role, arm, harm)
        return {
            **_evidence(found),
            **numbers,
            "metric": role.metric,
            "kind": role.kind,
            "arm": trial.arms[arm],
            "control": trial.arms[control],
            "verdict": _verdict(role, found),
            "label_coverage_arm": self._coverage(arm),
            "label_coverage_control": self._coverage(control),
            "alpha": role.alpha,
            "margin": role.harm if role.margin else 0.0,
        }

    def _ratio(self, role: Role, arm: int, harm: float | None) -> tuple[Finding, Row]:
        trial = self.plan.trial
        ratio = trial.ratios[role.metric]
        places = {
            "numerator": trial.place(f"1:{ratio.numerator.name}"),
            "denominator": trial.place(f"1:{ratio.denominator.name}"),
            "n": trial.place(f"0:{ratio.denominator.name}"),
            "squares": trial.place(f"2:{ratio.denominator.name}"),
        }
        if ratio.is_share:
            places["events"] = trial.place(f"0:{ratio.numerator.name}")
        ours, theirs = (
            comparison.sums_of(self._sums, places, one, once=self._once(one)) for one in (arm, self.plan.control)
        )
        found = comparison.compare(theirs, ours, planned=self.plan.planned, alpha=role.alpha, harm=harm)
        sizes = {"n_arm": float(ours.n.sum()), "n_control": float(theirs.n.sum())}
        effective = {"n_effective_arm": ours.n_effective, "n_effective_control": theirs.n_effective}
        return found, {"arm_value": ours.value, "control_value": theirs.value, **sizes, **effective}

    def _quantile(self, role: Role, arm: int, harm: float | None) -> tuple[Finding, Row]:
        trial, level = self.plan.trial, self.plan.trial.quantiles[role.metric]
        (ours, some), (theirs, others) = (trial.latencies(self._sums, one) for one in (arm, self.plan.control))
        found, values = comparison.compare_quantiles(
            (theirs, others), (ours, some), level, planned=self.plan.planned, alpha=role.alpha, harm=harm
        )
        sizes = {"n_arm": float(ours.sum() + some), "n_control": float(theirs.sum() + others)}
        effective = {"n_effective_arm": float(ours.sum()), "n_effective_control": float(theirs.sum())}
        return found, {"arm_value": values[1], "control_value": values[0], **sizes, **effective}

    def _once(self, arm: int) -> bool:
        """Whether no unit of an arm made two predictions; where these have weights, nobody asks."""
        return float(self._sums[self.plan.trial.place("1:predictions"), arm].sum()) <= self._attended[arm]

    def _coverage(self, arm: int) -> float:
        trial = self.plan.trial
        covered, asked = (float(self._sums[trial.place(name), arm].sum()) for name in ("0:covered", "1:predictions"))
        return covered / asked if asked > 0 else math.nan

    def _traffic(self, units: Ints, crossed: int) -> Iterator[Row]:
        """Whether units came to the arms as their weights say, and stayed there."""
        counts, trial = units.tolist(), self.plan.trial
        if not sum(counts):
            return
        ratio = sample_ratio(counts, [*self.plan.weights, 0.0], minimum_effect=SHARE_MARGIN, alpha=SHARE_ALPHA)
        worst = ratio.strays[0] if ratio.strays else ratio.worst or 0
        interval = ratio.intervals[worst] if worst < len(trial.arms) else Interval(0.0, 1.0)
        yield {
            **_units("sample_ratio", (*trial.arms, "__unknown__")[worst], counts[worst], sum(counts)),
            **_about(ratio.shares[worst], ratio.expected[worst], interval),
            "log_e": ratio.log_e,
            "p": ratio.p,
            "verdict": ratio.verdict,
            "method": "Dirichlet multinomial",
        }
        changed = crossovers(crossed, sum(counts), tolerance=CROSSING_TOLERANCE, alpha=SHARE_ALPHA)
        yield {
            **_units("crossovers", "", crossed, sum(counts)),
            **_about(changed.share, CROSSING_TOLERANCE, changed.interval),
            "log_e": changed.log_e,
            "p": changed.p,
            "verdict": {"fail": "mismatch", "pass": "match"}.get(changed.verdict, comparison.OPEN),
            "method": "Dirichlet multinomial",
        }


def decided(rows: Iterable[Row]) -> bool:
    """Whether a look reached a verdict on a metric for the first time; that arms are as declared decides nothing."""
    return any(row["first_reached"] == row["tick"] and row["kind"] not in CHECKS for row in rows)


def verdict_rows(rows: Iterable[Row], revision: int) -> pa.Table:
    """Rows of the table `verdicts`."""
    told = [{"error": None, "margin": 0.0, "needed": None, "revision": revision} | row for row in rows]
    columns = {}
    for name, kind in _KINDS.items():
        values = [_known(row[name]) for row in told]
        columns[name] = pa.array(values, pa.int64()).cast(kind) if kind == _TIME else pa.array(values, kind)
    return pa.table(columns)


def _known(value: Any) -> Any:
    """A number that is not known, or an interval's end that is nowhere, as null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _verdict(role: Role, found: Finding) -> str:
    if found.evidence is None:
        return comparison.OPEN
    limits = found.evidence.interval
    return comparison.verdict(
        limits, higher_is_better=role.higher_is_better, margin=role.margin, negligible=role.negligible
    )


def _evidence(found: Finding) -> Row:
    how = {"method": found.method, "error": found.error, "needed": found.needed}
    if found.evidence is None:
        unknown = {**dict.fromkeys(("effect", "low", "high")), "log_e": 0.0, "p": 1.0}
        return unknown | how
    shown = found.evidence
    limits = {"effect": shown.estimate, "low": shown.interval.low, "high": shown.interval.high}
    return limits | {"log_e": shown.log_e, "p": shown.p} | how


def _units(metric: str, arm: str, n: int, every: int) -> Row:
    numbers = {"n_arm": float(n), "n_control": float(every), "n_effective_arm": float(n)}
    known = {"n_effective_control": float(every), "label_coverage_arm": None, "label_coverage_control": None}
    return {"metric": metric, "kind": metric, "arm": arm, "control": "", "alpha": SHARE_ALPHA, **numbers, **known}


def _about(value: float, expected: float, interval: Interval) -> Row:
    limits = {"low": interval.low - expected, "high": interval.high - expected}
    return {"arm_value": value, "control_value": expected, "effect": value - expected, **limits}
