"""What the gateway answers when it does not take a request: one form for all, `application/problem+json` (RFC 9457)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from aiohttp import web

MEDIA_TYPE = "application/problem+json"
SHOWN_EVENTS = 100
"""Of how many events an answer says what is wrong with them; `count` says how many there are."""


@dataclass(frozen=True)
class Kind:
    """One kind of problem: the status that goes with it, and its title, the same each time."""

    status: int
    title: str


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "unreadable": Kind(400, "The body is not what its Content-Type says"),
        "unauthorized": Kind(401, "No token, or one that is not known"),
        "forbidden_model": Kind(403, "The token may not write predictions of this model"),
        "slow": Kind(408, "The request did not come in time"),
        "too_large": Kind(413, "The body is too large"),
        "too_many_events": Kind(413, "More events than one request may have"),
        "unsupported_media_type": Kind(415, "Content that is not read here"),
        "invalid_events": Kind(422, "Some events cannot be taken; none was"),
        "rate_limited": Kind(429, "More events a second than the token may write"),
        "refused": Kind(502, "Kafka refused some events"),
        "busy": Kind(503, "As many requests as may be are being answered"),
        "full": Kind(503, "As many bytes as may wait for Kafka do"),
        "unconfirmed": Kind(503, "Kafka has not confirmed the events in time"),
    }
)


class Problem(Exception):
    """
    A request that is not taken.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    detail : str
        What happened this time, and what to do.
    events : Sequence of Mapping
        What is wrong with single events: `index`, `path`, `reason`, `message` of each.
    wait : float, optional
        Seconds after which the same may be taken.
    """

    def __init__(
        self, kind: str, detail: str, events: Sequence[Mapping[str, Any]] = (), wait: float | None = None
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.events = events
        self.wait = wait

    def response(self) -> web.Response:
        """Return the answer that says so."""
        kind = KINDS[self.kind]
        more = {"count": len(self.events), "problems": list(self.events[:SHOWN_EVENTS])} if self.events else {}
        headers = {} if self.wait is None else {"Retry-After": str(max(1, math.ceil(self.wait)))}
        if kind.status == web.HTTPUnauthorized.status_code:
            headers["WWW-Authenticate"] = 'Bearer realm="streams gateway"'
        answer = written(kind.status, f"urn:streams:gateway:{self.kind}", kind.title, self.detail, more)
        answer.headers.update(headers)
        if kind.status == web.HTTPRequestTimeout.status_code:
            answer.force_close()
        return answer


def of_http(error: web.HTTPException) -> web.Response:
    """Write what aiohttp itself answers, such as 404 and 405, in the same form."""
    known = "the paths are /v1/events, /v1/openapi.json, /healthz and /metrics"
    allowed = error.headers.get("Allow")
    detail = f"use {allowed}" if allowed else known
    answer = written(error.status, "about:blank", error.reason, detail, {})
    if allowed:
        answer.headers["Allow"] = allowed
    return answer


def written(status: int, type_: str, title: str, detail: str, more: Mapping[str, Any]) -> web.Response:
    """Return a problem as an answer."""
    body = {"type": type_, "title": title, "status": status, "detail": detail, **more}
    return web.Response(status=status, text=json.dumps(body), content_type=MEDIA_TYPE)
