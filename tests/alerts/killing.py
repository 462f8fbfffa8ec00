"""A process that dies between two steps of its event loop: from then on nothing of it runs, not even `finally`."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any


class Killed(BaseException):
    """The process is dead."""


class Life:
    """
    One life of a process.

    Attributes
    ----------
    steps
        How many steps it has: each resumption of each task is one.
    left
        How many it had left at its end.
    """

    def __init__(self, steps: int) -> None:
        self.steps = self.left = steps
        self.tasks: list[Mortal] = []

    def step(self) -> None:
        if self.steps <= 0:
            raise Killed
        self.steps -= 1

    def run(self, main: Coroutine[Any, Any, object]) -> bool:
        """Run to the end, or until the steps are used up; return whether it came to the end."""
        loop = asyncio.new_event_loop()
        loop.set_exception_handler(lambda *_: None)  # what the dead leave behind
        loop.set_task_factory(lambda of, task, **keys: asyncio.Task(Mortal(task, self), loop=of, **keys))
        try:
            loop.run_until_complete(loop.create_task(main))
        except (Killed, BaseExceptionGroup):
            if self.steps > 0:  # it did not die, it failed
                raise
            return False
        else:
            return True
        finally:
            self.left, self.steps = self.steps, 0
            for task in self.tasks:
                task.bury()
            loop.close()


class Mortal(Coroutine[Any, Any, Any]):
    """A coroutine that runs as long as the process lives."""

    def __init__(self, inner: Any, life: Life) -> None:
        self.inner = inner
        self.life = life
        life.tasks.append(self)

    def send(self, value: Any) -> Any:
        self.life.step()
        return self.inner.send(value)

    def throw(self, *error: Any) -> Any:
        self.life.step()
        return self.inner.throw(*error)

    def close(self) -> None:
        """Do nothing: the dead do not tidy up."""

    def __await__(self) -> Generator[Any, Any, Any]:
        raise NotImplementedError

    def bury(self) -> None:
        """Close what was left in the middle, `async with` by `async with`, so that Python does not complain of it."""
        for _ in range(10):
            try:
                self.inner.close()
            except (RuntimeError, Killed, BaseExceptionGroup):
                continue
            return
