"""
What probability comes of several decisions about one row, and what may be estimated with it.

Decisions *side by side* each ask whether the row's number is below their own probability; the row is kept if one of
them says so, that is if the number is below the largest: the joint probability is the maximum.

Decisions *one after the other* each keep a share of what the one before them kept. The second must not compare the
same number with its own rate r again: all that are left are below p, so what is kept would be those below min(p, r),
while p * r is on record. Of errors kept with r = 20/38 and then p = 0.1, 20 would be counted as 38. It compares with
p * r instead, which is a smaller sample inside of the first, and the joint probability is the product.

Thresholds may be learned from the rows themselves, as `BottomK` does. There the maximum is taken over the samples in
which a row *is*: where it is not, its number is above what it had to be below, so that sample cannot be the maximum.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from streams.core.columns import Floats, Mask


def joint_probability(policies: Sequence[Floats], steps: Iterable[Floats | float] = ()) -> Floats:
    """
    Return the probability of rows that policies keep side by side, after other steps or before them.

    Parameters
    ----------
    policies
        For each policy, its probability of each row; at least one policy.
    steps
        Probabilities of the steps one after the other, given what came before: the event's own, with which it was
        recorded, and shares that were kept of what the policies keep.

    Raises
    ------
    ValueError
        If there is no policy, or a probability is outside [0, 1].

    >>> joint_probability([np.array([0.1, 0.1]), np.array([1.0, 0.0])], [0.5]).tolist()
    [0.5, 0.05]
    """
    if not policies:
        raise ValueError("no policy is given, so there is no probability: give one array of zeros to keep nothing")
    joint: Floats = np.maximum.reduce([_checked(one) for one in policies])
    for step in steps:
        joint = joint * _checked(step)
    return joint


def known_probability(before: Floats, in_full: Mask, after: Floats | float = 1.0) -> Floats:
    """
    Return the probability of labelled rows, where those of a kind that shows only with the label are kept in full.

    A row is there once its label has come if it was kept as a prediction, or is of that kind, such as an error; as
    both rest on the same number the larger probability is that of being there, whether or not it was kept before. So
    rows that landed as predictions and turn out to be errors must be given this probability instead of the old one.

    Parameters
    ----------
    before
        The joint probability with which each was kept as a prediction; also of those that were not kept.
    in_full
        Which are of that kind.
    after
        With what probability those are kept: 1, or less where a budget bounds them too.

    >>> known_probability(np.array([0.1, 0.1]), np.array([True, False])).tolist()
    [1.0, 0.1]
    """
    return np.where(in_full, np.maximum(_checked(before), _checked(after)), before)


def estimated_total(values: Floats, probability: Floats) -> tuple[float, float]:
    """
    Estimate a total over all rows from those that were kept, and its standard error.

    Horvitz & Thompson (1952): the sum of values over probabilities has the total as its mean. Where rows are kept
    independently its variance is estimated, without bias, by the sum of (1 - p) (value / p)^2; that holds for
    bottom-k samples as well, whose estimates are uncorrelated (Duffield, Lund & Thorup 2007, "Priority sampling for
    estimation of arbitrary subset sums", theorem 2).

    Raises
    ------
    ValueError
        If a probability is not above 0: such a row cannot have been kept.

    >>> estimated_total(np.array([1.0, 1.0]), np.array([0.5, 1.0]))
    (3.0, 1.4142135623730951)
    """
    if not (_checked(probability) > 0).all():
        raise ValueError("a row that was kept has the probability 0: probabilities must be above 0")
    expanded = values / probability
    return float(expanded.sum()), float(np.sqrt(((1 - probability) * expanded**2).sum()))


def _checked(probability: Floats | float) -> Floats:
    checked = np.asarray(probability, np.float64)
    wrong = ~((checked >= 0) & (checked <= 1))
    if wrong.any():
        raise ValueError(f"{checked[wrong].flat[0]} is no probability: it must be from 0 to 1")
    return checked
