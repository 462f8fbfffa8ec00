"""The section `offline` of a model: what an evaluation before production found, metric by metric."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from streams.config.problems import Problem, Problems, shown, unknown
from streams.core.metric.base import Task
from streams.core.metric.ratio import ratio_for


def _optional(description: str, **bounds: Any) -> Any:
    return Field(
        default=None,
        strict=True,
        allow_inf_nan=False,
        description=description,
        json_schema_extra=_never_null,
        **bounds,
    )


def _never_null(schema: dict[str, Any]) -> None:
    """Allow a value only: null is what stands for a key that was left out."""
    del schema["default"]
    schema |= next(one for one in schema.pop("anyOf") if one != {"type": "null"})


class OfflineConfig(BaseModel):
    """A metric of the offline evaluation, and how sure it was."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float = Field(strict=True, allow_inf_nan=False, description="What the offline evaluation found")
    n: int | None = Field(
        default=None,
        strict=True,
        ge=1,
        description="Of a share: how many observations it is a share of, such as all positives for recall",
        json_schema_extra=_never_null,
    )
    low: float | None = _optional("Instead of n: the lower limit of its 95 % interval")
    high: float | None = _optional("Instead of n: the upper limit of its 95 % interval")
    margin: float | None = _optional("The largest difference that does not matter", gt=0)

    @model_validator(mode="after")
    def _is_sure_in_one_way(self) -> Self:
        limits = [limit for limit in (self.low, self.high) if limit is not None]
        if len(limits) == 1 or (self.n is None) == (not limits):
            raise ValueError("says not how sure it is: write either `n`, or both `low` and `high`")
        if self.low is not None and self.high is not None and not self.low <= self.value <= self.high:
            raise ValueError(f"the value {self.value:g} is not between `low`, {self.low:g}, and `high`, {self.high:g}")
        return self


def is_share(metric: str, task: Task) -> bool:
    """
    Say whether a metric is a share of what is observed, so that its size tells how sure it is.

    >>> is_share("recall", "binary"), is_share("f1", "binary")
    (True, False)
    """
    ratio = ratio_for(metric, task)
    return ratio is not None and ratio.is_share


def check_offline(section: Mapping[str, OfflineConfig], task: Task | None, metrics: Sequence[str] | None) -> None:
    """
    Check what was found offline against the model's task and metrics; None for what is not known.

    Raises
    ------
    Problems
        With everything that does not fit.
    """
    found = [
        *(() if metrics is None else _strangers(section, metrics)),
        *(() if task is None or metrics is None else _misfits(section, task, metrics)),
    ]
    if found:
        raise Problems(found)


def _strangers(section: Mapping[str, OfflineConfig], metrics: Sequence[str]) -> Iterator[Problem]:
    for name in section:
        if name not in metrics:
            yield (name,), f"{shown(name)} is no metric of the model{unknown(name, metrics)}"


def _misfits(section: Mapping[str, OfflineConfig], task: Task, metrics: Sequence[str]) -> Iterator[Problem]:
    for name, one in section.items():
        if name not in metrics:
            continue
        share = is_share(name, task)
        if one.n is not None and not share:
            yield (name, "n"), f"{name} is no share, and its size tells not how sure it is: write `low` and `high`"
        numbers = {"value": one.value, "low": one.low, "high": one.high}
        for key, number in numbers.items():
            if share and number is not None and not 0 <= number <= 1:
                yield (name, key), f"{number:g} cannot be: {name} is a share, from 0 to 1"
