"""Which windows are shown when, and what is in them."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.exact import Exact
from streams.core.groups import Groups, SlicePlan
from streams.core.panes import Panes
from streams.core.window import Cohorts, Horizons, Windower
from streams.core.window_spec import WindowSpec, pane_size
from tests.core.making import ints

SECOND = 1_000_000
SPAN = 5  # seconds behind its end that a window becomes final
Row = tuple[str, str, int, int, bool, float]


class Board:
    """Counts of events by city in windows; all times in seconds."""

    def __init__(self, *windows: str, max_groups: int = 100) -> None:
        self.specs = [WindowSpec.parse(name) for name in windows]
        self.groups = Groups({"m": SlicePlan(((), ("city",)), max_groups)})
        self.panes = Panes(pane_size(self.specs), ("0:n",), {"h": ("0:n",)})
        self.windower = Windower(self.panes, self.specs)

    def count(self, city: str, *times: int) -> None:
        """Count an event of a city at each time, its last digit as the bin of a histogram."""
        for time in times:
            cohort = self.groups.cohort("m", "1", {"city": city}, time * SECOND)
            slot = self.panes.touch(self.panes.keys_of(ints([cohort]), ints([time * SECOND])))
            self.panes.cells.add("0:n", slot, Exact.of(np.ones(1)))
            table = self.panes.histograms["h"]
            table.add("0:n", table.resolve(self.panes.entry_keys("h", slot, ints([time % 10]))), Exact.of(np.ones(1)))

    def show(self, watermark: int, *, provisional: bool = True, decide: bool = True) -> list[Row]:
        """Return the windows shown as (window, city or "", start, end, final, count), sorted."""
        if decide:
            self.groups.admit(watermark * SECOND)
        cohorts = Cohorts.of(self.groups)
        many = len(self.groups.groups), len(self.groups)
        horizons = Horizons(*(np.full(count, SPAN * SECOND, np.int64) for count in many))
        uses = {spec.name: np.ones(many[1], np.bool_) for spec in self.specs}
        rows: list[Row] = []
        for shown in self.windower.show(cohorts, uses, horizons, watermark * SECOND, provisional=provisional):
            cities = ["".join(self.groups.groups[g].slice.values) for g in shown.group.tolist()]
            starts, ends = ((times // SECOND).tolist() for times in (shown.start, shown.end))
            assert shown.totals.seconds.tolist() == [end - start for start, end in zip(starts, ends, strict=True)]
            histogram = shown.totals.histograms["h"]
            binned = np.bincount(histogram.row, histogram.columns["0:n"], minlength=histogram.rows)
            assert binned.tolist() == shown.totals["0:n"].tolist()
            numbers = zip(starts, ends, shown.final.tolist(), shown.totals["0:n"].tolist(), strict=True)
            rows += [(shown.spec.name, city, *rest) for city, rest in zip(cities, numbers, strict=True)]
        return sorted(rows)

    @property
    def cells(self) -> int:
        return len(self.panes.cells)


def whole(rows: list[Row]) -> list[Row]:
    """Rows of the slice without attributes."""
    return [row for row in rows if not row[1]]


def test_a_changed_window_is_shown_once() -> None:
    """A provisional look shows what changed since the last one, and only that."""
    board = Board("10s")
    board.count("a", 1, 2, 11)

    assert whole(board.show(12)) == [("10s", "", 0, 10, False, 2.0), ("10s", "", 10, 20, False, 1.0)]
    assert board.show(12) == []
    board.count("a", 12)
    assert whole(board.show(12)) == [("10s", "", 10, 20, False, 2.0)]


def test_a_final_window_is_shown_once_more_and_forgotten() -> None:
    """At its end plus the span a window is shown as final, changed or not, and its cells are dropped."""
    board = Board("10s")
    board.count("a", 1)
    board.show(14)
    before = board.show(14), board.cells
    final = board.show(15)

    assert before == ([], 1)
    assert final == [("10s", "", 0, 10, True, 1.0), ("10s", "a", 0, 10, True, 1.0)]
    assert (board.cells, board.show(99)) == (0, [])


def test_between_looks_only_final_windows_are_shown() -> None:
    """Without `provisional`, changed windows wait, and stay changed until a look that is."""
    board = Board("10s")
    board.count("a", 1, 11)

    assert whole(board.show(15, provisional=False)) == [("10s", "", 0, 10, True, 1.0)]
    assert whole(board.show(15)) == [("10s", "", 10, 20, False, 1.0)]


def test_a_window_that_was_never_provisional_is_shown_final() -> None:
    """A window that becomes final before the first look is shown once, as final."""
    board = Board("10s")
    board.count("a", 1)

    assert whole(board.show(1_000)) == [("10s", "", 0, 10, True, 1.0)]


def test_sliding_windows_share_their_cells() -> None:
    """An event is in every window over it; a cell is kept until the last of them is final."""
    board = Board("4s/2s")
    board.count("a", 3)
    shown = whole(board.show(0, decide=False))
    kept = []
    for watermark in (8, 9, 10, 11):
        final = [row[2:5] for row in whole(board.show(watermark)) if row[4]]
        kept.append((final, board.cells))

    assert shown == [("4s/2s", "", 0, 4, False, 1.0), ("4s/2s", "", 2, 6, False, 1.0)]
    assert kept == [([], 1), ([(0, 4, True)], 1), ([], 1), ([(2, 6, True)], 0)]


def test_a_change_shows_every_cell_of_its_windows() -> None:
    """A window is shown with all it holds, also when only one of its cells has changed."""
    board = Board("4s/2s")
    board.count("a", 1, 3)
    board.show(4)
    board.count("a", 5)

    assert whole(board.show(4)) == [("4s/2s", "", 2, 6, False, 2.0), ("4s/2s", "", 4, 8, False, 1.0)]


def test_windows_of_several_kinds_are_made_of_the_same_cells() -> None:
    """A cell outlives its short window while a long one is open, and the short one is not shown again."""
    board = Board("10s", "30s")
    board.count("a", 1, 11)
    first = whole(board.show(16))
    board.count("a", 12)

    assert first == [
        ("10s", "", 0, 10, True, 1.0),
        ("10s", "", 10, 20, False, 1.0),
        ("30s", "", 0, 30, False, 2.0),
    ]
    assert board.cells == 2
    assert whole(board.show(16)) == [("10s", "", 10, 20, False, 2.0), ("30s", "", 0, 30, False, 3.0)]


@pytest.mark.parametrize(("year", "days"), [(2023, 28), (2024, 29)])
def test_months_are_those_of_the_calendar(year: int, days: int) -> None:
    """February ends where March begins, leap year or not."""
    start = int(datetime(year, 2, 1, tzinfo=UTC).timestamp())
    end = start + days * 86_400
    board = Board("1mo")
    board.count("a", start, end - 1, end)

    assert whole(board.show(end + SPAN)) == [
        ("1mo", "", start, end, True, 2.0),
        ("1mo", "", end, end + 31 * 86_400, False, 1.0),
    ]


def test_a_group_is_shown_when_it_has_been_decided_on() -> None:
    """Before the watermark has passed its first event a slice is not shown; afterwards it is, changed or not."""
    board = Board("10s")
    board.count("a", 3)

    assert board.show(3) == [("10s", "", 0, 10, False, 1.0)]
    assert ("10s", "a", 0, 10, False, 1.0) in board.show(4)


def test_refused_groups_are_shown_together() -> None:
    """Over the cap, the cities that came later are one `__other__`, and none of them is shown by name."""
    board = Board("10s", max_groups=1)
    board.count("a", 1)
    board.count("b", 2)
    board.count("c", 3, 4)

    assert board.show(9) == [
        ("10s", "", 0, 10, False, 4.0),
        ("10s", "__other__", 0, 10, False, 3.0),
        ("10s", "a", 0, 10, False, 1.0),
    ]


def test_models_have_the_windows_that_they_use() -> None:
    """A cohort whose model does not use a window is not in it, and is dropped when its own windows are final."""
    board = Board("10s", "30s")
    board.count("a", 1)
    cohorts, horizon = Cohorts.of(board.groups), Horizons(ints([0, 0]), ints([0]))
    uses = {"10s": np.array([True]), "30s": np.array([False])}

    shown = [w.spec.name for w in board.windower.show(cohorts, uses, horizon, 10 * SECOND, provisional=True)]

    assert (shown, board.cells) == (["10s"], 0)


def test_nothing_is_shown_of_nothing() -> None:
    """Without events there are no windows."""
    assert Board("10s").show(100) == []


@settings(max_examples=60)
@given(
    events=st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 60)), max_size=20),
    looks=st.lists(st.booleans(), min_size=20, max_size=20),
    stop=st.integers(0, 20),
)
def test_the_last_rows_do_not_depend_on_when_was_looked(
    events: list[tuple[str, int]], looks: list[bool], stop: int
) -> None:
    """Looking after any events, with a restart from a snapshot, ends in the rows of a single look, all final."""
    board = Board("10s", "8s/2s")
    newest: dict[tuple[str, str, int, int], tuple[bool, float]] = {}
    for place, (city, time) in enumerate(sorted(events, key=lambda event: event[1])):
        board.count(city, time)
        rows = board.show(time, provisional=looks[place])
        newest |= {row[:4]: row[4:] for row in rows}
        if place == stop:
            saved = board.panes.snapshot(), board.windower.snapshot()
            board.panes.restore(saved[0])
            board.windower = Windower(board.panes, board.specs)
            board.windower.restore(saved[1])
    newest |= {row[:4]: row[4:] for row in board.show(1_000)}
    plain = Board("10s", "8s/2s")
    for city, time in events:
        plain.count(city, time)

    assert newest == {row[:4]: row[4:] for row in plain.show(1_000)}
    assert all(final for final, _ in newest.values())
    assert board.cells == 0
