"""A log in memory for one worker after another, which may refuse what it is given, or take it without saying so."""

from __future__ import annotations

from collections.abc import Sequence

from streams.runtime.kafka import KafkaUnavailable
from streams.runtime.log import Record
from streams.runtime.topics import CHECKPOINTS
from tests.simulation.outside import Kafka


class MemoryLog:
    """
    What the brokers have; `left` is how many more records they will take before they are away (None: no end).

    The records of the append in which they go away are kept as far as they came; it is not confirmed.
    """

    def __init__(self, record_bytes: int = 1 << 20) -> None:
        self.kafka = Kafka()
        self.record_bytes = record_bytes
        self.left: int | None = None

    async def append(self, topic: str, partition: int, records: Sequence[Record]) -> int:
        offset = -1
        for record in records:
            if self.left is not None:
                if not self.left:
                    raise KafkaUnavailable("the brokers are away, as the test has it")
                self.left -= 1
            offset = self.kafka.append(topic, partition, record)
        return offset

    async def read(self, topic: str, partition: int) -> dict[bytes, bytes]:
        return self.kafka.newest(topic, partition)

    async def end(self, topic: str, partition: int) -> int:
        return self.kafka.end(topic, partition)

    def checkpoints(self) -> dict[bytes, bytes]:
        """Checkpoints of partition 0, as compaction would leave them."""
        return self.kafka.newest(CHECKPOINTS, 0)
