"""`streams alerts`: what is wrong now, silences and acknowledgements, and routes that are tried."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiohttp import web

from streams.codecs.write import write_jsonl
from streams.core.alert.notice import to_json
from tests.alerts.making import CANARY, NOTICE, notice, numbered
from tests.alerts.servers import Behaviour, HttpServer
from tests.alerts.stored import make_store
from tests.conftest import Run
from tests.core.detect.test_stage import events

MODELS = "models: {flights: {task: none}}\n"
KEY = NOTICE.dedup_key
WATCHED = """
disorder: 1h
models:
  fraud: {task: binary, positive: "1", metrics: [accuracy], label_horizon: 3d}
  other: {task: none}
detection: {learn: 20d, season: 1d, models: {fraud: {team: payments}}}
alerting:
  routes: {chat: {kind: slack, url_env: URL}}
  rules: [{teams: [payments], routes: [chat]}]
"""


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a store with two open alerts and one that is over."""
    path = tmp_path_factory.mktemp("alerts") / "store"
    over = [numbered(255, revision=revision, status=status) for revision, status in ((1, "firing"), (2, "resolved"))]
    make_store(path, [NOTICE, notice(revision=2, status="updated"), numbered(7), *over])
    return path


@pytest.fixture
def dsn(filled: Path, tmp_path: Path) -> str:
    """Copy it, so that each test has its own."""
    return f"chdb:{shutil.copytree(filled, tmp_path / 'store', symlinks=True)}"


@contextmanager
def listening(*behaviours: Behaviour) -> Iterator[HttpServer]:
    """Run a server in a thread of its own, as the command has a loop of its own."""
    server, loop, ready = HttpServer(behaviours), asyncio.new_event_loop(), threading.Event()
    over = asyncio.Event()

    async def serve() -> None:
        async with server.running():
            ready.set()
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(30)
        yield server
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()


def config(tmp_path: Path, routes: str) -> Path:
    path = tmp_path / "streams.yaml"
    path.write_text(f"{MODELS}alerting: {{routes: {routes}}}\n", encoding="utf-8")
    return path


def test_list(cli: Run, dsn: str) -> None:
    """A line for each open alert, with the beginning of its key; --all shows what is over, --json one object each."""
    ran = cli("alerts", "list", "--store", dsn)

    assert ran.code == 0
    assert [line.split()[0] for line in ran.out.splitlines()] == [f"{7:032x}"[:10], KEY[:10]]
    assert f"page     {NOTICE.title}" in ran.out
    assert len(cli("alerts", "list", "--store", dsn, "--all").out.splitlines()) == 3
    objects = [json.loads(line) for line in cli("alerts", "list", "--store", dsn, "--json").out.splitlines()]
    assert objects[1] == {**json.loads(json.dumps(to_json(notice(revision=2, status="updated")))), "said": ""}


def test_an_empty_list(cli: Run, tmp_path: Path) -> None:
    """That nothing is wrong is said, and not on standard output."""
    ran = cli("alerts", "list", "--store", make_store(tmp_path / "store", []))

    assert (ran.code, ran.out, ran.err) == (0, "", "no open alerts\n")


def test_show(cli: Run, dsn: str) -> None:
    """Everything about one alert: labels, numbers, when it was told, and the query."""
    ran = cli("alerts", "show", KEY[:6], "--store", dsn)

    assert ran.code == 0
    for text in (NOTICE.title, "slice: carrier=EV, origin=JFK", "release: version 7", "1  2023-11-14 12:00  firing"):
        assert text in ran.out
    assert ran.out.rstrip().endswith("WHERE model = 'flights'")
    shown = json.loads(cli("alerts", "show", KEY[:6], "--store", dsn, "--json").out)
    assert (shown["revision"], shown["deliveries"]) == (2, [])


@pytest.mark.parametrize(
    ("key", "problem"),
    [("f00", "there is no alert f00; `streams alerts list --all` shows them"), ("0", "0 is the beginning of several")],
)
def test_a_key_must_name_one_alert(cli: Run, dsn: str, key: str, problem: str) -> None:
    """A key that nothing has, or several, is refused."""
    ran = cli("alerts", "show", key, "--store", dsn)

    assert ran.code == 2
    assert problem in ran.err


def test_silence_and_unsilence(cli: Run, dsn: str) -> None:
    """A silence says what it covers, shows in the list, and can be ended."""
    what = ("--model", "fli*", "--for", "2h", "--why", "known outage", "--by", "ann")
    ran = cli("alerts", "silence", "--store", dsn, *what)
    name = ran.out.split()[1].rstrip(":")

    assert ran.out == f"silence {name}: 2 open alerts; end it with `streams alerts unsilence`\n"
    assert cli("alerts", "list", "--store", dsn).out.count("(silenced by ann: known outage)") == 2
    assert cli("alerts", "unsilence", name, "--store", dsn).out == f"silence {name} is over\n"
    assert "silenced" not in cli("alerts", "list", "--store", dsn).out
    again = cli("alerts", "unsilence", name, "--store", dsn)
    assert (again.code, again.err) == (2, f"error: there is no silence {name} now. There are: none\n")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--for", "2h", "--why", "x"], "Give --model, --rule or --key"),
        (["--model", "m", "--for", "2x", "--why", "x"], "is not a duration"),
        (["--model", "m", "--for", "2h"], "Missing option '--why'"),
        (["--key", "f00", "--for", "2h", "--why", "x"], "there is no alert f00"),
    ],
)
def test_a_silence_must_be_of_something_and_for_some_time(
    cli: Run, dsn: str, arguments: list[str], problem: str
) -> None:
    """Otherwise it is refused."""
    ran = cli("alerts", "silence", "--store", dsn, *arguments)

    assert ran.code == 2
    assert problem in ran.err


def test_ack(cli: Run, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An acknowledgement shows in the list, and PagerDuty is told where it is asked for."""
    monkeypatch.setenv("KEY", CANARY)
    with listening(web.Response(status=202, text="queued")) as server:
        routes = f"{{pd: {{kind: pagerduty, url: '{server.url}', routing_key_env: KEY}}}}"
        path = config(tmp_path, routes)
        ran = cli("alerts", "ack", KEY[:6], "--store", dsn, "--why", "on it", "--by", "ann", "--config", path)

    assert ran.out == f"{KEY} is acknowledged: {NOTICE.title}\npd: sent; 202 queued\n"
    told = json.loads(server.taken[0].body)
    assert told == {"routing_key": CANARY, "event_action": "acknowledge", "dedup_key": KEY}
    assert "(acknowledged by ann: on it)" in cli("alerts", "list", "--store", dsn).out


def test_what_is_over_cannot_be_acknowledged(cli: Run, dsn: str) -> None:
    """Nobody has to look after it."""
    ran = cli("alerts", "ack", f"{255:032x}", "--store", dsn, "--why", "late")

    assert ran.code == 2
    assert "is resolved already" in ran.err


def test_a_route_can_be_tried(cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets a harmless notice and its end, under one key; what it answers is printed."""
    monkeypatch.setenv("KEY", CANARY)
    with listening(web.Response(status=202, text="queued")) as server:
        routes = f"{{pd: {{kind: pagerduty, url: '{server.url}', routing_key_env: KEY}}}}"
        ran = cli("alerts", "test", "pd", "--config", config(tmp_path, routes))
    first, second = (json.loads(taken.body) for taken in server.taken)

    assert (ran.code, ran.out) == (0, "pd, firing: sent; 202 queued\npd, resolved: sent; 200 ok\n")
    assert (first["event_action"], second["event_action"]) == ("trigger", "resolve")
    assert first["payload"]["severity"] == "info"
    assert first["dedup_key"] == second["dedup_key"]


def test_a_route_that_does_not_work_says_why(cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the other side says is printed without the secret, and the command has failed."""
    monkeypatch.setenv("KEY", CANARY)
    with listening(web.Response(status=400, text=f"bad key {CANARY}")) as server:
        routes = f"{{pd: {{kind: pagerduty, url: '{server.url}', routing_key_env: KEY}}}}"
        ran = cli("alerts", "test", "pd", "--config", config(tmp_path, routes))

    assert ran.code == 1
    assert "pd, firing: not sent; 400 bad key [secret]" in ran.out
    assert CANARY not in ran.out + ran.err


@pytest.mark.parametrize(
    ("routes", "name", "problem"),
    [
        ("{chat: {kind: slack, url_env: NOT_SET}}", "chat", "environment variable NOT_SET is not set"),
        ("{chat: {kind: slack, url_env: SET}}", "chat", "the url of alerting.routes.chat is no URL of http or https"),
        ("{chat: {kind: slack, url_file: /nowhere}}", "chat", "file /nowhere, which should hold"),
        ("{chat: {kind: slack, url_env: SET}}", "chta", "chta is no route of"),
    ],
)
def test_a_route_that_cannot_be_made_says_why(
    cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, routes: str, name: str, problem: str
) -> None:
    """A secret that is missing or wrong, and a route that is not declared; none of it is repeated."""
    monkeypatch.setenv("SET", CANARY)
    ran = cli("alerts", "test", name, "--config", config(tmp_path, routes))

    assert ran.code == 2
    assert problem in ran.err
    assert CANARY not in ran.err


def test_delivering_to_nowhere_is_refused(cli: Run, dsn: str, tmp_path: Path) -> None:
    """Without routes there is nothing to do."""
    ran = cli("alerts", "deliver", "--store", dsn, "--config", config(tmp_path, "{}"))

    assert ran.code == 2
    assert "there is nothing to deliver to" in ran.err


def test_backtest(cli: Run, tmp_path: Path) -> None:
    """Each alert is told with its time, its urgency and its routes, and there is a line that sums up; or as JSON."""
    (tmp_path / "config.yaml").write_text(WATCHED)
    write_jsonl(tmp_path / "events.jsonl", events(2, changed=35))
    command = ("alerts", "backtest", "--config", tmp_path / "config.yaml", tmp_path / "events.jsonl")
    text, objects = cli(*command), cli(*command, "--json")
    first, what, summary = text.out.splitlines()

    assert (text.code, objects.code) == (0, 0)
    assert first.split()[2:] == ["page", "still", "open", "(chat)"]
    assert what.strip().startswith("fraud: accuracy fell by ")
    assert summary.startswith("1 alert (1 page), ")
    assert {json.loads(line)["watch"] for line in objects.out.splitlines()} == {"accuracy"}
