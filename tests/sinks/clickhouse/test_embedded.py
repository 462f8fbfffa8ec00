from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.errors import StoreError
from streams.sinks.clickhouse import embedded
from streams.sinks.clickhouse.store import Store, open_store, read_store

HOLD = """
import sys
from streams.sinks.clickhouse.store import open_store
with open_store(sys.argv[1]) as store:
    store.migrate()
    print("open", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(directory: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the store open."""
    command = [sys.executable, "-c", HOLD, f"chdb://{directory}"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:  # noqa: S603 - our own program
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process
        process.communicate()


def listing(directory: Path) -> list[Path]:
    return sorted(directory.rglob("*"))


@pytest.mark.parametrize("opens", [open_store, read_store])
def test_a_store_open_in_another_process(
    holder: subprocess.Popen[str], directory: Path, opens: object, capfd: pytest.CaptureFixture[str]
) -> None:
    """A second process is told who has the store, for writing and for reading, and nothing else is printed."""
    with pytest.raises(StoreError, match=rf"{directory} is open in another process \(process {holder.pid}\)"):
        opens(f"chdb://{directory}")  # type: ignore[operator]

    assert capfd.readouterr() == ("", "")


def test_a_store_opened_elsewhere_after_it_was_checked(
    holder: subprocess.Popen[str], directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the engine itself finds the store taken, the error is as clear, and the other's files stay."""
    before = listing(directory)
    monkeypatch.setattr(embedded, "_check", lambda *_args, **_options: None)
    monkeypatch.setattr(embedded, "_topmost_missing", lambda path: path)
    with pytest.raises(StoreError, match="open in another process"):
        open_store(f"chdb://{directory}")

    assert {path for path in before if "tmp" not in path.parts} <= set(listing(directory))
    assert holder.poll() is None


def test_a_store_is_free_when_the_other_process_has_closed_it(holder: subprocess.Popen[str], directory: Path) -> None:
    """After the holder ends, its tables can be read."""
    holder.communicate()
    with read_store(f"chdb://{directory}") as store:
        count = store.query("SELECT count() AS n FROM quality").to_pylist()

    assert count == [{"n": 0}]


def test_a_store_open_in_this_process_can_be_opened_again(store: Store, directory: Path) -> None:
    """Two stores at one path share the engine: closing one leaves the other open."""
    with read_store(f"chdb://{directory}") as second:
        tables = second.query("EXISTS quality").num_rows

    assert tables == 1
    assert store.query("SELECT 1 AS one").to_pylist() == [{"one": 1}]


def test_a_second_store_in_this_process(store: Store, directory: Path, tmp_path: Path) -> None:
    """The engine knows one directory a process: the error names the one that is open, and no other appears."""
    with pytest.raises(StoreError, match=f"this process has {directory} open"):
        open_store(f"chdb://{tmp_path}/other")

    assert not (tmp_path / "other").exists()
    assert store.query("SELECT 1 AS one").num_rows == 1


def test_reading_creates_nothing(tmp_path: Path) -> None:
    """A store that is missing is an error that names its path, and its directory is not made."""
    with pytest.raises(StoreError, match=f"no store at {tmp_path}/no/store"):
        read_store(f"chdb://{tmp_path}/no/store")

    assert listing(tmp_path) == []


def test_reading_an_empty_directory(tmp_path: Path) -> None:
    """An empty directory is no store, and stays empty."""
    with pytest.raises(StoreError, match="the directory is empty"):
        read_store(f"chdb://{tmp_path}")

    assert listing(tmp_path) == []


@pytest.mark.parametrize("opens", [open_store, read_store])
def test_a_directory_of_other_things(tmp_path: Path, opens: object) -> None:
    """A directory that holds something else is refused, and not added to."""
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(StoreError, match=r"not a store, it holds other files \('thesis.tex'\)"):
        opens(f"chdb://{tmp_path}")  # type: ignore[operator]

    assert listing(tmp_path) == [tmp_path / "thesis.tex"]


@pytest.mark.parametrize("below", ["", "/sub/store"])
def test_a_file_where_the_directory_should_be(tmp_path: Path, below: str) -> None:
    """A file at the path, or on the way to it, is named and stays as it is."""
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StoreError, match=f"{tmp_path}/file is not a directory"):
        open_store(f"chdb://{tmp_path}/file{below}")

    assert (tmp_path / "file").read_text() == "mine"


def test_a_directory_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory that cannot be written to is named (root may write anywhere: the answer is given here)."""
    monkeypatch.setattr(os, "access", lambda *_args: False)
    with pytest.raises(StoreError, match=f"no permission to write to {tmp_path}"):
        open_store(f"chdb://{tmp_path}/store")

    assert listing(tmp_path) == []


def test_directories_made_in_vain_are_removed(tmp_path: Path) -> None:
    """When the engine fails after it began to create the store, all that it created is gone."""
    too_long = "x" * 255
    with pytest.raises(StoreError, match="cannot open the store"):
        open_store(f"chdb://{tmp_path}/a/{too_long}/{too_long}x")

    assert listing(tmp_path) == []


def test_a_path_with_spaces_and_signs(tmp_path: Path) -> None:
    """Spaces, quotes, percent and hash signs in a path are nothing special."""
    with open_store(f"chdb://{tmp_path}/it's a %2525 #1 störe") as store:
        store.migrate()

    assert (tmp_path / "it's a %25 #1 störe" / "store").is_dir()
