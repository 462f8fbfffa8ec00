"""Limits: whether a metric keeps to what was declared for it, tick by tick; nothing has to be learned for that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from streams.core.alert.rule import Harm
from streams.core.detect.finding import Finding
from streams.core.detect.finding import Slice as Where
from streams.core.detect.measuring import Signal, Z

METHOD = "interval against a limit"


@dataclass(frozen=True)
class Limit:
    """
    What a metric must keep to: at least or at most so much.

    Raises
    ------
    ValueError
        If none of the two is given, or both are.
    """

    metric: str
    at_least: float | None = None
    at_most: float | None = None

    def __post_init__(self) -> None:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError(f"the limit of {self.metric}: give either `at_least` or `at_most`")

    @property
    def value(self) -> float:
        """The limit."""
        return self.at_least if self.at_least is not None else self.at_most or 0.0

    @property
    def harm(self) -> Harm:
        """On which side of it harm is."""
        return "higher" if self.at_least is None else "lower"


def limited(
    model: str, end: int, limits: Mapping[str, Limit], signals: Iterable[tuple[Where, Signal]]
) -> Iterator[Finding]:
    """Compare the metrics of a tick that ends at `end` (us), by slice, with their limits."""
    for where, one in signals:
        limit = limits.get(one.name)
        if limit is None:
            continue
        effect, half = one.value - limit.value, Z * one.error
        beyond = effect + half < 0 if limit.harm == "lower" else effect - half > 0
        yield Finding(
            model=model,
            slice=where,
            watch=one.name,
            kind="threshold",
            tick=end,
            standing="changed" if beyond else "quiet",
            value=one.value,
            reference=limit.value,
            effect=effect,
            low=effect - half,
            high=effect + half,
            n=one.n,
            n_effective=one.n_effective,
            label_coverage=one.label_coverage,
            method=METHOD,
        )
