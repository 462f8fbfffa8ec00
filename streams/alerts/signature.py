"""
The signature of webhooks, for who sends and who receives.

A request has three headers:

- `X-Streams-Timestamp`: when it was sent, in seconds since 1970, decimal digits;
- `X-Streams-Signature`: `v1=` and the HMAC-SHA256, in hexadecimal, of the timestamp, a full stop and the body, under
  the secret that both sides know;
- `X-Streams-Delivery`: the SHA-256 of the body, in hexadecimal: the same for every attempt to send a notice.

So nobody can change a request, nor send it again later: `verify` refuses timestamps that are older or newer than five
minutes. A request that comes twice within them has the same delivery; keep the ones of the last ten minutes, and answer
200 to those without doing anything.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from hashlib import sha256

TIMESTAMP, SIGNATURE, DELIVERY = "X-Streams-Timestamp", "X-Streams-Signature", "X-Streams-Delivery"
_VERSION = "v1="
TOLERANCE = 300  # seconds


def sign(secret: str, body: bytes, now: int) -> dict[str, str]:
    """
    Return the headers of a request.

    Parameters
    ----------
    secret
        What both sides know.
    body
        The request's body, byte by byte.
    now
        The time, in seconds since 1970.
    """
    signature = _VERSION + _digest(secret, str(now), body)
    return {TIMESTAMP: str(now), SIGNATURE: signature, DELIVERY: sha256(body).hexdigest()}


def verify(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> str:
    """
    Check a request, and return its delivery.

    Parameters
    ----------
    secret, body
        As for `sign`.
    headers
        Those of the request; their names in any case.
    now
        The time, in seconds since 1970.

    Raises
    ------
    ValueError
        A header is missing, the signature is not that of the body, or the request is not of now.
    """
    given = {name.lower(): value for name, value in headers.items()}
    timestamp, signature = given.get(TIMESTAMP.lower(), ""), given.get(SIGNATURE.lower(), "")
    if not timestamp.isdecimal() or not signature:
        raise ValueError(f"the request is not signed: it needs the headers {TIMESTAMP} and {SIGNATURE}")
    # First the signature: who cannot sign learns nothing about the clock here.
    if not hmac.compare_digest(signature.encode(), (_VERSION + _digest(secret, timestamp, body)).encode()):
        raise ValueError("the signature is not that of the body: another secret, or the body was changed on its way")
    if abs(now - int(timestamp)) > TOLERANCE:
        raise ValueError(
            f"the request was signed at {timestamp}, more than {TOLERANCE} s from now: somebody repeats it"
        )
    return sha256(body).hexdigest()


def _digest(secret: str, timestamp: str, body: bytes) -> str:
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, sha256).hexdigest()
