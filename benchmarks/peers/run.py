"""
The same events and the same work for this pipeline and for what a user could pick instead.

Each contestant is one process on one core, with the whole backlog waiting on a real Kafka; the broker and the stores
are on the other core. Contestants take turns, several rounds of all. What counts is events a second of processor
time, between the first event and the last result, and how many of the joins are right.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.contestants import PREFIX, Contestant, Program, Race, Run, Streams
from benchmarks.peers.load import end, make_topics, send
from benchmarks.peers.measuring import split_cores
from benchmarks.peers.report import Round, merge, print_table, write_results
from benchmarks.peers.workload import Workload, make_workload
from deploy.cluster import ROOT
from deploy.kafka.kafka import Broker
from streams.core.block import EventType
from streams.runtime.topics import EVENT_TOPICS

CONTESTANTS: tuple[Contestant, ...] = (
    Streams(),
    Program("faust", "Faust, with Tables"),
    Program("quix", "Quix Streams, join_asof, RocksDB"),
    Program("bytewax", "Bytewax, with recovery"),
    Program("kafka_streams", "Kafka Streams, RocksDB"),
    Program("flink", "Flink, RocksDB"),
    Program("getmany", "limit: aiokafka getmany alone", counted=False),
    Program("decode", "limit: decoding alone, from memory", counted=False),
)
RESULTS = ROOT / "benchmarks" / "results.json"
KINDS: tuple[EventType, ...] = ("prediction", "outcome")
AS_OURS = {"retention.ms": "-1", "message.timestamp.type": "LogAppendTime"}


@dataclass(frozen=True)
class Loaded:
    """Topics with all events: for the others, which read event time off the records, and for this pipeline."""

    theirs: Mapping[EventType, str]
    ours: Mapping[EventType, str]


async def load(brokers: str, work: Workload) -> Loaded:
    """Bring the same events to both sets of topics."""
    theirs = {kind: f"events.{EVENT_TOPICS[kind]}" for kind in KINDS}
    ours = {kind: f"{PREFIX}.{EVENT_TOPICS[kind]}" for kind in KINDS}
    await make_topics(brokers, dict.fromkeys(theirs.values(), 1))
    every = [*ours.values(), f"{PREFIX}.feedback"]
    await make_topics(brokers, dict.fromkeys(every, 1), AS_OURS)
    for topics in (theirs, ours):
        await send(brokers, topics["prediction"], work.predictions, 1)
        await send(brokers, topics["outcome"], work.outcomes, 1)
    await end(brokers, every, int(work.outcomes.times.max()))
    return Loaded(theirs, ours)


def compete(given: argparse.Namespace, directory: Path) -> list[Round]:
    """Run all rounds; a contestant that fails is named, and the others go on."""
    work = make_workload(given.predictions)
    chosen = [one for one in CONTESTANTS if not given.only or one.name in given.only]
    for contestant in chosen:
        contestant.prepare()
    core, others = split_cores()
    os.sched_setaffinity(0, others)
    rounds: list[Round] = []
    with Broker(directory / "kafka") as broker:
        print(f"loading {work.events:,} events, with {work.joins:,} joins ...", flush=True)
        loaded = asyncio.run(load(broker.bootstrap, work))
        for number in range(given.rounds):
            for contestant in chosen:
                topics = loaded.ours if isinstance(contestant, Streams) else loaded.theirs
                race = Race(broker.bootstrap, topics, work.events, core, directory)
                rounds.append(_one(contestant, race, number, work))
                print(f"round {number + 1}: {rounds[-1]}", flush=True)
    return rounds


def _one(contestant: Contestant, race: Race, number: int, work: Workload) -> Round:
    run: Run = contestant.run(race, number)
    return Round.of(contestant.name, contestant.title, run, work)


def main() -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0] if __doc__ else None)
    parser.add_argument("--predictions", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=[one.name for one in CONTESTANTS])
    parser.add_argument("--results", type=Path, default=RESULTS, help="where to keep results; others' are kept there")
    given = parser.parse_args()
    directory = ROOT / ".streams" / "peers"
    shutil.rmtree(directory, ignore_errors=True)
    rounds = compete(given, directory)
    results = merge(given.results, rounds)
    write_results(given.results, results)
    print_table(results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
