"""How much a gateway takes: of one request, of one token, and altogether."""

from __future__ import annotations

from dataclasses import dataclass

from streams.errors import UsageError


@dataclass(frozen=True)
class Limits:
    """
    What a gateway takes.

    `body_bytes` and `events` of a request, `events_per_second` of a token, `requests` at a time, `buffer_bytes` of
    all bodies that are read or wait for Kafka, and `connections` that are open. `read_seconds` are what a client may
    take for its headers, and again for its body; `confirm_seconds` what Kafka may take to confirm.

    Raises
    ------
    UsageError
        A body that is allowed would not fit into the buffer.
    """

    body_bytes: int = 4 << 20
    events: int = 1_000
    events_per_second: float = 5_000.0
    requests: int = 128
    buffer_bytes: int = 64 << 20
    connections: int = 512
    read_seconds: float = 10.0
    confirm_seconds: float = 30.0

    def __post_init__(self) -> None:
        if self.body_bytes > self.buffer_bytes:
            raise UsageError(
                f"a body of {self.body_bytes} bytes does not fit into the {self.buffer_bytes} bytes that may wait; "
                "allow smaller bodies"
            )

    @property
    def burst(self) -> float:
        """Events that a token which has rested may write at once: those of a second, and of one request at least."""
        return max(float(self.events), self.events_per_second)
