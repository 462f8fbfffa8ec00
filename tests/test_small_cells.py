"""No row is about fewer units than declared, whatever the events and however they are cut; all others are there."""

from __future__ import annotations

import json
from collections import defaultdict
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from xxhash import xxh3_64_intdigest

from streams.config import Config, parse_config
from streams.core.catalog import Catalog
from streams.core.measures import Measures
from streams.core.metric.crowd import bins_for
from streams.core.summary import Sums
from streams.core.watermark import FOREVER
from streams.pipeline import Downstream, Pipeline
from streams.runtime.snapshot import load, save
from tests.core.test_summary import split
from tests.driving import FAR_FUTURE, Tables, block_of, drive, gather
from tests.oracle import Key, case_of, cases_of, duration, filled
from tests.oracle import gather as by_window
from tests.oracle_metrics import Case, measure
from tests.streams_strategy import Delivery, Event, Part, Stream, make_delivery, make_stream, streams

QUICK = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
Row = dict[str, Any]
Counted = dict[tuple[Key, str], set[str]]


def declared(stream: Stream, smallest: int = 1) -> Config:
    config = stream.config | {"privacy": {"smallest_cell": smallest}}
    return parse_config(json.dumps(config), "the generated configuration")


def peopled(stream: Stream, people: int, seed: int) -> Stream:
    """Say of most predictions whom they are for; those of one request and id are for one unit."""

    def whom(event: Event) -> Event:
        rng = Random(f"{seed} {event.get('request_id')} {event.get('prediction_id')}")
        known = event["type"] == "prediction" and rng.random() < 0.9
        return event | {"unit_id": rng.choice(("", *map(str, range(people))))} if known else event

    return Stream(stream.config, [whom(event) for event in stream.events], stream.disorder, stream.seed)


def truth(stream: Stream) -> Counted:
    """List the distinct units behind every row, by brute force: those of which some case counts by itself."""
    disorder = duration(stream.config.get("disorder", "1d"))
    kinds = ("prediction", "outcome", "feedback")
    predictions, outcomes, feedback = ([filled(e) for e in stream.events if e["type"] == kind] for kind in kinds)
    models = stream.config["models"]
    distinct = {(p["request_id"], p["prediction_id"]): p for p in predictions}
    cases = [case_of(p, models[p["model"]], outcomes, feedback, disorder) for p in distinct.values()]
    found: Counted = defaultdict(set)
    for name, model in models.items():
        for (key, _), members in by_window(name, model, cases_of(name, cases)).items():
            for metric in model["metrics"]:
                found[key, metric] = {unit_of(case) for case in members if measure(metric, [case])[1] > 0}
    return found


def unit_of(case: Case) -> str:
    return str(case.prediction.get("unit_id") or case.prediction["request_id"])


def key_of(row: Row) -> tuple[Key, str]:
    start = int(row["window_start"].timestamp()) * 1_000_000
    return Key(row["model"], row["version"], row["window"], start, tuple(sorted(row["slice"]))), row["metric"]


def newest(rows: list[Row]) -> dict[tuple[Key, str], Row]:
    """Return what the store keeps of rows."""
    return {key_of(row): row for row in sorted(rows, key=lambda row: row["revision"])}


def assert_none_is_of_few(rows: list[Row], units: Counted, smallest: int) -> None:
    """Every row ever written is of a window of enough units, and says something only if what it rests on is."""
    for row in rows:
        key, metric = key_of(row)
        assert len(units[key, "count"]) >= smallest
        numbers = [row[name] for name in ("value", "low", "high", "corrected", "corrected_low", "corrected_high")]
        told = [*numbers, row["maturity"], *(row[name] or None for name in ("n", "n_effective", "label_coverage"))]
        assert row["units"] >= smallest or (row["units"] == 0 and told == [None] * len(told)), metric
    for place, row in newest(rows).items():
        assert row["units"] <= len(units[place])


def assert_the_rest_is_there(rows: list[Row], every: list[Row], units: Counted, smallest: int) -> None:
    """What has enough occupied bins is shown with the numbers that it has where nothing is declared."""
    bins, shown = bins_for(smallest), newest(rows)
    occupied = {place: len({xxh3_64_intdigest(unit.encode()) % bins for unit in some}) for place, some in units.items()}
    for place, row in newest(every).items():
        if min(occupied[place], occupied[place[0], "count"]) >= smallest:
            assert shown[place] == row | {"units": occupied[place], "revision": shown[place]["revision"]}
        else:
            assert place not in shown or shown[place]["units"] == 0


@settings(max_examples=40, deadline=None, suppress_health_check=QUICK)
@given(streams(), st.integers(1, 8), st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_no_row_is_of_few_units(stream: Stream, people: int, smallest: int, seed: int) -> None:
    """Whatever the stream and its arrival, with restarts, no row is of few units, and those of many are as they are."""
    stream, rng = peopled(stream, people, seed), Random(seed)
    units, config = truth(stream), declared(stream, smallest)

    def stop(pipeline: Pipeline, _: int) -> Pipeline:
        return load(save(pipeline, config), config) if rng.random() < 0.5 else pipeline

    delivery = make_delivery(stream.events, stream.disorder, seed)
    rows = drive(config, delivery, stop)[1].get("windows", [])
    every = drive(declared(stream), delivery)[1].get("windows", [])

    assert {row["units"] for row in every} <= {None}
    assert_none_is_of_few(rows, units, smallest)
    assert_the_rest_is_there(rows, every, units, smallest)


@pytest.mark.parametrize("seed", range(30))
def test_partitions_count_a_unit_once(seed: int) -> None:
    """Requests of one unit in several partitions, collected and cut at will, count as one unit where they meet."""
    rng = Random(seed)
    stream = peopled(make_stream(seed, 60), rng.randint(1, 8), seed)
    smallest = rng.randint(2, 4)
    config, units = declared(stream, smallest), truth(stream)
    events = sorted(stream.events, key=lambda event: event["event_time"])

    rows = shown(config, split(events, rng, config))

    assert_none_is_of_few(rows, units, smallest)
    assert_the_rest_is_there(rows, shown(declared(stream), split(events, rng, declared(stream))), units, smallest)


def shown(config: Config, collected: list[Sums]) -> list[Row]:
    """Merge sums in their order, and show all windows at the end."""
    catalog = Catalog(config)
    measures = Measures(catalog)
    for sums in collected:
        measures.merge(sums)
    tables: Tables = {}
    gather(tables, Downstream(catalog, measures).show(FOREVER, 1, provisional=True, ended=True))
    return tables.get("windows", [])


NOON = 20_000 * 86_400_000_000 + 12 * 3_600_000_000
MODEL = {"task": "binary", "positive": "1", "label_horizon": "1d", "windows": ["1d"], "slices": [[], ["country"]]}


def crowd(units: int, each: int = 1, country: str = "de", *, labelled: int | None = None) -> list[Event]:
    """Have some units make `each` predictions at noon; the first of them (all, if not said) get labels for them."""
    events: list[Event] = []
    for number in range(units * each):
        ids = {"request_id": f"{country}-{number}", "event_time": NOON + number}
        made = {"prediction_id": "p", "model": "m", "version": "1", "score": 0.9, "attributes": {"country": country}}
        events.append({"type": "prediction", **ids, **made, "unit_id": f"{country}-{number % units}"})
        if labelled is None or number % units < labelled:
            events.append({"type": "outcome", **ids, "label": "1"})
    return events


def config(smallest: int, **others: Any) -> Config:
    models = {"m": MODEL | {"metrics": ["count", "accuracy"]}}
    return parse_config(json.dumps({"models": models, "privacy": {"smallest_cell": smallest}, **others}), "the test")


def told(tables: Tables) -> dict[tuple[str, str], tuple[float, int | None]]:
    """Return n and units of every row that says something, by country ("" for the whole) and metric."""
    rows = newest(tables.get("windows", [])).values()
    return {(dict(r["slice"]).get("country", ""), r["metric"]): (r["n"], r["units"]) for r in rows if r["n"]}


def run(declaration: Config, *parts: list[Event]) -> Tables:
    return drive(declaration, Delivery(("a",), [Part("a", part) for part in parts]))[1]


def test_one_busy_unit_is_not_shown_and_forty_are() -> None:
    """A thousand requests of one unit are of one unit: nothing of its country is told, not even its name."""
    tables = run(config(20, samples=0), crowd(1, 1_000, "is"), crowd(40, 1, "de"))

    assert sorted(told(tables)) == [("", "accuracy"), ("", "count"), ("de", "accuracy"), ("de", "count")]
    assert told(tables)["", "count"][0] == 1_040
    assert 30 <= (told(tables)["de", "count"][1] or 0) <= 40
    assert tables.keys() == {"windows", "slices"}
    assert "is" not in [dict(row["slice"]).get("country") for table in tables.values() for row in table]
    assert [dict(row["slice"]) for row in tables["slices"]] == [{"country": "de"}]


def test_labels_of_one_unit_among_many_are_not_shown() -> None:
    """Forty units make predictions and one of them has labels: the count is shown, and accuracy says nothing."""
    tables = run(config(20), crowd(40, 30, labelled=1))

    assert sorted(told(tables)) == [("", "count"), ("de", "count")]
    hidden = [row for row in tables["windows"] if row["metric"] == "accuracy"]
    assert {(row["value"], row["n"], row["units"], row["label_coverage"]) for row in hidden} == {(None, 0, 0, 0)}


def test_an_event_without_a_unit_is_of_its_own() -> None:
    """Where nobody is named, each request counts as somebody."""
    nameless = [{name: value for name, value in event.items() if name != "unit_id"} for event in crowd(40)]

    assert told(run(config(20), nameless)).keys() == told(run(config(20), crowd(40))).keys()


def test_summaries_count_no_units() -> None:
    """What a service summarized is added to cells that are shown, and shows none by itself."""
    many = {"n": 500, "weight": 500.0, "square": 500.0, "latency_bin": [], "latency_n": []}
    many |= {"latency_weight": [], "latency_square": []}
    place = {"event_time": NOON, "model": "m", "version": "1", "attributes": {"country": "de"}}
    summary: Event = {"type": "summary", "summary_id": "s", **place, **many}

    assert told(run(config(20), [summary])) == {}
    assert told(run(config(20), crowd(40), [summary]))["de", "count"][0] == 540


@pytest.mark.parametrize(("before", "after"), [(1, 20), (20, 1), (20, 10), (10, 20)])
def test_what_was_not_counted_so_counts_for_nothing(before: int, after: int) -> None:
    """State of another declaration is taken over; units that were counted in other bins, or not, are not counted."""
    half = crowd(80)
    first, labels = half[::2], half[1::2]
    more = [event | {"request_id": f"x{event['request_id']}"} for event in crowd(40, country="de")]
    tables: Tables = {}
    pipeline = Pipeline(config(before))
    for part, declaration in ((first, before), (labels, after), (more, after)):
        again = Pipeline(config(declaration))
        again.restore(pipeline.snapshot())
        pipeline = again
        pipeline.open("a")
        gather(tables, pipeline.process(block_of("a", part), FAR_FUTURE))
    tables.clear()
    gather(tables, pipeline.flush(ended=True))

    if after == 1:
        assert told(tables)["de", "accuracy"] == (120, None)
    else:
        assert told(tables)["de", "accuracy"][0] == told(tables)["de", "count"][0] == 120
        known = 40 if before == 1 else 80  # units of predictions that wait are known if anything was declared
        assert told(tables)["de", "count"][1] == occupied(40, after)
        assert told(tables)["de", "accuracy"][1] == occupied(known, after)


def occupied(units: int, smallest: int) -> int:
    """Count the bins of the first units of a crowd."""
    return len({xxh3_64_intdigest(f"de-{number}".encode()) % bins_for(smallest) for number in range(units)})
