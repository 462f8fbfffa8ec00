"""Topics are planned without touching them, made as they should be, and kept where a change would break joins."""

from __future__ import annotations

import asyncio
import re
import uuid
from pathlib import Path

import pytest
from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from deploy.kafka.kafka import Broker, free_port
from streams.config import KafkaConfig
from streams.errors import UsageError
from streams.runtime.kafka import KafkaUnavailable
from streams.runtime.topics import (
    DAY_MS,
    EVENT_TOPICS,
    TOPICS,
    TopicState,
    administrating,
    apply_topics,
    describe,
    plan,
    plan_topics,
    wanted,
)
from tests.conftest import Run

DOCS = Path(__file__).parents[2] / "docs" / "topics.md"
PATIENCE = 30.0


@pytest.fixture
def kafka(broker: Broker) -> KafkaConfig:
    """Configure the broker of the tests, with topics of this test's own."""
    return KafkaConfig(brokers=(broker.bootstrap,), partitions=3, prefix=f"t-{uuid.uuid4().hex}")


def state(kafka: KafkaConfig) -> dict[str, TopicState]:
    """Ask for the topics as they are."""

    async def ask() -> list[TopicState]:
        async with administrating(kafka, {}, PATIENCE) as admin:
            return await describe(admin, wanted(kafka))

    return {topic.name: topic for topic in asyncio.run(ask())}


def alter(kafka: KafkaConfig, topic: str, settings: dict[str, str]) -> None:
    """Replace the settings of a topic, as somebody else would; return once the broker shows them."""

    async def run() -> None:
        async with administrating(kafka, {}, PATIENCE) as admin:
            await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, settings)])
            while not [found for found in await describe(admin, wanted(kafka)) if found.overrides == settings]:
                pass

    asyncio.run(run())


def config_file(directory: Path, kafka: KafkaConfig) -> Path:
    """Write a configuration file for the command line."""
    file = directory / "config.yaml"
    section = f"kafka: {{brokers: ['{kafka.brokers[0]}'], partitions: {kafka.partitions}, prefix: {kafka.prefix}}}"
    file.write_text(f"{section}\nmodels: {{m: {{task: none}}}}\n")
    return file


def test_from_nothing_and_again(broker: Broker, kafka: KafkaConfig) -> None:
    """A plan makes nothing; applying makes every topic as it is declared, and once more finds nothing to do."""
    planned = plan_topics(kafka, {}, PATIENCE)
    before = state(kafka)
    done = apply_topics(kafka, {}, PATIENCE)
    found = state(kafka)

    assert broker.running
    assert before == {}
    assert [change.kind for change in planned] == ["create"] * len(TOPICS)
    assert done == planned
    for topic, want in zip(TOPICS, wanted(kafka), strict=True):
        have = found[f"{kafka.prefix}.{topic.name}"]
        assert have.partitions == (3 if topic.partitions == "shared" else topic.partitions)
        assert have.settings.items() >= want.settings.items()
    assert apply_topics(kafka, {}, PATIENCE) == plan_topics(kafka, {}, PATIENCE) == []


def test_another_number_of_partitions_is_a_problem(kafka: KafkaConfig) -> None:
    """With one topic of other partitions nothing is created, and the error says what to configure."""
    name = f"{kafka.prefix}.outcomes"

    async def create() -> None:
        async with administrating(kafka, {}, PATIENCE) as admin:
            await admin.create_topics([NewTopic(name, 2, 1)])
            while not [topic for topic in await describe(admin, wanted(kafka)) if topic.led]:
                pass

    asyncio.run(create())
    kinds = {change.kind for change in plan_topics(kafka, {}, PATIENCE) if change.topic.name == name}
    with pytest.raises(UsageError, match=rf"{name} has 2 partitions, 3 are wanted; .*kafka\.partitions: 2"):
        apply_topics(kafka, {}, PATIENCE)

    assert kinds == {"problem", "alter"}
    assert state(kafka).keys() == {name}


def test_drift_is_altered_and_what_others_set_stays(kafka: KafkaConfig) -> None:
    """A setting that differs is shown and put right; one that is not declared here is left as somebody set it."""
    apply_topics(kafka, {}, PATIENCE)
    name = f"{kafka.prefix}.verdicts"
    alter(kafka, name, {"retention.ms": "1000", "retention.bytes": "123456"})
    (planned,) = plan_topics(kafka, {}, PATIENCE)
    done = apply_topics(kafka, {}, PATIENCE)
    settings = state(kafka)[name].settings

    assert (planned.kind, planned.topic.name) == ("alter", name)
    assert f"retention.ms 1000 -> {30 * DAY_MS}" in planned.detail
    assert done == [planned]
    assert (settings["retention.ms"], settings["retention.bytes"]) == (str(30 * DAY_MS), "123456")
    assert settings["message.timestamp.type"] == "LogAppendTime"


def test_the_commands(kafka: KafkaConfig, tmp_path: Path, cli: Run) -> None:
    """`plan` and `apply` print a line for each change, exit code 0; then that nothing is to be done."""
    config = config_file(tmp_path, kafka)
    planned, applied = cli("topics", "plan", "--config", config), cli("topics", "apply", "--config", config)
    again = cli("topics", "plan", "--config", config)

    assert (planned.code, applied.code, again.code) == (0, 0, 0)
    assert len(planned.out.splitlines()) == len(TOPICS)
    assert planned.out.startswith(f"create {kafka.prefix}.predictions: 3 partitions, replication 1, ")
    assert applied.out == planned.out
    assert (again.out, again.err) == ("nothing to do\n", "")


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_a_broker_that_is_away_is_a_clear_line(tmp_path: Path, cli: Run, command: str) -> None:
    """After the patience that was asked for, one line names the address, exit code 1."""
    address = f"127.0.0.1:{free_port()}"
    config = config_file(tmp_path, KafkaConfig(brokers=(address,)))
    ran = cli("topics", command, "--config", config, "--timeout", "0.3")

    assert ran.code == 1
    assert ran.err.startswith(f"error: no broker answered at {address} within 0.3 s; is Kafka running there")
    assert (len(ran.err.splitlines()), ran.out) == (1, "")


def test_a_broker_that_comes_is_waited_for(broker: Broker, kafka: KafkaConfig) -> None:
    """A command that began while the broker was away goes on once it is there."""

    async def plan_meanwhile() -> int:
        broker.kill()
        planned = asyncio.create_task(asyncio.to_thread(plan_topics, kafka, {}, 60.0))
        await asyncio.to_thread(broker.start)
        return len(await planned)

    assert asyncio.run(plan_meanwhile()) == len(TOPICS)


def test_a_request_without_an_answer_has_a_name(broker: Broker, kafka: KafkaConfig) -> None:
    """What takes too long after the connection was made is an error that may be tried again."""

    async def wait() -> None:
        async with administrating(kafka, {}, 1.0):
            await asyncio.Event().wait()

    with pytest.raises(KafkaUnavailable, match=f"the brokers at {broker.bootstrap} were not done within 1 s"):
        asyncio.run(wait())


def test_a_plan_asks_nobody() -> None:
    """Comparing is pure: what is as wanted gives nothing, another replication a problem, what is missing is created."""
    first, second, *_ = want = wanted(KafkaConfig())
    copies = TopicState(second.name, second.partitions, 3, second.settings)
    changes = plan([first, copies], want[:3])

    assert plan(want, want) == []
    assert [(change.kind, change.topic.name) for change in changes] == [
        ("problem", second.name),
        ("create", want[2].name),
    ]
    assert "has 3 copies of each partition, 1 are wanted" in changes[0].detail


def test_topics_that_are_joined_have_the_same_partitions_and_key() -> None:
    """The three inputs are declared alike, and kept equally long."""
    inputs = [topic for topic in TOPICS if topic.name in EVENT_TOPICS.values()]

    assert [topic.name for topic in inputs] == ["predictions", "outcomes", "feedback"]
    assert {(topic.key, topic.partitions, topic.retention) for topic in inputs} == {
        ("request_id", "shared", 90 * DAY_MS)
    }


def test_verdicts_are_kept_as_alerts_are() -> None:
    """A reader that was away finds every look and every alert of the same days: neither is compacted."""
    kept = {topic.name: (topic.cleanup, topic.retention) for topic in TOPICS}

    assert kept["verdicts"] == kept["alerts"] == ("delete", 30 * DAY_MS)


def test_the_document_has_the_table() -> None:
    """docs/topics.md lists the topics of the code, in its order and its words."""
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    documented = {name: tuple(rest.split(" | ")) for name, rest in rows if name in {topic.name for topic in TOPICS}}
    declared = {
        topic.name: (
            topic.key,
            "as configured" if topic.partitions == "shared" else str(topic.partitions),
            "for ever" if topic.retention is None else f"{topic.retention // DAY_MS} days",
            topic.cleanup,
            topic.producer,
            ", ".join(topic.consumers),
            topic.why,
        )
        for topic in TOPICS
    }

    assert list(documented.items()) == list(declared.items())
