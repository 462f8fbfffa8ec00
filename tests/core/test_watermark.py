"""Watermarks over several inputs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.core.watermark import NEVER, Watermarks

SOURCES = ("a", "b", "c")
steps = st.lists(
    st.tuples(st.sampled_from(["open", "see", "close", "value"]), st.sampled_from(SOURCES), st.integers(0, 1_000)),
    max_size=30,
)


def follow(marks: Watermarks, moves: list[tuple[str, str, int]]) -> list[int]:
    """Make the moves; return the watermark after each."""
    values = []
    for what, source, time in moves:
        if what == "see":
            marks.see(source, time)
        elif what != "value":
            getattr(marks, what)(source)
        values.append(marks.value())
    return values


@given(moves=steps)
def test_the_watermark_never_goes_back(moves: list[tuple[str, str, int]]) -> None:
    """Whatever inputs open, show and close, values only grow."""
    values = follow(Watermarks(10), moves)

    assert values == sorted(values)


@given(moves=steps)
def test_the_watermark_is_what_some_live_input_allows(moves: list[tuple[str, str, int]]) -> None:
    """No value passes the largest event time; while all inputs are live none passes the slowest less the disorder."""
    marks = Watermarks(10)
    for source in SOURCES:
        marks.open(source)
    values = follow(marks, [move for move in moves if move[0] != "close"])
    largest = [max([t for what, s, t in moves if (what, s) == ("see", name)], default=NEVER) for name in SOURCES]
    slowest = min(largest)

    assert all(value <= (slowest - 10 if slowest > NEVER else NEVER) for value in values)


def test_an_input_that_has_shown_nothing_holds_all_back() -> None:
    """An idle input keeps the watermark at never, however far the others are."""
    marks = Watermarks(10)
    marks.open("a")
    marks.open("idle")
    marks.see("a", 1_000)

    assert marks.value() == NEVER
    assert (marks.of("a"), marks.of("idle")) == (990, NEVER)


def test_an_input_that_has_ended_holds_nothing_back() -> None:
    """Closing the slowest input lets the watermark follow the next one."""
    marks = Watermarks(10)
    for source, time in (("slow", 100), ("fast", 500)):
        marks.see(source, time)
    held = marks.value()
    marks.close("slow")

    assert (held, marks.value()) == (90, 490)


def test_at_the_end_of_all_inputs_nothing_is_missing() -> None:
    """When every input has ended the watermark is the largest event time of all, without the disorder."""
    marks = Watermarks(10)
    for source, time in (("a", 100), ("b", 500)):
        marks.see(source, time)
        marks.close(source)

    assert marks.value() == 500


def test_inputs_that_end_without_an_event_reach_nothing() -> None:
    """Closing inputs that showed nothing leaves the watermark at never."""
    marks = Watermarks(10)
    marks.open("a")
    marks.close("a")

    assert marks.value() == NEVER


def test_a_new_input_does_not_take_the_watermark_back() -> None:
    """An input that opens late, or shows old events, leaves the watermark where it is."""
    marks = Watermarks(0)
    marks.see("a", 100)
    marks.open("late")
    held = marks.value()
    marks.see("late", 5)

    assert (held, marks.value()) == (NEVER, 5)
    marks.see("late", 100)
    assert marks.value() == 100
    marks.see("later still", 5)
    assert marks.value() == 100


def test_older_events_of_an_input_change_nothing() -> None:
    """An input's largest time counts, not its last."""
    marks = Watermarks(10)
    for time in (100, 40, 99):
        marks.see("a", time)

    assert marks.value() == 90


@given(before=steps, after=steps)
def test_a_restored_watermark_goes_on_as_if_nothing_had_happened(
    before: list[tuple[str, str, int]], after: list[tuple[str, str, int]]
) -> None:
    """A copy made from a snapshot gives the same values as the original from there on."""
    marks, copy = Watermarks(10), Watermarks(10)
    follow(marks, before)
    copy.restore(marks.snapshot())

    assert follow(copy, after) == follow(marks, after)


def test_a_snapshot_stays_what_it_was() -> None:
    """Events seen after a snapshot are not in it."""
    marks, copy = Watermarks(10), Watermarks(10)
    marks.see("a", 100)
    saved = marks.snapshot()
    marks.see("a", 500)
    copy.restore(saved)

    assert copy.value() == 90


def test_an_idle_input_holds_nothing_back_until_it_shows_an_event() -> None:
    """While it rests the watermark follows the others; then it counts again, and takes nothing back."""
    marks = Watermarks(10)
    for source, time in (("slow", 100), ("fast", 500)):
        marks.see(source, time)
    marks.rest("slow")
    resting = marks.value()
    marks.see("slow", 150)
    marks.see("fast", 900)
    awake = marks.value()
    marks.see("slow", 800)

    assert (resting, awake, marks.value()) == (490, 490, 790)


def test_when_all_inputs_rest_the_watermark_stays() -> None:
    """Nobody knows what is still to come; ending would say that nothing is."""
    marks = Watermarks(10)
    for source in ("a", "b"):
        marks.see(source, 100)
        marks.rest(source)

    assert (marks.value(), marks.all_ended()) == (NEVER, False)


def test_an_input_that_goes_on_has_not_ended() -> None:
    """It is waited for again, and the watermark does not go back."""
    marks = Watermarks(10)
    for source in ("a", "b"):
        marks.see(source, 100)
        marks.close(source)
    ended = (marks.all_ended(), marks.value())
    marks.see("a", 101)
    marks.see("b", 500)

    assert ended == (True, 100)
    assert (marks.all_ended(), marks.value()) == (False, 100)
    marks.close("b")
    marks.see("a", 300)
    assert marks.value() == 290


def test_none_has_ended_where_there_is_none() -> None:
    """Without inputs nothing has ended; with one that is open not all have."""
    marks = Watermarks(10)
    without = marks.all_ended()
    marks.see("a", 1)
    marks.close("a")
    marks.open("b")

    assert (without, marks.all_ended()) == (False, False)
