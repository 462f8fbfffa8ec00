"""From the configuration to routes that can be used. This is the one place where the secrets of routes are read."""

from __future__ import annotations

import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import aiohttp

from streams.alerts.alertmanager import Alertmanager
from streams.alerts.email import Email, Mailbox
from streams.alerts.http import Http
from streams.alerts.pagerduty import PagerDuty
from streams.alerts.route import Route
from streams.alerts.secret import read_secret
from streams.alerts.slack import Slack
from streams.alerts.webhook import Webhook
from streams.config.alerting import (
    AlertmanagerRoute,
    EmailRoute,
    PagerDutyRoute,
    RouteConfig,
    SlackRoute,
    WebhookRoute,
)
from streams.config.alerting_fields import url_problem
from streams.errors import UsageError


def now_us() -> int:
    """Return the time, in microseconds since 1970."""
    return time.time_ns() // 1_000


@asynccontextmanager
async def opened(routes: Mapping[str, RouteConfig], environ: Mapping[str, str]) -> AsyncIterator[dict[str, Route]]:
    """
    Make routes, by name; their connections are closed at the end.

    Raises
    ------
    UsageError
        A secret is not where the configuration says, or a file is not what it should be.
    """
    secrets = {name: secret_of(name, route, environ) for name, route in routes.items()}
    # No cookies: what one server sets is no business of another.
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield {name: make(name, route, secrets[name], session, now_us) for name, route in routes.items()}


def secret_of(name: str, route: RouteConfig, environ: Mapping[str, str]) -> str:
    """Read the secret of a route; empty where it needs none. Raises `UsageError`."""
    key = route.secret
    if key is None:
        return ""
    what = f"the {key.replace('_', ' ')} of alerting.routes.{name}"
    secret = read_secret(what, getattr(route, f"{key}_env"), getattr(route, f"{key}_file"), environ)
    if isinstance(route, SlackRoute) and (problem := url_problem(secret)):
        raise UsageError(f"{what} {problem}")
    return secret


def make(name: str, route: RouteConfig, secret: str, session: aiohttp.ClientSession, now: Callable[[], int]) -> Route:
    """Make one route. Raises `UsageError` if its `ca_file` cannot be used."""
    http = Http(session, route.timeout / 1e6, _hidden(route, secret))
    if isinstance(route, AlertmanagerRoute):
        return Alertmanager(name, route.url, route.lasts, now, http, secret)
    if isinstance(route, PagerDutyRoute):
        return PagerDuty(name, route.url, http, secret)
    if isinstance(route, SlackRoute):
        return Slack(name, http, secret)
    if isinstance(route, WebhookRoute):
        return Webhook(name, route.url, now, http, secret)
    return Email(name, route.sender, route.to, _mailbox(name, route, secret), now)


def _hidden(route: RouteConfig, secret: str) -> tuple[str, ...]:
    """Return what must not be repeated: of a URL that is a secret, also the path, which servers like to repeat."""
    path = urlsplit(secret).path.strip("/") if isinstance(route, SlackRoute) else ""
    return tuple(text for text in (secret, path) if text)


def _mailbox(name: str, route: EmailRoute, password: str) -> Mailbox:
    tls = None if route.security == "none" else _trusted(name, route.ca_file)
    username = route.username or ""
    return Mailbox(route.host, route.port, route.security, route.timeout / 1e6, username, password, tls)


def _trusted(name: str, ca_file: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # an SSLError is one as well
        where = f"alerting.routes.{name}.ca_file {ca_file}"
        raise UsageError(f"{where} cannot be used: {error.strerror or error}") from error
