"""
Everything on one machine, bound to loopback, each part a process of its own: Kafka, a store, workers.

For the demo, the drills with faults and the benchmark of latency. The store is the embedded engine behind ClickHouse's
HTTP interface, since workers are several processes.
"""
# ruff: noqa: INP001, S603

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from deploy.kafka.kafka import Broker, free_port

ROOT = Path(__file__).resolve().parents[1]
STREAMS = Path(sys.executable).with_name("streams")
_POLL_SECONDS = 0.1


class DrillError(RuntimeError):
    """A part of the cluster did not do what was waited for; the message has the last lines of its log."""


@dataclass
class Process:
    """A process with its log file."""

    name: str
    command: list[str]
    log: Path
    environ: dict[str, str] = field(default_factory=dict)
    running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, again if it was started before; its log goes on."""
        with self.log.open("ab") as file:
            self.running = subprocess.Popen(
                self.command, stdout=file, stderr=subprocess.STDOUT, env={**os.environ, **self.environ}, cwd=ROOT
            )

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        if self.running is not None:
            self.running.send_signal(number)

    def alive(self) -> bool:
        """Whether it runs, or is stopped and could go on."""
        return self.running is not None and self.running.poll() is None

    def end(self, number: signal.Signals = signal.SIGTERM, timeout: float = 15.0) -> int:
        """End it and return its exit code; it is killed when it takes longer than `timeout` seconds."""
        if self.running is None:
            return 0
        if self.alive():
            self.running.send_signal(number)
            self.running.send_signal(signal.SIGCONT)
        try:
            return self.running.wait(timeout)
        except subprocess.TimeoutExpired:
            self.running.kill()
            return self.running.wait()

    def last_lines(self) -> str:
        """Return the end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])


@dataclass
class WorkerProcess(Process):
    """A worker, with the port on which it says how it is."""

    port: int = 0

    def status(self) -> dict[str, object]:
        """What /ready says; nothing while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ready", timeout=2) as answer:
                return dict(json.load(answer))
        except (urllib.error.URLError, OSError, ValueError):
            return {}

    def metrics(self) -> str:
        """What /metrics says."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
            return str(answer.read().decode())


@dataclass
class Cluster:
    """Parts that are running, under a directory for all that they write."""

    directory: Path
    config: Path
    brokers: str
    broker: Broker | None
    store: Process
    dsn: str
    session_timeout: float
    workers: list[WorkerProcess] = field(default_factory=list)
    others: list[Process] = field(default_factory=list)
    """Processes that a caller has started, to be ended with the workers."""

    def add_worker(self) -> WorkerProcess:
        """Start one more worker."""
        name, port = f"worker-{len(self.workers)}", free_port()
        options = ["--config", str(self.config), "--brokers", self.brokers, "--web", f"127.0.0.1:{port}"]
        options += ["--instance", name, "--session-timeout", f"{self.session_timeout:g}", "--timeout", "120"]
        environ = {"STREAMS_STORE": self.dsn}
        command = [str(STREAMS), "worker", *options]
        worker = WorkerProcess(name, command, self.directory / f"{name}.log", environ, port=port)
        worker.start()
        self.workers.append(worker)
        return worker

    def streams(self, *arguments: str | Path) -> str:
        """Run a command of `streams` to its end and return what it wrote; raises `DrillError` if it fails."""
        done = subprocess.run([str(STREAMS), *map(str, arguments)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise DrillError(f"streams {arguments[0]} failed: {done.stderr.strip()}")
        return done.stdout + done.stderr

    def settled(self) -> bool:
        """Whether the workers hold all partitions between them, and have stored all that follows from their inputs."""
        said = [worker.status() for worker in self.workers if worker.alive()]
        held = [number for status in said for number in _numbers(status)]
        return len(held) == len(set(held)) == self.partitions() and all(s["settled"] for s in said if _numbers(s))

    def partitions(self) -> int:
        """How many partitions the configuration declares."""
        from streams.config import load_config  # noqa: PLC0415 - the clusters' parts are processes; this is one of few

        return load_config(self.config).kafka.partitions

    def wait_until(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        """Wait for a condition. Raises `DrillError` when it does not come true in time, or a worker has ended."""
        until = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > until:
                logs = "\n".join(f"--- {one.name}\n{one.last_lines()}" for one in (*self.workers, *self.others))
                raise DrillError(f"{what}: not within {seconds:g} s\n{logs}")
            time.sleep(_POLL_SECONDS)


def _numbers(status: dict[str, object]) -> list[int]:
    numbers = status.get("partitions", [])
    return [int(number) for number in numbers] if isinstance(numbers, list) else []


@contextmanager
def cluster(
    directory: Path, config: Path, brokers: str | None = None, session_timeout: float = 6.0
) -> Iterator[Cluster]:
    """
    Start Kafka (unless brokers are given) and a store, with topics and tables; end everything with the block.

    Raises
    ------
    DrillError
        A part did not start.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        broker = None
        if brokers is None:
            broker = Broker(directory / "kafka")
            stack.enter_context(broker)
            brokers = broker.bootstrap
        store = _store(directory)
        stack.callback(store.end)
        dsn = _dsn(store)
        running = Cluster(directory, config, brokers, broker, store, dsn, session_timeout)
        stack.callback(_end_all, running)
        running.wait_until(lambda: _answers(dsn), 30, "the store answers")
        running.streams("migrate", "--store", dsn)
        running.streams("topics", "apply", "--config", config, "--brokers", brokers)
        yield running


def _store(directory: Path) -> Process:
    port = free_port()
    command = [sys.executable, "-m", "deploy.clickhouse.relay", str(directory / "store"), "--port", str(port)]
    store = Process("store", command, directory / "store.log")
    store.start()
    return store


def _dsn(store: Process) -> str:
    return f"clickhouse://default:none@127.0.0.1:{store.command[-1]}"


def _answers(dsn: str) -> bool:
    address = dsn.rpartition("@")[2]
    try:
        with urllib.request.urlopen(f"http://{address}/", data=b"SELECT 1", timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False


def _end_all(running: Cluster) -> None:
    for process in (*running.workers, *running.others):
        process.end()
