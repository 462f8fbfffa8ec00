"""
Canaries: models that break a limit at times that are known beforehand, beside the model of the benchmark of latency.

Each has a limit on its accuracy, and twice, in turn, its labels are wrong for a tick: then it fires, and two ticks
later it is over.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import numpy as np
import yaml

from benchmarks.latency import Producer

SECRET = "BENCHMARK_SECRET"  # noqa: S105 - a variable's name
WARM_TICKS = 10
APART = 4  # ticks at least between the two: it fires in one, and is over after two in which all is well
LAST_TICKS = 4  # after the last alert, for its end
A_TICK = 3  # canaries that begin to break their limit in a tick
ROUNDS = 2  # times that each does; what fires a third time soon after is told as flapping, once
SHARE = 0.2  # of the predictions that are of canaries
LABEL_SECONDS = 1.0
_LABEL = {True: "0", False: "1"}  # of a canary, whose answer is always "1"


@dataclass(frozen=True)
class Plan:
    """
    When which canary breaks its limit.

    Ticks are counted from the first whole one; `ticks` is how many there are, each of `tick` us.

    Raises
    ------
    ValueError
        There are so few that a canary would break its limit again before its alert is over.
    """

    tick: int
    ticks: int

    def __post_init__(self) -> None:
        least = WARM_TICKS + ROUNDS * APART
        if self.ticks < least:
            raise ValueError(f"{self.ticks} ticks are too few for every alert to end: run for {least} or more")

    @property
    def seconds(self) -> float:
        """For how long events are sent."""
        return (self.ticks + LAST_TICKS) * self.tick / 1e6

    @property
    def turn(self) -> int:
        """After how many ticks a canary breaks its limit again."""
        return (self.ticks - WARM_TICKS) // ROUNDS

    @property
    def canaries(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(f"canary-{number}" for number in range(A_TICK * self.turn))

    def is_wrong(self, canary: int, since: int) -> bool:
        """
        Whether labels of a canary are wrong `since` us after the first tick began.

        >>> plan = Plan(tick=2, ticks=18)
        >>> [since // 2 for since in range(0, 40, 2) if plan.is_wrong(3, since)]
        [11, 15]
        """
        turns, place = divmod(since // self.tick - WARM_TICKS, self.turn)
        return place == canary // A_TICK and 0 <= turns < ROUNDS


class CanaryProducer(Producer):
    """Sends events at a steady rate, some of them of canaries."""

    def __init__(self, brokers: str, rate: float, partitions: int, plan: Plan) -> None:
        super().__init__(brokers, rate, partitions)
        self._plan = plan
        self.start = 0

    async def run(self, seconds: float) -> None:
        """Send for so long, from the beginning of a tick on."""
        tick = self._plan.tick
        self.start = (time.time_ns() // 1_000 // tick + 1) * tick
        await asyncio.sleep((self.start - time.time_ns() // 1_000) / 1e6)
        await super().run(seconds)

    def _predictions(self) -> list[dict[str, object]]:
        held, clock = len(self._due), time.monotonic()
        made = super()._predictions()
        canaries = self._plan.canaries
        chosen = np.flatnonzero(self._rng.random(len(made)) < SHARE)
        for row, canary in zip(
            chosen.tolist(), self._rng.integers(0, len(canaries), len(chosen)).tolist(), strict=True
        ):
            name = f"{canary}.{made[row]['request_id']}"
            made[row] |= {
                "request_id": name,
                "prediction_id": name,
                "model": canaries[canary],
                "version": "v0",
                "score": 0.9,
            }
            self._due[held + row] = (clock + LABEL_SECONDS, name, "")
        return made

    def _outcomes(self) -> list[dict[str, object]]:
        made = super()._outcomes()
        for one in made:
            if not one["label"]:
                canary, since = int(str(one["request_id"]).partition(".")[0]), int(str(one["event_time"])) - self.start
                one["label"] = _LABEL[self._plan.is_wrong(canary, since)]
        return made


def configured(text: str, plan: Plan, url: str) -> str:
    """Return the configuration with its canaries, and the receiver as its route."""
    config = yaml.safe_load(text)
    canary = {"task": "binary", "positive": "1", "negative": "0", "label_horizon": "1m", "windows": ["1m"]}
    watch = {"metrics": ["accuracy"], "limits": {"accuracy": {"at_least": 0.5}}}
    config["models"] |= {name: {**canary, "metrics": ["accuracy"]} for name in plan.canaries}
    config["detection"]["models"] |= dict.fromkeys(plan.canaries, watch)
    receiver = {"kind": "webhook", "url": url, "secret_env": SECRET}
    config["alerting"] = {"routes": {"receiver": receiver}, "default": "receiver"}
    return str(yaml.dump(config, sort_keys=False))
