"""The flights and what the models say about them, made once: training takes some seconds."""

import polars as pl
import pytest

from streams.demo.flights import load_flights
from streams.demo.models import Floats, predict

JANUARY_22 = 1_358_812_800_000_000


@pytest.fixture(scope="session")
def flights() -> pl.DataFrame:
    return load_flights()


@pytest.fixture(scope="session")
def three_weeks(flights: pl.DataFrame) -> pl.DataFrame:
    return flights.filter(pl.col("departure_time") < JANUARY_22)


@pytest.fixture(scope="session")
def scores(flights: pl.DataFrame) -> dict[str, Floats]:
    return predict(flights)
