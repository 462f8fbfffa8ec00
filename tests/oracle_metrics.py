"""
The metrics of the oracle, each written down as its definition: from the cases of one row to (value, n).

`n` is the number of unweighted observations that the metric is about; the value is None where it is not defined.
A label weighs one over the product of its prediction's and its outcome's inclusion probability.
Errors are added as exact fractions, because what they leave of large numbers is what is to be judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from math import ceil, fsum, log, log1p, log2, sqrt
from typing import Any, NamedTuple

Event = dict[str, Any]
Model = dict[str, Any]
Result = tuple[float | None, int]

KINDS = ("complaint", "edit", "click", "conversion", "override", "crash")
RATES = {f"{kind}_rate": kind for kind in KINDS} | {"acceptance_rate": "accept"}


class Case(NamedTuple):
    """
    A prediction with its model, the outcome that stands (None: none matched) and the feedback that it got.

    Outcomes and feedback are its own when their times lie in [first, last].
    """

    prediction: Event
    model: Model
    first: int
    last: int
    outcome: Event | None = None
    feedback: tuple[Event, ...] = ()


class Label(NamedTuple):
    """What a metric compares: the weight of a label, the truth, and what had been predicted."""

    weight: float
    truth: Any
    prediction: Any


def measure(metric: str, cases: list[Case]) -> Result:
    """Compute the metric of that name, such as "recall" or "ndcg@10"."""
    if metric in RATES:
        return feedback_rate(RATES[metric], cases)
    name, _, k = metric.partition("@")
    return AT_K[name](cases, int(k)) if k else METRICS[name](cases)


def weight(case: Case) -> float:
    """Return how many predictions this one stands for."""
    return 1 / float(case.prediction["inclusion_probability"])


def truth(case: Case) -> Any:
    """Return what the outcome says in the terms of the task: its value (regression) or label; None if nothing."""
    if case.outcome is None or case.model["task"] == "none":
        return None
    return case.outcome["value" if case.model["task"] == "regression" else "label"]


def labels(cases: list[Case], predicted: Callable[[Case], Any]) -> list[Label]:
    """List the labelled cases for which something was predicted."""
    found = []
    for case in cases:
        if case.outcome is not None and truth(case) is not None and predicted(case) is not None:
            probability = case.prediction["inclusion_probability"] * case.outcome["inclusion_probability"]
            found.append(Label(1 / float(probability), truth(case), predicted(case)))
    return found


def score(case: Case) -> Any:
    """Return the predicted score or number."""
    return case.prediction["score"]


def answer(case: Case) -> Any:
    """Return the predicted label: the event's own, else (binary) what the threshold makes of the score."""
    label = case.prediction["label"]
    if label is not None or case.model["task"] != "binary" or score(case) is None:
        return label
    return case.model["positive"] if score(case) >= case.model.get("threshold", 0.5) else "any other label"


def ratio(part: float, whole: float) -> float | None:
    """Divide, with None for a share of nothing."""
    return part / whole if whole else None


def mean(terms: Iterable[tuple[float, float]]) -> Result:
    """Weighted mean of (weight, x) pairs, and their number."""
    pairs = list(terms)
    return ratio(fsum(w * x for w, x in pairs), fsum(w for w, _ in pairs)), len(pairs)


# ---- Traffic and feedback


def count(cases: list[Case]) -> Result:
    return fsum(map(weight, cases)), len(cases)


def feedback_rate(kind: str, cases: list[Case]) -> Result:
    return mean((weight(case), float(any(f["kind"] == kind for f in case.feedback))) for case in cases)


def mean_rating(cases: list[Case]) -> Result:
    return mean((weight(case), f["value"]) for case in cases for f in case.feedback if f["kind"] == "rating")


def mean_prediction(cases: list[Case]) -> Result:
    scored = [(Fraction(weight(case)), Fraction(score(case))) for case in cases if score(case) is not None]
    return exact_mean(scored)


# ---- Classes


class Confusion(NamedTuple):
    """Weights of the labels in each cell of the table of truth and prediction."""

    tp: list[float]
    fp: list[float]
    fn: list[float]
    tn: list[float]


def confusion(cases: list[Case]) -> Confusion:
    table = Confusion([], [], [], [])
    positive = cases[0].model["positive"]
    for w, actual, predicted in labels(cases, answer):
        hit, miss = (table.tp, table.fn) if actual == positive else (table.fp, table.tn)
        (hit if predicted == positive else miss).append(w)
    return table


def accuracy(cases: list[Case]) -> Result:
    if cases[0].model["task"] == "multiclass":
        return mean((w, float(predicted == actual)) for w, actual, predicted in labels(cases, answer))
    tp, fp, fn, tn = confusion(cases)
    return ratio(fsum(tp + tn), fsum(tp + fp + fn + tn)), len(tp + fp + fn + tn)


def precision(cases: list[Case]) -> Result:
    tp, fp, _, _ = confusion(cases)
    return ratio(fsum(tp), fsum(tp + fp)), len(tp + fp)


def recall(cases: list[Case]) -> Result:
    tp, _, fn, _ = confusion(cases)
    return ratio(fsum(tp), fsum(tp + fn)), len(tp + fn)


def specificity(cases: list[Case]) -> Result:
    _, fp, _, tn = confusion(cases)
    return ratio(fsum(tn), fsum(tn + fp)), len(tn + fp)


def f1(cases: list[Case]) -> Result:
    tp, fp, fn, _ = confusion(cases)
    return ratio(2 * fsum(tp), fsum(tp + tp + fp + fn)), len(tp + fp + fn)


def balanced_accuracy(cases: list[Case]) -> Result:
    (sensitivity, positives), (selectivity, negatives) = recall(cases), specificity(cases)
    both = None if sensitivity is None or selectivity is None else (sensitivity + selectivity) / 2
    return both, positives + negatives


def mcc(cases: list[Case]) -> Result:
    table = confusion(cases)
    tp, fp, fn, tn = (sum(map(Fraction, cell)) for cell in table)
    margins = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    return ratio(float(tp * tn - fp * fn), sqrt(margins)), sum(map(len, table))


# ---- Probabilities


def chances(cases: list[Case]) -> list[Label]:
    """List the labels as 0 or 1 beside the scores."""
    return [Label(w, float(actual == cases[0].model["positive"]), s) for w, actual, s in labels(cases, score)]


def brier(cases: list[Case]) -> Result:
    return mean((w, (s - y) ** 2) for w, y, s in chances(cases))


def mean_score(cases: list[Case]) -> Result:
    return mean((w, s) for w, _, s in chances(cases))


def log_loss(cases: list[Case]) -> Result:
    clipped = [(w, y, min(max(s, 1e-15), 1 - 1e-15)) for w, y, s in chances(cases)]
    return mean((w, -log(p) if y else -log1p(-p)) for w, y, p in clipped)


def roc_auc(cases: list[Case]) -> Result:
    """Weighted share of (positive, negative) pairs that are in order, ties half; scores in bins of a thousandth."""
    binned = [(w, y, max(ceil(1000 * s) - 1, 0)) for w, y, s in chances(cases)]
    pairs = [(v * w, b - c) for v, y, b in binned if y for w, z, c in binned if not z]
    return mean((w, 0.5 if gap == 0 else float(gap > 0)) for w, gap in pairs)[0], len(binned)


# ---- Numbers


def errors(cases: list[Case]) -> list[tuple[Fraction, Fraction]]:
    """List (weight, predicted - actual) exactly."""
    return [(Fraction(w), Fraction(s) - Fraction(actual)) for w, actual, s in labels(cases, score)]


def exact_mean(pairs: list[tuple[Fraction, Fraction]]) -> Result:
    total = sum((w for w, _ in pairs), Fraction())
    return (float(sum((w * x for w, x in pairs), Fraction()) / total) if pairs else None), len(pairs)


def mae(cases: list[Case]) -> Result:
    return exact_mean([(w, abs(e)) for w, e in errors(cases)])


def mse(cases: list[Case]) -> Result:
    return exact_mean([(w, e * e) for w, e in errors(cases)])


def rmse(cases: list[Case]) -> Result:
    square, n = mse(cases)
    return None if square is None else sqrt(square), n


def bias(cases: list[Case]) -> Result:
    return exact_mean(errors(cases))


def r2(cases: list[Case]) -> Result:
    """One minus squared errors over squared deviations of the truth from its weighted mean."""
    actual = [(Fraction(w), Fraction(y)) for w, y, _ in labels(cases, score)]
    total = sum((w for w, _ in actual), Fraction())
    centre = sum((w * y for w, y in actual), Fraction()) / (total or 1)
    spread = sum((w * (y - centre) ** 2 for w, y in actual), Fraction())
    squares = sum((w * e * e for w, e in errors(cases)), Fraction())
    return (float(1 - squares / spread) if spread else None), len(actual)


# ---- Rankings


def ranks(cases: list[Case]) -> list[tuple[float, int]]:
    """List (weight, place of the relevant item counted from 1, 0 when it is not in the ranking)."""
    found = labels(cases, lambda case: list(case.prediction["ranking"]))
    return [(w, items.index(item) + 1 if item in items else 0) for w, item, items in found]


def ndcg_at(cases: list[Case], k: int) -> Result:
    """With one relevant item the ideal gain is 1."""
    return mean((w, 1 / log2(1 + rank) if 1 <= rank <= k else 0.0) for w, rank in ranks(cases))


def hit_rate_at(cases: list[Case], k: int) -> Result:
    return mean((w, float(1 <= rank <= k)) for w, rank in ranks(cases))


def mrr(cases: list[Case]) -> Result:
    return mean((w, 1 / rank if rank else 0.0) for w, rank in ranks(cases))


AT_K: dict[str, Callable[[list[Case], int], Result]] = {"ndcg": ndcg_at, "hit_rate": hit_rate_at}
METRICS: dict[str, Callable[[list[Case]], Result]] = {
    function.__name__: function
    for function in (
        *(count, mean_rating, mean_prediction, accuracy, precision, recall, specificity, f1, balanced_accuracy, mcc),
        *(brier, mean_score, log_loss, roc_auc, mae, mse, rmse, bias, r2, mrr),
    )
}
