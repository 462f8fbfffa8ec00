"""The flights are all there, named uniquely, and say of themselves what the records say."""

import polars as pl
import pytest

from streams.demo.flights import require
from streams.demo.models import DEFAULTS
from streams.errors import UsageError

MINUTE_US = 60_000_000


def test_every_flight_is_read(flights: pl.DataFrame) -> None:
    """There are 336,776 flights, and 9,430 of them have no arrival delay, hence neither outcome nor its time."""
    unlabelled = flights.filter(pl.col("late").is_null())

    assert len(flights) == 336_776
    assert len(unlabelled) == 9_430
    assert unlabelled["outcome_time"].null_count() == 9_430
    assert flights["outcome_time"].null_count() == 9_430


def test_ids_are_unique(flights: pl.DataFrame) -> None:
    """No two flights have the same id."""
    assert flights["flight_id"].is_unique().all()


def test_flights_come_in_order_of_departure(flights: pl.DataFrame) -> None:
    """The flights are sorted by scheduled departure."""
    assert flights["departure_time"].is_sorted()


def test_no_outcome_comes_before_its_flight(flights: pl.DataFrame) -> None:
    """Every flight lands after its scheduled departure, and the last within 33 hours: far within the label horizon."""
    hours = (flights["outcome_time"] - flights["departure_time"]).drop_nulls() / (60 * MINUTE_US)

    assert hours.to_numpy().min() > 0
    assert hours.to_numpy().max() < 33


def test_first_flight_is_as_recorded(flights: pl.DataFrame) -> None:
    """UA 1545 left at 5:15 in New York (10:15 UTC) + 2 minutes, flew 227 minutes and was 11 minutes late: on time."""
    departure = 1_357_035_300_000_000
    first = flights.row(0, named=True)

    assert first == {
        "flight_id": "20130101T1015-UA1545-EWR",
        "departure_time": departure,
        "outcome_time": departure + (2 + 227) * MINUTE_US,
        "carrier": "UA",
        "origin": "EWR",
        "dest": "IAH",
        "hour": 5,
        "distance": 1400.0,
        "late": False,
    }


def test_about_a_quarter_is_late(flights: pl.DataFrame) -> None:
    """77,630 flights arrived more than 15 minutes late, 23.7 % of those that arrived."""
    assert flights["late"].sum() == 77_630


def test_the_day_before_the_freeze_is_as_the_report_says(flights: pl.DataFrame) -> None:
    """On 31 January (UTC), the last day that the static model knows, 46 % of flights were late."""
    freeze = DEFAULTS.freeze_at
    last_day = flights.filter(pl.col("departure_time").is_between(freeze - 24 * 60 * MINUTE_US, freeze, closed="left"))

    assert round(last_day["late"].drop_nulls().to_numpy().mean(), 2) == 0.46


def test_missing_package_is_named() -> None:
    """If the demo's extra is not installed, the error says which package is missing and how to install it."""
    with pytest.raises(UsageError, match=r"package no_such_flights, .* run `pip install 'streams\[demo\]'`"):
        require("no_such_flights")
