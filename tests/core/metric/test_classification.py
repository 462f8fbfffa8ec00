"""Binary and multiclass label metrics against scikit-learn, weighted and not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk

from streams.core.metric.base import Estimate, Floats, Task
from streams.core.metric.interval import bounded, wilson

Evaluate = Callable[..., Estimate]
Reference = Callable[..., float]
weightings = pytest.mark.parametrize("weighted", [False, True])

BINARY: dict[str, Reference] = {
    "accuracy": sk.accuracy_score,
    "precision": sk.precision_score,
    "recall": sk.recall_score,
    "specificity": lambda y, yhat, **kw: sk.recall_score(y, yhat, pos_label=0, **kw),
    "f1": sk.f1_score,
    "balanced_accuracy": sk.balanced_accuracy_score,
    "mcc": sk.matthews_corrcoef,
}


def macro(of: Reference) -> Reference:
    return lambda y, yhat, **kw: of(y, yhat, average="macro", zero_division=0, **kw)


MULTICLASS: dict[str, Reference] = {
    "accuracy": sk.accuracy_score,
    "precision": macro(sk.precision_score),
    "recall": macro(sk.recall_score),
    "f1": macro(sk.f1_score),
    "balanced_accuracy": sk.balanced_accuracy_score,
    "mcc": sk.matthews_corrcoef,
}


def binary_rows(seed: int, n: int = 150) -> tuple[Floats, Floats, Floats]:
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.3).astype(float)
    yhat = np.where(rng.random(n) < 0.75, y, 1 - y)
    return y, yhat, 1 / rng.uniform(0.1, 1, n)


def multiclass_rows(seed: int, n: int = 200) -> tuple[Any, Any, Floats]:
    """Five classes, the last never actual, one actual never predicted."""
    rng = np.random.default_rng(seed)
    actual = rng.integers(0, 4, n)
    predicted = np.where(rng.random(n) < 0.6, actual, rng.integers(0, 5, n))
    return actual, np.where(predicted == 3, 4, predicted), 1 / rng.uniform(0.1, 1, n)


@weightings
@pytest.mark.parametrize("name", BINARY)
def test_binary_values(name: str, weighted: bool, evaluate: Evaluate) -> None:
    """Each metric of two classes equals scikit-learn's, with sample weights and without."""
    for seed in range(5):
        y, yhat, weight = binary_rows(seed)
        weight = weight if weighted else np.ones(len(y))

        e = evaluate(name, "binary", y=y, yhat=yhat, weight=weight)

        np.testing.assert_allclose(e.value, BINARY[name](y, yhat, sample_weight=weight), rtol=1e-12)


@weightings
@pytest.mark.parametrize("name", MULTICLASS)
@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
def test_multiclass_values(name: str, weighted: bool, evaluate: Evaluate) -> None:
    """Each metric of many classes equals scikit-learn's, also where classes are never actual or never predicted."""
    for seed in range(5):
        actual, predicted, weight = multiclass_rows(seed)
        weight = weight if weighted else np.ones(len(actual))

        e = evaluate(name, "multiclass", actual=actual, predicted=predicted, weight=weight)

        np.testing.assert_allclose(e.value, MULTICLASS[name](actual, predicted, sample_weight=weight), rtol=1e-12)


def test_many_windows_at_once(evaluate: Evaluate) -> None:
    """Multiclass windows with different classes are told apart: each equals scikit-learn on its own rows."""
    actual, predicted, _ = multiclass_rows(11, 300)
    window = np.random.default_rng(1).integers(0, 6, 300)
    actual = actual + 100 * window

    e = evaluate("mcc", "multiclass", windows=6, actual=actual, predicted=predicted + 100 * window, window=window)

    for w in range(6):
        own = window == w
        expected = sk.matthews_corrcoef(actual[own], predicted[own] + 100 * w)
        np.testing.assert_allclose(e.value[w], expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "n"), [("accuracy", 6), ("precision", 3), ("recall", 4), ("specificity", 2), ("f1", 5), ("mcc", 6)]
)
def test_sizes_are_of_the_denominator(name: str, n: int, evaluate: Evaluate) -> None:
    """N counts the observations a metric is a share of: for precision those predicted positive."""
    e = evaluate(name, "binary", y=[1, 1, 1, 1, 0, 0, 1], yhat=[1, 1, 0, 0, 1, 0, np.nan])

    assert e.n.tolist() == [n]


def test_f1_interval_follows_the_share_of_right_ones(evaluate: Evaluate) -> None:
    """F1 = 2J/(1+J) of the share J = tp/(tp+fp+fn), so its limits are those of Wilson's for J, mapped."""
    y, yhat, _ = binary_rows(3)
    among = (y == 1) | (yhat == 1)

    e = evaluate("f1", "binary", y=y, yhat=yhat)

    j = np.array(wilson(np.array([(y * yhat).sum() / among.sum()]), np.array([float(among.sum())])))
    np.testing.assert_allclose(np.array([e.low, e.high]), 2 * j / (1 + j), rtol=1e-12)


def influence_variance(of: Reference, y: Any, yhat: Any, weight: Floats) -> float:
    """n/(n-1) sum (w dT/dw)^2, the derivatives by central differences."""
    step = 1e-5
    slopes = []
    for i in range(len(y)):
        shift = np.where(np.arange(len(y)) == i, step * weight, 0.0)
        up, down = (of(y, yhat, sample_weight=weight + sign * shift) for sign in (1, -1))
        slopes.append((up - down) / (2 * step))
    return float(np.sum(np.square(slopes)) * len(y) / (len(y) - 1))


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_mcc_interval_is_the_delta_methods(task: Task, evaluate: Evaluate) -> None:
    """MCC's interval is the one of its linearised variance, whose derivatives are found here by differences."""
    y, yhat, weight = binary_rows(4, 80) if task == "binary" else multiclass_rows(4, 80)
    names = ("y", "yhat") if task == "binary" else ("actual", "predicted")

    e = evaluate("mcc", task, weight=weight, **dict(zip(names, (y, yhat), strict=True)))

    variance = influence_variance(sk.matthews_corrcoef, y, yhat, weight)
    expected = bounded(e.value, np.array([variance]), fallback=np.ones(1), low=-1.0)
    np.testing.assert_allclose([e.low, e.high], expected, rtol=1e-6)


def test_mcc_of_one_class(evaluate: Evaluate) -> None:
    """One true class has no coefficient, also where its weighted shares add up to more than 1 by rounding."""
    e = evaluate("mcc", "binary", y=[1.0] * 5, yhat=[1.0, 0.0, 1.0, 0.0, 1.0], weight=[0.1, 1.1, 0.1, 1.1, 0.1])

    np.testing.assert_array_equal([e.value, e.low, e.high], np.full((3, 1), np.nan))


def test_macro_f1_interval_is_the_delta_methods(evaluate: Evaluate) -> None:
    """One error lowers F1 of two classes at once: for two large ones the limits are value +- z se by linearisation."""
    y, yhat, weight = binary_rows(5, 150)

    e = evaluate("f1", "multiclass", actual=y, predicted=yhat, weight=weight)

    half = 1.959964 * np.sqrt(influence_variance(MULTICLASS["f1"], y, yhat, weight))
    np.testing.assert_allclose([e.high - e.value, e.value - e.low], half, rtol=1e-6)


def test_macro_f1_of_rare_classes_is_no_surer(evaluate: Evaluate) -> None:
    """With classes of a few rows the limits are those of the linearised variance, or further."""
    y, yhat, weight = multiclass_rows(5, 120)

    e = evaluate("f1", "multiclass", actual=y, predicted=yhat, weight=weight)

    half = 1.959964 * np.sqrt(influence_variance(MULTICLASS["f1"], y, yhat, weight))
    assert 0.999 * half <= e.high[0] - e.value[0] < 2 * half
    assert 0.999 * half <= e.value[0] - e.low[0] < 2 * half


@pytest.mark.parametrize("name", ["accuracy", "precision", "recall", "f1", "balanced_accuracy", "mcc"])
@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_perfect_predictions_are_not_certain(name: str, task: Task, evaluate: Evaluate) -> None:
    """Twenty right answers of twenty give 1, with a lower limit that twenty answers can support."""
    y = np.arange(20) % 2
    columns = {"y": y, "yhat": y} if task == "binary" else {"actual": y, "predicted": y}

    e = evaluate(name, task, **columns)

    assert e.value[0] == 1.0
    assert 0.6 < e.low[0] < 0.93
    assert e.high[0] == pytest.approx(1.0)


@pytest.mark.parametrize(("name", "below"), [("balanced_accuracy", 0.75), ("mcc", 0.6)])
def test_a_class_of_three_does_not_look_certain(name: str, below: float, evaluate: Evaluate) -> None:
    """All right about a class of three leaves doubt about it, however many the other class has."""
    y = np.array([1.0] * 3 + [0.0] * 3000)

    e = evaluate(name, "binary", y=y, yhat=y)

    assert e.value[0] == pytest.approx(1.0)
    assert 0.2 < e.low[0] < below


@pytest.mark.parametrize(
    ("name", "y", "yhat"),
    [
        ("precision", [1, 0], [0, 0]),
        ("recall", [0, 0], [1, 0]),
        ("specificity", [1, 1], [1, 0]),
        ("f1", [0, 0], [0, 0]),
        ("balanced_accuracy", [1, 1], [1, 0]),
        ("mcc", [1, 1], [1, 0]),
        ("mcc", [1, 0], [0, 0]),
    ],
)
def test_what_the_rows_do_not_define(name: str, y: list[int], yhat: list[int], evaluate: Evaluate) -> None:
    """A share of nothing, and a correlation with a constant, are NaN rather than 0."""
    e = evaluate(name, "binary", y=y, yhat=yhat)

    assert np.isnan([e.value, e.low, e.high]).all()


def test_f1_without_a_right_one_is_zero(evaluate: Evaluate) -> None:
    """F1 is 0, not NaN, when positives were predicted or there, and none was right."""
    e = evaluate("f1", "binary", y=[1, 0, 0], yhat=[0, 1, 0])

    assert e.value[0] == e.low[0] == 0.0
    assert e.high[0] > 0.5


def test_multiclass_with_one_class(evaluate: Evaluate) -> None:
    """With a single class macro averages are of that class, and the correlation is NaN."""
    recall, mcc = (evaluate(name, "multiclass", actual=[7, 7], predicted=[7, 7]) for name in ("recall", "mcc"))

    assert recall.value[0] == 1.0
    assert np.isnan(mcc.value[0])
