"""
What all emitters have in common, and above all: measuring a call of a model, and telling of it with events.

What the service raises is raised on as it is. What a call is given raises nothing, as with `emit`.
"""

from __future__ import annotations

import functools
import inspect
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar, cast

import msgspec

from streams.emit.events import Event, Feedback, Prediction, Summary
from streams.emit.packing import Packed, Refusal, pack
from streams.emit.policy import Policy
from streams.emit.sampling import recorded

P = ParamSpec("P")
R = TypeVar("R")

_current: ContextVar[Call] = ContextVar("streams.emit.current_call")


class Call:
    """
    One call of a model, to be filled in while it runs; its event is emitted when it ends.

    The attributes are the fields of `Prediction`, and have its defaults; `prediction_id` is one of its own unless the
    service gives it another. `event_time` is the call's end and `latency_ms` its duration, by a clock that nobody sets.

    An exception is a crash: there is feedback of the kind `crash` as well then, and the prediction has no latency,
    since a model that fails fast is not a fast one. What ends a call from outside, such as the cancellation of an
    asyncio task, is none, and nothing is emitted.
    """

    __slots__ = (
        "_emit",
        "_emit_crash",
        "_started",
        "assignments",
        "attributes",
        "features",
        "inclusion_probability",
        "label",
        "model",
        "prediction_id",
        "ranking",
        "request_id",
        "role",
        "score",
        "unit_id",
        "version",
    )

    def __init__(
        self,
        emit: Callable[[Event], bool],
        model: str,
        version: str,
        emit_crash: Callable[[Event], bool] | None = None,
    ) -> None:
        self._emit, self._emit_crash = emit, emit_crash or emit
        self._started = 0
        self.model = model
        self.version = version
        self.prediction_id: str = uuid.uuid4().hex
        self.request_id: str | None = None
        self.role = "live"
        self.unit_id: str | None = None
        self.score: float | None = None
        self.label: str | None = None
        self.ranking: list[str] | None = None
        self.attributes: dict[str, str] = {}
        self.features: dict[str, float] = {}
        self.assignments: dict[str, str] = {}
        self.inclusion_probability = 1.0

    def __enter__(self) -> Self:
        self._started = time.perf_counter_ns()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        took = (time.perf_counter_ns() - self._started) / 1e6
        if error is None:
            self._emit(self._prediction(took))
        elif isinstance(error, Exception):
            self._emit_crash(self._prediction(None))
            self._emit_crash(self._crash())

    def _prediction(self, latency_ms: float | None) -> Prediction:
        return Prediction(
            request_id=self.request_id,
            prediction_id=self.prediction_id,
            model=self.model,
            version=self.version,
            role=self.role,
            unit_id=self.unit_id,
            score=self.score,
            label=self.label,
            ranking=self.ranking,
            attributes=self.attributes,
            features=self.features,
            latency_ms=latency_ms,
            assignments=self.assignments,
            inclusion_probability=self.inclusion_probability,
        )

    def _crash(self) -> Feedback:
        return Feedback(
            feedback_id=f"{self.prediction_id}/crash",
            request_id=self.request_id,
            prediction_id=self.prediction_id,
            unit_id=self.unit_id,
            kind="crash",
        )


class BaseEmitter(ABC):
    """What every emitter does alike: let events in, and measure calls of models."""

    _policy = Policy(1.0)
    _treat: Callable[[dict[str, Any]], dict[str, Any]] | None = None

    def recording(self, policy: float | Policy) -> Self:
        """
        Record only a share of the requests, the same ones wherever that is asked for; returns this emitter.

        A `Policy` records some of them in full. Events of the other requests are left out, and not counted as dropped.
        Predictions say with which chance they were recorded, so that whatever is measured of them stands for all.

        Raises
        ------
        UsageError
            The share is not above 0 and at most 1.
        """
        self._policy = policy if isinstance(policy, Policy) else Policy(policy)
        return self

    @abstractmethod
    def emit(self, event: Event, chance: float | None = None) -> bool:
        """Take an event, or drop and count it; where a share is recorded, with this chance at least."""

    def treating(self, treat: Callable[[dict[str, Any]], dict[str, Any]]) -> Self:
        """
        Let the fields of each event be treated before anything of it is kept; returns this emitter.

        `streams.privacy.client_treatment` gives what the section `privacy` of a configuration declares.
        """
        self._treat = treat
        return self

    def _admit(self, event: Event, chance: float | None = None) -> Packed | Refusal | None:
        """
        Let an event in: whatever is to become of it before anything is kept, becomes of it here. Raises nothing.

        None: its request is none of those that are recorded.
        """
        packed = pack(event)
        if isinstance(packed, Refusal) or (self._policy.share == 1 and self._treat is None):
            return packed
        chosen = event if self._policy.share == 1 else recorded(event, self._policy, chance)
        if chosen is not None and self._treat is not None:
            chosen = _treated(chosen, self._treat)
        return None if chosen is None else pack(chosen)

    def measure(self, model: str, version: str, **fields: Any) -> Call:
        """
        Return a context in which a model is called; at its end the prediction is emitted.

        Parameters
        ----------
        model, version : str
            Those of the prediction.
        **fields
            Further fields of it that are known before the call, such as `request_id`, by the names of `Call`.

        Raises
        ------
        AttributeError
            A field is none of a call's.
        """
        emit_crash = functools.partial(self.emit, chance=1.0) if self._policy.crashes else None
        call = Call(self.emit, model, version, emit_crash)
        for name, value in fields.items():
            setattr(call, name, value)
        return call

    def measured(self, model: str, version: str, **fields: Any) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """
        Return a decorator for a function, `async` or not, that calls a model: each of its calls is measured.

        The function finds its call by `current_call()`. Takes what `measure` takes.

        Raises
        ------
        TypeError
            The function is a generator, of which nobody knows when it ends: use `measure` where it is consumed.
        """

        def decorate(function: Callable[P, R]) -> Callable[P, R]:
            if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
                raise TypeError(f"{function.__qualname__} is a generator; call `measure` where its items are consumed")
            begin = functools.partial(self.measure, model, version, **fields)
            wrap = _async if inspect.iscoroutinefunction(function) else _sync
            return cast("Callable[P, R]", wrap(function, begin))

        return decorate


def _treated(event: Event, treat: Callable[[dict[str, Any]], dict[str, Any]]) -> Event:
    """Return an event of which the fields have been treated; of a summary only attributes are anybody's."""
    if isinstance(event, Summary):
        some = treat({"event_time": event.event_time, "attributes": event.attributes})
        return msgspec.structs.replace(event, attributes=some.get("attributes", {}))
    return type(event)(**treat(msgspec.structs.asdict(event)))


def current_call() -> Call:
    """Return the call of the innermost function that is measured. Raises LookupError outside of one."""
    try:
        return _current.get()
    except LookupError:
        raise LookupError("no function that `measured` decorates is running here") from None


def _sync(function: Callable[..., Any], begin: Callable[[], Call]) -> Callable[..., Any]:
    @functools.wraps(function)
    def measured(*args: Any, **kwargs: Any) -> Any:
        with begin() as call, _as_current(call):
            return function(*args, **kwargs)

    return measured


def _async(function: Callable[..., Any], begin: Callable[[], Call]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def measured(*args: Any, **kwargs: Any) -> Any:
        with begin() as call, _as_current(call):
            return await function(*args, **kwargs)

    return measured


@contextmanager
def _as_current(call: Call) -> Iterator[None]:
    token = _current.set(call)
    try:
        yield
    finally:
        _current.reset(token)
