"""What a worker needs at its start: topics, broker, store and port, and how it says that one is not there."""

from __future__ import annotations

import socket

from deploy.kafka.kafka import Broker, free_port
from streams.sinks.clickhouse.migrate import LEDGER
from streams.sinks.clickhouse.store import open_store
from tests.operations.stage import Stage, code_of, configure, pairs, says, wait


def test_topics_with_other_partitions(staged: Stage, broker: Broker) -> None:
    """Topics that have another number of partitions than configured end a worker with 2; `plan` says the same."""
    configure(staged.path, broker.bootstrap, partitions=3)

    worker = staged.start()
    assert code_of(worker) == 2
    code, said = staged.streams("topics", "plan", "--config", str(staged.path))
    topic = f"{staged.config.kafka.prefix}.predictions"
    what = "has 2 partitions, 3 are wanted; changing that would move keys and break joins"
    assert f"error: {topic} {what}" in worker.last_lines()
    assert (code, f"problem {topic}: {what}" in said) == (0, True)


def test_topics_that_are_missing(staged: Stage) -> None:
    """A worker without one of its own topics ends with 2 as well, and says what creates it."""
    staged.delete("claims")

    worker = staged.start()

    assert code_of(worker) == 2
    assert f"topics {staged.config.kafka.prefix}.claims do not exist; create them with `streams topics apply`" in (
        worker.last_lines()
    )


def test_a_broker_that_is_away(staged: Stage) -> None:
    """A worker waits for Kafka for --timeout seconds, then ends with 1; told to stop before, it ends with 0."""
    nobody = f"127.0.0.1:{free_port()}"

    patient = staged.start("--brokers", nobody, "--timeout", "60")
    impatient = staged.start("--brokers", nobody, "--timeout", "1")
    assert code_of(impatient) == 1
    assert f"error: no broker answered at {nobody} within 1 s" in impatient.last_lines()
    wait(lambda: says(patient, f"looking for Kafka at {nobody}, for at most 60 s"), "it says that it waits", patient)
    assert patient.end() == 0


def test_a_broker_that_comes_later(staged: Stage, broker: Broker) -> None:
    """A worker that found no broker goes on when there is one, as if nothing had been."""
    staged.emit(pairs("fraud", 8), end=True)
    broker.stop()
    try:
        worker = staged.start("--timeout", "60")
        wait(lambda: says(worker, "looking for Kafka"), "it says that it waits", worker)
    finally:
        broker.start()

    staged.settle(worker)
    assert staged.quality()["fraud", ""] == (0.75, 8.0)


def test_a_store_that_comes_later(staged: Stage) -> None:
    """A worker waits for ClickHouse, with a line each attempt, and goes on when it is there."""
    staged.emit(pairs("fraud", 8), end=True)
    staged.store.faults.extend([503] * 3)

    worker = staged.start()
    staged.settle(worker)

    assert worker.log.read_text(encoding="utf-8").count("HTTP status 503") == 3
    assert says(worker, "; it is waited for")
    assert staged.quality()["fraud", ""] == (0.75, 8.0)


def test_stopped_while_it_waits_for_the_store(staged: Stage) -> None:
    """A worker that waits for ClickHouse ends with 0 when told to stop."""
    worker = staged.start("--store", f"clickhouse://default:none@127.0.0.1:{free_port()}")
    wait(lambda: says(worker, "it is waited for"), "it says that it waits", worker)

    assert worker.end() == 0


def test_tables_that_are_missing(staged: Stage) -> None:
    """A store without its tables ends a worker with 2 and what makes them."""
    with open_store(staged.store.dsn) as store:
        store._writer.command(f"DROP TABLE {LEDGER}")

    worker = staged.start()

    assert code_of(worker) == 2
    assert "lacks 001_tables, " in worker.last_lines()
    assert "run `streams migrate` first" in worker.last_lines()


def test_a_port_that_is_taken(staged: Stage) -> None:
    """A port that somebody else listens on ends a worker with 2 and one line."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        web = f"127.0.0.1:{taken.getsockname()[1]}"
        worker = staged.start("--web", web)
        assert code_of(worker) == 2

    assert f"error: --web {web} cannot be used: " in worker.last_lines()
    assert "address already in use; name another address or port" in worker.last_lines()
    assert "Traceback" not in worker.last_lines()
