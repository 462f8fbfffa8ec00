"""benchmarks/route: alerts come when they should, are timed from their proof, and the document has the numbers."""

from __future__ import annotations

import json
import urllib.request
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.canaries import A_TICK, LABEL_SECONDS, LAST_TICKS, ROUNDS, WARM_TICKS, CanaryProducer, Plan, configured
from benchmarks.document import ROUTE, route, route_run
from benchmarks.latency import Curve
from benchmarks.machine import Machine
from benchmarks.route import CONFIG, RESULTS, Arrival, Delays, Receiver, Run, delays, proof
from streams.config import parse_config

SECOND = 1_000_000
PLAN = Plan(tick=2 * SECOND, ticks=60)


def curve(*points: tuple[float, float]) -> Curve:
    return Curve([second for second, _ in points], [number for _, number in points])


def test_each_canary_breaks_its_limit_twice_for_a_tick() -> None:
    """As many begin in each tick after the warming up, each as often, and all are over before the events end."""
    wrong = [
        (canary, tick)
        for canary in range(len(PLAN.canaries))
        for tick in range(PLAN.ticks + LAST_TICKS)
        if PLAN.is_wrong(canary, tick * PLAN.tick + 1)
    ]
    last = max(tick for _, tick in wrong)

    assert set(Counter(canary for canary, _ in wrong).values()) == {ROUNDS}
    assert Counter(tick for _, tick in wrong) == dict.fromkeys(range(WARM_TICKS, last + 1), A_TICK)
    assert last < PLAN.ticks
    assert PLAN.seconds == (PLAN.ticks + LAST_TICKS) * 2.0


def test_a_run_that_is_too_short_is_refused() -> None:
    """An alert that could not end before the next one of its canary would be waited for in vain."""
    Plan(tick=2 * SECOND, ticks=18)
    with pytest.raises(ValueError, match="17 ticks are too few for every alert to end: run for 18 or more"):
        Plan(tick=2 * SECOND, ticks=17)


def test_the_configuration_watches_every_canary() -> None:
    """It has no problem, each canary has its limit, and everything goes to the receiver."""
    config = parse_config(configured(CONFIG.read_text(encoding="utf-8"), PLAN, "http://127.0.0.1:9/"), "route.yaml")

    assert set(PLAN.canaries) < config.detection.models.keys() == config.models.keys()
    assert {config.detection.models[name].limits["accuracy"].at_least for name in PLAN.canaries} == {0.5}
    assert config.alerting.default == ("receiver",)
    assert config.detection.tick == PLAN.tick


def test_labels_of_a_canary_are_wrong_when_its_turn_has_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are "1", as its answers, but for the ticks in which it breaks its limit; others stay as they are."""
    clock = SimpleNamespace(us=1_000 * SECOND)
    monkeypatch.setattr("time.time_ns", lambda: clock.us * 1_000)
    monkeypatch.setattr("time.monotonic", lambda: clock.us / SECOND)
    producer = CanaryProducer("nowhere", 20_000.0, 4, PLAN)
    producer.start = clock.us
    seen: dict[tuple[bool, bool], Counter[str]] = {}
    for _ in range(WARM_TICKS + 2):
        made = producer._predictions()
        models = {str(one["request_id"]): str(one["model"]) for one in made}
        clock.us += PLAN.tick
        for one in producer._outcomes():
            model = models.get(str(one["request_id"]), "ranker")
            canary = model.startswith("canary-")
            wrong = canary and PLAN.is_wrong(int(model.removeprefix("canary-")), clock.us - producer.start)
            seen.setdefault((canary, wrong), Counter())[str(one["label"])] += 1

    assert PLAN.tick > LABEL_SECONDS * SECOND
    assert seen[True, False].keys() == {"1"}
    assert seen[True, True].keys() == {"0"}
    assert seen[False, False].keys() == {"0", "1"}
    assert 0.1 < sum(seen[True, False].values()) / sum(map(sum, (one.values() for one in seen.values()))) < 0.9


def test_an_alert_is_proven_by_the_last_partition() -> None:
    """Proof is when every partition has been sent an event at the time or after; without one it never comes."""
    early, late = curve((1.0, 10.0), (2.0, 20.0), (3.0, 30.0)), curve((1.5, 5.0), (4.0, 21.0))

    assert proof([early, late], 20) == 4.0
    assert proof([early], 20) == 2.0
    assert proof([early, late], 22) == np.inf


def test_delays_run_from_proof_over_topic_to_arrival() -> None:
    """The declared disorder is no part of them, and the clock of the broker is set against that of the arrival."""
    notice = {"tick": 10 * SECOND}
    producer = SimpleNamespace(reached={("prediction", 0): curve((100.0, 10.0 * SECOND), (101.0, 11.0 * SECOND))})
    arrived = {("k", 1): Arrival(103.5, 5_003.5, notice)}
    found = delays(Run(producer, arrived, {("k", 1): 5_003.0}, 0.0), SECOND)  # type: ignore[arg-type]

    assert (found.to_topic, found.to_route, found.all) == ([2.0], [0.5], [2.5])


def test_quantiles_are_of_alerts_that_there_were() -> None:
    """The 99th percentile of a hundred is the largest but one, or larger; nothing is interpolated."""
    found = Delays()
    for seconds in range(100):
        found.add(0.0, float(seconds), float(seconds))

    assert found.table()["all"] == {"p50": 50.0, "p99": 99.0, "max": 99.0}


def test_the_receiver_notes_the_first_time() -> None:
    """A notice that comes twice counts once, and is told as repeated."""
    body = json.dumps({"dedup_key": "k", "revision": 2}).encode()
    with Receiver() as receiver:
        for _ in range(2):
            with urllib.request.urlopen(urllib.request.Request(receiver.url, data=body)) as answer:  # noqa: S310
                assert answer.status == 204
        first = receiver.arrived["k", 2]

    assert (len(receiver.arrived), receiver.repeated) == (1, 1)
    assert first.notice == {"dedup_key": "k", "revision": 2}


def test_others_are_what_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the seconds that the machine spent, those of this process and its children are taken off."""
    spent = iter([(10.0, 100.0), (13.0, 109.0)])
    pair = SimpleNamespace(ours=0.0)

    def everything() -> float:
        pair.ours, whole = next(spent)
        return whole

    monkeypatch.setattr("benchmarks.machine._all", everything)
    monkeypatch.setattr("benchmarks.machine._ours", lambda: pair.ours)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr("time.monotonic", lambda: 10.0)
    machine = Machine(since=0.0)
    machine.ours = 10.0

    assert machine.others() == (9.0 - 3.0) / 10.0 / 2


def test_the_document_tells_every_part() -> None:
    """The table has a row for each part as it was measured, and the line what has to be known of the run."""
    found = json.loads(RESULTS.read_text(encoding="utf-8"))
    rows = route(found).splitlines()

    assert len(rows) == 2 + len(ROUTE)
    assert rows[-1].endswith(" | ".join(f"{found['all'][key]:.2f}" for key in ("p50", "p99", "max")) + " |")
    assert f"{found['notices']:,} notices" in route_run(found)
    assert found["rate"] == 20_000.0
