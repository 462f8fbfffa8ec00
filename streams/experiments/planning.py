"""
Planning traffic: experiments that wait start by themselves when their layer has room, and give it back when they end.

`plan` is a function of what it is given and nothing else, time included: whoever plans twice, or elsewhere, gets the
same. It never moves a running experiment from its slots, for that would move its units.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from streams.experiments.allocation import Allocation, Ending, Run
from streams.experiments.declaration import Declaration
from streams.experiments.slots import Ranges, count, members, ranges_of

Verdict = Literal["decided", "harmful"]
Action = Literal["start", "grow", "shrink", "stop", "wait"]

_REASONS: Mapping[Ending, str] = {
    "decided": "there is an answer",
    "harmful": "it does harm",
    "too_long": "it has run for as long as it may",
    "withdrawn": "it is declared no more",
    "moved": "it is declared in another layer",
}


@dataclass(frozen=True)
class Request:
    """
    What an experiment asks for.

    Parameters
    ----------
    layer : str
        Where.
    wanted : int
        How many slots.
    fixed : Ranges
        Which, if it declares them; else any that are free.
    queue : int or None
        Its place among those that wait for the layer, the smallest first; None stands before all places.
    maximum_duration : int or None
        For how long it may run, in microseconds.
    """

    layer: str
    wanted: int
    fixed: Ranges = ()
    queue: int | None = None
    maximum_duration: int | None = None


@dataclass(frozen=True)
class Change:
    """What a plan does with one experiment, and why, in words."""

    experiment: str
    action: Action
    reason: str


@dataclass(frozen=True)
class Plan:
    """The new allocation, and everything about it that is not as before, or that waits."""

    allocation: Allocation
    changes: tuple[Change, ...]


def requests(declaration: Declaration, durations: Mapping[str, int]) -> dict[str, Request]:
    """Return what declared experiments ask for; `durations` are their longest, in microseconds, where they have one."""
    return {
        name: Request(one.layer, one.wanted, one.slots, one.queue, durations.get(name))
        for name, one in declaration.experiments.items()
    }


def plan(
    declared: Mapping[str, Request],
    layers: Mapping[str, int],
    running: Allocation,
    decisions: Mapping[str, Verdict],
    now: int,
) -> Plan:
    """
    Move an allocation on.

    First what has ended gives its slots back; then those that run shrink or grow to what they now want; then those
    that wait start, layer by layer in the order of the queue, and by name where places are equal. Whoever does not
    fit holds up those behind it, so that nobody who wants much waits for ever.

    Parameters
    ----------
    declared : Mapping
        What each experiment asks for; the kill switch makes no difference, so that it can be turned back.
    layers : Mapping
        Number of slots by layer.
    running : Allocation
        What runs, and what has ended.
    decisions : Mapping
        What is known of experiments; only those that run are stopped by it.
    now : int
        Microseconds since 1970.

    Raises
    ------
    ValueError
        If an experiment asks for a layer that is not there, or runs on slots that its layer does not have.
    """
    _check(declared, layers, running)
    state = _State(layers, declared, dict(running.runs), dict(running.ended), [])
    for name in sorted(state.runs):
        state.stop_if_over(name, decisions.get(name), now)
    for name in sorted(state.runs):
        state.shrink(name)
    for name in sorted(state.runs):
        state.grow(name)
    blocked: dict[str, str] = {}
    for name in sorted(declared, key=lambda name: (declared[name].queue or 0, name)):
        if name not in state.runs and name not in state.ended:
            state.start(name, now, blocked)
    return Plan(Allocation(state.runs, state.ended), tuple(state.changes))


def _check(declared: Mapping[str, Request], layers: Mapping[str, int], running: Allocation) -> None:
    for name, request in declared.items():
        if request.layer not in layers:
            raise ValueError(f"experiment {name} asks for layer {request.layer}, which is not there")
        if request.fixed and request.fixed[-1][1] >= layers[request.layer]:
            raise ValueError(f"experiment {name} asks for slot {request.fixed[-1][1]} of {layers[request.layer]}")
    for name, run in running.runs.items():
        last = run.slots[-1][1] if run.slots else -1
        if name in declared and run.layer in layers and last >= layers[run.layer]:
            raise ValueError(f"experiment {name} runs on slot {last}, layer {run.layer} has {layers[run.layer]}")


@dataclass
class _State:
    """An allocation on the move."""

    layers: Mapping[str, int]
    declared: Mapping[str, Request]
    runs: dict[str, Run]
    ended: dict[str, Ending]
    changes: list[Change]

    def note(self, name: str, action: Action, reason: str) -> None:
        self.changes.append(Change(name, action, reason))

    def available(self, name: str) -> list[int]:
        """Slots that an experiment could take, in order: free ones, and of these what is declared for it, or nobody."""
        request = self.declared[name]
        taken = {slot for run in self.runs.values() if run.layer == request.layer for slot in members(run.slots)}
        if request.fixed:
            return [slot for slot in members(request.fixed) if slot not in taken]
        for other, theirs in self.declared.items():
            if theirs.layer == request.layer and other not in self.ended:
                taken.update(members(theirs.fixed))
        return [slot for slot in range(self.layers[request.layer]) if slot not in taken]

    def stop_if_over(self, name: str, verdict: Verdict | None, now: int) -> None:
        ending = _ending(self.runs[name], self.declared.get(name), verdict, now)
        if ending is None:
            return
        run = self.runs.pop(name)
        self.ended[name] = ending
        self.note(name, "stop", f"{_REASONS[ending]}; it gives back {_slots(count(run.slots))} of layer {run.layer}")

    def shrink(self, name: str) -> None:
        """Give back slots: those that are not asked for by number, else the highest."""
        run, request = self.runs[name], self.declared[name]
        own, asked = list(members(run.slots)), set(members(request.fixed))
        kept = [slot for slot in own if slot in asked] if request.fixed else own[: request.wanted]
        if len(kept) < len(own):
            self.runs[name] = Run(run.layer, ranges_of(kept), run.since)
            self.note(name, "shrink", f"from {_slots(len(own))} to {len(kept)}")

    def grow(self, name: str) -> None:
        """Take more slots, as many as are asked for and free."""
        run = self.runs[name]
        own = list(members(run.slots))
        missing = self.declared[name].wanted - len(own)
        if missing <= 0:
            return
        more = self.available(name)[:missing]
        self.runs[name] = Run(run.layer, ranges_of([*own, *more]), run.since)
        rest = f", {missing - len(more)} more are not free" if len(more) < missing else ""
        self.note(name, "grow" if more else "wait", f"from {_slots(len(own))} to {len(own) + len(more)}{rest}")

    def start(self, name: str, now: int, blocked: dict[str, str]) -> None:
        """Start what waits if it fits and nobody before it in the layer waits."""
        request = self.declared[name]
        if request.queue is not None and request.layer in blocked:
            self.note(name, "wait", f"behind {blocked[request.layer]} in the queue of layer {request.layer}")
            return
        slots = self.available(name)
        if len(slots) < request.wanted:
            if request.queue is not None:
                blocked[request.layer] = name
            self.note(name, "wait", f"for {_slots(request.wanted)} of layer {request.layer}: {len(slots)} are free")
            return
        self.runs[name] = Run(request.layer, ranges_of(slots[: request.wanted]), now)
        self.note(name, "start", f"on {_slots(request.wanted)} of layer {request.layer}")


def _ending(run: Run, request: Request | None, verdict: Verdict | None, now: int) -> Ending | None:
    if verdict == "harmful":
        return verdict
    if request is None:
        return "withdrawn"
    if request.layer != run.layer:
        return "moved"
    if verdict == "decided":
        return verdict
    is_over = request.maximum_duration is not None and now - run.since >= request.maximum_duration
    return "too_long" if is_over else None


def _slots(number: int) -> str:
    return f"{number} slot" + "s" * (number != 1)
