"""Cohorts that travel: their numbers hold within one registry, so what leaves it says what each number means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from streams.core.columns import Ints
from streams.core.groups import CohortName, Groups


def named(groups: Groups, cohorts: Ints) -> dict[str, Any]:
    """Return the distinct ones of cohort numbers, with their names, as plain data."""
    numbers = np.unique(cohorts).astype(np.int64)
    return {"numbers": numbers, "names": [list(groups.name(number)) for number in numbers.tolist()]}


def adopted(groups: Groups, known: Mapping[str, Any]) -> Ints:
    """Return, at the place of each number there, the number in this registry; elsewhere -1."""
    numbers = known["numbers"]
    here = np.full(int(numbers.max(initial=-1)) + 1, -1)
    here[numbers] = [groups.adopt(CohortName(*name)) for name in known["names"]]
    return here
