"""
Events a second of several workers on several partitions of a real Kafka, by wall clock and by processor time.

Each worker is kept to a core; the broker and the store are on all of them. Where there are no more cores than workers,
wall time cannot show what the workers could do: there is no core left for the broker and the store. What can be told
anywhere is whether an event costs more processor time when partitions and workers are more.

Workers take their partitions while the topics are empty. They are stopped while the events come to the topics, and go
on when everything is there: so each has its whole backlog, and none has worked for another before it came.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path

import yaml
from aiokafka import AIOKafkaProducer

from benchmarks.growth.results import Row
from benchmarks.peers.contestants import CONFIG, stored_answer
from benchmarks.peers.load import send
from benchmarks.peers.measuring import Moment, now, peak_memory, pin
from benchmarks.peers.workload import Workload, make_workload
from deploy.cluster import ROOT, Cluster, WorkerProcess, cluster
from deploy.kafka.kafka import Broker
from streams.codecs.wire import END_HEADER
from streams.runtime.topics import EVENT_TOPICS, INPUTS

SHAPES = ((1, 1), (2, 1), (2, 2), (4, 4))  # partitions, workers
QUICK_SHAPES = ((1, 1), (2, 2))
PREDICTIONS, QUICK_PREDICTIONS = 1_000_000, 100_000
PATIENCE = 300.0  # seconds, longer than workers are stopped for


def measure(*, quick: bool) -> list[Row]:
    """Measure each shape in a cluster of its own, over one broker."""
    directory = ROOT / ".streams" / "growth"
    shutil.rmtree(directory, ignore_errors=True)
    work = make_workload(QUICK_PREDICTIONS if quick else PREDICTIONS)
    with Broker(directory / "kafka") as broker:
        return [
            measure_one(broker.bootstrap, directory / f"{partitions}-{workers}", work, partitions, workers)
            for partitions, workers in (QUICK_SHAPES if quick else SHAPES)
        ]


def measure_one(brokers: str, directory: Path, work: Workload, partitions: int, workers: int) -> Row:
    """Have so many workers take a backlog of so many partitions."""
    directory.mkdir(parents=True)
    config = _configured(directory / "streams.yaml", partitions, f"growth{partitions}x{workers}")
    with cluster(directory, config, brokers, session_timeout=PATIENCE) as running:
        started = [_started(running, number) for number in range(workers)]
        running.wait_until(lambda: _shared(running), 120, "each worker has its partitions")
        for worker in running.workers:
            worker.send(signal.SIGSTOP)
        asyncio.run(_load(running, work))
        began = [now(process) for process in started]
        for worker in running.workers:
            worker.send(signal.SIGCONT)
        running.wait_until(running.settled, 600, "everything is stored")
        ended = [now(process) for process in started]
        memory = sum(peak_memory(process) for process in started)
        joined = sum(labelled for labelled, _, _ in stored_answer(running.dsn).values())
    if joined != work.joins:
        raise RuntimeError(f"{joined:,} predictions have their label in the store, expected {work.joins:,}")
    return _row(partitions, work.events, began, ended) | {"memory_mib": memory}


def _row(partitions: int, events: int, began: Sequence[Moment], ended: Sequence[Moment]) -> Row:
    cpu = sum(after.cpu - before.cpu for before, after in zip(began, ended, strict=True))
    wall = max(moment.wall for moment in ended) - min(moment.wall for moment in began)
    return {
        "partitions": partitions,
        "workers": len(began),
        "events": events,
        "cpu_seconds": cpu,
        "wall_seconds": wall,
        "events_a_cpu_second": events / cpu,
        "events_a_second": events / wall,
        "cpu_seconds_an_event": cpu / events,
    }


def _configured(path: Path, partitions: int, prefix: str) -> Path:
    """Write the contestants' task for so many partitions, with topics of its own."""
    config = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    config["kafka"] |= {"partitions": partitions, "prefix": prefix}
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def _started(running: Cluster, number: int) -> int:
    """Start a worker on a core, the next one round; return its process."""
    process = running.add_worker().running
    if process is None:
        raise RuntimeError("a worker that was started does not run")
    cores = sorted(os.sched_getaffinity(0))
    pin(process, {cores[number % len(cores)]})
    return process.pid


def _shared(running: Cluster) -> bool:
    """Whether each worker has a share of the partitions, and no two the same one."""
    held = [_held(worker) for worker in running.workers]
    each = [number for numbers in held for number in numbers]
    return all(held) and len(each) == len(set(each)) == running.partitions()


def _held(worker: WorkerProcess) -> list[int]:
    numbers = worker.status().get("partitions", [])
    return [int(number) for number in numbers] if isinstance(numbers, list) else []


async def _load(running: Cluster, work: Workload) -> None:
    """Bring all events to the topics, and say behind them on each partition that nothing more will come."""
    prefix = yaml.safe_load(running.config.read_text(encoding="utf-8"))["kafka"]["prefix"]
    await send(running.brokers, f"{prefix}.{EVENT_TOPICS['prediction']}", work.predictions, running.partitions())
    await send(running.brokers, f"{prefix}.{EVENT_TOPICS['outcome']}", work.outcomes, running.partitions())
    said = [(END_HEADER, str(int(work.outcomes.times.max())).encode())]
    async with AIOKafkaProducer(bootstrap_servers=running.brokers, acks="all") as producer:
        for name in INPUTS:
            for partition in range(running.partitions()):
                await producer.send_and_wait(f"{prefix}.{name}", None, key=b"end", partition=partition, headers=said)
