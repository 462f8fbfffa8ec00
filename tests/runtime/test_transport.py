"""What the block transport takes for granted about Faust and aiokafka, and what it does without a broker."""

from __future__ import annotations

import hashlib
import inspect
import itertools
from importlib.metadata import version

import aiokafka.consumer.fetcher
import aiokafka.consumer.group_coordinator
import faust
import faust.agents.agent
import faust.app.base
import faust.tables.recovery
import faust.transport.consumer
import faust.transport.drivers.aiokafka
import pytest
from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.structs import PartitionMetadata
from faust.types import TP

from streams.errors import StreamsError
from streams.runtime.transport_custody import numbers_of

RESTS_ON = {
    "faust.transport.consumer.Consumer.getmany": "4b168d84882a",
    "faust.transport.consumer.Consumer._drain_messages": "44a2500309e8",
    "faust.transport.consumer.Consumer.on_partitions_revoked": "d04b7ae72c6f",
    "faust.transport.consumer.Consumer.on_partitions_assigned": "29ce96596f05",
    "faust.transport.consumer.Consumer.perform_seek": "0e8c130ff4b0",
    "faust.transport.consumer.Consumer.resume_flow": "db59630f25b5",
    "faust.transport.consumer.Consumer.commit": "a354437baaa0",
    "faust.transport.consumer.Consumer.ack": "5fcf41cf4515",
    "faust.transport.consumer.Consumer.verify_all_partitions_active": "4e0e46f5c297",
    "faust.transport.drivers.aiokafka.AIOKafkaConsumerThread._create_worker_consumer": "c2701bfc3e6f",
    "faust.transport.drivers.aiokafka.AIOKafkaConsumerThread._fetch_records": "39a2c6c79fc1",
    "faust.transport.drivers.aiokafka.ConsumerRebalanceListener": "f3d04f29dfb3",
    "faust.tables.recovery.Recovery._resume_streams": "d986a6710c1a",
    "faust.tables.recovery.Recovery._restart_recovery": "6bd8a8558a2d",
    "faust.app.base.App._on_partitions_revoked": "d5c895bbe57d",
    "faust.app.base.App._on_partitions_assigned": "de932b7927db",
    "faust.app.base.App._stop_consumer": "55854a5de12c",
    "faust.agents.agent.Agent._execute_actor": "c750b828d2bd",
    "aiokafka.consumer.fetcher.Fetcher.fetched_records": "be4348896b9b",
    "aiokafka.consumer.fetcher.FetchResult.check_assignment": "b5340df67e3f",
    "aiokafka.consumer.fetcher.FetchResult.getall": "3e717e30de50",
    "aiokafka.consumer.fetcher.PartitionRecords._unpack_records": "b803e6d46480",
    "aiokafka.coordinator.assignors.range.RangePartitionAssignor.assign": "3d310cce9629",
    "aiokafka.consumer.group_coordinator.GroupCoordinator.check_errors": "ba6ca51ad348",
    "aiokafka.consumer.group_coordinator.GroupCoordinator.ensure_active_group": "33c84c1a9301",
}


def digest(name: str) -> str:
    found: object = {"faust": faust, "aiokafka": aiokafka}[name.split(".", maxsplit=1)[0]]
    for part in name.split(".")[1:]:
        found = getattr(found, part)
    source = inspect.getsource(getattr(found, "fun", found))  # type: ignore[arg-type]
    return hashlib.sha256(source.encode()).hexdigest()[:12]


def test_what_is_overridden_has_not_changed() -> None:
    """Each of these is overridden, or called in an order that the transport rests on; here is what to read again."""
    changed = [f"    {name!r}: {digest(name)!r}," for name, known in RESTS_ON.items() if digest(name) != known]
    versions = f"faust-streaming {version('faust-streaming')}, aiokafka {version('aiokafka')}"
    told = "\n".join(["read these again, and streams/runtime/transport*.py with them:", versions, *changed])
    assert not changed, told


def cluster(topics: list[str], partitions: int) -> ClusterMetadata:
    known = ClusterMetadata()
    for topic in topics:
        known._partitions[topic] = {
            number: PartitionMetadata(topic, number, 0, [0], [0], None) for number in range(partitions)
        }
    return known


@pytest.mark.parametrize(("members", "partitions"), [*itertools.product((1, 2, 3, 5), (1, 4, 7))])
def test_a_member_is_assigned_the_same_numbers_of_every_topic(members: int, partitions: int) -> None:
    """Each number has one member, and nobody has more than one number above another."""
    topics = ["predictions", "outcomes", "feedback", "summaries"]
    metadata = {f"m{number}": RangePartitionAssignor.metadata(topics) for number in range(members)}
    assigned = RangePartitionAssignor.assign(cluster(topics, partitions), metadata)
    held = [
        numbers_of(
            frozenset(TP(topic, number) for topic, numbers in one.assignment for number in numbers), tuple(topics)
        )
        for one in assigned.values()
    ]
    assert sorted(number for numbers in held for number in numbers) == list(range(partitions))
    assert max(map(len, held)) - min(map(len, held)) <= 1


def test_unequal_partitions_are_an_error() -> None:
    """It would be a fault of Faust's; the events of a request would be in different workers."""
    with pytest.raises(StreamsError, match=r"unequal partitions .*\(a: \[0, 1\], b: \[1\]\)"):
        numbers_of(frozenset({TP("a", 0), TP("a", 1), TP("b", 1)}), ("a", "b"))
