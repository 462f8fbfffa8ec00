"""
Join: predictions with their outcomes and feedback, in event time, in any order of arrival.

Predictions wait until no label can come for them any more; outcomes and feedback wait until no prediction can
come that they belong to. What changes leaves as *changes*: rows that add to the sums of their windows, or, with
the sign -1, take back what an outcome that no longer stands had added.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from streams.core.columns import Array, Columns, Hashes, Ints, Mask, concat, length, take
from streams.core.course import OUTCOME_STATE, Pairs, label_changes, label_rows
from streams.core.flatten import ABOUT_UNITS, FIRST_KIND_BIT, LABELLED, SHADOW, Shape, repeated
from streams.core.link import (
    Verdict,
    beats,
    first_of_kind,
    how_joined,
    in_time,
    joined_before,
    same_outcome,
    same_request,
    standing,
)
from streams.core.runs import Runs
from streams.core.watermark import FOREVER, NEVER

MATCHED = 1  # flag of outcomes and feedback: a prediction has been found
LATE = 2  # flag: only predictions whose horizon had passed were found

_EVENT = {"key": np.uint64, "check": np.uint64, "target": np.uint64, "id": np.uint64, "time": np.int64}
_REST = {"value": np.float64, "ref": np.int64, "flags": np.uint8}
OUTCOME = _EVENT | {"revision": np.int64, "label": np.uint64, "weight": np.float64} | _REST
SUMMARY = {"key": np.uint64, "id": np.uint64, "time": np.int64}  # hashes of its id; until when it may come again
FEEDBACK = _EVENT | {"kind": np.int8} | _REST

_NOT_WAITED_FOR = 1_024  # rows that may be past their time before the stores are swept


@dataclass(frozen=True)
class Orphans:
    """Outcomes or feedback that no prediction took: references to their records, and which came late."""

    refs: Ints
    late: Mask


class Joiner:
    """
    The stores of waiting predictions, outcomes and feedback, and the rules by which they meet.

    `horizon_of` gives the label horizon (us) of each cohort number; `disorder` is in us. `follow`, where shares of
    predictions are held, is told of all pairs, whichever event of them comes first.
    """

    def __init__(
        self,
        shape: Shape,
        disorder: int,
        horizon_of: Callable[[Array], Ints],
        follow: Callable[[Columns, Columns], None] | None = None,
    ) -> None:
        self._follow = follow if "share" in shape.dtypes() else None
        self._held, self._dated = frozenset(shape.dtypes()), shape.dated
        self.predictions = Runs(shape.dtypes())
        self.outcomes = Runs(OUTCOME)
        self.feedback = Runs(FEEDBACK | shape.owner())
        self.summaries = Runs(SUMMARY)
        self.tally: Counter[str] = Counter()
        self._disorder = disorder
        self._horizon_of = horizon_of
        self._since_sweep = 0
        self.swept, self.sweeps = dict.fromkeys(self.stores(), NEVER), 0
        self.watermark = NEVER

    @staticmethod
    def fresh(store: Runs, key: Hashes, identity: Hashes) -> tuple[Mask, Mask]:
        """
        Masks of rows that are sorted by key: which are new, and of which the request is in the store.

        New is a (key, identity) that is neither in the store nor in an earlier row.
        """
        fresh, known = ~repeated(key, identity), np.zeros(len(key), np.bool_)
        query, at = store.find(key)
        known[query] = True
        fresh[query[store.gather("id", at) == identity[query]]] = False
        return fresh, known

    def add_predictions(self, rows: Columns, known: Mask) -> tuple[Columns, Columns]:
        """
        Take in new predictions; return the changes that waiting outcomes and feedback now make with them.

        `known` says which rows have a request of which there are predictions already.
        """
        labels = self._label_arrivals(rows, known)
        feedback = self._attribute_arrivals(rows)
        self.predictions.insert(rows)
        self._since_sweep += length(rows)
        return labels, feedback

    def hold(self, store: Runs, rows: Columns) -> None:
        """Hold outcomes or feedback (with `ref`) that have been matched."""
        store.insert(rows)
        self._since_sweep += length(rows)

    def remember(self, key: Hashes, identity: Hashes, cohort: Array, time: Ints) -> None:
        """Remember new summaries for as long as the same ones may come again: they are no later than predictions."""
        last = self._last_times({"time": time, "cohort": cohort})
        self.hold(self.summaries, {"key": key, "id": identity, "time": last})

    def match_outcomes(self, rows: Columns, known: Mask) -> Columns:
        """
        Give new outcomes to their predictions, and set their `flags`; return the label changes that they make.

        `known` says which rows have a request of which there are outcomes already.
        """
        rows["flags"] = np.zeros(length(rows), np.uint8)
        rows = self._readable(rows)
        query, at = self.predictions.find(rows["key"])
        predictions, events = self.predictions.take(at), take(rows, query)
        same = same_request(predictions, events)
        query, at, predictions, events = query[same], at[same], take(predictions, same), take(events, same)
        verdict = self._judge(predictions, events["time"])
        rows["flags"][query[verdict.counts]] |= np.uint8(MATCHED)
        rows["flags"][query[verdict.late]] |= np.uint8(LATE)
        known = known.copy()
        known[query[joined_before(predictions, events)]] = True
        matched = (rows["flags"] & MATCHED) != 0
        self._count_matched(take(rows, matched), known[matched])
        at, predictions, events = at[verdict.counts], take(predictions, verdict.counts), take(events, verdict.counts)
        self._tell(predictions, events)
        changed, state, changes = self._settle(at, predictions, events)
        self.predictions.put(changed, state)
        return changes

    def match_feedback(self, rows: Columns) -> Columns:
        """Give new feedback to its predictions, and set its `flags`; return the feedback changes that it makes."""
        rows["flags"] = np.zeros(length(rows), np.uint8)
        query, at = self.predictions.find(rows["key"])
        predictions = self.predictions.take(at)
        events = take(rows, query)
        belongs, late = self._belongs(predictions, events)
        rows["flags"][query[belongs]] |= np.uint8(MATCHED)
        rows["flags"][query[late]] |= np.uint8(LATE)
        self.tally["attributed"] += int(((rows["flags"] & MATCHED) != 0).sum())
        at, predictions, events = at[belongs], take(predictions, belongs), take(events, belongs)
        self._tell(predictions, events)
        flags, changes = _attribute(at, predictions, events)
        self.predictions.put(at, {"flags": flags})
        return changes

    def _tell(self, predictions: Columns, events: Columns) -> None:
        """Tell of new pairs of which raw events may be kept."""
        if self._follow is not None and length(events):
            self._follow(predictions, events)

    def sweep(self, watermark: int, *, ended: bool = False) -> tuple[Orphans, Orphans]:
        """
        Let go of what the watermark has passed; return the orphaned outcomes and feedback.

        When the input has ended no prediction can come any more, so that nothing waits for one.
        """
        cut = FOREVER if ended else watermark - self._disorder
        past = watermark - self._disorder
        self.swept = {"predictions": past, "outcomes": cut, "feedback": cut, "summaries": past}
        self.sweeps += 1
        orphans = _let_go(self.outcomes, cut), _let_go(self.feedback, cut)
        self.tally["orphan_outcomes"] += len(orphans[0].refs)
        self.tally["orphan_feedback"] += len(orphans[1].refs)
        self.summaries.remove(self.summaries.where(lambda rows: rows["time"] < past))
        gone = self.predictions.remove(self.predictions.where(lambda rows: self._last_times(rows) < past))
        self.tally["expired"] += int(((gone["flags"] & LABELLED) == 0).sum())
        self._since_sweep = 0
        return orphans

    def sweep_is_due(self) -> bool:
        """Whether so many rows came since the last sweep that another one is worth its cost."""
        return self._since_sweep >= max(_NOT_WAITED_FOR, len(self.predictions) + len(self.outcomes) >> 2)

    def unlabelled(self, watermark: int) -> tuple[int, int]:
        """Predictions held without an outcome: (those that wait, those whose horizon has passed)."""
        bare = self.predictions.where(_is_bare)
        passed = self.predictions.where(lambda rows: _is_bare(rows) & (self._last_times(rows) < watermark))
        return int(bare.sum() - passed.sum()), int(passed.sum())

    def stores(self) -> dict[str, Runs]:
        """The stores by name."""
        stores = {"predictions": self.predictions, "outcomes": self.outcomes, "feedback": self.feedback}
        return stores | {"summaries": self.summaries}

    def head(self) -> dict[str, Any]:
        """Everything but the rows, as plain data."""
        head = {"tally": dict(self.tally), "since_sweep": self._since_sweep, "watermark": self.watermark}
        return head | {"swept": dict(self.swept), "sweeps": self.sweeps}

    def restore(self, head: Mapping[str, Any], rows: Mapping[str, Columns], swept: Mapping[str, Mask]) -> None:
        """Replace everything; of the rows that the mask of their store names, the last sweep has let go of some."""
        self.tally, self.swept, self.sweeps = Counter(head["tally"]), self.swept | head["swept"], head["sweeps"]
        self._since_sweep, self.watermark = head["since_sweep"], head["watermark"]
        for name, store in self.stores().items():
            held = rows[name]
            last_time = self._last_times(held) if name == "predictions" else held["time"]
            store.restore(take(held, ~(swept[name] & (last_time < self.swept[name]))))

    def _last_times(self, predictions: Columns) -> Ints:
        """Until when a label counts for each prediction."""
        return predictions["time"] + self._horizon_of(predictions["cohort"])

    def _label_arrivals(self, rows: Columns, known: Mask) -> Columns:
        """Label new predictions by the outcomes that wait for them, in place."""
        query, at = self.outcomes.find(rows["key"])
        events = self.outcomes.take(at)
        several = np.bincount(query, minlength=length(rows)) > 1  # outcomes wait for it: one of them may have matched
        same = same_request(take(rows, query), events)
        query, at, events = query[same], at[same], take(events, same)
        predictions = take(rows, query)
        verdict = self._judge(predictions, events["time"])
        counts = verdict.counts
        newly = _newly(self.outcomes, at, counts)
        asked = np.isin(newly, at[(known | several)[query]])
        self._count_matched(self.outcomes.take(newly), asked)
        _mark(self.outcomes, at, counts, verdict.late)
        predictions, events = take(predictions, counts), take(events, counts)
        self._tell(predictions, events)
        changed, state, changes = self._settle(query[counts], predictions, events)
        for name, values in state.items():
            rows[name][changed] = values
        return changes

    def _attribute_arrivals(self, rows: Columns) -> Columns:
        """Give new predictions the feedback that waits for them, in place."""
        query, at = self.feedback.find(rows["key"])
        events = self.feedback.take(at)
        predictions = take(rows, query)
        belongs, late = self._belongs(predictions, events)
        self.tally["attributed"] += len(_newly(self.feedback, at, belongs))
        _mark(self.feedback, at, belongs, late)
        query, predictions, events = query[belongs], take(predictions, belongs), take(events, belongs)
        self._tell(predictions, events)
        rows["flags"][query], changes = _attribute(query, predictions, events)
        return changes

    def _readable(self, outcomes: Columns) -> Columns:
        """Outcomes with what some task reads, and nothing else."""
        return outcomes | {name: absent for name, absent in self._unread(outcomes).items() if name not in self._held}

    @staticmethod
    def _unread(outcomes: Columns) -> Columns:
        """What outcomes say where no task reads it: nothing, so that it cannot decide which one stands."""
        rows = length(outcomes)
        return {"label": np.zeros(rows, np.uint64), "value": np.full(rows, np.nan)}

    def _judge(self, predictions: Columns, times: Ints) -> Verdict:
        """Judge pairs; no label counts for a prediction whose windows may be final, whenever it comes."""
        horizon = self._horizon_of(predictions["cohort"])
        verdict = in_time(predictions["time"], times, horizon, self._disorder)
        age = self.watermark - predictions["time"] - horizon
        return Verdict(verdict.counts & (age <= 0), verdict.late & (age <= self._disorder))

    def _belongs(self, predictions: Columns, events: Columns) -> tuple[Mask, Mask]:
        """Pairs whose feedback counts, and pairs where it came late."""
        seen = ((predictions["flags"] & SHADOW) == 0) | (events["target"] != 0)
        same = same_request(predictions, events) & seen
        verdict = self._judge(predictions, events["time"])
        return same & verdict.counts, same & verdict.late

    def _settle(self, places: Ints, predictions: Columns, outcomes: Columns) -> tuple[Ints, Columns, Columns]:
        """
        Let the right outcome stand for each prediction, over aligned pairs.

        Returns the places whose outcome changed, their new state, and the label changes.
        """
        chosen = standing(places, outcomes)
        before, after = take(predictions, chosen), take(outcomes, chosen)
        had = (before["flags"] & LABELLED) != 0
        self.tally["joined"] += int((~had).sum())
        wins = ~had | beats(after, before)
        state = {name: np.where(wins, after[of], before[name]) for name, of in OUTCOME_STATE.items() if name in before}
        state["flags"] = before["flags"] | how_joined(places, outcomes, len(chosen))
        if self._dated:
            return places[chosen], state, label_changes(Pairs(places, predictions, outcomes), self._earlier)
        old = label_rows(take(before, had & wins), -1)
        new = label_rows(take(before | state, wins), 1)
        return places[chosen], state, concat([old, new])

    def _earlier(self, pairs: Pairs) -> Pairs:
        """Pairs that predictions which have a label were in before: with the outcome that stands, and those held."""
        labelled = np.flatnonzero((pairs.predictions["flags"] & LABELLED) != 0)
        places, first = np.unique(pairs.places[labelled], return_index=True)
        predictions = take(pairs.predictions, labelled[first])
        state = self._unread(predictions) | {"label_weight": np.ones(len(places))} | predictions
        stands = {of: state[name] for name, of in OUTCOME_STATE.items()}
        query, at = self.outcomes.find(predictions["key"])
        owners, events = take(predictions, query), self._readable(self.outcomes.take(at))
        counts = in_time(owners["time"], events["time"], self._horizon_of(owners["cohort"]), self._disorder).counts
        counted = same_request(owners, events) & counts & ((events["flags"] & MATCHED) != 0)
        held = Pairs(places[query], owners, events).where(counted)
        return Pairs(places, predictions, stands).with_(held)

    def _count_matched(self, outcomes: Columns, known: Mask) -> None:
        """
        Count outcomes that match for the first time, before their flags are set.

        The first of a request (and prediction named) labels, further revisions correct. Only those of the mask
        `known` may have an earlier one.
        """
        first = np.sort(np.unique(same_outcome(outcomes), return_index=True)[1])
        asked = first[known[first]]
        labelling = len(first) - int(self._matched_before(take(outcomes, asked)).sum())
        self.tally["labelling"] += labelling
        self.tally["corrected"] += length(outcomes) - labelling

    def _matched_before(self, outcomes: Columns) -> Mask:
        """Whether another outcome of the same request (and prediction named) has matched a prediction."""
        before = np.zeros(len(outcomes["key"]), np.bool_)
        query, at = self.outcomes.find(outcomes["key"])
        held = self.outcomes.take(at)
        same = (same_outcome(held) == same_outcome(outcomes)[query]) & ((held["flags"] & MATCHED) != 0)
        before[query[same]] = True
        query, at = self.predictions.find(outcomes["key"])
        events = take(outcomes, query)
        predictions = self.predictions.take(at, ("check", "id", "flags"))
        before[query[same_request(predictions, events) & joined_before(predictions, events)]] = True
        return before


def _is_bare(predictions: Columns) -> Mask:
    """Which predictions have no label."""
    bare: Mask = (predictions["flags"] & LABELLED) == 0
    return bare


def _attribute(places: Ints, predictions: Columns, events: Columns) -> tuple[Array, Columns]:
    """Feedback changes of aligned pairs, and each pair's prediction flags after all of them."""
    bits = np.left_shift(np.uint16(1), events["kind"].astype(np.uint16) + np.uint16(FIRST_KIND_BIT))
    first = first_of_kind(places, bits, predictions["flags"])
    unique, inverse = np.unique(places, return_inverse=True)
    added = np.zeros(len(unique), np.uint16)
    np.bitwise_or.at(added, inverse, bits)
    changes = {
        "cohort": predictions["cohort"],
        "time": predictions["time"],
        "weight": predictions["weight"],
        "sign": np.ones(len(places)),
        "kind": events["kind"].astype(np.int64),
        "value": events["value"],
        "first": first.astype(np.float64),
    }
    changes["known"] = np.maximum(predictions["time"], events["time"])
    changes |= {name: predictions[name] for name in ABOUT_UNITS if name in predictions}
    return predictions["flags"] | added[inverse], changes


def _newly(store: Runs, at: Ints, counts: Mask) -> Ints:
    """Distinct places of waiting events that match now and have not before."""
    unmatched = (store.gather("flags", at) & MATCHED) == 0
    return np.unique(at[counts & unmatched])


def _mark(store: Runs, at: Ints, counts: Mask, late: Mask) -> None:
    """Flag waiting events as matched or late."""
    for mask, flag in ((counts, MATCHED), (late, LATE)):
        store.put(at[mask], {"flags": store.gather("flags", at[mask]) | np.uint8(flag)})


def _let_go(store: Runs, cut: int) -> Orphans:
    """Remove events older than the cut; those that matched nothing are orphans."""
    gone = store.remove(store.where(lambda rows: rows["time"] < cut))
    unmatched = (gone["flags"] & MATCHED) == 0
    return Orphans(gone["ref"][unmatched], (gone["flags"][unmatched] & LATE) != 0)
