"""`streams replay`: counts on standard output, rows in the store, and one line about what went wrong."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.sinks.clickhouse.store import open_store, read_store
from tests.conftest import STREAMS, Ran, Run
from tests.runtime.story import CONFIG, story, tables, write_files, write_kind

COUNTS = {"read", "predictions", "outcomes", "feedback", "joined", "waiting", "expired"}
COUNTS |= {"orphan", "duplicate", "corrected", "rejected"}
HOLD = """
import sys
from streams.sinks.clickhouse.store import open_store
with open_store(sys.argv[1]) as store:
    store.migrate()
    print("open", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working directory, which holds config.yaml and events.jsonl."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text(CONFIG)
    write_files(tmp_path, story(requests=40, days=3), "jsonl")
    return tmp_path


def content(directory: Path) -> dict[str, int]:
    """Every path below a directory, with its size."""
    return {str(path): path.stat().st_size for path in sorted(directory.rglob("*"))}


def test_json_is_one_object_on_standard_output(here: Path, shell: Run) -> None:
    """With --json standard output is one JSON object of the counts, which add up; anything else is on stderr."""
    ran = shell("replay", "--config", here / "config.yaml", "--store", f"chdb:{here}/store", "--json", "events.jsonl")
    [line] = ran.out.splitlines()
    counts = json.loads(line)

    assert ran.code == 0
    assert set(counts) >= COUNTS
    assert counts["read"] == len((here / "events.jsonl").read_text().splitlines())
    assert counts["read"] == sum(counts[name] for name in ("predictions", "outcomes", "feedback", "rejected"))
    labelled = sum(counts[name] for name in ("joined", "waiting", "expired", "duplicate_predictions"))
    assert labelled == counts["predictions"]
    assert re.fullmatch(rf"{counts['read']} events in [\d.]+ s, [\d,]+ events/s\n", ran.err)


def test_counts_are_a_list_for_people(here: Path, cli: Run) -> None:
    """Without --json each count is a line, name and number."""
    plain = cli("replay", "--config", "config.yaml", "--store", "chdb:store", "events.jsonl")
    as_json = cli("replay", "--config", "config.yaml", "--store", "chdb:store", "--json", "events.jsonl")
    listed = {name: int(count.replace(",", "")) for name, count in map(str.split, plain.out.splitlines())}

    assert (here / "store").is_dir()
    assert (plain.code, as_json.code) == (0, 0)
    assert listed == json.loads(as_json.out)


@pytest.mark.usefixtures("here")
def test_replay_twice_leaves_the_same_rows(cli: Run) -> None:
    """A second replay into the same store changes nothing of what the store shows."""
    shown = []
    for _ in range(2):
        assert cli("replay", "--config", "config.yaml", "--store", "chdb:store", "events.jsonl").code == 0
        with read_store("chdb:store") as store:
            shown.append(tables(store))

    assert len(shown[0]["quality"]) > 100
    assert len(shown[0]["samples"]) > 30
    assert all(shown[0][name].equals(shown[1][name]) for name in shown[0])


def test_files_of_every_format_in_one_run(here: Path, cli: Run) -> None:
    """Avro, Parquet and JSON lines can be given together, and count as if they were one file."""
    events = story(requests=40, days=3)
    paths: list[Path] = [write_kind(here / "p.avro", "prediction", events)]
    paths.append(write_kind(here / "o.parquet", "outcome", events))
    feedback = [event for event in events if event["type"] == "feedback"]
    paths += write_files(here / "rest", feedback, "jsonl")
    together = cli("replay", "--config", "config.yaml", "--store", "chdb:a", "--json", *paths)
    alone = cli("replay", "--config", "config.yaml", "--store", "chdb:b", "--json", "events.jsonl")

    assert json.loads(together.out) == json.loads(alone.out)


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        (["nope.jsonl"], "nope.jsonl cannot be read: No such file or directory"),
        (["events.jsonl", "nope.avro"], "nope.avro cannot be read: No such file or directory"),
        (["nope.parquet"], "nope.parquet cannot be read: "),
        ([":bomb:[red].jsonl"], ":bomb:[red].jsonl cannot be read: No such file or directory"),
        (["config.yaml"], "config.yaml: extension .yaml is not known; give a file with one of .avro"),
        (["plain"], "plain: extension (none) is not known"),
        (["events.jsonl", "events.jsonl"], "events.jsonl is given more than once; name each file once"),
        (["events.jsonl", "x/../events.jsonl"], "events.jsonl is given more than once"),
        (["x.avro"], "x.avro cannot be read: Is a directory"),
        (["x.jsonl"], "x.jsonl cannot be read: Is a directory"),
        (["x.parquet"], "x.parquet cannot be read: "),
        (["text.parquet"], "text.parquet: not a Parquet file"),
        (["\udcff.jsonl"], r"'\udcff.jsonl': its name is not UTF-8"),
    ],
)
def test_files_that_cannot_be_read(here: Path, cli: Run, files: list[str], problem: str) -> None:
    """Files that are missing, unknown, given twice or no files are named in one line; exit code 2, no store is made."""
    for name in ("x", "x.avro", "x.jsonl", "x.parquet"):
        (here / name).mkdir()
    (here / "text.parquet").write_text("text")
    before = content(here)
    ran = cli("replay", "--config", "config.yaml", "--store", "chdb:store", *files)

    assert_refused(ran, problem)
    assert content(here) == before


@pytest.mark.parametrize(
    ("text", "problem"),
    [(CONFIG.replace("disorder", "disordr"), "did you mean `disorder`?"), (None, "cannot be read: No such file")],
    ids=["unknown key", "missing"],
)
def test_bad_configuration(here: Path, cli: Run, text: str | None, problem: str) -> None:
    """A configuration with an unknown key, or none, ends in one line; exit code 2, no store is made."""
    if text is not None:
        (here / "bad.yaml").write_text(text)
    before = content(here)
    ran = cli("replay", "--config", "bad.yaml", "--store", "chdb:store", "events.jsonl")

    assert_refused(ran, problem)
    assert content(here) == before


@pytest.mark.parametrize(
    ("dsn", "problem"),
    [
        ("chdb:events.jsonl", "events.jsonl is not a directory"),
        ("chdb:full", "is not a store, it holds other files ('letter.txt')"),
        ("chdb://store", "chdb://store is ambiguous: write chdb:store"),
        ("chdb:", "chdb: names no directory"),
        ("sqlite:store", "cannot tell which store is meant by sqlite:..."),
        ("store", "cannot tell which store is meant by a text without a scheme"),
        ("clickhouse://", "cannot read the DSN clickhouse://...: it names no host"),
        ("clickhouse://u:p@h:x/d", "cannot read the DSN clickhouse://...: host and port"),
    ],
)
def test_stores_that_cannot_be_opened(here: Path, cli: Run, dsn: str, problem: str) -> None:
    """A path that cannot be a store, and a DSN that is none, end in one line; exit code 2, nothing is made."""
    (here / "full").mkdir()
    (here / "full" / "letter.txt").write_text("Dear all")
    before = content(here)
    for command in (["replay", "--config", "config.yaml", "events.jsonl"], ["query", "SELECT 1"]):
        assert_refused(cli(*command, "--store", dsn), problem)

    assert content(here) == before


def assert_refused(ran: Ran, problem: str) -> None:
    """One clear line on standard error, nothing on standard output, exit code 2."""
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: ")
    assert problem in ran.err
    assert ran.err.count("\n") == 1


@pytest.fixture
def holder(here: Path) -> Iterator[subprocess.Popen[str]]:
    """Return another process, which has the store open until its input ends."""
    command = [sys.executable, "-c", HOLD, f"chdb:{here}/store"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process


def test_store_that_another_process_has_open(here: Path, cli: Run, holder: subprocess.Popen[str]) -> None:
    """Neither replay nor query gets at a store that is open elsewhere: one line that names the process, exit code 2."""
    for command in (["replay", "--config", "config.yaml", "events.jsonl"], ["query", "SELECT 1"]):
        ran = cli(*command, "--store", "chdb:store")

        assert_refused(ran, f"the store {here}/store is open in another process (process {holder.pid})")
    holder.communicate()
    assert cli("query", "--store", "chdb:store", "--format", "csv", "SELECT count() FROM windows").out == "count()\n0\n"


def test_server_that_is_not_there(here: Path, shell: Run) -> None:
    """A server that does not answer is waited for, then told in one line without the password; exit code 1."""
    dsn = "clickhouse://analyst:geheim@127.0.0.1:1/quality"
    ran = shell("replay", "--config", here / "config.yaml", "--store", dsn, here / "events.jsonl")

    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "error: cannot connect to clickhouse://127.0.0.1:1/quality now: [Errno 111] Connection refused\n"


def test_interrupt_ends_a_replay_quietly(here: Path) -> None:
    """SIGINT amid a replay ends it with exit code 130 and one word, and the store can be opened again at once."""
    os.mkfifo(here / "pipe.jsonl")
    # Open for both, so that the replay neither waits for a writer nor finds the end of the file.
    pipe = os.open(here / "pipe.jsonl", os.O_RDWR)
    command = [str(STREAMS), "replay", "--config", "config.yaml", "--store", "chdb:store", "pipe.jsonl"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603
        os.write(pipe, b"\n" * (1 << 20))  # more than a pipe holds: when it is written, the replay is reading
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    os.close(pipe)

    assert (process.returncode, out) == (130, "")
    assert err == "\nerror: interrupted\n"  # the line's end puts it below the ^C that a terminal shows
    with open_store(f"chdb:{here}/store") as store:
        assert store.query("SELECT count() AS n FROM windows").to_pylist() == [{"n": 0}]
