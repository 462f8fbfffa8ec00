"""
How long the client holds up its caller: microseconds a call, with a broker that takes the events.

Needs what `deploy/kafka/kafka.py` needs. Each run makes bursts of calls with a pause after each, as a service under
load does, so that delivery in the background, which shares the interpreter, is going on meanwhile. With `--alone` no
broker is needed: the processor time of a call is compared with that of `logging.info` into a file, in the same run.
"""

from __future__ import annotations

import asyncio
import json
import logging
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from deploy.kafka.kafka import Broker
from streams.emit import AsyncEmitter, Emitter, KafkaConfig, Prediction, Spool, current_call
from streams.runtime.topics import apply_topics

BURSTS, BURST = 400, 100
PAUSE = 0.005  # seconds; 20,000 events a second at most
THREADS = 32
ROUNDS, CALLS = 7, 10_000
MOST_MICROSECONDS = 30.0
RESULTS = Path(__file__).with_name("emit.json")
ATTRIBUTES = {"country": "DE", "device": "phone"}
FEATURES = {f"feature_{n}": n / 7 for n in range(10)}

Call = Callable[[Prediction], object]


def events() -> list[Prediction]:
    """Make predictions with two attributes and ten features."""
    return [
        Prediction(
            request_id=f"r{number}",
            prediction_id=f"p{number}",
            model="fraud",
            version="3.1",
            score=0.5,
            attributes=ATTRIBUTES,
            features=FEATURES,
            latency_ms=11.2,
        )
        for number in range(BURST)
    ]


def decorated(emitter: Emitter) -> Call:
    """Return a function that does nothing but what the decorator adds, and sets what a service would."""

    @emitter.measured("fraud", "3.1")
    def answer(event: Prediction) -> None:
        call = current_call()
        call.request_id, call.score = event.request_id, event.score
        call.attributes, call.features = event.attributes, event.features

    return answer


def burst(call: Call, each: list[Prediction], times: list[int]) -> None:
    """Make calls, and note how many nanoseconds each took."""
    for event in each:
        started = time.perf_counter_ns()
        call(event)
        times.append(time.perf_counter_ns() - started)


def bursts(call: Call, number: int = BURSTS, pause: float = PAUSE) -> list[int]:
    """Time a function from a thread."""
    times: list[int] = []
    for _ in range(number):
        burst(call, events(), times)
        time.sleep(pause)
    return times


def threads(call: Call) -> list[int]:
    """Time it from many threads at once, which together call it as often as one does alone."""
    times: list[list[int]] = []
    makers = [
        threading.Thread(target=lambda: times.append(bursts(call, BURSTS // THREADS, PAUSE * THREADS)))
        for _ in range(THREADS)
    ]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    return [taken for one in times for taken in one]


async def on_asyncio(kafka: KafkaConfig) -> list[int]:
    """Time the emitter from a loop."""
    times: list[int] = []
    async with AsyncEmitter(kafka) as emitter:
        for _ in range(BURSTS):
            burst(emitter.emit, events(), times)
            await asyncio.sleep(PAUSE)
    return times


def with_broker() -> None:
    """Run against a broker of its own, and print."""
    with tempfile.TemporaryDirectory() as directory, Broker(Path(directory) / "kafka") as broker:
        kafka = KafkaConfig(brokers=(broker.bootstrap,))
        apply_topics(kafka, {}, 30.0)
        spool = Spool(Path(directory) / "spool")
        with Emitter(kafka) as plain, Emitter(kafka, spool=spool) as spooled:
            found = {
                "Emitter": bursts(plain.emit),
                "with a spool": bursts(spooled.emit),
                "measured": bursts(decorated(plain)),
                f"{THREADS} threads": threads(plain.emit),
            }
        found["AsyncEmitter"] = asyncio.run(on_asyncio(kafka))
    print(f"{'microseconds a call':20}{'p50':>8}{'p99':>8}{'calls':>9}")
    for name, times in found.items():
        p50, p99 = np.percentile(np.array(times) / 1_000, [50, 99])
        print(f"{name:20}{p50:8.1f}{p99:8.1f}{len(times):9,}")


def microseconds(call: Call, each: list[Prediction]) -> float:
    """Processor time of this thread a call."""
    started = time.thread_time_ns()
    for number in range(CALLS):
        call(each[number % BURST])
    return (time.thread_time_ns() - started) / CALLS / 1_000


def alone(directory: Path) -> dict[str, float]:
    """Processor time of a call by what is called, in turns; medians."""
    logger = logging.getLogger("benchmark")
    logger.setLevel(logging.INFO)
    logger.addHandler(logging.FileHandler(directory / "log"))
    away, each = KafkaConfig(brokers=("127.0.0.1:1",)), events()
    events_all, bytes_all = (ROUNDS + 1) * 2 * CALLS, 1 << 30
    plain = Emitter(away, max_events=events_all, max_bytes=bytes_all)
    spool = Spool(directory / "spool", bytes_all)
    spooled = Emitter(away, max_events=events_all, max_bytes=bytes_all, spool=spool)
    calls: dict[str, Call] = {
        "emit": plain.emit,
        "emit with a spool": spooled.emit,
        "measured": decorated(plain),
        "logging.info": lambda event: logger.info("%s", event),
    }
    taken = [{name: microseconds(call, each) for name, call in calls.items()} for _ in range(ROUNDS)]
    plain.close(0)
    spooled.close(0)
    return {name: statistics.median(one[name] for one in taken) for name in calls}


def compare() -> int:
    """Print what a call costs next to `logging.info`; 1 if it is more than was promised."""
    logging.getLogger("aiokafka").disabled = True
    logging.getLogger("streams.emit").disabled = True
    with tempfile.TemporaryDirectory() as directory:
        found = alone(Path(directory))
    log = found["logging.info"]
    RESULTS.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    ours = [f"{name} {took:.1f} us, {took / log:.2f} x" for name, took in found.items() if name != "logging.info"]
    print(
        f"a call of the client, processor time: {'; '.join(ours)} of logging.info of the event to a file, {log:.1f} us"
    )
    return 0 if max(found["emit"], found["emit with a spool"], found["measured"]) < MOST_MICROSECONDS else 1


def main() -> int:
    """Run the command; return its exit code."""
    if sys.argv[1:] == ["--alone"]:
        return compare()
    with_broker()
    return 0


if __name__ == "__main__":
    sys.exit(main())
