"""A row of `verdicts` as an object, and which rows a report shows, in which order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

CHECKS = ("sample_ratio", "crossovers")
_KINDS = (*CHECKS, "primary", "guardrail", "exploratory")  # in the order in which they are read
UNDECIDED = "not enough evidence"


@dataclass(frozen=True, slots=True)
class Look:
    """
    What one look says of an arm against the control by one metric: a row of the table `verdicts`.

    docs/store.md says what each field is; None and infinite limits both mean that nothing is known on that side.
    """

    model: str
    experiment: str
    metric: str
    kind: str
    arm: str
    control: str
    tick: datetime
    verdict: str
    effect: float | None
    low: float | None
    high: float | None
    error: float | None
    arm_value: float | None
    control_value: float | None
    log_e: float
    p: float
    n_arm: float
    n_control: float
    n_effective_arm: float
    n_effective_control: float
    label_coverage_arm: float | None
    label_coverage_control: float | None
    alpha: float
    margin: float
    method: str
    first_reached: datetime | None
    needed: float | None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Look:
        """Take a row of the table; columns that a look has no field for are left out."""
        return cls(**{name: row[name] for name in COLUMNS})

    @property
    def is_check(self) -> bool:
        """Whether the look is at the experiment itself and not at a metric of the model."""
        return self.kind in CHECKS

    @property
    def compared(self) -> str:
        """What is compared, in words: an arm with the control, or, by the checks, units."""
        if self.is_check:
            return f"units of {self.arm}" if self.arm else "all units"
        return f"{self.arm} against {self.control}"

    def relative(self, difference: float | None) -> float | None:
        """
        Return a difference as a share of the control's value, with the difference's sign; None where that is 0.

        The control's value is taken as it is: its own uncertainty is not in the result.
        """
        return difference / abs(self.control_value) if difference is not None and self.control_value else None


COLUMNS = tuple(field.name for field in fields(Look))
"""The columns of `verdicts` that a report reads."""


@dataclass(frozen=True, slots=True)
class Report:
    """
    What there is to say of an experiment.

    Attributes
    ----------
    experiment
        Its name.
    looks
        The newest look of every comparison and check, as `newest` gives them; at least one.
    finished
        Whether it is over, so that a test for one look may be shown beside.
    """

    experiment: str
    looks: tuple[Look, ...]
    finished: bool

    @property
    def models(self) -> tuple[str, ...]:
        """The models whose predictions are compared."""
        return tuple(dict.fromkeys(look.model for look in self.looks))

    def checks(self, model: str) -> tuple[Look, ...]:
        """Return the looks at the experiment itself."""
        return tuple(look for look in self.looks if look.model == model and look.is_check)

    def comparisons(self, model: str) -> tuple[Look, ...]:
        """Return the looks at metrics."""
        return tuple(look for look in self.looks if look.model == model and not look.is_check)

    def mismatches(self, model: str) -> tuple[Look, ...]:
        """Return the checks that failed: while there are some, no verdict on the model is to be trusted."""
        return tuple(look for look in self.checks(model) if look.verdict == "mismatch")

    def trusts(self, look: Look) -> bool:
        """Whether a look is a check, or one of a model whose checks have not failed."""
        return look.is_check or not self.mismatches(look.model)


def newest(looks: Iterable[Look]) -> tuple[Look, ...]:
    """
    Keep the newest look of each comparison and each check, in reading order.

    Of a check only the newest tick counts, whatever its arm: the sample ratio names the worst arm, which changes.
    """
    latest: dict[tuple[str, ...], Look] = {}
    for look in sorted(looks, key=lambda look: look.tick):
        latest[look.model, look.metric, "" if look.is_check else look.arm] = look
    return tuple(sorted(latest.values(), key=_place))


def newest_tick(looks: Sequence[Look]) -> datetime:
    """Return when the newest of the looks was taken, in event time."""
    return max(look.tick for look in looks)


def _place(look: Look) -> tuple[str, int, str, str]:
    return look.model, _KINDS.index(look.kind), look.metric, look.arm
