"""The section `alerting`: what it means, its problems all at once, and secrets that come from outside of it."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ConfigDict, ValidationError

from streams.alerts.answer import Refused
from streams.alerts.making import opened
from streams.config.alerting import AlertingConfig, EmailRoute, RouteRule
from streams.config.alerting_fields import covers, matches
from streams.config.document import read_document
from streams.config.fields import IN_FILE
from streams.config.problems import describe
from streams.core.window_spec import DAY, HOUR, SECOND
from streams.errors import UsageError
from tests.alerts.making import CANARY, NOTICE
from tests.alerts.servers import HttpServer

WHOLE = """
routes:
  am: {kind: alertmanager, url: "http://am:9093", token_env: TOKEN}
  oncall: {kind: pagerduty, routing_key_env: KEY}
  chat: {kind: slack, url_file: /run/url, timeout: 3s,
         quiet: {from: "22:00", until: "07:00", zone: Europe/Berlin}}
  hook: {kind: webhook, url: "https://example.org/hook", secret_env: SECRET}
  mail: {kind: email, to: ann@example.org, from: s@example.org, host: mail, username: s, password_env: PASSWORD}
rules:
  - {models: flights*, severities: page, routes: [oncall, chat], continue: true}
  - {teams: pricing, routes: mail}
default: [am]
give_up_after: 1d
"""


class File(BaseModel):
    """A file with the section alone."""

    model_config = ConfigDict(extra="forbid")
    alerting: AlertingConfig


def indented(text: str) -> str:
    return "alerting:\n" + "".join(f"  {line}\n" for line in text.splitlines())


def section(text: str) -> AlertingConfig:
    document = read_document(indented(text))
    assert document.problems == ()
    return File.model_validate(document.data, context=IN_FILE).alerting


def problems(text: str) -> list[str]:
    """Return what is wrong with a section, without the lines."""
    with pytest.raises(ValidationError) as caught:
        section(text)
    listed = read_document(indented(text)).report(describe(caught.value, (), {}))
    return [re.sub(r"^alerting\.?|^\S+ \(line \d+\)$| \(line \d+\)", "", problem) for problem in listed]


def test_the_section_may_be_left_out() -> None:
    """Then there is no route, and nothing is sent."""
    assert AlertingConfig() == section("{}")
    assert (AlertingConfig().routes, AlertingConfig().default, AlertingConfig().give_up_after) == ({}, (), 6 * HOUR)


def test_everything_is_read() -> None:
    """Each kind of route, quiet hours, rules with one name or several, and durations."""
    found = section(WHOLE)
    mail, chat = found.routes["mail"], found.routes["chat"]

    assert [route.kind for route in found.routes.values()] == ["alertmanager", "pagerduty", "slack", "webhook", "email"]
    assert isinstance(mail, EmailRoute)
    assert (mail.to, mail.sender, mail.port, mail.security) == (("ann@example.org",), "s@example.org", 587, "starttls")
    assert chat.timeout == 3 * SECOND
    assert chat.quiet is not None
    assert (chat.quiet.start, chat.quiet.zone, chat.quiet.pages) == ("22:00", "Europe/Berlin", "pass")
    assert found.rules == (
        RouteRule.model_validate(
            {"models": "flights*", "severities": "page", "routes": ["oncall", "chat"], "continue": True}
        ),
        RouteRule(teams=("pricing",), routes=("mail",)),
    )
    assert (found.default, found.give_up_after) == (("am",), DAY)


def test_a_section_does_not_change() -> None:
    """Objects are frozen."""
    with pytest.raises(ValidationError, match="frozen"):
        AlertingConfig().most_waiting = 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("routes: {a: {kind: slak}}", 'routes.a.kind: "slak" is no kind of route; did you mean `slack`?'),
        ("routes: {a: {url_env: U}}", "routes.a.kind: is required: what sort of route it is. Allowed: alertmanager"),
        ("routes: {a: 5}", "routes.a: 5 is no route: write a mapping with its `kind`"),
        ("routes: {a: {kind: slack}}", "routes.a: needs `url_env` or `url_file`: where its webhook URL is"),
        (
            "routes: {a: {kind: slack, url_env: U, url_file: f}}",
            "routes.a.url_file: is a second place beside `url_env`",
        ),
        ("routes: {a: {kind: slack, url_env: U, chanel: x}}", "routes.a.chanel: unknown key `chanel`"),
        ("routes: {a: {kind: slack, url_env: U, timeout: 5}}", "routes.a.timeout: 5 is not a duration"),
        ("routes: {a: {kind: alertmanager}}", "routes.a.url: is required: where it is, such as http://host:9093"),
        ("routes: {a: {kind: alertmanager, url: localhost:9093}}", "is no URL of http or https"),
        ("routes: {a: {kind: alertmanager, url: 'http://'}}", "is no URL: it needs a host"),
        ("routes: {a: {kind: alertmanager, url: 'http://h:99999'}}", "is no URL: its host or its port is not one"),
        ("routes: {a: {kind: alertmanager, url: 'http://h/a b'}}", "is no URL: it needs a host"),
        ("routes: {a: {kind: webhook, url: 'http://h/#x', secret_env: S}}", "has a fragment"),
        ("routes: {a: {kind: email, to: [], from: a@b, host: h}}", "routes.a.to: [] is empty: list at least one"),
        ("routes: {a: {kind: email, to: [ab], from: a@b, host: h}}", 'routes.a.to[0]: "ab" is no address'),
        ("routes: {a: {kind: email, to: a@b, host: h}}", "routes.a.from: is required: when they begin"),
        ("routes: {a: {kind: email, to: a@b, from: a@b, host: h, username: u}}", "needs `password_env` or"),
        (
            "routes: {a: {kind: email, to: a@b, from: a@b, host: h, username: u, password_env: P, security: none}}",
            "routes.a.username: is only for starttls and tls: a password would go in the clear",
        ),
        (
            "routes: {a: {kind: slack, url_env: U, quiet: {from: '24:00', until: '07:00'}}}",
            'routes.a.quiet.from: "24:00" is no time of day: write hours and minutes, such as 22:00',
        ),
        (
            "routes: {a: {kind: slack, url_env: U, quiet: {from: '07:00', until: '07:00'}}}",
            'routes.a.quiet.until: "07:00" is when they begin: they would have no end',
        ),
        (
            "routes: {a: {kind: slack, url_env: U, quiet: {from: '22:00', until: '07:00', zone: Europe/Berln}}}",
            'routes.a.quiet.zone: "Europe/Berln" is no time zone; did you mean `Europe/Berlin`?',
        ),
        (
            "routes: {chat: {kind: slack, url_env: U}}\ndefault: caht",
            'default: "caht" is no route; did you mean `chat`?',
        ),
        ("rules: [{routes: [x]}]", 'rules[0].routes: "x" is no route'),
        ("rules: [{models: m}]", "rules[0].routes: is required"),
        ("rules: [{models: [], routes: []}]", "rules[0].models: [] is no list of names"),
        ("rules: [{severities: pages, routes: []}]", '"pages" is no severity; did you mean `page`?'),
        ("rules: [{routes: []}, {models: m, routes: []}]", "rules[1]: is never reached: rules[0] matches all"),
        ("most_waiting: 0", "most_waiting: 0 is too small"),
    ],
)
def test_problems(text: str, problem: str) -> None:
    """Each is named with its place and a suggestion."""
    found = problems(text)

    assert len(found) == 1
    assert problem in found[0]


def test_all_problems_come_at_once() -> None:
    """Those of several routes are one list, in the order of the file."""
    found = problems("routes:\n  a: {kind: slack}\n  b: {kind: email, to: x, from: y, host: h}\ngive_up_after: 5")

    assert [problem.partition(":")[0] for problem in found] == [
        "routes.a", "routes.b.to[0]", "routes.b.from", "give_up_after",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "route",
    [
        f"{{kind: alertmanager, url: 'http://h', token: {CANARY}}}",
        f"{{kind: alertmanager, url: 'http://user:{CANARY}@h'}}",
        f"{{kind: pagerduty, routing_key: {CANARY}}}",
        f"{{kind: slack, url: 'https://hooks/{CANARY}'}}",
        f"{{kind: webhook, url: 'http://h', secret: {CANARY}}}",
        f"{{kind: email, to: a@b, from: a@b, host: h, password: {CANARY}}}",
    ],
)
def test_secrets_in_the_file_are_refused_and_not_repeated(route: str) -> None:
    """What to do instead is said."""
    found = "\n".join(problems(f"routes: {{a: {route}}}"))

    assert CANARY not in found
    assert re.search("secrets (do not belong in the configuration|come from the environment)", found)


def rule(models: list[str], teams: list[str], severities: list[str], further: bool = False) -> RouteRule:
    return RouteRule.model_validate(
        {"models": models, "teams": teams, "severities": severities, "routes": [], "continue": further}
    )


def test_a_rule_hides_only_what_it_matches_entirely() -> None:
    """All of models, teams and severities; and not where later rules are looked at as well."""
    wide = rule(["a*", "b"], ["*"], ["info", "page"])

    assert wide.hides(rule(["ab*", "b"], ["t"], ["page"]))
    assert not wide.hides(rule(["*"], ["t"], ["page"]))
    assert not wide.hides(rule(["ab"], ["t"], ["warning"]))
    assert not rule(["a"], ["t"], ["page"]).hides(rule(["a"], ["*"], ["page"]))
    assert not rule(["*"], ["*"], ["page"], further=True).hides(rule(["a"], ["t"], ["page"]))


PATTERNS = st.text("ab*", min_size=1, max_size=5)


@given(PATTERNS, PATTERNS, st.text("ab*", max_size=6))
def test_what_is_covered_is_matched(wider: str, pattern: str, text: str) -> None:
    """If one pattern covers another, it matches every text that this does."""
    if covers((wider,), (pattern,)) and matches(pattern, text):
        assert matches(wider, text)


@pytest.mark.parametrize(("pattern", "text"), [("a.c", "abc"), ("a?", "ab"), ("[ab]", "a"), ("a", "a\n"), ("", "a")])
def test_only_the_asterisk_means_something(pattern: str, text: str) -> None:
    """Every other sign is itself, and a pattern is of the whole name."""
    assert not matches(pattern, text)
    assert matches("*", text)


def test_editors_know_the_section() -> None:
    """The JSON Schema takes what is right, and refuses what concerns one value."""
    schema = File.model_json_schema()
    Draft202012Validator.check_schema(schema)
    whole: Any = read_document(indented(WHOLE)).data

    assert list(Draft202012Validator(schema).iter_errors(whole)) == []
    for wrong in ({"kind": "slak"}, {"kind": "alertmanager", "url": "ftp://x"}, {"kind": "slack", "to": "a@b"}):
        assert not Draft202012Validator(schema).is_valid({"alerting": {"routes": {"a": wrong}}})
    assert all("description" in key for part in schema["$defs"].values() for key in part["properties"].values())


def test_secrets_are_read_when_routes_are_made(tmp_path: Path) -> None:
    """From the environment and from files; and no object shows them."""
    (tmp_path / "url").write_text("https://hooks.example.org/x\n", encoding="utf-8")
    routes = section(WHOLE.replace("/run/url", str(tmp_path / "url"))).routes

    async def run() -> str:
        environ = dict.fromkeys(("TOKEN", "KEY", "SECRET", "PASSWORD"), CANARY)
        async with opened(routes, environ) as made:
            assert list(made) == [route.name for route in made.values()]
            return repr(made)

    shown = asyncio.run(run())
    assert CANARY not in shown
    assert "hooks.example.org" not in shown


def test_the_path_of_a_secret_url_does_not_come_back() -> None:
    """Servers like to say what they have not found."""
    routes = section("routes: {chat: {kind: slack, url_env: U}}").routes

    async def run() -> object:
        server = HttpServer([web.Response(status=404, text=f"no /services/T0/{CANARY} here")])
        async with (
            server.running(),
            opened(routes, {"U": f"{server.url}/services/T0/{CANARY}"}) as made,
        ):
            return await made["chat"].send(NOTICE)

    assert asyncio.run(run()) == Refused("404 no /[secret] here")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read: No such file or directory"),
        (b" \n", "is empty"),
        (b"\xff" + CANARY.encode(), "not UTF-8"),
    ],
)
def test_a_secret_that_is_not_there(tmp_path: Path, content: bytes | None, problem: str) -> None:
    """Its place is named, never what it holds."""
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    routes = section(f"routes: {{oncall: {{kind: pagerduty, routing_key_file: {path}}}}}").routes

    async def run() -> None:
        async with opened(routes, {}):
            pass

    with pytest.raises(UsageError, match=problem) as caught:
        asyncio.run(run())
    assert "the routing key of alerting.routes.oncall" in str(caught.value)
    assert CANARY not in str(caught.value)


def test_a_file_of_certificates_that_is_none(tmp_path: Path) -> None:
    """It is named."""
    path = tmp_path / "ca.pem"
    path.write_text("no certificate", encoding="utf-8")
    routes = section(f"routes: {{m: {{kind: email, to: a@b, from: a@b, host: h, ca_file: {path}}}}}").routes

    async def run() -> None:
        async with opened(routes, {}):
            pass

    with pytest.raises(UsageError, match=r"alerting\.routes\.m\.ca_file .*ca\.pem cannot be used"):
        asyncio.run(run())
