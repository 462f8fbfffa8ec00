"""
Assertions as signals: what share of the predictions of a tick breaks each rule.

Sums of a rule are those of a column with three bins: for how many predictions it held, for how many it failed, and for
how many there is no telling.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from streams.core.alert.rule import Severity
from streams.core.assertion.rules import Checked
from streams.core.columns import Floats, Ints
from streams.core.detect.column_sums import Entries
from streams.core.detect.measuring import Signal
from streams.core.detect.plan import PREFIX
from streams.core.groups import Slice

HELD, FAILED, UNKNOWN = range(3)

SEVERITIES: Mapping[str, Severity] = {"info": "info", "warning": "warning", "critical": "page"}
"""How urgent an alert is, by how bad it is that an assertion fails."""


def bins_of(checked: Checked) -> Ints:
    """Return the bin of each event that a rule is about."""
    failed: Ints = np.where(checked.failed, FAILED, HELD)
    return np.where(checked.not_applicable, UNKNOWN, failed)


def signal(number: int, slice_: Slice, name: str, entries: Entries, column: int) -> Iterator[Signal]:
    """Yield the share of failures among the predictions of which it can be told; nothing where there are none."""
    bins, weights = entries.of(column)
    held: Floats = np.zeros(3)
    held[bins] = weights
    told = float(held[HELD] + held[FAILED])
    if told > 0:
        share = float(held[FAILED]) / told
        error = math.sqrt(max(share * (1 - share), 1 / told) / told)
        yield Signal(number, slice_, PREFIX + name, share, error, told, told, math.nan)
