"""Windows against calendars and brute force."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import floor, gcd

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.window_spec import (
    DAY,
    MAX_DURATION,
    MAX_OVERLAP,
    SECOND,
    WindowSpec,
    format_duration,
    pane_size,
    parse_duration,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
YEAR_9000 = 221_845_392_000 * SECOND
HOUR = 3_600 * SECOND
UNITS = {"s": SECOND, "m": 60 * SECOND, "h": HOUR, "d": DAY, "w": 7 * DAY}

times = st.lists(st.integers(0, YEAR_9000), min_size=1, max_size=20)
durations = st.builds(lambda n, unit: f"{n}{unit}", st.integers(1, 400), st.sampled_from("smhdw"))


@st.composite
def fixed_windows(draw: st.DrawFn) -> WindowSpec:
    """Tumbling windows, and sliding ones whose slide divides their size."""
    unit, slide, overlap = draw(st.sampled_from("smhdw")), draw(st.integers(1, 50)), draw(st.integers(1, 30))
    return WindowSpec.parse(f"{slide * overlap}{unit}/{slide}{unit}")


calendar_windows = st.integers(1, 30).map(lambda n: WindowSpec.parse(f"{n}mo"))
windows = st.one_of(fixed_windows(), calendar_windows)


def microseconds(moment: datetime) -> int:
    """Whole microseconds since the epoch, by exact timedelta arithmetic."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def month_start(index: int) -> int:
    """First microsecond of the month that is `index` months after January 1970."""
    return microseconds(datetime(1970 + index // 12, index % 12 + 1, 1, tzinfo=UTC))


def brute_windows(spec: WindowSpec, time: int) -> list[tuple[int, int]]:
    """All windows [start, end) of a kind that contain a time, by dates and fractions, earliest first."""
    if spec.months:
        date = EPOCH + timedelta(microseconds=time)
        index = ((date.year - 1970) * 12 + date.month - 1) // spec.months * spec.months
        return [(month_start(index), month_start(index + spec.months))]
    last = floor(Fraction(time, spec.slide))
    starts = [number * spec.slide for number in range(last - spec.size // spec.slide - 2, last + 3)]
    return [(start, start + spec.size) for start in starts if start <= time < start + spec.size]


@given(spec=windows, moments=times)
def test_every_time_is_in_exactly_the_windows_that_brute_force_finds(spec: WindowSpec, moments: list[int]) -> None:
    """starts_containing and ends_of agree with datetime and Fraction arithmetic for 1970 to 9000."""
    rows, starts = spec.starts_containing(np.array(moments, dtype=np.int64))
    expected = [(row, start, end) for row, time in enumerate(moments) for start, end in brute_windows(spec, time)]

    assert list(zip(rows.tolist(), starts.tolist(), spec.ends_of(starts).tolist(), strict=True)) == expected
    assert starts.dtype == rows.dtype == spec.ends_of(starts).dtype == np.int64


@given(spec=windows, moments=times)
def test_starts_of_is_the_last_window_that_contains_each_time(spec: WindowSpec, moments: list[int]) -> None:
    """starts_of picks the latest of the windows that brute force finds."""
    starts = spec.starts_of(np.array(moments, dtype=np.int64))

    assert starts.tolist() == [brute_windows(spec, time)[-1][0] for time in moments]


@given(spec=windows, moments=times)
def test_a_start_belongs_to_its_window_and_an_end_to_the_next(spec: WindowSpec, moments: list[int]) -> None:
    """Windows are half-open: starts_of is a fixed point on starts, and the end is in no such window."""
    starts = spec.starts_of(np.array(moments, dtype=np.int64))
    ends = spec.ends_of(starts)

    assert spec.starts_of(starts).tolist() == starts.tolist()
    assert (spec.starts_of(ends) > starts).all()
    assert (spec.starts_of(ends - 1) >= starts).all()


@given(specs=st.lists(windows, min_size=1, max_size=4), moments=times)
def test_windows_are_unions_of_whole_panes(specs: list[WindowSpec], moments: list[int]) -> None:
    """Every start and end of every window is a multiple of the pane, and no pane straddles a window."""
    pane = pane_size(specs)
    moment = np.array(moments, dtype=np.int64)

    for spec in specs:
        _, starts = spec.starts_containing(moment)
        _, of_panes = spec.starts_containing(moment - moment % pane)

        assert not (starts % pane).any()
        assert not (spec.ends_of(starts) % pane).any()
        assert starts.tolist() == of_panes.tolist()


@given(specs=st.lists(windows, min_size=1, max_size=4))
def test_the_pane_is_the_largest_that_fits(specs: list[WindowSpec]) -> None:
    """The pane is the greatest common divisor of the edges of real windows, so no larger one would fit."""
    edges = []
    for spec in specs:
        first = spec.starts_of(np.array([5_000 * DAY], dtype=np.int64))
        for _ in range(36):
            edges += [*first.tolist(), *spec.ends_of(first).tolist()]
            first = first + spec.slide if spec.slide else spec.ends_of(first)

    assert pane_size(specs) == gcd(*edges)


def test_panes_of_the_usual_windows() -> None:
    """Days and weeks share a day, a sliding window adds its slide, months add a day."""

    def pane(*names: str) -> int:
        return pane_size(map(WindowSpec.parse, names))

    assert pane("1d", "7d") == DAY
    assert pane("15m/1m", "1d") == 60 * SECOND
    assert pane("1mo") == pane("1mo", "1w") == DAY
    assert pane("1mo", "1h") == HOUR
    assert pane("6h", "4h") == 2 * HOUR


def test_no_windows_have_no_pane() -> None:
    """An empty list of windows is refused rather than given a pane of 0."""
    with pytest.raises(ValueError, match="no windows"):
        pane_size([])


def test_windows_read_their_parts() -> None:
    """Tumbling windows slide by their size; sliding ones name both; calendar ones count months."""
    assert WindowSpec.parse("7d") == WindowSpec("7d", 7 * DAY, 7 * DAY, 0)
    assert WindowSpec.parse("15m/1m") == WindowSpec("15m/1m", 900 * SECOND, 60 * SECOND, 0)
    assert WindowSpec.parse("3mo") == WindowSpec("3mo", 0, 0, 3)
    assert [WindowSpec.parse(name).overlap for name in ("7d", "15m/1m", "3mo")] == [1, 15, 1]


def test_february_of_a_leap_year_has_29_days() -> None:
    """A calendar window ends where the next month begins, leap years included (2000 is one, 2100 is not)."""
    starts = np.array([microseconds(datetime(year, 2, 1, tzinfo=UTC)) for year in (2000, 2023, 2100)], dtype=np.int64)

    days = (WindowSpec.parse("1mo").ends_of(starts) - starts) // DAY

    assert days.tolist() == [29, 28, 28]


def test_no_times_have_no_windows() -> None:
    """Empty input gives empty output of the right type."""
    rows, starts = WindowSpec.parse("1h/1m").starts_containing(np.array([], dtype=np.int64))

    assert (rows.shape, starts.shape, starts.dtype) == ((0,), (0,), np.dtype(np.int64))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a window such as"),
        ("1 d", "is not a window such as"),
        ("1D", "is not a window such as"),
        ("1y", "is not a window such as"),
        ("-1d", "is not a window such as"),
        ("1.5h", "is not a window such as"),
        ("\u0661d", "is not a window such as"),
        ("1d/", "is not a window such as"),
        ("1h/1m/1s", "is not a window such as"),
        ("9" * 5_000 + "d", "is not a window such as"),
        ("0d", "is zero"),
        ("0mo", "is zero"),
        ("1d/0s", "is zero"),
        ("1h/2h", "leaves gaps"),
        ("1h/7m", "does not fit"),
        ("1441s/1s", "1,441 windows, at most 1,440"),
        ("1mo/1d", "months do not slide"),
        ("1d/1mo", "months do not slide"),
        ("1201mo", "1mo to 1200mo"),
        ("36526d", "too long"),
    ],
)
def test_illegal_windows_are_refused_by_name(text: str, message: str) -> None:
    """What is no window says so, with the text that was given."""
    with pytest.raises(ValueError, match=message) as error:
        WindowSpec.parse(text)

    assert f'"{text}"' in str(error.value)


def test_limits_themselves_are_legal() -> None:
    """1,440 windows an event, 1,200 months and a century are the last values allowed."""
    assert WindowSpec.parse("1d/1m").overlap == MAX_OVERLAP
    assert WindowSpec.parse("1200mo").months == 1_200
    assert WindowSpec.parse("36525d").size == MAX_DURATION


@pytest.mark.parametrize(
    ("size", "slide", "months"), [(0, 0, 0), (-DAY, -DAY, 0), (DAY, 0, 0), (0, 0, -1), (DAY, DAY, 1)]
)
def test_windows_made_by_hand_are_checked_too(size: int, slide: int, months: int) -> None:
    """The constructor refuses what could not have been parsed."""
    with pytest.raises(ValueError, match='"odd"'):
        WindowSpec("odd", size, slide, months)


@given(st.dictionaries(st.sampled_from("wdhms"), st.integers(1, 99), min_size=1))
def test_durations_add_up_their_parts(parts: dict[str, int]) -> None:
    """Units may be combined, largest first, each once."""
    text = "".join(f"{parts[unit]}{unit}" for unit in "wdhms" if unit in parts)

    assert parse_duration(text) == sum(count * UNITS[unit] for unit, count in parts.items())


@given(st.integers(1, MAX_DURATION // SECOND))
def test_formatted_durations_parse_back(seconds: int) -> None:
    """parse_duration reads what format_duration writes, for every whole second up to the limit."""
    assert parse_duration(format_duration(seconds * SECOND)) == seconds * SECOND


def test_durations_are_written_for_people() -> None:
    """Zero parts are left out; fractions and signs are shown."""
    written = [format_duration(us) for us in (0, 90 * SECOND, 7 * DAY, DAY + SECOND, 1, -1_500_000, -HOUR)]

    assert written == ["0s", "1m30s", "7d", "1d1s", "0.000001s", "-1.5s", "-1h"]


def test_zero_is_a_duration_only_where_it_is_allowed() -> None:
    """Zero is refused by default."""
    assert parse_duration("0s", allow_zero=True) == 0
    with pytest.raises(ValueError, match='"0s" is zero'):
        parse_duration("0s")


@pytest.mark.parametrize("text", ["", "d", "30", "30 d", "1m1h", "1h1h", "1us", "+1d", "1d\n"])
def test_text_that_is_no_duration_is_refused(text: str) -> None:
    """Unknown units, missing units, signs, spaces and units out of order are errors that quote the text."""
    with pytest.raises(ValueError, match="is not a duration: write whole numbers"):
        parse_duration(text)


def test_months_are_no_duration() -> None:
    """A month has no fixed length, which the message says."""
    with pytest.raises(ValueError, match="months differ in length"):
        parse_duration("1mo")
