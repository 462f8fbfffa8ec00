"""The broker of the tests on Kafka, and a stage with topics of its own for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from deploy.kafka.kafka import Broker
from tests.kafka.conftest import broker
from tests.operations.stage import Stage, stage

__all__ = ["broker"]

Staged = Callable[..., Stage]


@pytest.fixture
def staged(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A stage with topics, on which no worker runs yet."""
    with stage(tmp_path_factory.mktemp("stage"), broker.bootstrap) as running:
        running.apply()
        yield running
