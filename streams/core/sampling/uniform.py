"""
One number for each request, on which every decision about it rests.

That the number is the same for each decision, in every process and on every topic, is what makes samples consistent
(permanent random numbers, Brewer, Early & Joyce 1972; Ohlsson 1995, "Coordination of samples using permanent random
numbers"): a prediction and its outcome are kept or left together, and what a rate keeps, every higher rate keeps too.
"""

from __future__ import annotations

import numpy as np

from streams.core.columns import Floats, Hashes, Mask
from streams.core.ids import hash_text

_STEP = 2.0**-53  # between neighbouring numbers: all of them are exact doubles
_DROPPED = np.uint64(11)  # bits of a hash that a double has no room for


def uniforms(keys: Hashes, salt: str = "") -> Floats:
    """
    Return the number of each request, in [0, 1).

    Parameters
    ----------
    keys
        Hashes of requests' ids, as `identify` gives them.
    salt
        Another salt draws the numbers anew, independent of the old ones; none takes the hash as it is. Whoever
        samples by the same hash before must be told apart by a salt, or both keep the same requests.

    >>> uniforms(np.array([0, 2**63, 2**64 - 1], np.uint64)).tolist()
    [0.0, 0.5, 0.9999999999999999]
    """
    return (_salted(keys, salt) >> _DROPPED).astype(np.float64) * _STEP


def kept(uniform: Floats, probability: Floats | float) -> Mask:
    """
    Mask of what is kept with these probabilities: 1 keeps everything, 0 nothing.

    >>> kept(np.array([0.0, 0.3, 0.7]), np.array([0.0, 0.5, 0.5])).tolist()
    [False, True, False]
    """
    below: Mask = uniform < probability
    return below


def _salted(keys: Hashes, salt: str) -> Hashes:
    """Mix in a salt by the finalizer of SplitMix64 (Steele, Lea & Flood 2014, "Fast splittable PRNGs", figure 17)."""
    if not salt:
        return keys
    with np.errstate(over="ignore"):
        mixed = keys + np.uint64(hash_text(salt))
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return mixed ^ (mixed >> np.uint64(31))
