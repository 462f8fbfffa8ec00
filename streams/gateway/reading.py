"""Reads the body of a request: in time, within its limits, and unpacked no further than that."""

from __future__ import annotations

import asyncio
import zlib

from aiohttp import web

from streams.gateway.limits import Limits
from streams.gateway.problems import Problem
from streams.gateway.room import Hold

ENCODINGS = ("", "identity", "gzip")
_NOT_WHOLE = "the body is not one whole piece of gzip; pack it again, or send it as it is"
_GZIP = 31  # what zlib calls a window of 32 KiB, and gzip's header around it


async def read_body(request: web.Request, limits: Limits, hold: Hold) -> bytes:
    """
    Return the body, without the encoding that the request says it has.

    Raises
    ------
    Problem
        It is too large, too slow, or not encoded so; or there is no room for it.
    """
    body = _Body(limits.body_bytes, hold, packed=encoding_of(request) == "gzip")
    try:
        async with asyncio.timeout(limits.read_seconds):
            while chunk := await request.content.readany():
                body.add(chunk)
    except TimeoutError:
        why = f"the body was not there after {limits.read_seconds:g} s; send smaller ones, or faster"
        raise Problem("slow", why) from None
    except web.RequestPayloadError as error:
        raise Problem("unreadable", f"the body cannot be read as its headers say: {error}") from None
    return body.whole()


def encoding_of(request: web.Request) -> str:
    """Return how the body is packed, as the request says it."""
    return request.headers.get("Content-Encoding", "").strip().lower()


def too_large(most: int) -> Problem:
    """Return what is said of a body of more than `most` bytes."""
    return Problem("too_large", f"a body has at most {most} bytes when it is unpacked; send fewer events at a time")


class _Body:
    """A body that grows."""

    def __init__(self, most: int, hold: Hold, *, packed: bool) -> None:
        self._most = most
        self._hold = hold
        self._bytes = bytearray()
        self._gzip = zlib.decompressobj(_GZIP)
        self._packed = packed

    def add(self, chunk: bytes) -> None:
        """Add what came next."""
        content = self._unzip(chunk) if self._packed else chunk
        if len(self._bytes) + len(content) > self._most:
            raise too_large(self._most)
        self._hold.add(len(content))
        self._bytes += content

    def whole(self) -> bytes:
        """Return all of it, now that there is no more."""
        if self._packed and not self._gzip.eof:
            raise Problem("unreadable", _NOT_WHOLE)
        return bytes(self._bytes)

    def _unzip(self, chunk: bytes) -> bytes:
        """Unpack, but not by more than one byte over what may be."""
        gzip = self._gzip
        try:
            content = gzip.decompress(chunk, self._most - len(self._bytes) + 1)
        except zlib.error as error:
            raise Problem("unreadable", f"the body is not gzip: {error}") from None
        if gzip.unused_data:
            raise Problem("unreadable", _NOT_WHOLE)
        return content
