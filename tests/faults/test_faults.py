"""The short form of the drill, with five faults; `make test-faults` runs the long one."""

from __future__ import annotations

from pathlib import Path

from tests.faults.drill import SHORT, drill
from tests.kafka.conftest import require_kafka

SEED = 4


def test_faults_change_nothing(tmp_path: Path) -> None:
    """Workers that are killed, frozen and deprived of broker and store end with the tables of a replay."""
    require_kafka()

    found = drill(tmp_path, SHORT, SEED)

    assert not found, f"to see it again: .venv/bin/python -m tests.faults.drill --short --seed {SEED}\n{found}"
