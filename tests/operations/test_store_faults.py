"""The store goes away, fills up, or takes nothing more, in the midst of everything."""

from __future__ import annotations

from deploy.clickhouse.relay import BREAK, Fault, Refusal
from streams.runtime.topics import INPUTS
from tests.operations.stage import PARTITIONS, Stage, code_of, metric, pairs, python, wait

ROW, BLOCK, LIMIT = 1_000, 10, 20_000  # bytes of a record, records of a block, bytes that may gather
SMALL = python(f"""
from functools import partial
import streams.runtime.run as run
from streams.runtime.transport_thread import Limits
run.Writer = partial(run.Writer, max_bytes={LIMIT})
run.Options = partial(run.Options, limits=Limits(block_records={BLOCK}))
""")
AWAY: dict[str, Fault] = {
    "breaks": BREAK,
    "a gateway answers": 503,
    "a gateway asks for fewer": 429,
    "read-only": Refusal(242, "Table is in readonly mode since table metadata was not found in zookeeper"),
    "full": Refusal(243, "Cannot reserve 2.88 MiB, not enough space. (NOT_ENOUGH_SPACE)"),
    "full, in other words": Refusal(1001, "filesystem error: in create_directories: No space left on device"),
}


def test_what_passes_is_waited_for(staged: Stage) -> None:
    """A store that breaks, is read-only or full is waited for: it is said, it shows, and nothing is lost."""
    worker = staged.start()
    wait(lambda: bool(worker.status().get("partitions")), "it holds partitions", worker)
    for number, (name, fault) in enumerate(AWAY.items()):
        staged.store.outage = fault
        staged.emit(pairs("fraud", 8, first=8 * number))
        wait(lambda: metric(worker, "streams_store_away_seconds") > 0, f"away: {name}", worker)
        staged.store.outage = None
        shown = (0.75, 8.0 * (number + 1))
        wait(lambda s=shown: staged.quality().get(("fraud", "")) == s, f"shown: {name}", worker)  # type: ignore[misc]
        wait(lambda: metric(worker, "streams_store_away_seconds") == 0, f"back: {name}", worker)

    said = worker.log.read_text(encoding="utf-8")
    assert said.count("rows are kept, and inserted when it is back") == len(AWAY)
    assert said.count("the store is back after") == len(AWAY)


def test_a_user_who_may_not_write(staged: Stage) -> None:
    """What waiting does not mend ends the worker with 2 and one line that says what does."""
    staged.store.outage = Refusal(164, "default: Cannot execute query in readonly mode")
    staged.emit(pairs("fraud", 8), end=True)

    worker = staged.start()

    assert code_of(worker) == 2
    last = worker.last_lines().splitlines()[-1]
    assert last.startswith("error: cannot insert into ")
    assert last.endswith("this connection or its user may only read")
    said = worker.log.read_text(encoding="utf-8")
    assert "Traceback" not in said
    assert "Task exception was never retrieved" not in said


def test_an_outage_costs_bounded_memory(staged: Stage) -> None:
    """While the store is away reading stops once enough has gathered, the watchdog is patient, and nothing is lost."""
    staged.store.outage = BREAK
    garbage = [(topic, n % PARTITIONS, bytes([n]) * ROW, ()) for n in range(100) for topic in INPUTS]
    staged.send(garbage)
    staged.emit(pairs("fraud", 40), end=True)

    worker = staged.start("--stall-timeout", "1", program=SMALL)
    wait(lambda: metric(worker, "streams_store_away_seconds") > 2, "the store stays away", worker)
    read = metric(worker, "streams_events_read_total")
    wait(lambda: metric(worker, "streams_store_away_seconds") > 4, "the store stays away", worker)
    assert 0 < read < len(garbage)
    assert metric(worker, "streams_events_read_total") == read
    assert metric(worker, "streams_store_waiting_bytes") < LIMIT + 2 * BLOCK * ROW
    assert metric(worker, "streams_lag_records") > 0
    staged.store.outage = None
    staged.settle(worker)

    assert staged.counts()["rejected"] == len(garbage)
    assert staged.query("SELECT uniqExact(source, position) AS n FROM rejected")[0]["n"] == len(garbage)
    assert staged.quality()["fraud", ""] == (0.75, 40.0)
