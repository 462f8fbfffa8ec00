"""Numbers as people read them: as many digits as the evidence carries, and no more."""

from __future__ import annotations

import math
from datetime import datetime

_SIGNIFICANT = 3
_MOST_DIGITS = 9  # behind the point; smaller numbers are written with an exponent
_LARGEST = 1e9  # from here on as well


def digits_for(scale: float) -> int:
    """
    Digits behind the point with which a number of this size shows three that count.

    >>> digits_for(0.0156), digits_for(15.6), digits_for(1560.0), digits_for(0.0)
    (4, 1, 0, 2)
    """
    if not (math.isfinite(scale) and scale > 0):
        return _SIGNIFICANT - 1
    return max(0, _SIGNIFICANT - 1 - math.floor(math.log10(scale)))


def number(value: float | None, digits: int, *, signed: bool = False) -> str:
    """
    Write a number with so many digits behind the point; `-` if there is none.

    >>> number(0.01234, 3), number(12345.0, 0, signed=True), number(None, 2), number(-math.inf, 2)
    ('0.012', '+12,345', '-', '-inf')
    """
    if value is None:
        return "-"
    sign = "+" if signed else ""
    if digits > _MOST_DIGITS or _LARGEST <= abs(value) < math.inf:
        return f"{value:{sign}.{_SIGNIFICANT}g}"
    return f"{value:{sign},.{digits}f}"


def interval(low: float | None, high: float | None, digits: int) -> str:
    """
    Write an interval; a side of which nothing is known is infinite, and `-` says that none is.

    >>> interval(-0.01, None, 2), interval(None, None, 2)
    ('[-0.01, +inf]', '-')
    """
    below, above = -math.inf if low is None else low, math.inf if high is None else high
    if (below, above) == (-math.inf, math.inf):
        return "-"
    return f"[{number(below, digits, signed=True)}, {number(above, digits, signed=True)}]"


def width(low: float | None, high: float | None) -> float:
    """Return how long an interval is; inf where a side is not known."""
    return math.inf if low is None or high is None else high - low


def percent(share: float | None) -> str:
    """
    Write a share.

    >>> percent(0.9812), percent(None)
    ('98.1%', '-')
    """
    return "-" if share is None else f"{share:.1%}"


def e_value(log_e: float) -> str:
    """
    Write an e-value from its natural logarithm; it may be too large for a number.

    >>> e_value(0.0), e_value(9.4), e_value(20.0), e_value(1234.5), e_value(math.inf)
    ('1', '12,088', '4.9e+08', 'e^1234', 'inf')
    """
    if log_e > math.log(1e300) and math.isfinite(log_e):
        return f"e^{log_e:.4g}"
    value = math.exp(log_e)
    return f"{value:,.0f}" if 1e3 <= value < 1e6 else f"{value:.3g}" if value < 1e3 else f"{value:.2g}"


def p_value(p: float) -> str:
    """
    Write a p-value, with two digits that count.

    >>> p_value(0.04321), p_value(0.0)
    ('0.043', '<1e-300')
    """
    return f"{p:.2g}" if p > 0 else "<1e-300"


def about(count: float) -> str:
    """
    Write a count that is only an estimate, with two digits that count.

    >>> about(12_345), about(7.2)
    ('12,000', '8')
    """
    if count < 10:
        return f"{math.ceil(count)}"
    unit = 10 ** (math.floor(math.log10(count)) - 1)
    return f"{round(count / unit) * unit:,}"


def moment(time: datetime) -> str:
    """
    Write a time in UTC, as a date if it is midnight.

    >>> moment(datetime(2026, 2, 11)), moment(datetime(2026, 2, 11, 14, 30))
    ('2026-02-11', '2026-02-11 14:30')
    """
    return time.strftime("%Y-%m-%d" if (time.hour, time.minute) == (0, 0) else "%Y-%m-%d %H:%M")
