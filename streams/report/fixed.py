"""
Beside the verdicts of a finished experiment: the test that it would have had if there had been one look, at the end.

What was judged from counts is tested as two shares. Everything else varies from unit to unit, and so its error is that
between buckets of units, which has one degree of freedom less than there are buckets.
"""

from __future__ import annotations

from streams.core.exposure import BUCKETS
from streams.core.judge.comparison import EXACT
from streams.core.judge.fixed import Comparison, Measurement, Name, judged
from streams.core.judge.proportions import fisher, unpooled_z
from streams.report.looks import Look

BUCKETED = Name(
    f"t, {BUCKETS - 1} degrees of freedom", f"effect / error between {BUCKETS} buckets of units; Student's distribution"
)
_FEWEST = 5  # observations of the rarer outcome to be expected in each arm, for z to be near normal (Cochran 1954)


def fixed_test(look: Look) -> Comparison | str:
    """
    Test a metric for one look: a share by unpooled z, or by Fisher's exact test where events are few, others by t.

    The question is whether there is any difference, for guardrails too.

    Returns
    -------
    The comparison, with the interval at 1 - alpha of the look if the test has one; or why there is none.
    """
    if look.method == EXACT:
        return _of_counts(look)
    if look.effect is None:
        return "too little is known"
    if look.error is None:
        return "its effect has no standard error"
    return judged(BUCKETED, Measurement(look.effect, look.error, BUCKETS - 1), look.alpha)


def _of_counts(look: Look) -> Comparison | str:
    if look.arm_value is None or look.control_value is None:
        return "an arm has no value"
    arm = round(look.arm_value * look.n_arm), round(look.n_arm)
    control = round(look.control_value * look.n_control), round(look.n_control)
    hits, total = arm[0] + control[0], arm[1] + control[1]
    fewest = min(hits, total - hits) * min(arm[1], control[1]) / total
    return unpooled_z(control, arm, alpha=look.alpha) if fewest >= _FEWEST else fisher(control, arm)
