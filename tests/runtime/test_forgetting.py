"""A unit is forgotten at its place in the order of events, whatever is read first and however often a worker dies."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.codecs.order import FORGET_HEADER
from streams.config import parse_config
from streams.core.forget import INPUTS
from streams.core.forget import KINDS as KINDS_THAT_WAIT
from streams.core.privacy.pseudonym import Pseudonyms
from streams.core.segment import BUCKETS
from streams.runtime import joining as module
from streams.runtime.joining import Joining
from streams.runtime.kafka import KafkaUnavailable
from streams.sinks.clickhouse.rows import KEYS
from tests.runtime.forgotten import KINDS, SECRET, WAITING, Desk, Model, archived, event, order_of, times
from tests.runtime.held import Held
from tests.runtime.parts import CONFIG, at

UNITS = ("ada", "bob")
Step = tuple[Any, ...]

steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("event"),
            st.sampled_from(list(KINDS)),
            st.sampled_from(("r1", "r2", "r3")),
            st.sampled_from((*UNITS, None)),
        ),
        st.tuples(st.just("forget"), st.sampled_from(UNITS)),
        st.tuples(st.just("read"), st.sampled_from(INPUTS), st.integers(1, 9)),
        st.tuples(st.just("save")),
        st.tuples(st.just("restart")),
    ),
    min_size=5,
    max_size=40,
)


class Run:
    """A join and the model of it, and both as they were when they were last saved."""

    def __init__(self) -> None:
        self.desk, self.model, self.saved = Desk(), Model(), Model()
        self.written: dict[str, list[Any]] = {name: [] for name in INPUTS}
        self.answers: dict[tuple[str, str, str], tuple[int, int]] = {}
        self.numbers = 0

    async def go(self, some: list[Step]) -> Joining:
        joining, _ = await self.desk.joining()
        everything = [("read", name, 99) for name in INPUTS]
        for step in [*some, *everything, ("save",), ("forget", UNITS[0]), *everything, ("save",), ("restart",)]:
            what, *how = step
            if what == "restart":
                joining, _ = await self.desk.joining()
                self.model = self.saved.copy()
            elif what == "save":
                await self._save(joining)
            else:
                getattr(self, f"_{what}")(joining, *how)
            left = self.model.times()
            assert times(joining) == left, step
            assert archived(joining) <= {*left["outcomes"], *left["feedback"]}, step
        return joining

    def _event(self, _: Joining, kind: str, request: str, unit: str | None) -> None:
        self.numbers += 1
        one = event(kind, self.numbers, request, unit)
        self.desk.emit(one)
        self.written[KINDS[kind]].append(one)

    def _forget(self, _: Joining, unit: str) -> None:
        self.numbers += 1
        self.desk.ask(order_of(self.desk.config, f"order {self.numbers}", unit))
        for name in INPUTS:
            self.written[name].append((f"order {self.numbers}", unit))

    def _read(self, joining: Joining, name: str, many: int) -> None:
        first = joining.positions[self.desk.topic(name)]
        assert "rejected" not in self.desk.take(joining, name, many)
        for one in self.written[name][first : first + many]:
            if isinstance(one, dict):
                self.model.see(one)
            else:
                order, unit = one
                self.model.meet(order, unit, name)

    async def _save(self, joining: Joining) -> None:
        captured = joining.capture()
        if captured is not None:
            await joining.save(captured)
            self.saved = self.model.copy()
            for row in captured.forgotten.to_pylist() if captured.forgotten is not None else ():
                place = (row["order_name"], row["source"], row["kind"])
                self.answers[place] = (row["removed"], row["remaining"])


@settings(max_examples=60, deadline=None)
@given(some=steps, small=st.sampled_from((0, 1 << 20)), share=st.sampled_from((0, 2)))
def test_what_is_left_is_what_a_list_of_events_says(some: list[Step], small: int, share: int) -> None:
    """Of random events, orders at any place, reads of any input and restarts; so are texts, counts and answers."""
    run = Run()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_SMALL", small)
        patch.setattr(module, "_BASE_SHARE", share)  # without a share, one bucket after another is written anew
        patch.setattr(module, "_ANEW_BYTES", 1)
        joining = asyncio.run(run.go(some))
    counts = joining.upstream.counts()

    assert counts["predictions"] == counts["joined"] + counts["waiting"] + counts.get("forgotten_predictions", 0)
    orders = {one[0] for one in run.written["predictions"] if isinstance(one, tuple)}
    assert {name for name, _, _ in run.answers} == orders
    assert all(remaining == 0 for _, remaining in run.answers.values())
    removed = {kind: sum(n for (_, _, of), (n, _) in run.answers.items() if of == kind) for kind in KINDS_THAT_WAIT}
    assert removed == {kind: run.model.removed[kind] for kind in KINDS_THAT_WAIT}


async def forgotten_by(desk: Desk) -> Held:
    """Return a worker that has read a prediction, its outcome, feedback of nobody known, and the order; not saved."""
    held = Held(desk)
    await held.worker.assigned(frozenset({0}))
    desk.emit(event("prediction", 1, "r1", "ada"), event("outcome", 2, "r1", None))
    desk.emit(event("prediction", 3, "r2", "bob"), event("feedback", 4, "r9", "ada"))
    desk.ask(order_of(desk.config, "an order", "ada"))
    await held.deliver()
    return held


def answered(held: Held) -> dict[str, int]:
    """How much was taken out by kind, as the store has it; the newest row of each key."""
    rows = held.shelf.tables.newest("forgotten", KEYS["forgotten"]) if "forgotten" in held.shelf.tables.rows else []
    counts = Counter({kind: 0 for kind in KINDS_THAT_WAIT if rows})
    for row in rows:
        counts[row["kind"]] += row["removed"]
        assert (row["order_name"], row["remaining"]) == ("an order", 0)
    return dict(counts)


ANSWER = {"predictions": 1, "outcomes": 1, "feedback": 1, "samples": 3}


def test_a_worker_answers_once_a_checkpoint_says_what_is_gone() -> None:
    """Three inputs answer, each kind; while the checkpoint cannot be written nothing is claimed to be forgotten."""

    async def run() -> None:
        held = await forgotten_by(Desk())
        held.bench.log.left = 0
        with pytest.raises(KafkaUnavailable):
            await held.worker.tick()
        assert answered(held) == {}

        held.bench.log.left = None
        successor = Held(held.bench)
        await successor.worker.assigned(frozenset({0}))
        await successor.deliver()
        await successor.worker.tick()

        assert answered(successor) == ANSWER
        sources = {row["source"] for row in successor.shelf.tables.rows["forgotten"]}
        assert sources == {f"telemetry.{name}-0" for name in INPUTS}
        assert times(successor.worker.parts[0].joining)["predictions"] == [event("prediction", 3, "", "")["event_time"]]

    asyncio.run(run())


def test_an_answer_that_the_store_has_not_taken_is_given_by_the_next_owner() -> None:
    """The checkpoint has it: a worker that dies between saving and storing loses no answer."""

    async def run() -> None:
        held = await forgotten_by(Desk())
        captured = held.worker.parts[0].joining.capture()
        assert captured is not None
        await held.worker.parts[0].joining.save(captured)
        assert answered(held) == {}
        successor = Held(held.bench)
        await successor.worker.assigned(frozenset({0}))
        await successor.worker.tick()

        assert answered(successor) == ANSWER

    asyncio.run(run())


def test_old_segments_are_written_anew_until_none_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though nothing more comes, ticks leave no checkpoint record that was written before somebody was forgotten."""
    monkeypatch.setattr(module, "_ANEW_BYTES", 1)
    monkeypatch.setattr(module, "_BASE_SHARE", 0)

    async def run() -> None:
        held = Held(Desk())
        await held.worker.assigned(frozenset({0}))
        for number in range(40):
            held.bench.emit(event("prediction", number, f"r{number}", "ada" if number == 7 else f"u{number}"))
        await held.deliver()
        await held.worker.tick()
        before = rows_of(held)
        assert isinstance(held.bench, Desk)
        held.bench.ask(order_of(held.bench.config, "an order", "ada"))
        await held.deliver()
        await held.worker.tick()
        assert before & rows_of(held)
        for _ in range(BUCKETS + 1):
            await held.worker.tick()
        joining, _ = await held.bench.joining()

        assert before & rows_of(held) == set()
        assert held.worker.parts[0].joining.capture() is None
        assert len(times(joining)["predictions"]) == 39

    asyncio.run(run())


def rows_of(held: Held) -> set[bytes]:
    """Keys of the segments that checkpoints have."""
    return {key for key in held.bench.log.checkpoints() if b"/rows/" in key}


def test_the_outcome_of_a_forgotten_prediction_that_comes_later_is_an_orphan() -> None:
    """It finds no prediction; the same prediction again is a new one, which it would have labelled."""

    async def run() -> None:
        desk = Desk()
        joining, _ = await desk.joining()
        desk.emit(event("prediction", 1, "r1", "ada"))
        desk.ask(order_of(desk.config, "an order", "ada"))
        assert not any(desk.take(joining, name, 99) for name in INPUTS)
        desk.emit(event("outcome", 2, "r1", None))
        for kind in desk.inputs:
            desk.end(kind, 2)
        rows = [row for name in INPUTS for row in desk.take(joining, name, 99).get("orphans", ())]
        counts = joining.upstream.counts()

        assert [(row["request_id"], row["reason"]) for row in rows] == [("r1", "unmatched")]
        assert (counts["forgotten_predictions"], counts["waiting"], counts["orphan_outcomes"]) == (1, 0, 1)

    asyncio.run(run())


def test_a_request_is_forgotten_by_its_name() -> None:
    """What is asked for by request goes whatever its unit; that is how the outcome of a lost prediction is reached."""

    async def run() -> None:
        desk = Desk()
        joining, _ = await desk.joining()
        desk.emit(event("prediction", 1, "r1", "bob"), event("outcome", 2, "r2", None), event("outcome", 3, "r3", None))
        desk.ask(order_of(desk.config, "an order", "ada", "r1", "r2"))
        for name in INPUTS:
            desk.take(joining, name, 99)

        left = {name: many for name, many in times(joining).items() if many}
        third = event("outcome", 3, "", None)["event_time"]
        assert left == {"outcomes": [third], "samples": [third]}

    asyncio.run(run())


def test_a_unit_that_the_service_has_hashed_is_found() -> None:
    """A prediction that came with a pseudonym is for the same unit, in whichever period that was made."""

    async def run() -> None:
        desk = Desk()
        joining, _ = await desk.joining()
        names = Pseudonyms(SECRET.encode(), desk.config.privacy.rotate)
        hashed = [names.of("unit_id", unit, at(when)) for unit, when in (("ada", 1), ("ada", -10_000), ("bob", 1))]
        desk.emit(*(event("prediction", number, f"r{number}", unit) for number, unit in enumerate(hashed)))
        desk.ask(order_of(desk.config, "an order", "ada"))
        desk.take(joining, "predictions", 99)

        assert len(set(hashed)) == 3
        assert times(joining)["predictions"] == [event("prediction", 2, "", "")["event_time"]]

    asyncio.run(run())


@pytest.mark.parametrize("said", [b"", b"nonsense", b"\x93\xa1a\xc4\x01a\xc4\x00"])
def test_a_header_that_is_no_order_is_rejected(said: bytes) -> None:
    """It stands in the table of rejected records, and nobody is forgotten."""

    async def run() -> None:
        desk = Desk()
        joining, _ = await desk.joining()
        desk.emit(event("prediction", 1, "r1", "ada"))
        desk.log.kafka.append(desk.topic("predictions"), 0, (None, None), [(FORGET_HEADER, said)])
        given_ = desk.take(joining, "predictions", 99)

        assert [row["reason"] for row in given_["rejected"]] == ["undecodable"]
        assert len(times(joining)["predictions"]) == 1

    asyncio.run(run())


def test_state_of_before_there_was_a_secret_is_read() -> None:
    """Predictions that were saved without an owner wait on, and are nobody's; new ones are found."""

    async def run() -> None:
        desk = Desk()
        with_owners, desk.config = desk.config, parse_config(CONFIG + WAITING.replace("{secret_env: S}", "{}"), "c")
        joining, _ = await desk.joining()
        desk.emit(event("prediction", 1, "r1", "ada"), event("feedback", 2, "r9", "ada"))
        desk.read(joining)
        await desk.save(joining)
        desk.config = with_owners
        joining, _ = await desk.joining()
        desk.emit(event("prediction", 3, "r3", "ada"))
        desk.read(joining)
        await desk.save(joining)
        joining, _ = await desk.joining()
        desk.ask(order_of(desk.config, "an order", "ada"))
        for name in INPUTS:
            desk.take(joining, name, 99)

        assert {name: len(times(joining)[name]) for name in INPUTS} == {"predictions": 1, "outcomes": 0, "feedback": 1}

    asyncio.run(run())
