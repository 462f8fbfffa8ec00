"""What each route sends, field by field, as the other side documents it."""

from __future__ import annotations

import asyncio
import email
import email.policy
import json
from typing import Any

import pytest
from aiohttp import web

from streams.alerts.alertmanager import Alertmanager
from streams.alerts.answer import Answer, Refused, Sent, TryAgain
from streams.alerts.email import Email, Mailbox
from streams.alerts.http import Http
from streams.alerts.pagerduty import MOST_BYTES, PagerDuty
from streams.alerts.signature import DELIVERY, SIGNATURE, TIMESTAMP, sign, verify
from streams.alerts.slack import Slack, message
from streams.alerts.webhook import Webhook
from streams.core.alert.notice import Notice, to_json
from tests.alerts.making import CANARY, HOUR, NOON, NOTICE, SECOND, notice
from tests.alerts.servers import HttpServer, Taken, speaking

SLICE = "carrier=EV, origin=JFK"
LABELS = {
    "model": "flights",
    "rule": "quality",
    "severity": "page",
    "team": "pricing",
    "watch": "accuracy",
    "slice": SLICE,
}


def exchange(kind: str, told: Notice, response: web.Response | None = None) -> tuple[Answer, Taken]:
    """Send one notice by a route of a kind to a server; return what it says and what the server got."""

    async def run() -> tuple[Answer, Taken]:
        server = HttpServer([] if response is None else [response])
        async with speaking(server, (CANARY,)) as http:
            answer = await route(kind, server.url, http).send(told)
        (taken,) = server.taken
        return answer, taken

    return asyncio.run(run())


def route(kind: str, url: str, http: Http) -> Alertmanager | PagerDuty | Slack | Webhook:
    if kind == "alertmanager":
        return Alertmanager("am", f"{url}/", 24 * HOUR, lambda: NOON + HOUR, http, CANARY)
    if kind == "pagerduty":
        return PagerDuty("pd", f"{url}/v2/enqueue", http, CANARY)
    if kind == "slack":
        return Slack("chat", http, f"{url}/services/{CANARY}")
    return Webhook("hook", f"{url}/alerts", lambda: NOON + HOUR, http, CANARY)


def body(taken: Taken) -> Any:
    return json.loads(taken.body)


KINDS = ("alertmanager", "pagerduty", "slack", "webhook")


@pytest.mark.parametrize("kind", KINDS)
def test_every_route_says_what_came_of_it(kind: str) -> None:
    """Taken, refused and not now are told apart, without the secret that the server repeats; repr hides it too."""
    said = f"no such thing: {CANARY}"

    assert exchange(kind, NOTICE, web.Response(status=202, text="{}"))[0] == Sent("202 {}")
    assert exchange(kind, NOTICE, web.Response(status=404, text=said))[0] == Refused("404 no such thing: [secret]")
    limited = web.Response(status=429, text=said, headers={"Retry-After": "30"})
    assert exchange(kind, NOTICE, limited)[0] == TryAgain("429 no such thing: [secret]", 30.0)


def test_alertmanager() -> None:
    """POST /api/v2/alerts: a list of one alert; labels are what it is about, all else annotations; an end to come."""
    _, taken = exchange("alertmanager", NOTICE)
    (alert,) = body(taken)

    assert (taken.path, taken.headers["Content-Type"]) == ("/api/v2/alerts", "application/json")
    assert taken.headers["Authorization"] == f"Bearer {CANARY}"
    assert set(alert) == {"labels", "annotations", "startsAt", "endsAt", "generatorURL"}
    assert alert["labels"] == {"alertname": "quality", **LABELS, "dedup_key": NOTICE.dedup_key}
    assert alert["annotations"] == {**NOTICE.annotations(), "status": "firing"}
    assert (alert["startsAt"], alert["endsAt"]) == ("2023-11-14T09:00:00.000000Z", "2023-11-15T13:00:00.000000Z")
    assert alert["generatorURL"] == NOTICE.runbook


def test_alertmanager_resolves_now() -> None:
    """What is over ends now, under the same labels; not before it began, where event time is ahead."""
    _, taken = exchange("alertmanager", notice(status="resolved", revision=9, value=0.9, title="is well", runbook=""))
    (alert,) = body(taken)

    assert alert["endsAt"] == "2023-11-14T13:00:00.000000Z"
    assert alert["labels"] == {"alertname": "quality", **LABELS, "dedup_key": NOTICE.dedup_key}
    assert "generatorURL" not in alert
    (ahead,) = body(exchange("alertmanager", notice(status="resolved", since=NOON + 9 * HOUR))[1])
    assert ahead["endsAt"] == ahead["startsAt"]


def test_pagerduty() -> None:
    """A trigger with the service's key, the alert's key and a payload of the documented fields."""
    _, taken = exchange("pagerduty", NOTICE)
    event = body(taken)

    assert taken.path == "/v2/enqueue"
    assert set(event) == {"routing_key", "event_action", "dedup_key", "client", "payload", "links"}
    assert (event["routing_key"], event["event_action"]) == (CANARY, "trigger")
    assert event["dedup_key"] == NOTICE.dedup_key
    assert event["links"] == [{"href": NOTICE.runbook, "text": "Runbook"}]
    assert event["payload"] == {
        "summary": NOTICE.title,
        "source": "flights",
        "severity": "critical",
        "timestamp": "2023-11-14T09:00:00.000000Z",
        "component": "accuracy",
        "group": "flights",
        "class": "metric",
        "custom_details": {**LABELS, **NOTICE.annotations()},
    }


@pytest.mark.parametrize(
    ("changes", "action", "severity"),
    [
        ({"status": "updated", "severity": "warning"}, "trigger", "warning"),
        ({"status": "resolved", "severity": "info"}, "resolve", "info"),
    ],
)
def test_pagerduty_actions_and_severities(changes: dict[str, Any], action: str, severity: str) -> None:
    """News triggers under the same key, the end resolves it; severities have PagerDuty's names."""
    event = body(exchange("pagerduty", notice(**changes))[1])

    assert (event["event_action"], event["payload"]["severity"]) == (action, severity)


def test_pagerduty_acknowledges() -> None:
    """Acknowledging needs nothing but the two keys."""

    async def run() -> Any:
        server = HttpServer([])
        async with speaking(server) as http:
            await PagerDuty("pd", server.url, http, CANARY).acknowledge("k")
        return body(server.taken[0])

    assert asyncio.run(run()) == {"routing_key": CANARY, "event_action": "acknowledge", "dedup_key": "k"}


def test_pagerduty_takes_no_more_than_512_kb() -> None:
    """What would be too large is cut: titles to 1,024 characters, details so that the event fits."""
    large = notice(title="t" * 5_000, query="q" * 600_000, worst_members=("é" * 300_000,))
    _, taken = exchange("pagerduty", large)
    payload = body(taken)["payload"]

    assert len(taken.body) <= MOST_BYTES
    assert (len(payload["summary"]), payload["summary"][-4:]) == (1_024, "t...")
    assert payload["custom_details"]["query"] == "q" * 1_997 + "..."
    assert payload["custom_details"]["model"] == "flights"


def test_slack() -> None:
    """A message of blocks, with text for notifications, all details, the runbook, and the key."""
    _, taken = exchange("slack", NOTICE)
    told = body(taken)
    head, *sections, link, key = told["blocks"]

    assert taken.path == f"/services/{CANARY}"
    assert set(told) == {"text", "blocks"}
    assert told["text"] == f":red_circle: [FIRING page] {NOTICE.title}"
    assert head["type"] == "header"
    assert head["text"] == {"type": "plain_text", "text": f"[FIRING page] {NOTICE.title}", "emoji": False}
    assert {"type": "section", "text": {"type": "mrkdwn", "text": f"*slice*\n{SLICE}"}} in sections
    assert {"type": "section", "text": {"type": "mrkdwn", "text": "*interval*\n-0.05 to -0.032"}} in sections
    assert link["text"]["text"] == f"<{NOTICE.runbook}|What to do>"
    assert key == {"type": "context", "elements": [{"type": "plain_text", "text": NOTICE.dedup_key}]}


def test_slack_keeps_its_limits_and_wakes_nobody() -> None:
    """Texts are cut to what Slack takes; what would be a mention of everybody is plain text."""
    told = message(notice(title="<!channel> & " + "x" * 9_000, explanation="<@U1>", query="q" * 9_000))
    blocks: Any = told["blocks"]

    assert "<!channel>" not in json.dumps(told["text"])
    assert "&lt;@U1&gt;" in json.dumps(blocks)
    assert len(str(told["text"])) <= 3_000
    assert len(blocks) <= 50
    assert len(blocks[0]["text"]["text"]) == 150
    assert max(len(block["text"]["text"]) for block in blocks[1:-1]) == 3_000


def test_slack_says_that_it_is_over() -> None:
    """A resolved alert looks resolved."""
    assert str(message(notice(status="resolved"))["text"]).startswith(":white_check_mark: [RESOLVED page]")


def test_webhook() -> None:
    """The notice as on its topic, signed so that the receiver can check it."""
    _, taken = exchange("webhook", NOTICE)

    assert body(taken) == to_json(NOTICE) | {"worst_effects": list(NOTICE.worst_effects)}
    assert taken.headers[TIMESTAMP] == str((NOON + HOUR) // SECOND)
    assert verify(CANARY, taken.headers, taken.body, (NOON + HOUR) // SECOND + 299) == taken.headers[DELIVERY]


def test_signature_is_the_documented_one() -> None:
    """HMAC-SHA256 of timestamp, full stop and body, as any language computes it (checked with OpenSSL)."""
    headers = sign("it's a secret", b'{"a":1}', 1_700_000_000)

    # printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac "it's a secret"
    assert headers[SIGNATURE] == "v1=231b5341c3f4c049c2484bb7d990e424afa62e39dad48cf79b80b5c2cba84493"


@pytest.mark.parametrize(
    ("secret", "sent", "later", "header", "problem"),
    [
        ("other", b"{}", 0, None, "not that of the body"),
        ("s", b"{ }", 0, None, "not that of the body"),
        ("s", b"{}", 301, None, "somebody repeats it"),
        ("s", b"{}", -301, None, "somebody repeats it"),
        ("s", b"{}", 0, (TIMESTAMP, "1700000001"), "not that of the body"),
        ("s", b"{}", 0, (TIMESTAMP, ""), "not signed"),
        ("s", b"{}", 0, (SIGNATURE, ""), "not signed"),
        ("s", b"{}", 0, (SIGNATURE, "v1=é"), "not that of the body"),
    ],
)
def test_what_is_forged_or_repeated_is_refused(
    secret: str, sent: bytes, later: int, header: tuple[str, str] | None, problem: str
) -> None:
    """Another secret, another body, another time, or no signature at all."""
    headers = sign("s", b"{}", 1_700_000_000) | ({header[0]: header[1]} if header else {})

    with pytest.raises(ValueError, match=problem):
        verify(secret, headers, sent, 1_700_000_000 + later)


def test_the_delivery_is_the_same_in_every_attempt() -> None:
    """A receiver can tell a notice that comes twice, and header names may be in any case."""
    first, second = (sign("s", b"{}", time) for time in (1_700_000_000, 1_700_000_100))
    lower = {name.lower(): value for name, value in second.items()}

    assert first[DELIVERY] == second[DELIVERY] == verify("s", lower, b"{}", 1_700_000_100)
    assert first[SIGNATURE] != second[SIGNATURE]


def mail(told: Notice) -> email.message.EmailMessage:
    """Return a notice as mail, after it was written to bytes and read again."""
    box = Mailbox("localhost", 25, "none", 1.0)
    made = Email("mail", "Streams <streams@example.org>", ("ann@example.org", "bob@example.org"), box, lambda: NOON)
    read = email.message_from_bytes(made.message(told).as_bytes(), policy=email.policy.default)
    assert isinstance(read, email.message.EmailMessage)
    return read


def test_email() -> None:
    """Plain text with everything; mail about one alert is one conversation; no answer of a machine comes back."""
    read = mail(NOTICE)

    assert read["Subject"] == f"[FIRING page] {NOTICE.title}"
    assert (read["From"], read["To"]) == ("Streams <streams@example.org>", "ann@example.org, bob@example.org")
    assert read["Date"].datetime.timestamp() == NOON / SECOND
    assert read["Message-ID"] == f"<{NOTICE.dedup_key}.1@example.org>"
    assert read["References"] == f"<{NOTICE.dedup_key}@example.org>" == mail(notice(revision=2))["References"]
    assert (read["Auto-Submitted"], read["X-Streams-Dedup-Key"]) == ("auto-generated", NOTICE.dedup_key)
    assert read.get_content_type() == "text/plain"
    for line in (f"slice: {SLICE}", "interval: -0.05 to -0.032", f"runbook: {NOTICE.runbook}"):
        assert line in read.get_content().splitlines()


def test_a_title_cannot_add_headers() -> None:
    """Line breaks in a title stay in the subject, as spaces."""
    read = mail(notice(title="a\r\nBcc: eve@example.org"))

    assert read["Bcc"] is None
    assert read["Subject"] == "[FIRING page] a Bcc: eve@example.org"


@pytest.mark.parametrize("made", [PagerDuty("a", "http://b", None, CANARY), Slack("a", None, CANARY)])  # type: ignore[arg-type]
def test_secrets_are_not_shown(made: object) -> None:
    """An object that is printed shows no secret."""
    assert CANARY not in repr(made)
