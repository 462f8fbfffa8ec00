"""The broker of docker-compose.yml: its settings, run by the same version of Kafka."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import pytest

from deploy.kafka.kafka import HOST, Broker, _ask_metadata, free_port
from tests.deploy.reading import documents
from tests.kafka.conftest import require_kafka

(COMPOSE,) = documents("docker-compose.yml")
KAFKA: dict[str, Any] = COMPOSE["services"]["kafka"]
ENVIRONMENT: dict[str, str] = KAFKA["environment"]
NO_SETTINGS = {"KAFKA_HEAP_OPTS"}
DATA = "/var/lib/kafka/data"


def settings() -> dict[str, str]:
    """Return the settings that the image makes of its environment: KAFKA_NODE_ID is node.id."""
    names = [name for name in ENVIRONMENT if name.startswith("KAFKA_") and name not in NO_SETTINGS]
    return {name.removeprefix("KAFKA_").lower().replace("_", "."): ENVIRONMENT[name] for name in names}


class ComposeBroker(Broker):
    """The broker of compose with ports of this machine; `port` is that of its inner listener."""

    def __init__(self, data: Path) -> None:
        super().__init__(data)
        self.outside = free_port(self.port, self._controller_port)

    def _write_settings(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        ports = {"9092": self.port, "9093": self._controller_port, "29092": self.outside}
        values = {
            name: re.sub(r"(?<=:)\d+\b", lambda at: str(ports[at[0]]), value) for name, value in settings().items()
        }
        here = {
            name: value.replace("kafka:", f"{HOST}:").replace("//:", f"//{HOST}:") for name, value in values.items()
        }
        here["log.dirs"] = str(self._meta.parent)
        self._settings.write_text("".join(f"{name}={value}\n" for name, value in here.items()), encoding="utf-8")


@pytest.fixture
def compose_broker(tmp_path: Path) -> ComposeBroker:
    require_kafka()
    return ComposeBroker(tmp_path / "kafka")


def test_each_client_is_told_an_address_that_it_can_reach(compose_broker: ComposeBroker) -> None:
    """Kafka takes the settings, and names itself to a client by the listener that the client came through."""
    with compose_broker:
        _, inside = _ask_metadata(compose_broker.port)
        _, outside = _ask_metadata(compose_broker.outside)

    assert inside == [(HOST, compose_broker.port)]
    assert outside == [("localhost", compose_broker.outside)]


def test_the_addresses_are_those_of_compose() -> None:
    """Inside it is the service's name, outside the published port of this machine; nobody comes to the controller."""
    advertised = dict(address.split("://") for address in settings()["advertised.listeners"].split(","))

    assert advertised == {"INSIDE": "kafka:9092", "OUTSIDE": "localhost:29092"}
    assert KAFKA["ports"] == ["127.0.0.1:29092:29092"]
    assert "kafka:9092" in KAFKA["healthcheck"]["test"][1]


def test_records_are_kept() -> None:
    """Records lie in the volume, and the cluster is always the same one."""
    assert settings()["log.dirs"] == DATA
    assert KAFKA["volumes"] == [f"kafka:{DATA}"]
    assert len(base64.urlsafe_b64decode(ENVIRONMENT["CLUSTER_ID"] + "==")) == 16


def test_no_topic_is_made_by_mistake() -> None:
    """A misspelled topic is an error: `streams topics apply` alone makes them."""
    assert settings()["auto.create.topics.enable"] == "false"
