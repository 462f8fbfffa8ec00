"""One simulated run from a seed: events into topics, a life full of accidents, an end in peace, and the tables."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from random import Random

import numpy as np
import pytest

from streams.codecs.registry import SchemaRegistry, default_schema_dir
from streams.codecs.wire import END_HEADER
from streams.codecs.write import to_batch
from streams.config import Config, parse_config
from streams.core import join
from streams.core.block import Batch
from streams.runtime import joining, windowing
from streams.runtime.emit import EmitReport, records_of
from streams.runtime.topics import EVENT_TOPICS, INPUTS
from tests.driving import Numbers, final_numbers
from tests.simulation.outside import virtual_loop
from tests.simulation.world import Member, World
from tests.streams_strategy import Event, Stream, make_arrival, make_stream

ACCIDENTS = ("kill", "freeze", "thaw", "rebalance", "add")
MOST_WORKERS = 4
MOODS = {
    "steady": ("join", "join", "window", "tick"),
    "reading": ("join",) * 20 + ("window", "tick"),
    "settling": ("window", "tick"),
}
"""What workers do how often: those who read for long save much at once, and show it bit by bit."""


def stream_of(seed: int) -> Stream:
    """Return the stream of a seed, the same as in the test of the pipeline against the oracle."""
    return make_stream(seed, 5 + seed % 56)


def simulate(stream: Stream, seed: int) -> World:
    """Run the stream through a world of workers; returns the world at rest, everything read and stored."""
    with limits(Random(seed)), asyncio.Runner(loop_factory=virtual_loop) as runner:
        return runner.run(_live(stream, seed))


@contextmanager
def limits(rng: Random) -> Iterator[None]:
    """Lower some limits, so that what workers do rarely with millions of events they do with fifty."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(joining, "_SMALL", rng.choice((0, 2_000, 1 << 20)))
        patch.setattr(windowing, "_SMALL", rng.choice((0, 10_000, 1 << 20)))
        patch.setattr(windowing, "_MOST_MERGED", rng.choice((1, 10, 5_000)))
        patch.setattr(join, "_NOT_WAITED_FOR", rng.choice((1, 8, 1_024)))
        patch.setattr(joining, "_COUNTED_ROWS", rng.choice((1, 1_000)))
        yield


async def _live(stream: Stream, seed: int) -> World:
    rng = Random(seed)
    config = parse_config(json.dumps(stream.config | {"kafka": {"partitions": rng.choice((1, 2, 3))}}), "generated")
    world = World(config, config.kafka.partitions, rng)
    faults = rng.choice((0.0, 0.02, 0.1))
    arrival = make_arrival(stream.events, stream.disorder, seed)
    world.add(faults)
    await world.rebalance()
    while arrival:
        many = rng.choice((1, 5, 60))
        emit(world, arrival[:many])
        arrival = arrival[many:]
        for _ in range(rng.choice((0, 3, 20))):
            await something(world, faults)
    end(world, stream.events)
    for _ in range(rng.choice((0, 30, 150))):
        await something(world, faults)
    await peace(world)
    return world


def emit(world: World, events: list[Event]) -> None:
    """Append events to their topics as a service would."""
    registry = SchemaRegistry.load(default_schema_dir())
    for event in events:
        batch = Batch(event["type"], to_batch(event["type"], [event]), "story", np.zeros(1, np.int64), lambda _: b"")
        records = records_of(batch, world.partitions, registry, EmitReport({}))
        topic = f"{world.config.kafka.prefix}.{EVENT_TOPICS[batch.kind]}"
        world.kafka.append(topic, int(records.partitions[0]), (records.keys[0], records.values[0]))


def end(world: World, events: list[Event]) -> None:
    """Say that no event will come any more, and how far the events went."""
    latest = str(max(event["event_time"] for event in events)).encode()
    for name in INPUTS:
        for partition in range(world.partitions):
            topic = f"{world.config.kafka.prefix}.{name}"
            world.kafka.append(topic, partition, (None, None), [(END_HEADER, latest)])


async def something(world: World, faults: float) -> None:
    """Let something happen: mostly work, sometimes an accident."""
    rng = world.rng
    if rng.random() < faults:
        await accident(world, faults)
    if any(member.edge.dead for member in world.members) or not world.members:
        world.members = [member for member in world.members if not member.edge.dead]
        if not [member for member in world.members if not member.frozen]:
            world.add(faults)
        await world.rebalance()
    member = rng.choice(world.members)
    if len(member.tasks) < 3:
        await work(member, rng)
    for _ in range(rng.choice((0, 1, 3, 10))):
        await asyncio.sleep(0)
    world.check_commits()
    assert not world.errors, world.errors


async def work(member: Member, rng: Random) -> None:
    """Begin something that workers do, without waiting for it."""
    if rng.random() < 0.1:
        member.mood = rng.choice(list(MOODS))
    action = rng.choice(MOODS[member.mood])
    if action == "tick":
        member.begin_tick()
    else:
        member.begin(partial(member.deliver, action))


async def accident(world: World, faults: float) -> None:
    """Kill, freeze or wake a worker, add one, or have the group share anew."""
    what, member = world.rng.choice(ACCIDENTS), world.rng.choice(world.members)
    if what == "kill":
        member.edge.dead = True
        member.edge.awake.set()
    elif what == "freeze":
        member.frozen = True
        member.edge.awake.clear()
    elif what == "thaw":
        member.frozen = False
        member.edge.awake.set()
    elif what == "add" and len(world.members) < MOST_WORKERS:
        world.add(faults)
    if what != "thaw" and world.rng.random() < 0.7:
        if not [m for m in world.members if not m.frozen and not m.edge.dead]:
            world.add(faults)
        await world.rebalance()


async def peace(world: World) -> None:
    """Let everybody wake up and finish, without further accidents, until nothing is left to read or to show."""
    for member in world.members:
        member.frozen = False
        member.edge.calm()
    await _finish(world)
    world.members = [member for member in world.members if not member.edge.dead]
    world.add(0.0).edge.calm()
    await world.rebalance()
    still = 0
    while still < 3:
        still = still + 1 if not any(member.behind() for member in world.members) else 0
        for member in world.members:
            member.begin(partial(drain, member))
        await _finish(world)
    world.check_commits()
    for member in world.members:
        assert not member.edge.dead
        assert member.edge.failure is None


async def drain(member: Member) -> None:
    """Deliver a good deal, then tick."""
    for _ in range(30):
        await member.deliver("join")
        await member.deliver("window")
    await member.worker.tick()


async def _finish(world: World) -> None:
    while tasks := [*world.kafka.on_their_way, *(task for member in world.members for task in member.tasks)]:
        await asyncio.wait(tasks)
        for task in tasks:
            task.result()


def counts_of(world: World) -> dict[str, int]:
    """Add up the accounts of all partitions, and the groups that found no place."""
    counts: dict[str, int] = {}
    for row in world.tables.newest("intake", ("partition",)):
        for name, number in row["counts"]:
            counts[name] = counts.get(name, 0) + number
    slices = world.tables.newest("slices", ("model", "slice_id"))
    return counts | {"overflow": sum(row["state"] == "overflow" for row in slices)}


def windows_of(world: World) -> Numbers:
    """Return what the store would show of the windows."""
    return final_numbers(world.tables.rows.get("windows", []))


def config_of(stream: Stream) -> Config:
    """Return the configuration without Kafka."""
    return parse_config(json.dumps(stream.config), "generated")
