"""
Windows: how long, how often and where they begin, for whole arrays of times at once.

A window is a half-open interval [start, end) of event time in integer microseconds since the Unix epoch, UTC.
Windows of fixed size begin at multiples of their slide, so weeks begin on Thursdays, as 1 January 1970 did;
windows of n calendar months begin at every n-th month from January 1970.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from math import gcd

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

SECOND = 1_000_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR
MAX_DURATION = 36_525 * DAY  # a century: keeps every sum of times up to the year 9000 far inside int64
MAX_MONTHS = 1_200
MAX_OVERLAP = 1_440

_UNITS = {"w": 7 * DAY, "d": DAY, "h": HOUR, "m": 60 * SECOND, "s": SECOND}
DURATION_PATTERN = "(?=.)" + "".join(f"(?:([0-9]{{1,15}}){unit})?" for unit in _UNITS)
MONTHS_PATTERN = "([0-9]{1,15})mo"
WINDOW_PATTERN = f"(?:{MONTHS_PATTERN}|{DURATION_PATTERN}(?:/{DURATION_PATTERN})?)"
_DURATION = re.compile(DURATION_PATTERN)
_MONTHS = re.compile(MONTHS_PATTERN)


def parse_duration(text: str, *, allow_zero: bool = False) -> int:
    """
    Read a duration such as "90s", "15m", "1h30m", "30d" or "2w" as microseconds.

    Raises
    ------
    ValueError
        If the text is no duration, is zero (unless `allow_zero`), or is longer than a century.

    >>> parse_duration("1h30m")
    5400000000
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        if _MONTHS.fullmatch(text):
            raise ValueError(f'"{text}" is not a duration: months differ in length, count days, such as "30d"')
        raise ValueError(
            f'"{text}" is not a duration: write whole numbers with the units w, d, h, m, s, largest first, '
            'such as "90s", "1h30m" or "30d"'
        )
    total = sum(int(count or 0) * unit for count, unit in zip(match.groups(), _UNITS.values(), strict=True))
    if total == 0 and not allow_zero:
        raise ValueError(f'"{text}" is zero: a duration here must be longer')
    if total > MAX_DURATION:
        raise ValueError(f'"{text}" is too long: a duration is at most {format_duration(MAX_DURATION)} (a century)')
    return total


def format_duration(us: int) -> str:
    """
    Write microseconds the way `parse_duration` reads them, in days, hours, minutes and seconds.

    What is below a second becomes a fraction, which `parse_duration` does not read.

    >>> format_duration(5_400_000_000), format_duration(30 * DAY), format_duration(0), format_duration(1_500_000)
    ('1h30m', '30d', '0s', '1.5s')
    """
    rest, parts = abs(us), []
    for unit in "dhm":
        count, rest = divmod(rest, _UNITS[unit])
        parts += [f"{count}{unit}"] if count else []
    if rest or not parts:
        whole, fraction = divmod(rest, SECOND)
        parts.append(f"{whole}.{fraction:06d}".rstrip("0").rstrip(".") + "s" if fraction else f"{whole}s")
    return "-" * (us < 0) + "".join(parts)


@dataclass(frozen=True, slots=True)
class WindowSpec:
    """
    One kind of window: "1d" tumbles, "15m/1m" is 15 minutes long and begins every minute, "1mo" is a calendar month.

    `size` and `slide` are microseconds, equal when windows tumble, and 0 for calendar windows;
    `months` is the length of a calendar window, 0 for all others. `name` is the text as it was written.

    Raises
    ------
    ValueError
        If the slide is longer than the size or does not divide it, or an event is in more than 1,440 windows.
    """

    name: str
    size: int
    slide: int
    months: int = 0

    def __post_init__(self) -> None:
        problem = _calendar_problem(self) if self.months else _fixed_problem(self)
        if problem:
            raise ValueError(f'"{self.name}" {problem}')

    @staticmethod
    def parse(text: str) -> WindowSpec:
        """
        Read "size", "size/slide" or "<n>mo".

        Raises
        ------
        ValueError
            If the text is none of these, or its window is not a legal one.

        >>> WindowSpec.parse("15m/1m")
        WindowSpec(name='15m/1m', size=900000000, slide=60000000, months=0)
        """
        calendar = _MONTHS.fullmatch(text)
        if calendar:
            if int(calendar[1]) == 0:
                raise ValueError(f'"{text}" is zero: a calendar window is 1mo or longer')
            return WindowSpec(text, 0, 0, int(calendar[1]))
        size_text, slash, slide_text = text.partition("/")
        if "mo" in text and slash:
            raise ValueError(f'"{text}" is not a window: calendar months do not slide, write "{size_text}"')
        try:
            size = parse_duration(size_text)
            slide = parse_duration(slide_text) if slash else size
        except ValueError as error:
            raise ValueError(f'"{text}" is not a window such as "1d", "15m/1m" or "1mo": {error}') from None
        return WindowSpec(text, size, slide)

    @property
    def overlap(self) -> int:
        """In how many windows each time is."""
        return 1 if self.months else self.size // self.slide

    def starts_of(self, times: Ints) -> Ints:
        """Start of the last window that contains each time; all in microseconds, same shape as `times`."""
        if not self.months:
            return times - times % self.slide
        month = times.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)
        return _month_starts(month - month % self.months)

    def ends_of(self, starts: Ints) -> Ints:
        """End (exclusive) of the window that begins at each start, in microseconds, same shape as `starts`."""
        if not self.months:
            return starts + self.size
        month = starts.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)
        return _month_starts(month + self.months)

    def starts_containing(self, times: Ints) -> tuple[Ints, Ints]:
        """
        Every window of every time: (rows, starts), both of shape (len(times) * overlap,).

        `starts[i]` begins a window that contains `times[rows[i]]`; ordered by row, then by start.
        """
        rows = np.repeat(np.arange(len(times), dtype=np.int64), self.overlap)
        back = np.arange(self.overlap - 1, -1, -1, dtype=np.int64) * self.slide
        return rows, (self.starts_of(times)[:, None] - back).ravel()


def pane_size(specs: Iterable[WindowSpec]) -> int:
    """
    Return the largest pane, in microseconds, such that every window is a union of whole panes.

    Panes begin at multiples of their size since the epoch. Calendar months begin and end at midnight and share
    no length longer than a day (28, 29, 30 and 31 days), so their panes divide a day.

    Raises
    ------
    ValueError
        If there are no windows.
    """
    lengths = [length for spec in specs for length in ((DAY,) if spec.months else (spec.size, spec.slide))]
    if not lengths:
        raise ValueError("no windows: there is no pane size without at least one window")
    return gcd(*lengths)


def _month_starts(months: Ints) -> Ints:
    """Turn months since January 1970 into microseconds since the epoch."""
    return months.astype("datetime64[M]").astype("datetime64[us]").astype(np.int64)


def _calendar_problem(spec: WindowSpec) -> str:
    """Say what is wrong with a calendar window, "" if nothing is."""
    if spec.size or spec.slide:
        return "has both months and a fixed size: a window has one or the other"
    if not 0 < spec.months <= MAX_MONTHS:
        return f"is not a calendar window of 1mo to {MAX_MONTHS}mo"
    return ""


def _fixed_problem(spec: WindowSpec) -> str:
    """Say what is wrong with a window of fixed size, "" if nothing is."""
    if spec.size <= 0 or spec.slide <= 0:
        return "is empty: size and slide must be longer than 0s"
    if spec.slide > spec.size:
        return "leaves gaps: the slide (after the slash) must not be longer than the size (before it)"
    if spec.size % spec.slide:
        return "does not fit: the slide (after the slash) must divide the size (before it)"
    if spec.size // spec.slide > MAX_OVERLAP:
        return (
            f"puts each event in {spec.size // spec.slide:,} windows, at most {MAX_OVERLAP:,} are allowed: "
            "make the slide longer"
        )
    return ""
