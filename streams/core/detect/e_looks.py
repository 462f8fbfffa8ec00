"""What detectors say of a tick."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np
import numpy.typing as npt

from streams.core.detect.finding import Standing

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

STANDINGS: tuple[Standing, ...] = get_args(Standing)
"""What the codes in `Looks.standing` mean."""

LEARNING, QUIET, SUSPECTED, CHANGED, NO_DATA = (
    STANDINGS.index(standing) for standing in ("learning", "quiet", "suspected", "changed", "no data")
)


@dataclass(frozen=True)
class Looks:
    """
    What was found at the end of a tick, one element a signal, in the order asked for.

    Attributes
    ----------
    standing
        Codes: places in STANDINGS. Without data in this tick it is "no data", whatever was found before.
    reference
        What was expected in this tick, the season included; NaN while learning.
    effect, low, high
        Mean distance from the expectation since the onset, with its 95 % interval; NaN where nothing is suspected.
        The interval takes the onset as known and the look as chosen beforehand. It was not: changes that were only just
        large enough to be found look larger than they are.
    log_e, threshold
        Logarithms of the evidence, and of what proves a change; of a change, the evidence when it was found.
    onset, onset_low, onset_high
        Ticks, -1 where nothing is suspected. The onset of a change stays what it was when the change was found.
    """

    standing: npt.NDArray[np.int8]
    reference: Floats
    effect: Floats
    low: Floats
    high: Floats
    log_e: Floats
    threshold: Floats
    onset: Ints
    onset_low: Ints
    onset_high: Ints
