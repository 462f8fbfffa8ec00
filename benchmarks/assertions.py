"""
What assertions cost: each kind of rule alone, and one about several predictions in the worker's parts.

Alone, rules look at blocks of 10,000 predictions of 4,000 units. In the worker's parts, the events of the other
benchmarks, with as many units, pass in one process on one core, without a broker: in turn with a rule about single
predictions and with one about several. Medians of some rounds each.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import yaml

from benchmarks.budget import CONFIG, blocks, drive

if TYPE_CHECKING:
    from benchmarks.peers.workload import Workload
    from streams.core.assertion.rules import OverTime

ROWS, BLOCKS, ROUNDS, UNITS, FEATURES = 10_000, 30, 5, 4_000, 20
PREDICTIONS, BLOCK, TICK = 200_000, 20_000, 40_000
RESTING = ("feedback",)  # there is none, and event time must go on
MINUTE = 60_000_000
RESULTS = Path(__file__).with_name("assertions.json")

NUMBERS = [f"score >= {n / 100} and latency_ms >= 0 and latency_ms < {1_000 + n}" for n in range(11)]
FEATURE = [f"features.f{n} > 0.5" for n in range(11)]
EXPRESSIONS: dict[str, tuple[Sequence[str], Sequence[str], bool]] = {
    "one rule of three comparisons of numbers": (NUMBERS[:1], [], True),
    "each further one": (NUMBERS, NUMBERS[:1], True),
    "a comparison of a label, or `in`": (['label in ("0", "1")'], [], True),
    "a comparison of an attribute, of two": (['attributes.country == "de"'], [], True),
    "the first feature of a block, of 20 features": (FEATURE[:1], [], True),
    "each further feature": (FEATURE, FEATURE[:1], True),
    "the first where predictions carry different features": (FEATURE[:1], [], False),
    "each further of these": (FEATURE, FEATURE[:1], False),
}
"""What is measured: rules, those that are there anyway, and whether all predictions carry the same features."""

SEVERAL: dict[str, dict[str, Any]] = {
    "stable": {"by": 0.3, "within": "1h"},
    "agree": {"by": 0.3, "within": "1h"},
    "flicker": {"within": "1h"},
    "rate": {"at_most": 100, "within": "1h"},
}


def table(number: int, *, alike: bool = True) -> pa.RecordBatch:
    """Return a block of predictions, a millisecond after the other; their features are alike or not."""
    from streams.core.block import SCHEMAS

    rng = np.random.default_rng(number)
    keys = np.tile(np.arange(FEATURES), ROWS)
    keys = keys if alike else (keys.reshape(ROWS, FEATURES) + np.arange(ROWS)[:, None] % 3).ravel()
    features = _map([f"f{n}" for n in range(FEATURES + 2)], keys, pa.array(rng.random(ROWS * FEATURES)), FEATURES)
    countries = pa.array(["de", "fr"]).take(pa.array(rng.integers(0, 2, 2 * ROWS)))
    ids = pa.array([f"p{number}-{row}" for row in range(ROWS)])
    columns: dict[str, Any] = {"prediction_id": ids, "request_id": ids, "features": features}
    columns |= {"event_time": (number * ROWS + np.arange(ROWS)) * 1_000, "inclusion_probability": np.ones(ROWS)}
    columns |= {"score": rng.random(ROWS), "latency_ms": rng.random(ROWS) * 100}
    columns |= {"unit_id": _chosen([f"user-{n}" for n in range(UNITS)], rng), "label": _chosen(["0", "1"], rng)}
    columns |= {"attributes": _map(["country", "device"], np.tile([0, 1], ROWS), countries, 2)}
    columns |= {name: pa.repeat(text, ROWS) for name, text in (("model", "m"), ("version", "1"), ("role", "live"))}
    arrays = [
        pa.array(columns[f.name]).cast(f.type) if f.name in columns else pa.nulls(ROWS, f.type)
        for f in SCHEMAS["prediction"]
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMAS["prediction"])


def _chosen(texts: Sequence[str], rng: np.random.Generator) -> pa.Array:
    return pa.array(list(texts)).take(pa.array(rng.integers(0, len(texts), ROWS)))


def _map(names: Sequence[str], keys: Any, values: pa.Array, each: int) -> pa.Array:
    offsets = pa.array(np.arange(ROWS + 1) * each, pa.int32())
    return pa.MapArray.from_arrays(offsets, pa.array(list(names)).take(pa.array(keys)), values)


def of_expressions(rounds: int) -> dict[str, float]:
    """Nanoseconds a prediction of each kind of expression."""
    tables = {alike: table(0, alike=alike) for alike in (True, False)}
    found: defaultdict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        for name, (rules, anyway, alike) in EXPRESSIONS.items():
            taken = [_seconds(_checking(some, tables[alike])) if some else 0.0 for some in (rules, anyway)]
            found[name].append((taken[0] - taken[1]) / (len(rules) - len(anyway)))
    return {name: statistics.median(taken) / ROWS * 1e9 for name, taken in found.items()}


def _checking(expressions: Sequence[str], block: pa.RecordBatch) -> Callable[[], object]:
    from streams.core.assertion.rules import Expect, Rule, compile_rules

    rules = compile_rules([Rule(f"r{n}", "m", Expect(text)) for n, text in enumerate(expressions)])
    return lambda: rules.check(block)


def _seconds(work: Callable[[], object], times: int = 20) -> float:
    """Median of some runs: the first ones and those that somebody disturbs count little."""
    taken = []
    for _ in range(times):
        started = time.process_time()
        work()
        taken.append(time.process_time() - started)
    return statistics.median(taken)


def of_sequences(rounds: int) -> dict[str, float]:
    """Nanoseconds a prediction of each kind of rule about several, from the table to what is said."""
    from streams.core.flatten import identify

    tables = [table(number) for number in range(BLOCKS)]
    ids = [identify(one) for one in tables]
    found: defaultdict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        for kind, check in checks().items():
            found[kind].append(_followed(check, tables, ids))
    return {kind: statistics.median(taken) * 1e9 for kind, taken in found.items()}


def checks() -> dict[str, OverTime]:
    """Return what the rules ask."""
    from streams.core.assertion.rules import Agree, Flicker, Rate, Stable

    within = 60 * MINUTE
    return {
        "stable": Stable(0.3, within),
        "agree": Agree("m", within, 0.3),
        "flicker": Flicker(within),
        "rate": Rate(100, within),
    }


def _followed(check: OverTime, tables: Sequence[pa.RecordBatch], ids: Sequence[Any]) -> float:
    """Seconds a prediction; events are looked at when half of the blocks have come after them."""
    from streams.core.assertion.rules import Rule, compile_rules
    from streams.core.assertion.sequences import Sequences

    sequences = Sequences(compile_rules([Rule("r", "m", check)]))
    started = time.process_time()
    for number, (one, named) in enumerate(zip(tables, ids, strict=True)):
        sequences.see(one, named)
        sequences.advance((number - len(tables) // 2) * ROWS * 1_000)
    sequences.advance(len(tables) * ROWS * 1_000)
    return (time.process_time() - started) / (len(tables) * ROWS)


def of_way() -> dict[str, float]:
    """Bytes a prediction that go from where it is read to where it is followed."""
    from streams.core.assertion.rules import Rule, compile_rules
    from streams.core.assertion.sequences import Sequences
    from streams.core.flatten import identify
    from streams.runtime.packing import encode

    found, block = {}, table(0)
    for kind, check in checks().items():
        sequences = Sequences(compile_rules([Rule("r", "m", check)]))
        sequences.see(block, identify(block), np.full(ROWS, 1 << 20))
        found[kind] = len(encode(sequences.collect())) / ROWS
    return found


def of_worker(predictions: int, rounds: int) -> dict[str, float]:
    """Nanoseconds a prediction of the worker's parts, with a rule of each kind; `single` is one about single ones."""
    from benchmarks.peers.workload import make_workload

    work = with_units(make_workload(predictions))
    given = blocks(work, BLOCK)
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    with TemporaryDirectory() as directory:
        files = dict(_files(Path(directory)))
        drive(given, TICK, files["single"], resting=RESTING)  # loads what is loaded once
        for _ in range(rounds):
            for name, file in files.items():
                seconds[name].append(drive(given, TICK, file, resting=RESTING)[1])
    return {name: statistics.median(taken) / predictions * 1e9 for name, taken in seconds.items()}


def with_units(work: Workload) -> Workload:
    """Give the predictions to as many units as are measured."""
    held = work.predictions.table
    units = pa.array([f"user-{number}" for number in range(UNITS)])
    drawn = units.take(pa.array(np.random.default_rng(1).integers(0, UNITS, len(held))))
    column = held.schema.get_field_index("unit_id")
    return replace(work, predictions=replace(work.predictions, table=held.set_column(column, "unit_id", drawn)))


def _files(directory: Path) -> Iterator[tuple[str, Path]]:
    rules: dict[str, dict[str, Any]] = {"single": {"expect": "score >= 0"}}
    rules |= {kind: {kind: of} for kind, of in SEVERAL.items()}
    for name, rule in rules.items():
        yield name, directory / f"{name}.yaml"
        (directory / f"{name}.yaml").write_text(yaml.safe_dump(configured(rule)), encoding="utf-8")


def configured(rule: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration of the other benchmarks, with one rule."""
    config: dict[str, Any] = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    return config | {"assertions": {"r": {"model": "ranker", **rule}}}


def main() -> int:
    """Run the command; return its exit code."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # before any pool of threads looks how many cores there are
    found = {"expressions": of_expressions(ROUNDS), "sequences": of_sequences(ROUNDS), "bytes": of_way()}
    found["worker"] = of_worker(PREDICTIONS, ROUNDS)
    RESULTS.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    for part in ("expressions", "sequences"):
        for name, nanoseconds in found[part].items():
            print(f"{name}: {nanoseconds:,.0f} ns a prediction")
    for kind in SEVERAL:
        whole = found["worker"][kind]
        added = whole / found["worker"]["single"] - 1
        print(f"{kind} in a worker: {whole:,.0f} ns a prediction, {added:+.0%}; {found['bytes'][kind]:.0f} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
