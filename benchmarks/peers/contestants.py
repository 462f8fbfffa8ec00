"""
Who takes part, and how each is run.

A contestant of another make is a program in a directory of its own with an environment of its own. It is told by
environment variables where the broker and the topics are, says `begin` with its first event and `done` when it has
taken all events and written out its results and its state.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
import venv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from benchmarks.peers.load import make_topics, read_results, reset_topics
from benchmarks.peers.measuring import Moment, now, peak_memory, pin
from benchmarks.peers.workload import MINUTE, Answer
from deploy.cluster import ROOT, Cluster, WorkerProcess, cluster
from streams.core.block import EventType
from streams.sinks.clickhouse.store import read_store

HERE = Path(__file__).parent
CONFIG = HERE / "streams.yaml"
PREFIX = "bench"
MOST_SECONDS = 3_600.0


@dataclass(frozen=True)
class Race:
    """What all contestants are given: brokers, topics by type of event, how many events, cores, a directory."""

    brokers: str
    topics: Mapping[EventType, str]
    events: int
    core: set[int]
    directory: Path


@dataclass(frozen=True)
class Run:
    """What one contestant did in one round."""

    began: Moment
    ended: Moment
    memory: float
    answer: Answer | None


class Contestant(Protocol):
    """One that takes part: its short name, and what it is."""

    name: str
    title: str

    def prepare(self) -> None:
        """Install what it needs, once."""

    def run(self, race: Race, number: int) -> Run:
        """Do all of the work from the beginning. Raises `RuntimeError` if it ends before it is done."""


@dataclass
class Program:
    """A program with its own environment: `app.py` with `requirements.lock`, or a Maven project."""

    name: str
    title: str
    settings: Mapping[str, str] = field(default_factory=dict)
    counted: bool = True
    """Whether it has results."""

    @property
    def _home(self) -> Path:
        return HERE / self.name

    def prepare(self) -> None:
        """Make its environment, unless it is there."""
        if (self._home / "pom.xml").exists():
            subprocess.run([str(shutil.which("mvn")), "-q", "-B", "package"], cwd=self._home, check=True)
        elif (lock := self._home / "requirements.lock").exists() and not (self._home / ".venv").exists():
            venv.create(self._home / ".venv", with_pip=True)
            pip = [str(self._home / ".venv/bin/pip"), "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*pip, "--require-hashes", "-r", str(lock)], check=True)

    def _command(self) -> list[str]:
        if (self._home / "pom.xml").exists():
            return [str(shutil.which("java")), "-jar", str(self._home / "target" / "app.jar")]
        python = self._home / ".venv" / "bin" / "python"
        return [str(python if python.exists() else sys.executable), str(self._home / "app.py")]

    def run(self, race: Race, number: int) -> Run:
        """Start it, wait until it says that it is done, and end it."""
        results, scratch = f"results-{self.name}-{number}", race.directory / f"{self.name}-{number}"
        scratch.mkdir(parents=True)
        asyncio.run(make_topics(race.brokers, {results: 1}))
        told = {
            "BOOTSTRAP": race.brokers,
            "PREDICTIONS": race.topics["prediction"],
            "OUTCOMES": race.topics["outcome"],
            "RESULTS": results,
            "GROUP": f"{self.name}-{number}",
            "EVENTS": str(race.events),
            "SCHEMAS": str(ROOT / "schemas"),
            "STATE": str(scratch),
            **self.settings,
        }
        with (race.directory / f"{self.name}-{number}.log").open("wb") as log:
            process = subprocess.Popen(
                self._command(), env={**os.environ, **told}, stdout=subprocess.PIPE, stderr=log, text=True, cwd=ROOT
            )
            pin(process, race.core)
            try:
                began = _said(process, "begin", self.name)
                ended, memory = _said(process, "done", self.name), peak_memory(process.pid)
            finally:
                _end(process)
        answer = asyncio.run(read_results(race.brokers, results)) if self.counted else None
        return Run(began, ended, memory, answer)


def _said(process: subprocess.Popen[str], line: str, name: str) -> Moment:
    """Wait until a program says this line, and return that moment."""
    for said in process.stdout or ():
        if said.strip() == line:
            return now(process.pid)
    raise RuntimeError(f"{name} ended with {process.wait()} before it said {line!r}; its log is beside its state")


def _end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()


@dataclass
class Streams:
    """The pipeline that these benchmarks are of: a worker on Kafka, its store on the other core."""

    name: str = "streams"
    title: str = "this pipeline, a worker on Kafka"
    partitions: int = 1

    def prepare(self) -> None:
        """Nothing: it is installed."""

    def run(self, race: Race, number: int) -> Run:
        """Start a worker with nothing but the events, and wait until the store has everything."""
        asyncio.run(reset_topics(race.brokers, PREFIX))
        with cluster(race.directory / f"{self.name}-{number}", CONFIG, race.brokers) as running:
            worker = running.add_worker()
            process = worker.running
            assert process is not None  # noqa: S101 - it has just been started
            pin(process, race.core)
            running.wait_until(lambda: bool(worker.status().get("ready")), 60, "the worker is ready")
            began = now(process.pid)
            running.wait_until(lambda: _has_all(running, worker, race.events), MOST_SECONDS, "everything is stored")
            ended, memory = now(process.pid), peak_memory(process.pid)
            return Run(began, ended, memory, stored_answer(running.dsn))


def _has_all(running: Cluster, worker: WorkerProcess, events: int) -> bool:
    time.sleep(0.2)
    return events_read(worker) >= events and running.settled()


def events_read(worker: WorkerProcess) -> int:
    """How many events a worker has read."""
    lines = worker.metrics().splitlines()
    return round(sum(float(line.split()[-1]) for line in lines if line.startswith("streams_events_read_total{")))


def stored_answer(dsn: str) -> Answer:
    """Read what the store has of the slices by country: from shares and means back to sums."""
    query = """
    SELECT toUnixTimestamp64Micro(window_start) AS start, version, slice['country'] AS country, metric, value, n
    FROM windows FINAL WHERE mapKeys(slice) = ['country'] AND metric IN ('accuracy', 'mean_score') AND n > 0
    """
    sums: dict[tuple[int, str, str], dict[str, tuple[float, float]]] = {}
    with read_store(dsn) as store:
        for row in store.query(query).to_pylist():
            cell = (row["start"] // MINUTE, row["version"], row["country"])
            sums.setdefault(cell, {})[row["metric"]] = (row["n"], row["value"])
    return {
        cell: (round(of["accuracy"][0]), round(of["accuracy"][0] * of["accuracy"][1]), _product(of["mean_score"]))
        for cell, of in sums.items()
    }


def _product(pair: tuple[float, float]) -> float:
    return pair[0] * pair[1]
