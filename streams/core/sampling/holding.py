"""
Raw rows of one model's predictions that wait for what shows later, such as that they were wrong.

Of each hour those with the smallest numbers are held, as many as fit. The first that does not fit gives the threshold,
once the hour has passed: what shows of a prediction whose number is below it keeps that prediction too, and its row
lands with that probability, unless it has landed with a larger one (`joint` says why the larger is right). So what
the bound has let go of is not missing: those of its kind that are held stand for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from streams.core.columns import Columns, Floats, Hashes, Ints, Mask, length, take
from streams.core.runs import Runs
from streams.core.sampling.plan import Hold
from streams.core.sampling.raw import HELD, RawRows, sizes_of
from streams.core.sampling.reservoir import Reservoir
from streams.core.sampling.uniform import uniforms
from streams.core.sampling.waiting import Make
from streams.core.watermark import NEVER
from streams.core.window_spec import HOUR

CLAIM = {"key": np.uint64, "id": np.uint64, "of": np.uint64, "time": np.int64, "hour": np.int64}
"""What has shown of a held prediction, `of`, from what time on; the `hour` is that of the prediction."""

_SPARE = 1_000  # rows of open hours beyond twice those that fit that may wait for being let go of


class Holding:
    """The held predictions, and what has shown of them in hours that are not over."""

    def __init__(self, hold: Hold, step: int, salt: str) -> None:
        """Hold for `hold.time`, and for `step` us more, in which what has shown may still wait to land."""
        self._time, self._step, self._salt = hold.time, step, salt
        self._fitting = Reservoir(HOUR, None, hold.size)
        self._chances: dict[int, float] = {}  # of hours that are over and did not fit
        self._offered: Counter[int] = Counter()
        self._oldest = NEVER
        self.rows = RawRows(HELD)
        self.claims = Runs(CLAIM)
        self.let_go = 0

    def add(self, events: Columns, make: Make) -> None:
        """Take in predictions (`key`, `id`, `time`, `uniform`, and `landed`), whose texts `make` makes."""
        start = np.maximum(events["time"] - events["time"] % HOUR, self._fitting.taken)
        self._offered.update(start.tolist())
        some = np.flatnonzero(events["uniform"] < self._fitting.open_to(start))
        if not len(some):
            return
        texts, rows = make(some), take({name: events[name] for name in ("key", "id", "landed")}, some)
        rows |= {"hour": start[some], "size": sizes_of(texts), "ref": self.rows.texts.reserve(len(some))}
        self.rows.add(rows, texts)
        self._fit(rows, events["uniform"][some])
        if self._open() > 2 * len(self._fitting) + _SPARE:
            self._let_go()

    def show(self, claims: Columns) -> None:
        """Note what has shown (`CLAIM` but for `hour`) of predictions; of those that are not held it is no matter."""
        claims = take(claims, np.flatnonzero(claims["time"] - claims.pop("predicted") <= self._time))
        query, at = self.rows.find(claims["key"], claims["of"])
        self.claims.insert(take(claims, query) | {"hour": self.rows.runs.gather("hour", at)})

    def due(self) -> Columns:
        """
        Return, once, what has shown of predictions whose hour is over.

        With the `chance` that such a prediction is held, and its `landed`, `size` and `ref`.
        """
        taken = self._fitting.taken
        claims = self.claims.remove(self.claims.where(lambda one: one["hour"] < taken))
        query, at = self.rows.find(claims["key"], claims["of"])
        claims, rows = take(claims, query), self.rows.runs.take(at, ("landed", "size", "ref"))
        return claims | rows | {"chance": self._chance(claims["hour"])}

    def texts(self, numbers: Ints) -> pa.Table:
        """Return the texts of held rows by their `ref`."""
        return self.rows.texts.fetch(numbers)

    def landed(self, keys: Hashes, ids: Hashes, probability: Floats) -> Mask:
        """Note that predictions land; mask of those that have not landed with as large a probability before."""
        query, at = self.rows.find(keys, ids)
        before = self.rows.runs.gather("landed", at)
        more = np.ones(len(keys), np.bool_)
        more[query] = probability[query] > before
        raised = more[query]
        self.rows.runs.put(at[raised], {"landed": probability[query][raised]})
        return more

    def passed(self, watermark: int) -> None:
        """Settle which rows are held of the hours that the watermark has passed."""
        before = self._fitting.taken
        fitting = self._fitting.take(watermark)
        taken = self._fitting.taken
        if taken == before:
            return
        rows = self.rows.runs.snapshot()
        rows = take(rows, np.flatnonzero(np.isin(rows["ref"], fitting.reference)))
        chance = fitting.probability[np.searchsorted(fitting.reference, rows["ref"])]
        some = chance < 1
        self._chances |= dict(zip(rows["hour"][some].tolist(), chance[some].tolist(), strict=True))
        over = [hour for hour in self._offered if hour < taken]
        self.let_go += sum(self._offered.pop(hour) for hour in over) - length(rows)
        self.rows.remove(lambda held: _out(held, before, taken, fitting.reference))

    def expire(self, watermark: int) -> None:
        """Let go of the rows of which nothing can show any more."""
        oldest = watermark - self._time - self._step - HOUR
        oldest -= oldest % HOUR
        if oldest > self._oldest:
            self._oldest = oldest
            self._chances = {hour: chance for hour, chance in self._chances.items() if hour >= oldest}
            self.rows.remove(lambda held: held["hour"] < oldest)

    def head(self) -> dict[str, Any]:
        """Everything but the rows, as plain data: a number for each hour of which not all fitted."""
        chances = {"hours": np.array(list(self._chances), np.int64), "chances": np.array(list(self._chances.values()))}
        return {"fitting": self._fitting.head(), "offered": dict(self._offered), "let_go": self.let_go} | chances

    def restore(self, head: Mapping[str, Any], rows: Columns, claims: Columns) -> None:
        """Replace everything; rows and claims are those of segments, of which some have been let go of since."""
        self._fitting.begin(head["fitting"])
        self._offered, self.let_go = Counter(head["offered"]), head["let_go"]
        self._chances = dict(zip(head["hours"].tolist(), head["chances"].tolist(), strict=True))
        uniform = uniforms(rows["key"], self._salt)
        left = (rows["hour"] >= self._fitting.taken) | (uniform < self._chance(rows["hour"]))
        self._oldest = NEVER  # old segments may say again what has expired
        rows = self.rows.restore(rows, left)
        still = np.flatnonzero(rows["hour"] >= self._fitting.taken)
        self._fit(take(rows, still), uniforms(rows["key"][still], self._salt))
        self._let_go()
        self.claims.restore(take(claims, claims["hour"] >= self._fitting.taken))

    def _fit(self, rows: Columns, uniform: Floats) -> None:
        self._fitting.add(rows["hour"], uniform, np.ones(len(uniform)), rows["size"], rows["ref"])

    def _chance(self, hours: Ints) -> Floats:
        return np.array([self._chances.get(hour, 1.0) for hour in hours.tolist()])

    def _open(self) -> int:
        return int(self.rows.runs.where(lambda held: held["hour"] >= self._fitting.taken).sum())

    def _let_go(self) -> None:
        """Let go of what does not fit in hours that are not over."""
        references = self._fitting.references()
        self.rows.remove(lambda held: _out(held, self._fitting.taken, None, references))


def _out(held: Columns, first: int, stop: int | None, fitting: Ints) -> Mask:
    """Rows of the hours from one on, and until before another, that do not fit."""
    of_these = held["hour"] >= first
    if stop is not None:
        of_these &= held["hour"] < stop
    out: Mask = of_these & ~np.isin(held["ref"], fitting)
    return out
