"""The courier's event loop: as any other, but that it finds hosts by their names while Python is ending as well."""

from __future__ import annotations

import asyncio
import socket
from typing import Any


class CourierLoop(asyncio.SelectorEventLoop):
    """Looks names up in a thread, as loops do, unless Python starts no threads any more; then it waits itself."""

    async def getaddrinfo(self, host: Any, port: Any, **hints: int) -> Any:
        """Return the addresses of a host."""
        try:
            return await super().getaddrinfo(host, port, **hints)
        except RuntimeError:
            return socket.getaddrinfo(host, port, **hints)
