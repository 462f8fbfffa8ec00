"""An embedded store with its tables, in a directory of the test's own; closed when the test ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.sinks.clickhouse.store import Store, open_store


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(directory: Path) -> Iterator[Store]:
    with open_store(f"chdb://{directory}") as opened:
        opened.migrate()
        yield opened
