"""
A share of the requests, the same ones on all topics and in all services: what a service leaves to be recorded.

The numbers of requests are those of `streams.core.sampling.thinning`, computed for one event at a time.
"""

from __future__ import annotations

import msgspec
import xxhash

from streams.core.sampling.salts import EMITTED
from streams.emit.events import Event, Prediction, Summary
from streams.emit.policy import Policy

_WORD = (1 << 64) - 1
_SALT = xxhash.xxh3_64_intdigest(EMITTED.encode())
_STEP = 2.0**-53


def number_of(request: str) -> float:
    """
    Return the number of a request, in [0, 1): it is recorded if that is below the share.

    >>> number_of("r1")
    0.7736636514668586
    """
    mixed = (xxhash.xxh3_64_intdigest(request.encode()) + _SALT) & _WORD
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _WORD
    return ((mixed ^ (mixed >> 31)) >> 11) * _STEP


def recorded(event: Event, policy: Policy, least: float | None = None) -> Event | None:
    """
    Return an event as it is recorded, None if its request is left out.

    A prediction says with which chance it was recorded; outcomes and feedback follow theirs: a request has one number,
    and what a chance records, every larger one records too. Summaries are of all.
    """
    if isinstance(event, Summary):
        return event
    chance = min(policy.chance(event, least), 1.0)
    request = event.request_id or event.prediction_id
    if isinstance(request, str) and number_of(request) >= chance:
        return None
    if isinstance(event, Prediction) and chance < 1:
        return msgspec.structs.replace(event, inclusion_probability=event.inclusion_probability * chance)
    return event
