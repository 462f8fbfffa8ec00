"""A monitor: what one alert rule thinks of one watch, from tick to tick."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, NamedTuple

from streams.core.alert.reading import Reading, read
from streams.core.alert.rule import AlertRule, Harm, Severity
from streams.core.detect.finding import Finding, Kind, Slice

State = Literal["ok", "warning", "firing", "no_data", "recovering", "silenced"]
"""
How a watch stands: well; perhaps not well; proven not to be; nothing to look at; well again, but not for long; and not
well, but nobody wants to hear of it, which is decided where alerts are delivered.
"""

STATES: tuple[State, ...] = ("ok", "warning", "firing", "no_data", "recovering", "silenced")

Reason = Literal["harm", "no data"]


class MonitorKey(NamedTuple):
    """What tells the monitors of a model apart."""

    rule: str
    kind: Kind
    watch: str
    slice: Slice


@dataclass(frozen=True)
class Episode:
    """
    A time of trouble of one monitor, from when it fires until it has recovered.

    `opened` is the tick that made it fire, `since` when it began, with its interval; us.
    """

    reason: Reason
    opened: int
    since: int
    low: int
    high: int


class Monitor:
    """
    What one rule thinks of one watch.

    A tick that proves nothing leaves everything as it is, and does not interrupt ticks "in a row".
    """

    __slots__ = (
        "_beyond",
        "_clear",
        "_empty",
        "_first",
        "_gone",
        "_openings",
        "episode",
        "finding",
        "flapping",
        "harm",
        "key",
        "rule",
        "state",
    )

    def __init__(self, key: MonitorKey, rule: AlertRule, harm: Harm) -> None:
        self.key = key
        self.rule = rule
        self.harm = harm
        self.state: State = "ok"
        self.episode: Episode | None = None
        self.flapping = False
        self.finding: Finding | None = None  # the last one that said something
        self._beyond = self._clear = self._empty = 0  # ticks in a row
        self._first = self._gone = 0  # the first of those beyond the margin, and of those without data
        self._openings: list[int] = []

    @property
    def trouble(self) -> Episode:
        """The episode of a monitor that fires."""
        if self.episode is None:
            raise ValueError(f"monitor {self.key} does not fire: it has no episode")
        return self.episode

    @property
    def severity(self) -> Severity:
        """How urgent it is that the monitor fires."""
        missing = self.episode is not None and self.episode.reason == "no data"
        mild = missing and self.rule.on_no_data == "warn" and self.rule.severity == "page"
        return "warning" if mild else self.rule.severity

    @property
    def is_pristine(self) -> bool:
        """Whether nothing has happened that a new monitor would not know."""
        return self.state == "ok" and not (self._beyond or self._empty or self._openings)

    def advance(self, finding: Finding, step: int) -> None:
        """Take in the finding of the tick that is the `step`-th one."""
        reading = read(finding, self.rule, self.harm)
        if reading == "empty":
            self._without(finding, step)
            return
        self._empty = 0
        if reading != "thin":
            self.finding = finding
            self._count(reading, finding.tick)
        if self.episode is None:
            self._watch(reading, finding, step)
        elif self.episode.reason == "harm":
            self._heal(reading)
        else:
            self._return(reading, finding, step)

    def _count(self, reading: Reading, tick: int) -> None:
        self._beyond = self._beyond + 1 if reading == "beyond" else 0
        if self._beyond == 1:
            self._first = tick

    def _watch(self, reading: Reading, finding: Finding, step: int) -> None:
        """Go on while nothing is wrong."""
        if self._beyond >= self.rule.for_ticks:
            self._fire(finding, step)
        elif reading != "thin":
            self.state = "warning" if reading in ("beyond", "leaning") else "ok"

    def _heal(self, reading: Reading) -> None:
        """Go on while it fires: it recovers only after so many ticks back inside."""
        if reading == "thin":
            self.state = "firing" if self.state == "no_data" else self.state
            return
        self._clear = self._clear + 1 if reading == "inside" else 0
        self.state = "recovering" if self._clear else "firing"
        if self._clear >= self._patience:
            self._recover(reading)

    def _return(self, reading: Reading, finding: Finding, step: int) -> None:
        """Go on as data comes back, whatever it says; what is proven then is trouble of another kind."""
        if self._beyond >= self.rule.for_ticks:
            self._fire(finding, step)
            return
        self._clear += 1
        self.state = "recovering"
        if self._clear >= self._patience:
            self._recover(reading)

    def _without(self, finding: Finding, step: int) -> None:
        """Go on without data."""
        if self.rule.on_no_data == "ignore":
            return
        self._empty += 1
        self._gone = finding.tick if self._empty == 1 else self._gone
        again = self.episode is not None and self.episode.reason == "no data"
        if not again and self._empty < self.rule.no_data_ticks:
            return
        self.state = "no_data"
        self._clear = self._beyond = 0
        if self.episode is None:
            self.finding = finding
            self._begin("no data", finding, self._gone, step)

    def _fire(self, finding: Finding, step: int) -> None:
        self.state = "firing"
        self._clear = 0
        self._begin("harm", finding, self._first, step)

    def _begin(self, reason: Reason, finding: Finding, first: int, step: int) -> None:
        """
        Begin an episode, with the first tick of its kind where the finding knows no onset.

        The one that comes too soon after too many others is held open for longer.
        """
        onset = first if finding.onset is None else finding.onset
        low = onset if finding.onset_low is None else finding.onset_low
        high = onset if finding.onset_high is None else finding.onset_high
        self.episode = Episode(reason, finding.tick, onset, low, high)
        self._openings = [one for one in self._openings if one > step - self.rule.flap_ticks] + [step]
        self.flapping = len(self._openings) >= self.rule.flap_count

    def _recover(self, reading: Reading) -> None:
        self.state = "warning" if reading in ("beyond", "leaning") else "ok"
        self.episode, self.flapping, self._clear = None, False, 0

    @property
    def _patience(self) -> int:
        return self.rule.flap_ticks if self.flapping else self.rule.recover_ticks

    def snapshot(self) -> dict[str, Any]:
        """Everything as plain data."""
        return {
            "key": key_to_plain(self.key),
            "state": self.state,
            "episode": None if self.episode is None else asdict(self.episode),
            "flapping": self.flapping,
            "finding": None if self.finding is None else finding_to_plain(self.finding),
            "counts": [self._beyond, self._clear, self._empty, self._first, self._gone],
            "openings": list(self._openings),
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Replace everything by a snapshot."""
        self.state, self.flapping = saved["state"], saved["flapping"]
        self.episode = None if saved["episode"] is None else Episode(**saved["episode"])
        self.finding = None if saved["finding"] is None else finding_from_plain(saved["finding"])
        self._beyond, self._clear, self._empty, self._first, self._gone = saved["counts"]
        self._openings = list(saved["openings"])


def key_to_plain(key: MonitorKey) -> list[Any]:
    """Write the key of a monitor as plain data."""
    return [*key[:3], _plain(key.slice)]


def key_from_plain(saved: list[Any]) -> MonitorKey:
    """Read the key of a monitor from what `key_to_plain` wrote."""
    rule, kind, watch, pairs = saved
    return MonitorKey(rule, kind, watch, _slice(pairs))


def finding_to_plain(finding: Finding) -> dict[str, Any]:
    """Write a finding as plain data."""
    plain = {field.name: getattr(finding, field.name) for field in fields(finding)}
    worst = [[_plain(where), effect] for where, effect in finding.worst]
    return plain | {"slice": _plain(finding.slice), "worst": worst, "moved": list(finding.moved)}


def finding_from_plain(saved: dict[str, Any]) -> Finding:
    """Read a finding from what `finding_to_plain` wrote."""
    worst = tuple((_slice(where), effect) for where, effect in saved["worst"])
    return Finding(**(saved | {"slice": _slice(saved["slice"]), "worst": worst, "moved": tuple(saved["moved"])}))


def _plain(slice_: Slice) -> list[list[str]]:
    return [[attribute, value] for attribute, value in slice_]


def _slice(pairs: list[list[str]]) -> Slice:
    return tuple((attribute, value) for attribute, value in pairs)
