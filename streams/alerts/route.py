"""What the deliverer needs of a route: a name, and one method that sends one notice once."""

from __future__ import annotations

from typing import Protocol

from streams.alerts.answer import Answer
from streams.core.alert.notice import Notice


class Route(Protocol):
    """
    A way to somebody or something that should know.

    Sending the same notice again is harmless: every route passes on the alert's one key, by which the other side, or
    a reader, sees that it is the same.
    """

    @property
    def name(self) -> str:
        """Its name in the configuration."""

    async def send(self, notice: Notice) -> Answer:
        """Send one notice once, and say what came of it. Raises nothing for what the other side does."""
