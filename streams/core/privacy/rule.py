"""Rules: what becomes of one value. Each gives the same when it is applied to what it gave."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from numbers import Real
from typing import Any, Literal

from streams.core.privacy.pseudonym import Pseudonyms

Action = Literal["keep", "drop", "hash", "truncate", "bucket", "known"]
Treat = Callable[[Any, int], Any]
"""From a value and the time of its event (us) to what may be stored of it; None where nothing may."""

_ROUNDING = 4  # units in the last place


@dataclass(frozen=True)
class Rule:
    """
    What becomes of a value.

    `truncate` keeps the first `amount` characters of a text, `bucket` rounds a number down to a multiple of `amount`,
    and `known` keeps a text that is one of `texts`, which the configuration or this program names itself.
    """

    action: Action
    amount: float = 0.0
    texts: frozenset[str] = frozenset()


KEEP, DROP, HASH = Rule("keep"), Rule("drop"), Rule("hash")


def known(texts: frozenset[str] | tuple[str, ...]) -> Rule:
    """Return the rule that keeps these texts and drops all others."""
    return Rule("known", texts=frozenset(texts))


def bucketed(number: float, width: float) -> float:
    """
    Round a number down to a multiple of the width; what is not finite, or so large that it is a multiple, stays.

    >>> bucketed(37.0, 10.0), bucketed(-1.0, 10.0), bucketed(0.3, 0.1) == 3 * 0.1
    (30.0, -10.0, True)
    """
    places = number / width
    if not math.isfinite(places):
        return number
    nearest = round(places)
    # A multiple of the width is one up to rounding: it must not fall into the bucket below.
    whole = nearest if abs(places - nearest) <= _ROUNDING * math.ulp(places) else math.floor(places)
    return whole * width


def treat_of(rule: Rule, path: str, pseudonyms: Pseudonyms | None) -> Treat:
    """
    Return the function of a rule at a path.

    A value of a type that the rule is not for is dropped, and so is what is to be hashed where there is no secret.
    """
    if rule.action == "keep":
        return _kept
    if rule.action == "truncate":
        return partial(_truncated, int(rule.amount))
    if rule.action == "known":
        return partial(_known, rule.texts)
    if rule.action == "hash" and pseudonyms is not None:
        return partial(_hashed, pseudonyms, path)
    if rule.action == "bucket":
        return partial(_in_bucket, rule.amount)
    return _dropped


def _kept(value: Any, _time: int) -> Any:
    return value


def _dropped(_value: Any, _time: int) -> None:
    return None


def _truncated(length: int, value: Any, _time: int) -> str | None:
    return value[:length] if isinstance(value, str) else None


def _known(texts: frozenset[str], value: Any, _time: int) -> str | None:
    return value if isinstance(value, str) and value in texts else None


def _hashed(pseudonyms: Pseudonyms, path: str, value: Any, time: int) -> str | None:
    if not isinstance(value, str):
        return None
    return pseudonyms.of(path, value, time) if value else ""  # an empty text names nothing


def _in_bucket(width: float, value: Any, _time: int) -> float | None:
    return bucketed(float(value), width) if _is_number(value) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
