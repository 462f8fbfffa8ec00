"""What a declared detector of river watches, and with which parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from streams.config.stream_detectors import StreamConfig
from streams.core.detect.cut import WHOLE, Cut
from streams.core.detect.stream.parameters import Value

ERRORS = "errors"
"""What a watch of single errors is called."""


@dataclass(frozen=True)
class StreamSpec:
    """
    One detector with its parameters, of the whole of a model or of slices.

    It watches a metric or a column: the share of `value` in it, the share of what is `missing`, or the mean of its
    numbers. Without either it watches single errors: at most so many a tick, and those larger than `error_above` as 1
    and the others as 0, if that is declared.
    """

    metric: str | None
    detector: str
    parameters: Mapping[str, Value]
    errors_a_tick: int = 0
    error_above: float | None = None
    cut: Cut = WHOLE
    column: str | None = None
    value: str | None = None
    missing: bool = False

    @property
    def name(self) -> str:
        """What the watch is called, in whichever slice it is."""
        return f"{self._seen} by {self.detector}"

    @property
    def sees_errors(self) -> bool:
        """Whether it watches single errors."""
        return self.metric is None and self.column is None

    @property
    def _seen(self) -> str:
        if self.column is None:
            return self.metric or ERRORS
        if self.missing:
            return f"missing {self.column}"
        return self.column if self.value is None else f"{self.column}={self.value}"


def spec_of(declared: StreamConfig) -> StreamSpec:
    """Read what is declared."""
    return StreamSpec(
        metric=declared.metric,
        detector=declared.detector,
        parameters=declared.parameters,
        errors_a_tick=declared.most,
        error_above=declared.error_above,
        cut=Cut(declared.attributes, declared.values),
        column=declared.column,
        value=declared.value,
        missing=declared.missing,
    )
