"""
The drill: workers on a real Kafka, while they, the broker and the store are killed, frozen, added and taken away.

`python -m tests.faults.drill --seed 1` emits 300,000 flight events while 30 faults strike, and then compares every
table with that of `streams replay` on the same files. The seed draws the faults; what they meet is up to the machine.
"""
# ruff: noqa: T201

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from deploy.cluster import ROOT, Cluster, DrillError, WorkerProcess, cluster
from streams.config import load_config
from streams.runtime.accounts import read_counts
from streams.runtime.emit import emit
from streams.runtime.kafka import at_brokers
from streams.runtime.replay import open_files, replay
from streams.sinks.clickhouse.store import open_store, read_store
from tests.faults.compare import differences
from tests.faults.events import write_config, write_stretches

CONFIG = ROOT / "streams" / "demo" / "flights.yaml"
DEMO = ROOT / ".streams" / "demo" / "events"
WORKERS, FEWEST, MOST = 3, 2, 4
SESSION_SECONDS = 6.0
EMIT_PATIENCE = 120.0
SETTLE_SECONDS = 240.0
FAULTS = ("kill", "freeze", "broker", "store", "remove", "add", "kill", "freeze")
_DECK = 5  # so many different faults come before one comes again


@dataclass(frozen=True)
class Plan:
    """How large a drill is."""

    events: int = 300_000
    faults: int = 30
    store_away: float = 20.0
    pause: tuple[float, float] = (0.5, 3.0)
    stretches: int = 60


SHORT = Plan(events=60_000, faults=5, store_away=5.0, pause=(0.5, 2.0), stretches=20)


@dataclass
class Drill:
    """A running drill."""

    cluster: Cluster
    plan: Plan
    rng: random.Random
    struck: list[str] = field(default_factory=list)
    deck: list[str] = field(default_factory=list)

    def start(self) -> None:
        """Start the workers and wait until they share all partitions."""
        for _ in range(WORKERS):
            self.cluster.add_worker()
        self.cluster.wait_until(self._shared, 60, "the workers share the partitions")

    def strike(self) -> None:
        """Let one fault happen, and wait a moment."""
        self._supervise()
        what = self._draw()
        self.struck.append(what)
        print(f"{time.strftime('%H:%M:%S')} {len(self.struck)}: {what}", flush=True)
        getattr(self, f"_{what}")()
        self._supervise()
        self._pause()

    def _draw(self) -> str:
        """Draw a fault from a shuffled deck, so that a short drill has each kind as well."""
        if not self.deck:
            self.deck = self.rng.sample(FAULTS[:_DECK], _DECK) + self.rng.sample(FAULTS[_DECK:], len(FAULTS) - _DECK)
        what, alive = self.deck.pop(0), len(self._alive())
        if what == "remove" and alive <= FEWEST:
            return "add"
        return "remove" if what == "add" and alive >= MOST else what

    def _kill(self) -> None:
        victim = self.rng.choice(self._alive())
        victim.end(signal.SIGKILL)
        self._pause()
        victim.start()

    def _freeze(self) -> None:
        """Longer than the session: the others take over, and what wakes up does not know it yet."""
        victim = self.rng.choice(self._alive())
        victim.send(signal.SIGSTOP)
        time.sleep(SESSION_SECONDS + self.rng.uniform(1.0, 4.0))
        victim.send(signal.SIGCONT)

    def _broker(self) -> None:
        if self.cluster.broker is None:
            raise DrillError("the drill needs a broker of its own")
        self.cluster.broker.kill()
        self._pause()
        self.cluster.broker.start()

    def _store(self) -> None:
        self.cluster.store.end(signal.SIGKILL)
        time.sleep(self.plan.store_away)
        self.cluster.store.start()

    def _add(self) -> None:
        gone = [worker for worker in self.cluster.workers if not worker.alive()]
        if gone:
            gone[0].start()
        else:
            self.cluster.add_worker()

    def _remove(self) -> None:
        victim = self.rng.choice(self._alive())
        code = victim.end()
        if code not in (0, 1, -signal.SIGTERM):  # the last: it was only just starting
            raise DrillError(f"{victim.name} ended with {code} when asked to:\n{victim.last_lines()}")

    def _supervise(self) -> None:
        """Start workers again that ended by themselves, as whoever runs them does."""
        for worker in self.cluster.workers:
            if worker.running is not None and worker.running.poll() not in (None, 0):
                print(f"{worker.name} ended with {worker.running.poll()} and is started again", flush=True)
                worker.start()

    def settle(self) -> None:
        """Wait until everything has been worked off."""

        def settled() -> bool:
            self._supervise()
            return self.cluster.settled()

        self.cluster.wait_until(settled, SETTLE_SECONDS, "the workers have settled everything")

    def _alive(self) -> list[WorkerProcess]:
        return [worker for worker in self.cluster.workers if worker.alive()]

    def _shared(self) -> bool:
        self._supervise()
        held = [n for worker in self._alive() for n in worker.status().get("partitions", [])]  # type: ignore[attr-defined]
        return sorted(held) == list(range(self.cluster.partitions()))

    def _pause(self) -> None:
        time.sleep(self.rng.uniform(*self.plan.pause))


class Emission(threading.Thread):
    """Emits the stretches one after the other, spread over the drill; the last ends the inputs."""

    def __init__(self, running: Cluster, stretches: list[list[Path]]) -> None:
        super().__init__()
        self._running = running
        self._stretches = stretches
        self.turn = threading.Semaphore(0)
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Emit a stretch each time that `turn` is released."""
        kafka = at_brokers(load_config(self._running.config).kafka, self._running.brokers)
        try:
            for number, files in enumerate(self._stretches, 1):
                self.turn.acquire()
                emit(open_files(files), kafka, os.environ, EMIT_PATIENCE, end=number == len(self._stretches))
        except Exception as failure:  # noqa: BLE001 - raised by whoever waits for the thread
            self.failure = failure

    def finish(self) -> None:
        """Emit what is left, and raise what went wrong."""
        for _ in self._stretches:
            self.turn.release()
        self.join()
        if self.failure is not None:
            raise self.failure


def drill(directory: Path, plan: Plan, seed: int) -> list[str]:
    """Run a drill in a directory; returns what differs from a replay of the same files."""
    stretches = write_stretches(DEMO, directory / "events", plan.events, plan.stretches)
    with cluster(directory, write_config(CONFIG, directory), session_timeout=SESSION_SECONDS) as running:
        current = Drill(running, plan, random.Random(seed))
        current.start()
        emission = Emission(running, stretches)
        emission.start()
        try:
            for number in range(plan.faults):
                for _ in range(len(stretches) * (number + 1) // plan.faults - len(stretches) * number // plan.faults):
                    emission.turn.release()
                current.strike()
        finally:
            emission.finish()
        current.settle()
        return _against_replay(directory, running, [path for files in stretches for path in files])


def _against_replay(directory: Path, running: Cluster, files: list[Path]) -> list[str]:
    config = load_config(running.config)
    with open_store(f"chdb:{directory / 'replayed'}") as theirs, read_store(running.dsn) as ours:
        theirs.migrate()
        report = replay(config, open_files(files), theirs)
        counts = read_counts(ours.query)
        wrong = {name: (counts[name], count) for name, count in report.counts.items() if counts[name] != count}
        found = [f"counts (worker, replay): {wrong}"] if wrong else []
        return found + differences(ours.query, theirs.query)


def main() -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(description="Real workers on a real Kafka, and faults.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--short", action="store_true", help="the short form that the tests run")
    given = parser.parse_args()
    directory = ROOT / ".streams" / "faults"
    shutil.rmtree(directory, ignore_errors=True)
    plan = SHORT if given.short else Plan()
    started = time.monotonic()
    try:
        found = drill(directory, plan, given.seed)
    except DrillError as error:
        found = [str(error)]
    for line in found:
        print(f"error: {line}", file=sys.stderr)
    result = "differs from a replay" if found else "equals a replay, row for row"
    seconds = time.monotonic() - started
    print(f"{plan.events:,} events, {plan.faults} faults, seed {given.seed}: {result} ({seconds:.0f} s)")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
