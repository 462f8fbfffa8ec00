"""A broker with TLS, and one with SASL over TLS: every command against it, and how wrong secrets end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kafka.conftest import require_kafka
from tests.operations.secure import PASSWORD, USER, SecureBroker, make_authority
from tests.operations.stage import Stage, code_of, configure, pairs, stage

VARIABLE = "KAFKA_PASSWORD_OF_TEST"


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureBroker]:
    require_kafka()
    broker = SecureBroker(tmp_path_factory.mktemp("secure"))
    try:
        broker.start()
        yield broker
    finally:
        broker.kill()


def tls(broker: SecureBroker, ca: Path) -> str:
    return f'security: tls, ca_file: "{ca}", brokers: ["{broker.tls}"]'


def sasl(broker: SecureBroker, ca: Path) -> str:
    named = f"sasl_mechanism: PLAIN, username: {USER}, password_env: {VARIABLE}"
    return f'security: sasl_tls, ca_file: "{ca}", {named}, brokers: ["{broker.sasl}"]'


def secured(running: Stage, settings: str) -> None:
    """Have the configuration say how the broker wants to be spoken to."""
    text = running.path.read_text(encoding="utf-8")
    before, _, after = text.partition("brokers: [")
    running.path.write_text(before + settings + after.partition("]")[2], encoding="utf-8")


def test_every_command(secure: SecureBroker, tmp_path: Path) -> None:
    """Topics are applied, events emitted and worked on to the end with a name over TLS; TLS alone sees the same."""
    with stage(tmp_path, secure.bootstrap) as running:
        secured(running, sasl(secure, secure.ca))
        running.environ[VARIABLE] = PASSWORD
        events = running.write(pairs("fraud", 40), tmp_path / "events.jsonl")

        code, said = running.streams("topics", "apply", "--config", str(running.path))
        assert (code, "create" in said) == (0, True), said
        code, said = running.streams("emit", "--config", str(running.path), "--end", str(events))
        assert (code, "80 events" in said) == (0, True), said
        worker = running.start()
        running.settle(worker)
        assert running.quality()["fraud", ""] == (0.75, 40.0)
        assert worker.end() == 0

        configure(running.path, secure.bootstrap)
        secured(running, tls(secure, secure.ca))
        assert running.streams("topics", "plan", "--config", str(running.path)) == (0, "nothing to do\n")


def test_a_wrong_password(secure: SecureBroker, tmp_path: Path) -> None:
    """A password that the broker does not take ends commands and workers with 1 and a line, which does not hold it."""
    with stage(tmp_path, secure.bootstrap, prefix="wrong-password") as running:
        secured(running, sasl(secure, secure.ca))
        running.environ[VARIABLE] = "hunter2"

        code, said = running.streams("topics", "plan", "--config", str(running.path), "--timeout", "1")
        worker = running.start("--timeout", "1")
        worker_code = code_of(worker)

    assert (code, worker_code) == (1, 1)
    for text in (said, worker.last_lines()):
        assert f"error: no broker answered at {secure.sasl} within 1 s" in text
        assert "does kafka.security fit it?" in text
        assert "Traceback" not in text
        assert "hunter2" not in text


def test_a_wrong_authority(secure: SecureBroker, tmp_path: Path) -> None:
    """A broker whose certificate another authority has signed is not spoken to."""
    with stage(tmp_path, secure.bootstrap, prefix="wrong-authority") as running:
        secured(running, tls(secure, make_authority(tmp_path, "other")))

        code, said = running.streams("topics", "plan", "--config", str(running.path), "--timeout", "1")

    assert code == 1
    assert f"error: no broker answered at {secure.tls} within 1 s" in said
    assert "Traceback" not in said
