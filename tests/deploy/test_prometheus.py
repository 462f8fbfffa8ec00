"""deploy/prometheus: rules that Prometheus takes, that fire when they should, and of metrics that there are."""

from __future__ import annotations

import asyncio
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from streams.alerts.deliverer import Deliverer
from streams.alerts.status import Desk
from streams.alerts.status import serving as delivering
from streams.runtime.status import serving
from streams.runtime.watchdog import Watchdog
from tests.alerts.making import Book, Recorder, alerting, world
from tests.debian import debian_binary
from tests.deploy.reading import ROOT, documents
from tests.gateway.serving import OUTCOME, running
from tests.runtime.held import Held
from tests.runtime.parts import outcome, prediction

FOLDER = ROOT / "deploy" / "prometheus"
STORIES = Path(__file__).with_name("rules_test.yaml")
(RULES,) = documents("deploy/prometheus/rules.yaml")
(CONFIG,) = documents("deploy/prometheus/prometheus.yaml")
GIVEN: list[dict[str, Any]] = [rule for group in RULES["groups"] for rule in group["rules"]]
ALERTS = {rule["alert"]: rule for rule in GIVEN if "alert" in rule}
RECORDED = {rule["record"] for rule in GIVEN if "record" in rule}
BY_PROMETHEUS = {"up"}


def promtool(*arguments: object) -> str:
    """Run Prometheus' own tool and return what it says; it must be content."""
    command = [str(debian_binary("prometheus", "usr/bin/promtool")), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def _asked(port: int) -> str:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as response:
        return await response.text()


@cache
def exposed() -> frozenset[str]:
    """The metrics of a worker that has read a labelled prediction, of a deliverer, and of a gateway that was asked."""

    async def worker() -> str:
        held = Held()
        await held.worker.assigned(frozenset({0}))
        held.bench.emit(prediction(1, 1), outcome(1, 2))
        held.bench.end("feedback", 0)
        await held.deliver()
        watchdog = Watchdog(held.worker, 10.0)
        async with serving(held.worker, watchdog, ("127.0.0.1", 0)) as port:
            return await _asked(port)

    async def deliverer() -> str:
        desk = Desk(("chat",))
        desk.deliverer = Deliverer(alerting(), {"chat": Recorder("chat")}, world(Book()))
        async with delivering(desk, ("127.0.0.1", 0)) as port:
            return await _asked(port)

    with running() as gateway:
        gateway.post([OUTCOME])
        gateway.post([{**OUTCOME, "event_time": None}])
        asked = gateway.ask("GET", "/metrics").body.decode()
    said = asyncio.run(worker()) + asyncio.run(deliverer()) + asked
    return frozenset(re.findall(r"^(\w+)[{ ]", said, re.MULTILINE))


def unknown_metrics(expression: str) -> set[str]:
    """What an expression names that is neither a metric of ours nor recorded by the rules."""
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]|\b(?:by|on|without)\s*\([^)]*\)|#.*", " ", expression)
    called = set(re.findall(r"\b(\w+)\s*\(", bare))
    words = {"and", "or", "unless", "offset", "bool", "by", "on", "without"}
    named = set(re.findall(r"(?<![\w.:])[a-z_][\w:]*(?![\w:]*\()", bare)) - called - words
    return named - exposed() - RECORDED - BY_PROMETHEUS


def test_prometheus_takes_the_files() -> None:
    """The rules and the example are legal, and promtool counts as many rules as there are."""
    assert f"{len(GIVEN)} rules found" in promtool("check", "rules", FOLDER / "rules.yaml")
    assert "is valid" in promtool("check", "config", FOLDER / "prometheus.yaml")


def test_the_stories_end_as_written() -> None:
    """Prometheus evaluates the rules over each story, and fires what is said to fire, and nothing else."""
    assert "SUCCESS" in promtool("test", "rules", STORIES)


def test_every_alert_has_a_story() -> None:
    """There is a story in which it fires."""
    told = set(re.findall(r'alertname="(\w+)"', STORIES.read_text(encoding="utf-8")))

    assert told == set(ALERTS)


@pytest.mark.parametrize("rule", GIVEN, ids=lambda rule: str(rule.get("alert", rule.get("record"))))
def test_rules_name_metrics_that_there_are(rule: dict[str, Any]) -> None:
    """Every metric of an expression is one that a process of ours tells, is recorded by a rule, or Prometheus' own."""
    assert unknown_metrics(rule["expr"]) == set()


def test_a_metric_that_is_not_there_is_found_out() -> None:
    """A misspelt metric is noticed, also within functions and aggregations."""
    expression = "sum(max by (partition) (rate(streams_events_reed_total[5m]))) > 0 and on () streams_lag:sum == 1"

    assert unknown_metrics(expression) == {"streams_events_reed_total", "streams_lag:sum"}


@pytest.mark.parametrize("name", ALERTS)
def test_alerts_say_what_they_are(name: str) -> None:
    """Each has a severity that is known, no value in its labels, a summary, a description and a page that exists."""
    rule = ALERTS[name]

    assert rule["labels"] in ({"severity": "critical"}, {"severity": "warning"})
    assert list(rule["annotations"]) == ["summary", "description", "runbook"]
    assert "{{" not in rule["annotations"]["summary"]
    assert (ROOT / rule["annotations"]["runbook"]).is_file()


def test_the_example_asks_the_pods_of_the_manifests() -> None:
    """Under the jobs' names that the rules know, each replica by the name and the port that Kubernetes gives it."""
    asked = {job["job_name"]: job["static_configs"][0]["targets"] for job in CONFIG["scrape_configs"]}
    there = {}
    for job, file in (("streams", "worker"), ("streams-deliver", "deliver"), ("streams-gateway", "gateway")):
        *others, pods = documents(f"deploy/kubernetes/{file}.yaml")
        services = {one["metadata"]["name"]: one for one in others if one["kind"] == "Service"}
        service = services[pods["spec"]["serviceName"]]
        name, pod, port = pods["spec"]["serviceName"], pods["metadata"]["name"], service["spec"]["ports"][0]["port"]
        there[job] = [f"{pod}-{i}.{name}:{port}" for i in range(pods["spec"]["replicas"])]
    jobs = {found for rule in GIVEN for found in re.findall(r'job="([\w-]+)"', rule["expr"])}

    assert asked == there
    assert jobs == asked.keys()
    assert CONFIG["rule_files"] == ["rules.yaml"]


def test_the_limit_of_memory_is_that_of_the_manifests() -> None:
    """The alert of memory is at four fifths of the limit with which workers run."""
    (_, _, workers) = documents("deploy/kubernetes/worker.yaml")
    (container,) = workers["spec"]["template"]["spec"]["containers"]
    limit = container["resources"]["limits"]["memory"]

    assert limit.endswith("Gi")
    assert ALERTS["StreamsMemoryHigh"]["expr"].endswith(f"> 0.8 * {limit.removesuffix('Gi')} * 1024 ^ 3")
