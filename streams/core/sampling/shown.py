"""What outcomes and feedback show of predictions, pair by pair as the join finds them, in whatever order they come."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from streams.core.block import FEEDBACK_KINDS
from streams.core.catalog import Catalog
from streams.core.columns import Columns, Floats, Ints, Mask, concat, empty, length, take
from streams.core.ids import mix
from streams.core.panes import Slots
from streams.core.sampling.joint import known_probability
from streams.core.sampling.plan import Plan
from streams.core.summarize import label_changes

_MET = {"key": np.uint64, "id": np.uint64, "share": np.float64, "time": np.int64, "model": np.int64}
_SHOWN = {"key": np.uint64, "id": np.uint64, "of": np.uint64, "time": np.int64, "predicted": np.int64}


class Pairs:
    """
    The pairs that were seen since they were last asked for.

    Both have the `time` from which a pair is known, which is the later one of its two: it is the same whichever
    event of the pair comes first.
    """

    def __init__(self, catalog: Catalog, plans: Sequence[Plan]) -> None:
        self._catalog, self._plans = catalog, plans
        self._met: list[Columns] = []
        self._shown: dict[int, list[Columns]] = {}

    def see(self, predictions: Columns, events: Columns) -> None:
        """Take in aligned rows of predictions and of outcomes or feedback that count for them."""
        models = self._catalog.model_of(predictions["cohort"])
        for number in np.unique(models).tolist():
            mine = np.flatnonzero(models == number)
            self._see(number, take(predictions, mine), take(events, mine))

    def _see(self, number: int, predictions: Columns, events: Columns) -> None:
        plan, share = self._plans[number], predictions["share"].astype(np.float64)
        time, model = np.maximum(predictions["time"], events["time"]), np.full(len(share), number)
        if plan.once_known:
            shown = plan.shown(self._found(number, plan, predictions, events), len(share))
            share = known_probability(share, shown)
            of = predictions["id"]  # an event may show something of several
            claims: Columns = {"key": events["key"], "id": mix(of, events["id"]), "of": of, "time": time}
            claims["predicted"] = predictions["time"]
            self._shown.setdefault(number, []).append(take(claims, np.flatnonzero(shown)))
        self._met.append({"key": events["key"], "id": events["id"], "share": share, "time": time, "model": model})

    def take_met(self) -> Columns:
        """
        Return the events that are about predictions: whose they are, and with which probability they are kept.

        That is, of several predictions, the largest, and then the one from the earliest time. Sorted by `name`.
        """
        met, self._met = concat([empty(_MET), *self._met]), []
        met["name"] = mix(met["key"], met["id"])
        met = take(met, np.lexsort((met["model"], met["time"], -met["share"], met["name"])))
        return take(met, np.diff(met["name"], prepend=~met["name"][:1]) != 0)

    def take_shown(self) -> Iterator[tuple[int, Columns]]:
        """Yield, for each model, of which predictions something to be kept in full has shown."""
        shown, self._shown = self._shown, {}
        for number, claims in shown.items():
            together = concat([empty(_SHOWN), *claims])
            if length(together):
                yield number, together

    def _found(self, number: int, plan: Plan, predictions: Columns, events: Columns) -> Mapping[str, Mask]:
        """Return what events show of their predictions, such as an error."""
        if "kind" in events:
            return {name: events["kind"] == FEEDBACK_KINDS.index(name) for name in plan.once_known - {"error"}}
        if "error" not in plan.once_known:
            return {}
        return {"error": self._wrong(self._catalog.models[number].task, predictions | {"label": events["label"]})}

    def _wrong(self, task: str, rows: Columns) -> Mask:
        ones: Floats = np.ones(length(rows))
        changes = label_changes(
            task, rows | {"weight": ones, "prediction_weight": ones}, self._catalog.terms(), Slots()
        )
        if task == "binary":
            binary: Mask = np.abs(changes.y - changes.yhat) == 1
            return binary
        wrong: Mask = (changes.actual >= 0) & (changes.predicted >= 0) & (changes.actual != changes.predicted)
        return wrong


def of_events(met: Columns, events: Columns) -> tuple[Ints, Ints]:
    """Return the places of events that have been met, and their places among the met."""
    if not length(met):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    names = mix(events["key"], events["id"])
    at = np.minimum(np.searchsorted(met["name"], names), length(met) - 1)
    some = np.flatnonzero(met["name"][at] == names)
    return some, at[some]
