"""All scenarios, in the groups in which docs/statistics.md shows them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tests.statistical import asymptotic, compared, contrasts, counted, distributions, exact, latencies, multiple
from tests.statistical.scenario import Scenario

GROUPS: Mapping[str, tuple[Scenario, ...]] = MappingProxyType(
    {
        "pipeline": compared.SCENARIOS + latencies.SCENARIOS,
        "asymptotic": asymptotic.SCENARIOS,
        "exact": exact.SCENARIOS,
        "counts": counted.SCENARIOS,
        "distributions": distributions.SCENARIOS,
        "many": multiple.SCENARIOS,
        "contrasts": contrasts.SCENARIOS,
    }
)

SCENARIOS = tuple(scenario for group in GROUPS.values() for scenario in group)
