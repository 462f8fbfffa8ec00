"""
How long `emit` holds up its caller: microseconds a call, sync and on asyncio, with a broker that takes the events.

Needs what `deploy/kafka/kafka.py` needs. Each run emits bursts with a pause after each, as a service under load does,
so that delivery in the background, which shares the interpreter, is going on meanwhile. `python -m benchmarks.emit`.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

import numpy as np

from deploy.kafka.kafka import Broker
from streams.emit import AsyncEmitter, Emitter, KafkaConfig, Prediction
from streams.runtime.topics import apply_topics

BURSTS, BURST = 400, 100
PAUSE = 0.005  # seconds; 20,000 events a second at most


def events() -> list[Prediction]:
    """Make predictions with two attributes and ten features."""
    attributes = {"country": "DE", "device": "phone"}
    features = {f"feature_{n}": n / 7 for n in range(10)}
    return [
        Prediction(
            request_id=f"r{number}",
            prediction_id=f"p{number}",
            model="fraud",
            version="3.1",
            score=0.5,
            attributes=attributes,
            features=features,
            latency_ms=11.2,
        )
        for number in range(BURST)
    ]


def burst(emitter: Emitter | AsyncEmitter, each: list[Prediction], times: list[int]) -> None:
    """Emit events, and note how many nanoseconds each took."""
    for event in each:
        started = time.perf_counter_ns()
        emitter.emit(event)
        times.append(time.perf_counter_ns() - started)


def sync(kafka: KafkaConfig) -> list[int]:
    """Time the emitter from a thread."""
    times: list[int] = []
    with Emitter(kafka) as emitter:
        for _ in range(BURSTS):
            burst(emitter, events(), times)
            time.sleep(PAUSE)
    return times


async def on_asyncio(kafka: KafkaConfig) -> list[int]:
    """Time the emitter from a loop."""
    times: list[int] = []
    async with AsyncEmitter(kafka) as emitter:
        for _ in range(BURSTS):
            burst(emitter, events(), times)
            await asyncio.sleep(PAUSE)
    return times


def main() -> None:
    """Run against a broker of its own, and print."""
    with tempfile.TemporaryDirectory() as directory, Broker(Path(directory)) as broker:
        kafka = KafkaConfig(brokers=(broker.bootstrap,))
        apply_topics(kafka, {}, 30.0)
        found = {"Emitter": sync(kafka), "AsyncEmitter": asyncio.run(on_asyncio(kafka))}
    print(f"{'microseconds a call':20}{'p50':>8}{'p99':>8}{'calls':>9}")
    for name, times in found.items():
        p50, p99 = np.percentile(np.array(times) / 1_000, [50, 99])
        print(f"{name:20}{p50:8.1f}{p99:8.1f}{len(times):9,}")


if __name__ == "__main__":
    main()
