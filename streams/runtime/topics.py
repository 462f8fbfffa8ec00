"""
The topics: what each is for, and how the brokers are brought to have them as they should be.

`plan` compares what is there with what is wanted and touches nothing; `plan_topics` and `apply_topics` ask the
brokers. What is wrong and cannot be mended without moving records, such as a number of partitions, is a problem.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from streams.config.kafka import KafkaConfig
from streams.core.block import EventType
from streams.errors import StreamsError, UsageError
from streams.runtime.kafka import FIRST_BACKOFF, KafkaUnavailable, client_settings, connected

Cleanup = Literal["delete", "compact"]

DAY_MS = 86_400_000
EVENT_TOPICS: Mapping[EventType, str] = {
    "prediction": "predictions",
    "outcome": "outcomes",
    "feedback": "feedback",
    "summary": "predictions",  # what a service says of its predictions has one order, and one watermark
}
"""Name of the topic, behind the prefix, of each type of event."""

INPUTS: tuple[str, ...] = tuple(dict.fromkeys(EVENT_TOPICS.values()))
"""Names of the topics that have events, behind the prefix."""

SUMMARIES, CLAIMS, CHECKPOINTS = "summaries", "claims", "checkpoints"
"""Names of the topics that workers write for workers, behind the prefix."""

REJECTED, VERDICTS, ALERTS = "rejected", "verdicts", "alerts"
"""Names of the topics that workers write for others, behind the prefix."""

_SET_ON_THE_TOPIC = 1  # "dynamic topic config" among the sources of a setting that DescribeConfigs names
_EVERY_TOPIC = {
    # A record may have 1 MiB as it was written, and its key comes on top.
    "max.message.bytes": str(4 << 20),
    # A record's timestamp is when the broker took it; event times are in the events. So retention counts from arrival,
    # old events are not deleted as they come, and after a crash the broker still knows which producer wrote what:
    # it judges by these timestamps, and took an old event's retry for a new record when they were event times.
    "message.timestamp.type": "LogAppendTime",
}
_COMPACTED = {
    # Kafka compacts what is in closed segments, which are 1 GiB large or a week old by default: a worker that takes a
    # partition over reads all that is there, so what has been superseded has to go soon.
    "segment.bytes": str(64 << 20),
    "min.cleanable.dirty.ratio": "0.2",
    # A reader that began before a deletion must come by it: far longer than reading everything takes.
    "delete.retention.ms": str(3_600_000),
}


@dataclass(frozen=True)
class Topic:
    """
    One topic.

    `name` stands behind the prefix and a dot; `key` is what its records are partitioned by; `partitions` is "shared"
    for topics that all have as many as are configured; `retention` is in milliseconds, None for ever.
    """

    name: str
    key: str
    partitions: Literal["shared"] | int
    retention: int | None
    cleanup: Cleanup
    producer: str
    consumers: tuple[str, ...]
    why: str


TOPICS: tuple[Topic, ...] = (
    # The three inputs of the join. One request's events meet only where the three have equal partitions.
    Topic(
        EVENT_TOPICS["prediction"],
        *("request_id", "shared", 90 * DAY_MS, "delete", "services, `streams emit`", ("worker",)),
        "What models answered, also summed; kept for long enough to start again from the beginning of a label horizon",
    ),
    Topic(
        EVENT_TOPICS["outcome"],
        *("request_id", "shared", 90 * DAY_MS, "delete", "services, `streams emit`", ("worker",)),
        "What turned out to be true. Kept as predictions are",
    ),
    Topic(
        EVENT_TOPICS["feedback"],
        *("request_id", "shared", 90 * DAY_MS, "delete", "services, `streams emit`", ("worker",)),
        "What users did. Kept as predictions are",
    ),
    # What the join has summed up leaves its partition, so that a model's sums of all partitions meet in one place.
    Topic(
        SUMMARIES,
        *(
            "input partition, in the partition of the model",
            "shared",
            7 * DAY_MS,
            "delete",
            "worker: summarize",
            ("worker: window",),
        ),
        "Exact sums of a model's joined events, which merge; made again from the inputs when needed",
    ),
    # An experiment's verdicts keep their order, being in one partition. Deleted and not compacted: which row of a key
    # is the newest the store knows for ever, and here a reader that was away finds every look that it missed.
    Topic(
        VERDICTS,
        *("experiment", "shared", 30 * DAY_MS, "delete", "worker: window", ("worker: alert", "release tools")),
        "What was found about an experiment's arms, with its evidence: the rows of the table of that name",
    ),
    # One partition keeps what was decided in one order; there are few of them.
    Topic(
        ALERTS,
        *("model", 1, 30 * DAY_MS, "delete", "worker: alert", ("`streams alerts deliver`", "on-call tools")),
        "What somebody should look at now, and what is over: the rows of the table of that name",
    ),
    # For whoever mends a writer; the store has them too, this is for programs.
    Topic(
        REJECTED,
        *("source/position", 1, 30 * DAY_MS, "delete", "worker: decode and join", ("owners of services",)),
        "Records that take no part: what may be stored of them, and the reason",
    ),
    # Who works on a partition: the last record. Apart from the state, so that asking where it ends tells all.
    Topic(
        CLAIMS,
        *("input partition", "shared", None, "compact", "worker", ("worker",)),
        "Which worker has taken over a partition; the offset of its claim is its epoch",
    ),
    # State of an input partition, in the partition of the same number: restored from there after a restart.
    Topic(
        CHECKPOINTS,
        *("input partition and part of its state", "shared", None, "compact", "worker", ("worker",)),
        "State of the worker's partitions; the newest of each key stays",
    ),
)


@dataclass(frozen=True)
class TopicState:
    """A topic as it is or as it should be; `overrides` are those of its settings that are not the broker's own."""

    name: str
    partitions: int
    replication: int
    settings: Mapping[str, str]
    overrides: Mapping[str, str] = field(default_factory=dict)
    led: bool = True


@dataclass(frozen=True)
class Change:
    """One thing that applying would do, or that nobody but a person can (a problem); `detail` says it in words."""

    kind: Literal["create", "alter", "problem"]
    topic: TopicState
    detail: str

    def __str__(self) -> str:
        return f"{self.kind} {self.topic.name}: {self.detail}"


def wanted(kafka: KafkaConfig, topics: Sequence[Topic] = TOPICS) -> list[TopicState]:
    """Return the topics as they should be under a configuration."""
    return [
        TopicState(
            f"{kafka.prefix}.{topic.name}",
            kafka.partitions if topic.partitions == "shared" else topic.partitions,
            kafka.replication,
            _settings(topic, kafka.replication),
        )
        for topic in topics
    ]


def _settings(topic: Topic, replication: int) -> dict[str, str]:
    return {
        "cleanup.policy": topic.cleanup,
        "retention.ms": str(-1 if topic.retention is None else topic.retention),
        # What is acknowledged is on two brokers where there are three, and one may be away.
        "min.insync.replicas": str(max(1, replication - 1)),
        **_EVERY_TOPIC,
        **(_COMPACTED if topic.cleanup == "compact" else {}),
    }


def plan(existing: Sequence[TopicState], wanted: Sequence[TopicState]) -> list[Change]:
    """
    Compare topics that are there with those that should be; settings that nobody asked for are left alone.

    More partitions are never added: keys would move, and an event would no longer meet the earlier ones of its
    request.
    """
    there = {topic.name: topic for topic in existing}
    return [change for topic in wanted for change in _changes(there.get(topic.name), topic)]


def _changes(have: TopicState | None, want: TopicState) -> list[Change]:
    if have is None:
        how = f"{want.partitions} partitions, replication {want.replication}"
        return [Change("create", want, f"{how}, {', '.join(f'{k}={v}' for k, v in sorted(want.settings.items()))}")]
    changes = []
    if have.partitions != want.partitions:
        problem = f"has {have.partitions} partitions, {want.partitions} are wanted; changing that would move keys and "
        remedy = f"break joins: configure kafka.partitions: {have.partitions}, another prefix, or delete the topic"
        changes.append(Change("problem", want, problem + remedy))
    if have.replication != want.replication:
        problem = f"has {have.replication} copies of each partition, {want.replication} are wanted; "
        remedy = f"configure kafka.replication: {have.replication}, or reassign its partitions with Kafka's own tools"
        changes.append(Change("problem", want, problem + remedy))
    drift = {name: value for name, value in sorted(want.settings.items()) if have.settings.get(name) != value}
    if drift:
        # Kafka's request replaces all settings of a topic, so those that somebody else has set go with it.
        merged = TopicState(want.name, want.partitions, want.replication, {**have.overrides, **want.settings})
        words = ", ".join(f"{name} {have.settings.get(name, 'unset')} -> {value}" for name, value in drift.items())
        changes.append(Change("alter", merged, words))
    return changes


def plan_topics(kafka: KafkaConfig, environ: Mapping[str, str], timeout: float) -> list[Change]:
    """Ask the brokers, and say what applying would do. Raises `KafkaUnavailable` after `timeout` seconds."""

    async def ask() -> list[Change]:
        want = wanted(kafka)
        async with administrating(kafka, environ, timeout) as admin:
            return plan(await describe(admin, want), want)

    return asyncio.run(ask())


def apply_topics(kafka: KafkaConfig, environ: Mapping[str, str], timeout: float) -> list[Change]:
    """
    Create and alter topics until they are as they should be; return what was done.

    Raises
    ------
    UsageError
        There are problems: nothing was changed.
    KafkaUnavailable
        No broker answered, or the topics did not become what they should, within `timeout` seconds.
    """

    async def apply() -> list[Change]:
        want = wanted(kafka)
        async with administrating(kafka, environ, timeout) as admin:
            changes = plan(await describe(admin, want), want)
            _refuse_problems(changes)
            await _create(admin, [change.topic for change in changes if change.kind == "create"])
            await _alter(admin, [change.topic for change in changes if change.kind == "alter"])
            await _verify(admin, want)
            return changes

    return asyncio.run(apply())


@asynccontextmanager
async def administrating(
    kafka: KafkaConfig, environ: Mapping[str, str], patience: float
) -> AsyncIterator[AIOKafkaAdminClient]:
    """Connect a client for topics; what goes wrong inside, or takes longer than `patience` seconds, has a name."""
    admin = AIOKafkaAdminClient(**client_settings(kafka, environ))
    async with connected(admin, admin.close, kafka.brokers, patience):
        try:
            async with asyncio.timeout(patience):
                yield admin
        except TimeoutError:
            raise KafkaUnavailable(
                f"the brokers at {', '.join(kafka.brokers)} were not done within {patience:g} s; try again"
            ) from None
        except KafkaError as error:
            raise StreamsError(f"Kafka at {', '.join(kafka.brokers)} answered: {error}") from error


async def describe(admin: AIOKafkaAdminClient, topics: Sequence[TopicState]) -> list[TopicState]:
    """Those of the topics that are there, as they are."""
    names = {topic.name for topic in topics}
    # All are asked for: to ask for one that is missing makes some brokers create it.
    found = {topic["topic"]: topic["partitions"] for topic in await admin.describe_topics() if topic["topic"] in names}
    if not found:
        return []
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in found]
    states = []
    for answer in await admin.describe_configs(resources):
        for code, message, _, name, entries in answer.resources:
            _check(code, name, message)
            values = {entry[0]: entry[1] for entry in entries}
            overrides = {entry[0]: entry[1] for entry in entries if entry[3] == _SET_ON_THE_TOPIC}
            parts = found[name]
            led = all(part["leader"] >= 0 for part in parts)
            states.append(TopicState(name, len(parts), len(parts[0]["replicas"]), values, overrides, led))
    return states


async def _create(admin: AIOKafkaAdminClient, topics: Sequence[TopicState]) -> None:
    if not topics:
        return
    new = [NewTopic(t.name, t.partitions, t.replication, topic_configs=dict(t.settings)) for t in topics]
    answer = await admin.create_topics(new)
    for name, code, message in answer.topic_errors:
        if code != TopicAlreadyExistsError.errno:  # somebody was quicker; that it is right is verified
            _check(code, name, message)


async def _alter(admin: AIOKafkaAdminClient, topics: Sequence[TopicState]) -> None:
    if not topics:
        return
    changed = [ConfigResource(ConfigResourceType.TOPIC, topic.name, dict(topic.settings)) for topic in topics]
    for answer in await admin.alter_configs(changed):
        for code, message, _, name in answer.resources:
            _check(code, name, message)


async def _verify(admin: AIOKafkaAdminClient, want: Sequence[TopicState]) -> None:
    """Return once nothing is left to do and every partition has a leader; brokers learn of it a little later."""
    while True:
        have = await describe(admin, want)
        changes = plan(have, want)
        _refuse_problems(changes)  # somebody else was quicker, and made a topic otherwise
        if not changes and all(topic.led for topic in have):
            return
        await asyncio.sleep(FIRST_BACKOFF)


def _refuse_problems(changes: Sequence[Change]) -> None:
    problems = [f"{change.topic.name} {change.detail}" for change in changes if change.kind == "problem"]
    if problems:
        listed = "".join(f"\n  {problem}" for problem in problems)
        raise UsageError(f"{len(problems)} found that applying cannot mend:{listed}")


def _check(code: int, name: str, message: str | None) -> None:
    if code:
        error = for_code(code)
        raise StreamsError(f"topic {name}: {message or error.description} ({error.__name__})")
